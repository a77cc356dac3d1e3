"""Checks that the arrays of a model file have the shapes and types that its card implies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.embedding.multiscale import MAX_SCALES, MAX_WINDOW_VALUES
from decoders.errors import BadModel
from decoders.serialization import need


def check_shapes(arrays: Mapping[str, NDArray[Any]], n_channels: int, n_states: int, n_labels: int) -> None:
    """Compare every array's shape and type with those that the card implies.

    Parameters
    ----------
    arrays
        Arrays of the model file.
    n_channels, n_states, n_labels
        Channels, frames plus "no stimulus", and label columns according to the card.

    Raises
    ------
    BadModel
        If an array is missing or does not fit.
    """
    valid = need(arrays, "preprocess.valid")
    n_used = int(np.count_nonzero(valid))
    n_features = n_used * _n_windows(arrays)
    n_dimensions = need(arrays, "embedding.projection").shape[-1]
    own = bool(need(arrays, "emission.own").any())
    expected: dict[str, tuple[tuple[int, ...], str]] = {
        "preprocess.valid": ((n_channels,), "b"),
        "preprocess.mean": ((n_channels,), "f"),
        "preprocess.spread": ((n_channels,), "f"),
        "embedding.mean": ((n_features,), "f"),
        "embedding.projection": ((n_features, n_dimensions), "f"),
        "prototypes.prototypes": ((n_dimensions, n_states), "f"),
        "prototypes.bias": ((n_states,), "f"),
        "emission.weights": ((n_used, n_states) if own else (0, 0), "f"),
        "emission.bias": ((n_states,) if own else (0,), "f"),
        "playback.target": ((n_states,), "f"),
        "playback.initial": ((n_states,), "f"),
        "continuous.values": ((n_states - 1, n_labels), "f"),
        "continuous.ridge": ((n_dimensions + 1, n_labels), "f"),
        "continuous.sharpness": ((n_labels,), "f"),
        "continuous.reach": ((n_labels,), "f"),
        "continuous.label": ((n_labels,), "i"),
        "continuous.interval": ((2, n_labels), "f"),
        "likeness": ((need(arrays, "likeness").size,), "f"),
    }
    if "prior" in arrays:
        expected["prior"] = ((n_states,), "f")
    for name, (shape, kind) in expected.items():
        array = need(arrays, name)
        if array.shape != shape or array.dtype.kind != kind:
            raise BadModel(
                f"the model's {name!r} has shape {array.shape} and type {array.dtype}, but its card implies {shape}. "
                "The file is damaged; fit the model again."
            )
    for name in ("scaling.n_window", "emission.n_window"):
        n_window = int(need(arrays, name).reshape(-1)[0])
        if not 1 <= n_window * n_channels <= MAX_WINDOW_VALUES:
            raise BadModel(
                f"the model's {name!r} is {n_window} samples, which is not a possible window. Fit the model again."
            )
    if n_used == 0 or not len(arrays["likeness"]) or np.any(arrays["preprocess.spread"] <= 0):
        raise BadModel("the model uses no channel, or its scales are not positive. Fit the model again.")


def _n_windows(arrays: Mapping[str, NDArray[Any]]) -> int:
    """Number of windows in the features; checks that they get longer and that the last one is the context window."""
    spans = arrays.get("spans")
    if spans is None:
        return 1
    valid = spans.ndim == 1 and 2 <= len(spans) <= MAX_SCALES and spans.dtype.kind == "i"
    valid = valid and spans[0] >= 1 and bool(np.all(np.diff(spans) > 0))
    if not (valid and np.array_equal(spans[-1:], need(arrays, "scaling.n_window").reshape(-1))):
        raise BadModel("the model's windows do not get longer up to its context. Fit the model again.")
    return len(spans)
