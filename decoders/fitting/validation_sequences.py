"""Validation sequences: held-out stretches of the training data on which settings are compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet

MAX_CELLS = 540_000
"""Largest number of samples times states in one sequence."""

MAX_SAMPLES = 3000

SCENE_S = (1.0, 4.0)
"""Shortest and longest scene of a shuffled sequence, in seconds."""


@dataclass(frozen=True, slots=True, eq=False)
class ValidationSequence:
    """A held-out stretch of training data, in its original order or with its scenes shuffled.

    Attributes
    ----------
    index
        Int64 [time], positions of its samples in the training data.
    clean
        Float32 [time, used channels], preprocessed samples.
    state
        Int64 [time], true states.
    ticks
        Int64 [time], frame-clock ticks since the sample before; in shuffled scenes those of an uninterrupted repeat.
    boundary
        Bool [time], true where windows and filters restart.
    in_order
        Whether the samples are in their original order.
    """

    index: NDArray[np.int64]
    clean: NDArray[np.float32]
    state: NDArray[np.int64]
    ticks: NDArray[np.int64]
    boundary: NDArray[np.bool_]
    in_order: bool


def validation_sequences(
    data: TrainingSet, test: NDArray[np.bool_], rng: np.random.Generator
) -> list[ValidationSequence]:
    """Return the held-out samples in order and, for a movie, also cut into scenes of 1 to 4 s in random order.

    Training shows the movie in order only: without shuffled scenes, validation would never reward detecting a jump.

    Parameters
    ----------
    data
        Training data.
    test
        Bool [time], the held-out samples.
    rng
        Random generator for cuts and order.
    """
    index = np.flatnonzero(test)[: min(MAX_SAMPLES, MAX_CELLS // data.n_states + 1)]
    boundary = data.boundary[index] | np.r_[True, np.diff(index) > 1]
    in_order = ValidationSequence(
        index, data.clean[index], data.state[index], data.ticks[index], boundary, in_order=True
    )
    if not data.movie_rate_hz or data.rate_hz * SCENE_S[0] < 1:
        return [in_order]
    cuts = np.cumsum(rng.uniform(*SCENE_S, len(index)) * data.rate_hz).astype(np.int64)
    scenes = np.split(index, cuts[cuts < len(index)])
    order = np.concatenate([scenes[i] for i in rng.permutation(len(scenes))])
    typical_ticks = int(np.median(data.ticks[~data.boundary])) if (~data.boundary).any() else 1
    start = np.zeros(len(index), bool)
    start[0] = True
    ticks = np.where(data.boundary[order], typical_ticks, data.ticks[order])
    state = _reordered_states(data, order)
    shuffled = ValidationSequence(order, data.clean[order], state, ticks, start, in_order=False)
    return [in_order, shuffled]


def _reordered_states(data: TrainingSet, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the true states of reordered samples, int64 [time].

    With a delay (lookahead or lag), the truth of a sample is the state ``n_delay`` samples earlier in the new order.
    """
    state = data.state[order]
    if data.n_delay:
        # In the recording, the truth about that earlier sample is stored ``n_delay`` samples after it.
        carrier = np.minimum(order[: -data.n_delay] + data.n_delay, len(data.state) - 1)
        segment = np.cumsum(data.boundary)
        same_segment = segment[carrier] == segment[order[: -data.n_delay]]
        state[data.n_delay :] = np.where(same_segment, data.state[carrier], state[data.n_delay :])
    return state
