"""`session`; how recordings survive every file format is tested in `tests/stream/io`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import BadRecording, BadUsage, NeuroReelError, ShapeMismatch
from stream.session import MAX_FRAMES, Session, repeats_from_frames, segments_from_stamps
from tests.stream.strategies import sessions


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"neural": np.zeros(80)}, ShapeMismatch, r"'neural' must be \[time, channels\], got shape \(80,\)"),
        ({"frame": np.zeros(3, np.int32)}, ShapeMismatch, r"'frame' must have shape \(80,\) .* got \(3,\)"),
        (
            {"labels": {"x": np.zeros(80)}},
            ShapeMismatch,
            r"label 'x' must be \[80, columns\], got shape \(80,\)",
        ),
        ({"channel_names": ("a",)}, ShapeMismatch, "must have 6 names, one per channel of 'neural', got 1"),
        ({"channel_names": tuple("abcdea")}, ShapeMismatch, "must be unique, got 'a' more than once"),
        ({"stamps": np.full(80, np.nan)}, BadRecording, "'stamps' must be seconds, got 80 values"),
        ({"stamps": np.zeros(80)}, BadRecording, "'stamps' must increase within a segment.* at sample 1;"),
        ({"segment": -np.arange(80)}, BadRecording, "'segment' must never decrease, but does at sample 1"),
        ({"rate_hz": -1.0}, BadRecording, r"'rate_hz' must be from 0 \(irregular\) to 1e\+06, got -1"),
        (
            {"frame": np.full(80, 20)},
            ShapeMismatch,
            "'frame' must be below 20, the length of the movie, got 20",
        ),
        ({"frame": np.full(80, -2)}, BadRecording, "'frame' must be -1 .* got -2"),
        ({"frame": np.full(80, MAX_FRAMES), "movie": None}, BadRecording, "'frame' must be below 10000000"),
    ],
)
def test_invalid_arrays_are_refused_with_the_value(
    small_session: Session, change: dict[str, Any], error: type[NeuroReelError], message: str
) -> None:
    with pytest.raises(error, match=message):
        replace(small_session, **change)


@given(sessions(), st.integers(0, 2**32 - 1))
def test_a_selection_has_a_boundary_at_every_omission(session: Session, seed: int) -> None:
    keep = np.random.default_rng(seed).random(session.n_samples) < 0.6
    part = session.take(keep)
    index = np.flatnonzero(keep)
    np.testing.assert_array_equal(part.stamps, session.stamps[index])
    for row in range(1, len(index)):
        adjacent = index[row] == index[row - 1] + 1
        same = adjacent and session.segment[index[row]] == session.segment[index[row - 1]]
        assert (part.segment[row] == part.segment[row - 1]) == same


def test_whole_repeats_are_selected_with_the_blank_before(small_session: Session) -> None:
    part = small_session.select_repeats([1])
    assert part.frame.tolist() == [*[-1] * 5, *range(20)]
    last = small_session.select_repeats([2])
    assert last.frame.tolist() == [*[-1] * 5, *range(20), *[-1] * 5]
    assert small_session.repeat_with_blanks().tolist() == [0] * 25 + [1] * 25 + [2] * 30
    with pytest.raises(BadUsage, match="no repeat 3-4, 7 in this recording; it has repeats 0-2"):
        small_session.select_repeats([1, 3, 4, 7])


def test_numbers_that_blanks_carry_do_not_move_them(small_session: Session) -> None:
    expected = small_session.repeat_with_blanks()
    before = np.maximum(
        np.maximum.accumulate(small_session.repeat), 0
    )  # gray carries the number of the repeat before
    for repeat in (before, expected):
        numbered = replace(small_session, repeat=repeat.astype(np.int32))
        assert numbered.repeat_with_blanks().tolist() == expected.tolist()
        for part, same in ((numbered.select_repeats([1, 2]), small_session.select_repeats([1, 2])),
                           (numbered.select_time(0.33, 1), small_session.select_time(0.33, 1))):  # fmt: skip
            assert part.repeat_with_blanks().tolist() == same.repeat_with_blanks().tolist()
    rest = replace(small_session, repeat=np.where(small_session.repeat < 0, 7, small_session.repeat))
    assert 7 in rest.repeat_with_blanks()
    runs = replace(small_session, repeat=before.astype(np.int32), segment=before.astype(np.int32))
    assert runs.repeat_with_blanks().tolist() == before.tolist()  # rest at the end of a run stays there
    labelled = replace(small_session, repeat=before.astype(np.int32), frame=np.full(80, -1, np.int32))
    assert labelled.repeat_with_blanks().tolist() == before.tolist()


def test_a_part_is_selected_by_fractions(small_session: Session) -> None:
    first, second = small_session.select_time(0, 0.3), small_session.select_time(0.3, 1)
    np.testing.assert_array_equal(np.r_[first.stamps, second.stamps], small_session.stamps)
    with pytest.raises(BadUsage, match=r"0 <= start < stop <= 1, got 0\.5 and 0\.2"):
        small_session.select_time(0.5, 0.2)


def test_the_hash_depends_on_the_content_alone(small_session: Session) -> None:
    moved = replace(small_session, stamps=small_session.stamps + 1000, name="other")
    assert moved.sha256() == small_session.sha256()
    neural = small_session.neural.copy()
    neural[0, 0] += 1
    assert replace(small_session, neural=neural).sha256() != small_session.sha256()


def test_segments_and_repeats_of_plain_series() -> None:
    stamps = np.array([0.0, 0.1, 0.2, 0.5, 0.4, 0.5])
    assert segments_from_stamps(stamps, 10.0).tolist() == [0, 0, 0, 1, 2, 2]
    assert segments_from_stamps(stamps, 0.0).tolist() == [0, 0, 0, 0, 1, 1]
    assert segments_from_stamps(np.zeros(0), 10.0).tolist() == []
    frame = np.array([-1, 0, 1, 2, 0, 1, -1, 5, 3], np.int32)
    assert repeats_from_frames(frame).tolist() == [-1, 0, 0, 0, 1, 1, -1, 2, 2]


def test_a_session_says_what_it_is(small_session: Session) -> None:
    assert repr(small_session) == (
        "<Session: V1 | spikes 6 channels, 30 Hz, 80 samples, 3 repeats, 20 frames>"
    )
