"""The streams that the display receives: what each must look like, and which of its samples can be used."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pylsl
from numpy.typing import NDArray

from decoders.prediction import HORIZONS_S, N_LIKELIEST, PREDICTION_CHANNELS
from gui.client.engine_info import MAX_FRAMES
from gui.state.snapshot import Source
from stream.lsl.connection import carries_text
from stream.lsl.outlet import NEURAL_TYPES

MAX_POSTERIOR = 2_000
"""Largest number of frame channels in a posterior stream; an engine pools the frames of longer movies."""

LATEST_STAMP_S = 1e10
"""Timestamps beyond this many seconds, 300 years, are no timestamps."""

LARGEST_VALUE = 1e6
"""Largest coordinate of an embedded point that is drawn."""

LARGEST_LABEL = 1e9
"""Largest value of a continuous label that is drawn."""

_FINITE = ("frame", "confidence", "next_frame", "next_confidence", "entropy_bits", "sequence", "stamp_raw")
_COLUMN = {name: index for index, name in enumerate(PREDICTION_CHANNELS)}


@dataclass(frozen=True, slots=True)
class Role:
    """What a stream must look like to be opened.

    Attributes
    ----------
    types
        Accepted LSL types.
    text
        Whether it carries text.
    fewest, most
        Bounds of the number of channels.
    """

    types: tuple[str, ...]
    text: bool = False
    fewest: int = 1
    most: int = 1


ENGINE_ROLES = {
    "posterior": Role(("Posterior",), fewest=2, most=MAX_POSTERIOR + 1),
    "forecast": Role(
        ("Forecast",), fewest=len(HORIZONS_S) * (2 * N_LIKELIEST + 1), most=len(HORIZONS_S) * (2 * N_LIKELIEST + 1)
    ),
    "embedding": Role(("Embedding",), most=4_096),
    "continuous": Role(("Continuous",), most=1_000),
    "status": Role(("Markers",), text=True),
}  # fmt: skip
"""Streams that an engine sends beside its predictions."""

LABEL_ROLES = ("label", "second label")
"""The labels of a position: one of two columns, or two."""

ROLES = {
    "prediction": Role(("Prediction",), fewest=len(PREDICTION_CHANNELS), most=len(PREDICTION_CHANNELS)),
    "stimulus": Role(("Stimulus",), most=64),
    **ENGINE_ROLES,
    **{role: Role(("Label",), most=1_000) for role in LABEL_ROLES},
    "neural": Role(NEURAL_TYPES, most=100_000),
}
"""All streams that the display receives, in the order in which they are read: the others refer to the predictions."""


def shape_problem(role: str, info: pylsl.StreamInfo, n_frames: int) -> str:
    """Why a stream cannot be what its name says; empty if it can.

    Parameters
    ----------
    role
        Key of `ROLES`.
    info
        Stream that LSL has found.
    n_frames
        Number of movie frames that the engine's description gives; 0 if unknown.
    """
    wanted, n_channels = ROLES[role], info.channel_count()
    if carries_text(info) is not wanted.text:
        return "it sends numbers instead of text" if wanted.text else "it sends text instead of numbers"
    fewest, most = wanted.fewest, wanted.most
    if role == "posterior" and n_frames:
        fewest = most = math.ceil(n_frames / math.ceil(n_frames / MAX_POSTERIOR)) + 1
    if not fewest <= n_channels <= most:
        expected = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        return f"it has {n_channels} channels instead of {expected}"
    return ""


def usable_rows(
    role: str, rows: NDArray[Any], stamps: NDArray[np.float64], source: Source
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """The samples that can be shown: timestamps and values that are finite and within their bounds.

    Parameters
    ----------
    role
        Key of `ROLES`, of a stream of numbers.
    rows, stamps
        Samples [n, channels] and their timestamps, float64 [n].
    source
        The engine's description.
    """
    usable: Any = np.abs(stamps) < LATEST_STAMP_S
    if role == "prediction":
        usable &= _usable_predictions(rows, source)
    elif role == "posterior":
        usable &= np.all((rows > -1e-3) & (rows < 1.001), axis=1)
    elif role == "forecast":
        usable &= _usable_forecasts(rows, source)
    elif role == "embedding":
        usable &= np.all(np.abs(rows) < LARGEST_VALUE, axis=1)
    elif role in ("continuous", *LABEL_ROLES):  # an unknown label is NaN
        usable &= (np.isnan(rows) | (np.abs(rows) < LARGEST_LABEL)).all(axis=1)
    elif role == "stimulus":
        usable &= bool(source.places) | ((rows[:, 0] >= -1) & (rows[:, 0] < MAX_FRAMES))
    elif role == "neural":  # a channel without a valid value is NaN; only a row without any is of no use
        usable &= np.isfinite(rows).any(axis=1)
    return (rows, stamps) if usable.all() else (rows[usable], stamps[usable])


def _are_frames(numbers: NDArray[Any], source: Source) -> NDArray[np.bool_]:
    """Whether numbers are frames that the engine decodes, or -1."""
    if not source.n_frames:
        return (numbers >= -1) & (numbers < MAX_FRAMES)
    return np.isin(numbers, source.states.numbers_by_state)


def _usable_predictions(rows: NDArray[Any], source: Source) -> NDArray[np.bool_]:
    frames = rows[:, [_COLUMN["frame"], _COLUMN["next_frame"]]]
    chances = rows[:, [_COLUMN["confidence"], _COLUMN["next_confidence"]]]
    known = rows[:, [_COLUMN[name] for name in _FINITE]]
    version = rows[:, _COLUMN["model_version"]]
    conditions = [
        np.isfinite(known).all(axis=1),
        _are_frames(frames, source).all(axis=1),
        ((chances > -1e-3) & (chances < 1.001)).all(axis=1),
        (np.isnan(rows) | (np.abs(rows) < 2.0**53)).all(axis=1),
        (version >= 0) & (version < 2**31),
    ]
    return np.asarray(np.all(conditions, axis=0), np.bool_)


def _usable_forecasts(rows: NDArray[Any], source: Source) -> NDArray[np.bool_]:
    parts = rows.reshape(len(rows), len(HORIZONS_S), -1)
    frames, chances = parts[..., :N_LIKELIEST], parts[..., N_LIKELIEST : 2 * N_LIKELIEST]
    fits = _are_frames(frames, source) & (chances > -1e-3) & (chances < 1.001)
    return np.asarray(fits.all(axis=(1, 2)), np.bool_)
