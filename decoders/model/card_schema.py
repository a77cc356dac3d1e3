"""The card of a model, checked: it comes from a file that anybody may have written."""

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
    """Make sure that everything which decoding takes from the card is there and of its kind.

    Parameters
    ----------
    card
        As read from the file.

    Raises
    ------
    BadModel
        Naming the field that is missing or wrong.
    """
    names = card.get("channel_names")
    strings = isinstance(names, list) and bool(names) and all(isinstance(name, str) for name in names)
    _demand(strings, card, "channel_names")
    _demand(_whole(card.get("n_frames"), 1, MAX_FRAMES), card, "n_frames")
    _demand(card.get("kind") in list(Kind), card, "kind")
    for field in ("rate_hz", "movie_rate_hz", "context_ms", "lookahead_ms", "lag_ms", "shrinkage"):
        _demand(_number(card.get(field)), card, field)
    for field in ("lookahead_ms", "lag_ms"):
        _demand(card[field] <= MAX_DELAY_MS, card, field)
    share = card.get("channel_share", 1.0)
    _demand(_number(share) and 0 < share <= 1, card, "channel_share")
    for field in ("mode", "decoder", "recording"):
        _demand(isinstance(card.get(field), str), card, field)
    labels = card.get("labels")
    pairs = isinstance(labels, list) and all(
        isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) and _whole(pair[1], 1, 10_000)
        for pair in labels
    )
    _demand(pairs, card, "labels")
    _demand(_clips_fit(card), card, "clips")


def _clips_fit(card: Mapping[str, Any]) -> bool:
    clips = card.get("clips")
    if not isinstance(clips, list):
        return False
    try:
        return not clips or Movie(tuple(Clip(**clip) for clip in clips)).n_frames == card["n_frames"]
    except (TypeError, ValueError, NeuroReelError):
        return False


def _number(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 and math.isfinite(value)
    )


def _whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _demand(good: bool, card: Mapping[str, Any], field: str) -> None:
    if not good:
        shown = repr(card.get(field))[:60]
        raise BadModel(f"the model's card says {field} = {shown}, which cannot be. Fit the model again.")
