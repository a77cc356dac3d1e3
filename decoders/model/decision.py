"""What is decided about one moment, and how single answers become channels and arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from decoders.prediction import HORIZONS_S, N_LIKELIEST, Prediction, Predictions

if TYPE_CHECKING:
    from decoders.readouts.continuous import ContinuousReader

_LOG2_E = 1 / log(2)
_TINY = 1e-30


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """What `Model.step` decides before the rest of the prediction; the first names are those of `Prediction`.

    Attributes
    ----------
    direction
        Float32 [dimensions], the point in the linear embedding.
    logits
        Float32 [states], without the playback model.
    ahead
        Float32 [horizons, states], the forecast.
    decided
        Whether the sample held anything, and there is a moment to decide on.
    known
        Whether the moment that a late answer is about lies in this segment.
    """

    frame: int
    confidence: float
    next_frame: int
    next_confidence: float
    entropy_bits: float
    novelty: float
    stamp_raw: float
    posterior: NDArray[np.float32]
    embedding: NDArray[np.float32]
    direction: NDArray[np.float32]
    logits: NDArray[np.float32]
    ahead: NDArray[np.float32]
    decided: bool
    known: bool


def entropy_bits(posterior: NDArray[np.float32]) -> float:
    """Entropy of float32 [states], bits."""
    logs: NDArray[np.float32] = posterior + _TINY
    np.log(logs, out=logs)
    return -_LOG2_E * float(posterior.dot(logs))


def forecast_channels(ahead: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the forecast stream says: frames, probabilities, entropy.

    Parameters
    ----------
    ahead
        Float32 [horizons, states]; the last state is "no stimulus".

    Returns
    -------
    channels
        Float32 [horizons, 2 * N_LIKELIEST + 1], see `Prediction`.
    """
    n_horizons, n_states = ahead.shape
    begins, frames, bits = _forecast_layout(n_horizons, n_states)
    k = min(N_LIKELIEST, n_states)
    out = np.zeros((n_horizons, 2 * N_LIKELIEST + 1), np.float32)
    out[:, k:N_LIKELIEST] = -1
    left = ahead.copy()
    flat = left.reshape(-1)
    places = np.empty((k, n_horizons), np.intp)
    for best in places:  # a few maxima are found faster than a partition, and come in order
        left.argmax(1, best)
        best += begins
        flat[best] = -1
    out[:, :k] = frames.take(places).T
    out[:, N_LIKELIEST : N_LIKELIEST + k] = ahead.take(places).T
    logs = ahead + _TINY
    np.log(logs, out=logs)
    logs *= ahead
    out[:, -1] = logs.dot(bits)
    return out


@cache
def _forecast_layout(
    n_horizons: int, n_states: int
) -> tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.float32]]:
    """Where each horizon begins among all states of all of them, which frame each is, and what makes nats bits."""
    frames = np.arange(n_states, dtype=np.float32)
    frames[-1] = -1
    bits = np.full(n_states, -_LOG2_E, np.float32)
    return np.arange(0, n_horizons * n_states, n_states), np.tile(frames, n_horizons), bits


def stack_predictions(
    rows: Sequence[Prediction],
    n_states: int,
    n_embedding: int,
    reader: ContinuousReader,
    ahead: dict[float, NDArray[np.float32]],
) -> Predictions:
    """Single predictions as arrays over time.

    Parameters
    ----------
    rows
        In order; there may be none.
    n_states, n_embedding
        Widths of the arrays.
    reader
        Of the continuous labels.
    ahead
        The forecast posteriors, float32 [time, states] by horizon in seconds.
    """

    def column(name: str, dtype: type, *shape: int) -> NDArray[Any]:
        out: NDArray[Any] = np.empty((len(rows), *shape), dtype)
        for index, row in enumerate(rows):
            out[index] = getattr(row, name)
        return out

    posterior = column("posterior", np.float32, n_states)
    continuous = column("continuous", np.float32, reader.values.shape[1])
    return Predictions(
        stamps=column("stamp_raw", np.float64),
        frame=column("frame", np.int32),
        confidence=column("confidence", np.float64),
        next_frame=column("next_frame", np.int32),
        next_confidence=column("next_confidence", np.float64),
        entropy_bits=column("entropy_bits", np.float64),
        novelty=column("novelty", np.float64),
        posterior=posterior,
        posterior_without_playback=column("posterior_without_playback", np.float32, n_states),
        embedding=column("embedding", np.float32, n_embedding),
        forecast=column("forecast", np.float32, len(HORIZONS_S), 2 * N_LIKELIEST + 1),
        continuous=continuous,
        half_width=reader.half_width(posterior, continuous) if continuous.size else continuous,
        forecast_posterior=ahead,
    )
