"""Words by kind: frames of a movie, categories, places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from decoders.data.frame_states import FrameStates
from gui import words
from gui.state.snapshot import MoviePictures, Source

MOVIE = Source(movie_rate_hz=30.0, n_frames=900, movie_name="scenes")
CATEGORIES = Source(n_frames=3, movie_name="face, house, cat")
PLACES = Source(n_frames=64)
NAMES = MoviePictures(Path("m"), "", FrameStates.counted(3), None, np.arange(3), ("face", "house", "cat"))


@pytest.mark.parametrize(
    ("source", "kind", "name", "short", "reach", "right", "wrong"),
    [
        (MOVIE, "frame", "frame 2 · 0.1 s", "2", "within 1 s", "exact", "off by -1 frame"),
        (
            CATEGORIES,
            "category",
            "category 2 · cat",
            "cat",
            "this category",
            "the right category",
            "another category",
        ),
        (PLACES, "place", "place 2", "2", "this place", "the right place", "another place"),
    ],
)
def test_each_kind_has_its_words(
    source: Source, kind: str, name: str, short: str, reach: str, right: str, wrong: str
) -> None:
    assert words.kind_of(source) == kind
    assert words.name_of(2, source, NAMES) == name
    assert words.short_name(2, source, NAMES) == short
    assert words.reach(source) == reach
    assert (words.verdict(0, source), words.verdict(-1, source)) == (right, wrong)
    assert words.name_of(-1, source) == "no stimulus"


def test_a_category_without_a_name_has_its_number() -> None:
    assert words.short_name(2, CATEGORIES) == "2"
    assert words.plural(words.Kind.CATEGORY) == "categories"


@pytest.mark.parametrize(
    ("lag_ms", "decoded", "forecast"),
    [
        (0.0, "now", "+1 s"),
        (7_500.0, "7.5 s ago", "+1 s, 6.5 s ago"),
        (333.0, "0.333 s ago", "+1 s, in 0.667 s"),
    ],
)
def test_the_moments_say_when_they_were(lag_ms: float, decoded: str, forecast: str) -> None:
    source = Source(signal_lag_ms=lag_ms)
    assert words.decoded_moment(source) == decoded
    assert words.forecast_moment(source) == forecast
