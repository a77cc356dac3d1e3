"""How sure a forecast may be: floors chosen on held-out parts of the training data."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.fitting.validation_sequences import ValidationSequence
from decoders.metrics import FrameAxis
from decoders.playback.filter import Playback, horizon_ticks
from decoders.playback.transitions import Transitions, persistence_forecast
from decoders.prediction import HORIZONS_S, OFFLINE_HORIZONS_S

FLOORS = (1e-3, 3e-3, 0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 0.9)
"""Shares of a uniform guess."""

DEFAULT_JUMP_AHEAD = 0.008
DEFAULT_FLOOR = 0.2
SMALLEST = 1e-6
STRIDE = 4
"""Every fourth moment is enough to choose on."""

Filtered = list[tuple[ValidationSequence, NDArray[np.float64]]]
"""Passages with their posteriors [time, states] after the filter."""


def select_forecast(
    data: TrainingSet, filtered: Filtered, table: Transitions
) -> tuple[Transitions, float, dict[str, list[float]]]:
    """Choose the floors of the simple forecasts, and from them the forecast's probability of a jump.

    All are as cautious as serves ``advance`` best at the last horizon, so that a comparison tells who knows more about
    the playback and not who hedges more.

    Where frames do not follow each other, the forecast is that the present goes on, unless what was learned of how the
    states follow each other says more about held-out moments one second ahead.

    Parameters
    ----------
    data
        Training data.
    filtered
        Held-out passages.
    table
        Learned transitions.

    Returns
    -------
    table
        With the forecast's transitions.
    jump_ahead
        Per tick.
    floors
        For ``persistence`` and ``advance``, one per horizon, those that are only scored offline last: the uniform
        share that serves them best.
    """
    horizons = (*HORIZONS_S, *OFFLINE_HORIZONS_S)
    floors = {name: [DEFAULT_FLOOR] * len(horizons) for name in ("persistence", "advance")}
    last = horizon_ticks(data.movie_rate_hz or data.rate_hz or 1.0, data.lag_s)[-1]
    if not data.rate_hz or not sum(len(_pairs(data, p, q, HORIZONS_S[-1])[1]) for p, q in filtered):
        return table, DEFAULT_JUMP_AHEAD, floors
    for row, horizon in enumerate(horizons):
        pairs = [_pairs(data, p, q, horizon) for p, q in filtered]
        states, truth = (np.concatenate([pair[column] for pair in pairs]) for column in (0, 1))
        if not len(truth):
            continue  # no showing is that long
        moved = advance_posterior(states, round((data.lag_s + horizon) * data.movie_rate_hz), data.axis)
        for name, guess in (("persistence", states), ("advance", moved)):
            floors[name][row] = _best_floor(guess[np.arange(len(truth)), truth], data.n_frames)
    jump_ahead = 1 - (1 - floors["advance"][len(HORIZONS_S) - 1]) ** (1 / last)
    if not data.movie_rate_hz and _holds_better(data, filtered, table, jump_ahead):
        table = persistence_forecast(table)
    return table, jump_ahead, floors


def _holds_better(data: TrainingSet, filtered: Filtered, table: Transitions, jump_ahead: float) -> bool:
    """Whether the learned step says less than holding the present, each as cautious as the other."""
    scores = []
    for ways in (table, persistence_forecast(table)):
        playback = Playback(ways, jump_ahead, jump_ahead, data.movie_rate_hz, data.rate_hz, data.lag_s)
        at_truth = []
        for sequence, posterior in filtered:
            states, truth = _pairs(data, sequence, posterior, HORIZONS_S[-1])
            ahead = playback.forecast_at(states, HORIZONS_S[-1])
            at_truth.append(ahead[np.arange(len(truth)), truth])
        scores.append(float(np.mean(np.log(np.maximum(np.concatenate(at_truth), SMALLEST)))))
    return scores[1] > scores[0]


def advance_posterior(
    posterior: NDArray[np.floating[Any]], n_frames: int, axis: FrameAxis
) -> NDArray[np.floating[Any]]:
    """Posteriors moved along the movie; what would pass a clip's end stays on its last frame.

    Parameters
    ----------
    posterior
        Float [time, states].
    n_frames
        How far.
    axis
        With the clips.
    """
    last = np.searchsorted(axis.clip, axis.clip, side="right") - 1
    to = np.r_[np.minimum(np.arange(axis.n_frames) + n_frames, last), axis.n_frames]
    out = np.zeros_like(posterior)
    order = np.argsort(to, kind="stable")
    first = np.flatnonzero(np.r_[True, np.diff(to[order]) > 0])
    out[:, to[order[first]]] = np.add.reduceat(posterior[:, order], first, axis=1)
    return out


def mix_uniform(
    at_truth: NDArray[np.floating[Any]], floor: float, n_frames: int
) -> NDArray[np.floating[Any]]:
    """Probabilities of the truth after a uniform guess took its share."""
    return (1 - floor) * at_truth + floor / n_frames


def _best_floor(at_truth: NDArray[np.float64], n_frames: int) -> float:
    return max(FLOORS, key=lambda floor: float(np.mean(np.log(mix_uniform(at_truth, floor, n_frames)))))


def _pairs(
    data: TrainingSet, sequence: ValidationSequence, posterior: NDArray[np.float64], horizon: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Posteriors and the frames shown a horizon after now, which is a lag after them, where one is shown then."""
    ahead = max(1, round((data.lag_s + horizon) * data.rate_hz))
    now = np.arange(0, max(len(posterior) - ahead, 0), STRIDE)
    segment = np.cumsum(sequence.boundary)
    good = segment[now] == segment[now + ahead]
    good &= sequence.state[now + ahead] < data.n_frames
    return posterior[now[good]], sequence.state[now[good] + ahead]
