"""Checks the card of a model file, which may come from anybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from decoders.data.frame_states import FrameStates
from decoders.data.label_places import LabelPlaces
from decoders.errors import BadModel
from decoders.prediction import HORIZONS_S, OFFLINE_HORIZONS_S
from stream.errors import BadRecording, NeuroReelError
from stream.movie import MAX_MOVIE_RATE_HZ, Clip, Movie
from stream.session import Kind

MAX_FRAMES = 10_000_000
MAX_DELAY_MS = 60_000
MAX_CONTEXT_MS = 600_000
MAX_RATE_HZ = 100_000
MAX_DELAY_SAMPLES = 1_000_000
MAX_TICKS = 5000
"""Largest forecast in frames of the playback model."""

MAX_LABEL_COLUMNS = 1000
"""Largest number of columns of all continuous labels together."""

MAX_NUMBER = 1e15
"""Largest number anywhere on a card."""


_MAX_DEPTH = 10


def check_card(card: Mapping[str, Any]) -> None:
    """Check that every field that decoding uses is present and valid.

    Parameters
    ----------
    card
        JSON object from the model file.

    Raises
    ------
    BadModel
        If a field is missing or invalid; the message names it.
    """
    for field, value in card.items():
        _require(_are_numbers_bounded(value, _MAX_DEPTH), card, field)
    names = card.get("channel_names")
    strings = isinstance(names, list) and bool(names) and all(isinstance(name, str) for name in names)
    _require(strings, card, "channel_names")
    _require(_is_int(card.get("n_frames"), 1, MAX_FRAMES), card, "n_frames")
    _require("frames" not in card or _are_frames(card), card, "frames")
    _require(card.get("kind") in list(Kind), card, "kind")
    for field, most in _MOST.items():
        _require(_is_size(card.get(field)) and card[field] <= most, card, field)
    delay_s, tick_hz = (
        (card["lookahead_ms"] + card["lag_ms"]) / 1000,
        card["movie_rate_hz"] or card["rate_hz"],
    )
    _require(delay_s * card["rate_hz"] <= MAX_DELAY_SAMPLES, card, "lag_ms")
    _require((1 + card["lag_ms"] / 1000) * tick_hz <= MAX_TICKS, card, "movie_rate_hz")
    share = card.get("channel_share", 1.0)
    _require(_is_size(share) and 0 < share <= 1, card, "channel_share")
    for field in ("mode", "decoder", "recording"):
        _require(isinstance(card.get(field), str), card, field)
    labels = card.get("labels")
    pairs = isinstance(labels, list) and all(
        isinstance(pair, list)
        and len(pair) == 2
        and isinstance(pair[0], str)
        and _is_int(pair[1], 1, MAX_LABEL_COLUMNS)
        for pair in labels
    )
    _require(pairs and sum(pair[1] for pair in labels or []) <= MAX_LABEL_COLUMNS, card, "labels")
    _require("places" not in card or _are_places(card), card, "places")
    _require(_are_clips(card), card, "clips")
    shares = card.get("baseline_accuracy", {})
    fractions = isinstance(shares, dict) and all(_is_size(share) and share <= 1 for share in shares.values())
    _require(fractions, card, "baseline_accuracy")
    _require("forecast_floors" not in card or _are_floors(card["forecast_floors"]), card, "forecast_floors")
    for field, types in _OPTIONAL.items():
        value = card.get(field)
        valid = isinstance(value, types) and not (isinstance(value, bool) and bool not in types)
        _require(field not in card or valid, card, field)


def check_limits(rate_hz: float, movie_rate_hz: float, n_label_columns: int, lag_s: float) -> None:
    """Check before fitting that the model's card will be valid.

    Parameters
    ----------
    rate_hz, movie_rate_hz
        Samples and movie frames per second; 0 for irregular recordings, and for frames that are no movie.
    n_label_columns
        Number of columns of all continuous labels together.
    lag_s
        Delay of the signal after the stimulus in seconds.

    Raises
    ------
    BadRecording
        If one is beyond what a model can have.
    """
    if 0 < rate_hz < 1000 / MAX_CONTEXT_MS:
        raise BadRecording(
            f"a model can be fitted on samples at most {MAX_CONTEXT_MS / 1000:g} s apart, got {1 / rate_hz:g} s. Are "
            "the timestamps in seconds?"
        )
    n_ticks = (1 + lag_s) * (movie_rate_hz or rate_hz)
    for name, value, most in (
        ("rate_hz", rate_hz, MAX_RATE_HZ),
        ("movie_rate_hz", movie_rate_hz, MAX_MOVIE_RATE_HZ),
        ("frames (or samples) within lag and forecast", n_ticks, MAX_TICKS),
        ("label columns", n_label_columns, MAX_LABEL_COLUMNS),
    ):
        if value > most:
            raise BadRecording(
                f"a model can be fitted on at most {most:g} {name}, got {value:g}. Bin the recording more "
                "coarsely, or leave labels out."
            )


_MOST = {
    "rate_hz": MAX_RATE_HZ,
    "movie_rate_hz": MAX_MOVIE_RATE_HZ,
    "context_ms": MAX_CONTEXT_MS,
    "lookahead_ms": MAX_DELAY_MS,
    "lag_ms": MAX_DELAY_MS,
    "shrinkage": MAX_NUMBER,
}
"""Largest value of each number that every card has."""

_OPTIONAL: dict[str, tuple[type, ...]] = {
    "train_seconds": (int, float),
    "posterior_power": (int, float),
    "evening": (int, float),
    "diagonal": (bool,),
    "seed": (int,),
    "decoder_embedding": (str,),
    "trained_on": (dict,),
    "unused_channels": (list,),
    "simulated": (bool,),
    "explore": (bool,),
    "baseline_accuracy": (dict,),
}
"""Types of fields that evaluation and the report use."""


def _are_numbers_bounded(value: Any, depth: int) -> bool:
    """Return whether every number in a value is finite and of a possible size, and it is not nested too deeply."""
    if isinstance(value, dict | list):
        members = value.values() if isinstance(value, dict) else value
        return depth > 0 and all(_are_numbers_bounded(member, depth - 1) for member in members)
    return not isinstance(value, int | float) or abs(value) <= MAX_NUMBER  # false for NaN, too


def _are_frames(card: Mapping[str, Any]) -> bool:
    try:
        frames = card["frames"]
        return isinstance(frames, str) and len(FrameStates.from_text(frames)) == int(card["n_frames"])
    except NeuroReelError:
        return False


def _are_floors(floors: object) -> bool:
    n = len(HORIZONS_S) + len(OFFLINE_HORIZONS_S)
    return isinstance(floors, dict) and all(
        isinstance(row, list) and len(row) == n and all(_is_size(share) and share <= 1 for share in row)
        for row in floors.values()
    )


def _are_places(card: Mapping[str, Any]) -> bool:
    try:
        places = LabelPlaces.from_card(card["places"])
    except (TypeError, ValueError, KeyError):
        return False
    columns = dict(card["labels"]).get(places.label)
    fits = places.centres.shape == (card["n_frames"], columns) and places.scale.shape == (columns,)
    return fits and bool(np.all(places.scale > 0))


def _are_clips(card: Mapping[str, Any]) -> bool:
    clips = card.get("clips")
    if not isinstance(clips, list):
        return False
    try:
        movie = Movie(tuple(Clip(**clip) for clip in clips)) if clips else None
        texts = all(
            isinstance(text, str) for clip in clips for text in (clip["name"], clip.get("sha256", ""))
        )
        rates = all(_is_size(clip["rate_hz"]) and clip["rate_hz"] <= MAX_MOVIE_RATE_HZ for clip in clips)
        ints = all(
            _is_int(clip[name], 0, MAX_FRAMES) for clip in clips for name in ("first_frame", "n_frames")
        )
        return texts and rates and ints and (movie is None or movie.n_frames == card["n_frames"])
    except (TypeError, ValueError, NeuroReelError):
        return False


def _is_size(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_NUMBER


def _is_int(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _require(valid: bool, card: Mapping[str, Any], field: str) -> None:
    if not valid:
        shown = repr(card.get(field))[:60]
        raise BadModel(f"the model's card has {field} = {shown}, which is not valid. Fit the model again.")
