"""Words by kind: frames of a movie, categories and places are different things."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from gui.state.snapshot import MoviePictures, Source
from stream.printable import printable


class Kind(StrEnum):
    """What the numbers that a model decodes stand for."""

    FRAME = "frame"
    CATEGORY = "category"
    PLACE = "place"


def kind_of(source: Source) -> Kind:
    """What an engine decodes.

    Parameters
    ----------
    source
        The engine's description.
    """
    if source.movie_rate_hz:
        return Kind.FRAME
    return Kind.CATEGORY if source.movie_name else Kind.PLACE


def plural(kind: Kind) -> str:
    """The plural of a kind."""
    return "categories" if kind is Kind.CATEGORY else f"{kind}s"


def name_of(frame: int, source: Source, pictures: MoviePictures | None = None) -> str:
    """Name of a frame, with its movie time or its category's name.

    Parameters
    ----------
    frame
        Number of the frame; negative for no stimulus.
    source
        The engine's description.
    pictures
        What the model file has, if it was found.
    """
    if frame < 0:
        return "no stimulus"
    if source.places:
        return f"{label_of(source)} {place_value(frame, source)}"
    kind = kind_of(source)
    text = f"{kind} {frame}"
    if kind is Kind.FRAME:
        return f"{text} · {frame / source.movie_rate_hz:.1f} s"
    state = pictures.state_of(frame) if pictures is not None else None
    if kind is Kind.CATEGORY and pictures is not None and state is not None:
        clip = int(pictures.clip_of_frame[state])
        return f"{text} · {pictures.clip_names[clip]}" if clip < len(pictures.clip_names) else text
    return text


def short_name(frame: int, source: Source, pictures: MoviePictures | None = None) -> str:
    """Number of a frame or place, or the name of a category, for a small picture."""
    if frame < 0:
        return "blank"
    if source.places:
        return place_value(frame, source)
    category = kind_of(source) is Kind.CATEGORY
    return name_of(frame, source, pictures).partition(" · ")[2] or str(frame) if category else str(frame)


def place_value(frame: int, source: Source) -> str:
    """The label's value at a place; its number if that is unknown."""
    places, state = source.states.places, int(source.states.states(np.array(frame)))
    if places is None or not 0 <= state < len(places.centres):
        return str(frame)
    return ", ".join(f"{value:.3g}" for value in places.centres[state])


def axis_name(frame: int, source: Source) -> str:
    """Number of a frame on an axis, or the value of a label with one column."""
    places = source.states.places
    return str(frame) if places is None or places.centres.shape[1] > 1 else place_value(frame, source)


def label_of(source: Source) -> str:
    """Name of the label whose places are decoded; empty if there is none."""
    places = source.states.places
    return "" if places is None else printable(places.label, limit=40)


def reach(source: Source) -> str:
    """What the confidence and the score are about."""
    return "within 1 s" if source.movie_rate_hz else f"this {kind_of(source)}"


def verdict(error: int, source: Source) -> str:
    """Say how far a decoded frame is from the true one."""
    kind = kind_of(source)
    if not error:
        return "exact" if kind is Kind.FRAME else f"the right {kind}"
    if kind is Kind.FRAME:
        return f"off by {error:+d} frame{'s' if abs(error) > 1 else ''}"
    return f"another {kind}"


def decoded_moment(source: Source) -> str:
    """When the decoded moment was: ``now``, or how long ago."""
    return f"{source.delay_s:.3g} s ago" if source.delay_s else "now"


def forecast_moment(source: Source) -> str:
    """When the forecast moment is, one second after the decoded one."""
    if not source.delay_s:
        return "+1 s"
    ahead_s = 1.0 - source.delay_s
    return f"+1 s, {-ahead_s:.3g} s ago" if ahead_s < 0 else f"+1 s, in {ahead_s:.3g} s"
