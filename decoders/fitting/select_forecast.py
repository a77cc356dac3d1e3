"""Selects the uniform floors of the forecasts by cross-validation: how cautious each forecast must be."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.fitting.validation_sequences import ValidationSequence
from decoders.metrics import FrameAxis, given_shown
from decoders.playback.filter import Playback, horizon_ticks
from decoders.playback.transition_powers import Transitions
from decoders.playback.transitions import persistence_forecast
from decoders.prediction import HORIZONS_S, OFFLINE_HORIZONS_S

FLOORS = (1e-3, 3e-3, 0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 0.9)
"""Candidate weights of a uniform distribution mixed into a forecast."""

DEFAULT_JUMP_AHEAD = 0.008
DEFAULT_FLOOR = 0.2
MIN_PROBABILITY = 1e-6
LEARNED_GAIN = 0.02
"""Nats by which learned transitions must beat holding the present state: on few trials a smaller gain is chance."""

STRIDE = 4
"""Every fourth sample is scored."""

FilteredSequences = list[tuple[ValidationSequence, NDArray[np.float64]]]
"""Validation sequences with their filtered posteriors float64 [time, states]."""


def select_forecast(
    data: TrainingSet, filtered: FilteredSequences, transitions: Transitions
) -> tuple[Transitions, float, dict[str, list[float]]]:
    """Select the floors of the simple forecasts, and from them the forecast's jump probability.

    The model's forecast is as cautious as ``advance`` is best at the last horizon, so that comparisons between them
    measure knowledge of the playback and not the amount of hedging.

    Without a movie rate, the forecast holds the present state unless the learned transitions score better by
    `LEARNED_GAIN` up to one second ahead.

    Parameters
    ----------
    data
        Training data.
    filtered
        Validation sequences with their filtered posteriors.
    transitions
        Learned transitions.

    Returns
    -------
    transitions
        Transitions with those of the selected forecast.
    jump_ahead
        Jump probability of the forecast per tick.
    floors
        Best floor of ``persistence`` and of ``advance`` at each horizon; horizons that are only scored offline last.
    """
    horizons = (*HORIZONS_S, *OFFLINE_HORIZONS_S)
    floors = {name: [DEFAULT_FLOOR] * len(horizons) for name in ("persistence", "advance")}
    last = horizon_ticks(data.movie_rate_hz or data.rate_hz or 1.0, data.lag_s)[-1]
    if not data.rate_hz or not sum(len(_pairs(data, s, p, HORIZONS_S[-1])[1]) for s, p in filtered):
        return transitions, DEFAULT_JUMP_AHEAD, floors
    for row, horizon in enumerate(horizons):
        pairs = [_pairs(data, sequence, posterior, horizon) for sequence, posterior in filtered]
        present, truth = (np.concatenate([pair[column] for pair in pairs]) for column in (0, 1))
        if not len(truth):
            continue  # no sequence is that long
        advanced = advance_posterior(present, round((data.lag_s + horizon) * data.movie_rate_hz), data.axis)
        for name, forecast in (("persistence", present), ("advance", advanced)):
            at_truth = given_shown(forecast)[np.arange(len(truth)), truth]
            floors[name][row] = _best_floor(at_truth.astype(np.float64), data.n_frames)
    jump_ahead = 1 - (1 - floors["advance"][len(HORIZONS_S) - 1]) ** (1 / last)
    if not data.movie_rate_hz and _holding_scores_better(data, filtered, transitions, floors["persistence"]):
        transitions = persistence_forecast(transitions)
    return transitions, jump_ahead, floors


def _holding_scores_better(
    data: TrainingSet, filtered: FilteredSequences, transitions: Transitions, hedges: Sequence[float]
) -> bool:
    """Return whether holding the present state scores better than the learned transitions, equally cautious."""
    scores = []
    for candidate in (transitions, persistence_forecast(transitions)):
        playback = Playback(candidate, 0.0, 0.0, 0.0, data.rate_hz, data.lag_s, hedges)
        at_truth = []
        for (sequence, posterior), horizon in product(filtered, HORIZONS_S):
            present, truth = _pairs(data, sequence, posterior, horizon)
            ahead = given_shown(playback.forecast_at(present, horizon))
            at_truth.append(ahead[np.arange(len(truth)), truth])
        scores.append(float(np.mean(np.log(np.maximum(np.concatenate(at_truth), MIN_PROBABILITY)))))
    return scores[1] > scores[0] - LEARNED_GAIN


def advance_posterior(
    posterior: NDArray[np.floating[Any]], n_frames: int, axis: FrameAxis
) -> NDArray[np.floating[Any]]:
    """Shift posteriors along the movie; probability that would pass the end of a clip stays on its last frame.

    Parameters
    ----------
    posterior
        Float [time, states].
    n_frames
        Frames to shift by.
    axis
        With the clip of each frame.
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
    """Mix a uniform distribution over frames into the probabilities of the truth.

    Parameters
    ----------
    at_truth
        Float [time], probabilities of the true frames.
    floor
        Weight of the uniform distribution, 0 to 1.
    n_frames
        Number of frames.
    """
    return (1 - floor) * at_truth + floor / n_frames


def _best_floor(at_truth: NDArray[np.float64], n_frames: int) -> float:
    return max(FLOORS, key=lambda floor: float(np.mean(np.log(mix_uniform(at_truth, floor, n_frames)))))


def _pairs(
    data: TrainingSet, sequence: ValidationSequence, posterior: NDArray[np.float64], horizon: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return present posteriors and the true frames one horizon after now, which is one lag after what they decode.

    Samples are left out where the horizon lies in another segment or shows no stimulus.
    """
    ahead = max(1, round((data.lag_s + horizon) * data.rate_hz))
    now = np.arange(0, max(len(posterior) - ahead, 0), STRIDE)
    segment = np.cumsum(sequence.boundary)
    usable = segment[now] == segment[now + ahead]
    usable &= sequence.state[now + ahead] < data.n_frames
    return posterior[now[usable]], sequence.state[now[usable] + ahead]
