"""Checks the card of a model file, which may come from anybody."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from decoders.errors import BadModel
from stream.errors import NeuroReelError
from stream.movie import Clip, Movie
from stream.session import Kind

MAX_FRAMES = 10_000_000
MAX_DELAY_MS = 60_000


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
    names = card.get("channel_names")
    strings = isinstance(names, list) and bool(names) and all(isinstance(name, str) for name in names)
    _require(strings, card, "channel_names")
    _require(_is_int(card.get("n_frames"), 1, MAX_FRAMES), card, "n_frames")
    _require(card.get("kind") in list(Kind), card, "kind")
    for field in ("rate_hz", "movie_rate_hz", "context_ms", "lookahead_ms", "lag_ms", "shrinkage"):
        _require(_is_size(card.get(field)), card, field)
    for field in ("lookahead_ms", "lag_ms"):
        _require(card[field] <= MAX_DELAY_MS, card, field)
    share = card.get("channel_share", 1.0)
    _require(_is_size(share) and 0 < share <= 1, card, "channel_share")
    for field in ("mode", "decoder", "recording"):
        _require(isinstance(card.get(field), str), card, field)
    labels = card.get("labels")
    pairs = isinstance(labels, list) and all(
        isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) and _is_int(pair[1], 1, 10_000)
        for pair in labels
    )
    _require(pairs, card, "labels")
    _require(_are_clips(card), card, "clips")


def _are_clips(card: Mapping[str, Any]) -> bool:
    clips = card.get("clips")
    if not isinstance(clips, list):
        return False
    try:
        return not clips or Movie(tuple(Clip(**clip) for clip in clips)).n_frames == card["n_frames"]
    except (TypeError, ValueError, NeuroReelError):
        return False


def _is_size(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 and math.isfinite(value)
    )


def _is_int(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _require(valid: bool, card: Mapping[str, Any], field: str) -> None:
    if not valid:
        shown = repr(card.get(field))[:60]
        raise BadModel(f"the model's card has {field} = {shown}, which is not valid. Fit the model again.")
