"""Held-out stretches of the training data that settings are tried on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet

MAX_CELLS = 540_000
"""The most samples times states of one passage."""

MAX_SAMPLES = 3000

SCENE_S = (1.0, 4.0)
"""Lengths of the scenes that a passage is cut into."""


@dataclass(frozen=True, slots=True, eq=False)
class ValidationSequence:
    """A held-out stretch that the playback model's settings are tried on.

    Attributes
    ----------
    index
        Int64 [time], which samples of the training data.
    clean, state, ticks, border
        As in the training data; in shuffled scenes the ticks of an unbroken showing.
    in_order
        Whether it is as it came.
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
    """The held-out samples as they came and, of a movie, also cut into scenes of one to four seconds in random order.

    Training shows the movie in order only; without the second form nothing would speak for noticing a jump.

    Parameters
    ----------
    data
        Training data.
    test
        Bool [time], what is held out.
    rng
        Where the cuts come from.
    """
    index = np.flatnonzero(test)[: min(MAX_SAMPLES, MAX_CELLS // data.n_states + 1)]
    boundary = data.boundary[index] | np.r_[True, np.diff(index) > 1]
    plain = ValidationSequence(
        index, data.clean[index], data.state[index], data.ticks[index], boundary, in_order=True
    )
    if not data.movie_rate_hz or data.rate_hz * SCENE_S[0] < 1:
        return [plain]
    cuts = np.cumsum(rng.uniform(*SCENE_S, len(index)) * data.rate_hz).astype(np.int64)
    pieces = np.split(index, cuts[cuts < len(index)])
    shuffled = np.concatenate([pieces[i] for i in rng.permutation(len(pieces))])
    usual = int(np.median(data.ticks[~data.boundary])) if (~data.boundary).any() else 1
    start = np.zeros(len(index), bool)
    start[0] = True
    ticks = np.where(data.boundary[shuffled], usual, data.ticks[shuffled])
    state = _moved(data, shuffled)
    mixed = ValidationSequence(shuffled, data.clean[shuffled], state, ticks, start, in_order=False)
    return [plain, mixed]


def _moved(data: TrainingSet, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """The states of samples in another order: where answers come late, of the moment that long ago in this order."""
    state = data.state[order]
    if data.n_delay:
        # The sample that carries the truth of that moment came as long after it in the recording.
        carrier = np.minimum(order[: -data.n_delay] + data.n_delay, len(data.state) - 1)
        segment = np.cumsum(data.boundary)
        there = segment[carrier] == segment[order[: -data.n_delay]]
        state[data.n_delay :] = np.where(there, data.state[carrier], state[data.n_delay :])
    return state
