"""Validation sequences: held-out stretches of the training data on which settings are compared.

They are spread over the whole of each fold. Where the states follow each other in a fixed order, as in a movie, they are
also shuffled: a window that is longer than what a frame evokes learns which frames came before, and scores well only as
long as the order never changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.data.play_order import SCENE_S, shuffle_scenes, states_are_scenes
from decoders.data.training_set import TrainingSet
from decoders.fitting.settings import cross_validation_folds

MAX_CELLS = 2_000_000
"""Largest number of samples times states in one sequence."""

MAX_SAMPLES = 3000

STRETCH_S, PLAYBACK_STRETCH_S = 4.0, 15.0
"""Seconds of the stretches that are spread over a fold that is longer than a sequence may be: for decoders alone, and
for the playback model, which first has to find the movie in each."""

MIN_STRETCHES = 2
"""Stretches are shorter where fewer than this many would fit."""

BLANK_SHARE = (0.03, 0.15)
"""Least and largest weight of all moments without a stimulus in a score."""


@dataclass(frozen=True, slots=True, eq=False)
class ValidationSequence:
    """A held-out part of the training data, in its original order or with its scenes shuffled.

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
    data: TrainingSet, test: NDArray[np.bool_], rng: np.random.Generator, *, alone: bool = False
) -> list[ValidationSequence]:
    """Return held-out samples in order and, where training shows one order only, cut into shuffled scenes.

    Parameters
    ----------
    data
        Training data.
    test
        Bool [time], the held-out samples.
    rng
        Random generator for cuts and order.
    alone
        For decoders without the playback model: where the order is fixed and each state lasts a second or more, such as
        a bin of one second, every state is a scene by itself, and nothing is in order. Otherwise only movies are
        shuffled, in scenes of `decoders.data.play_order.SCENE_S`; none where the order is known.
    """
    n_most = min(MAX_SAMPLES, MAX_CELLS // data.n_states + 1)
    index = _spread(data, test, n_most, STRETCH_S if alone else PLAYBACK_STRETCH_S)
    boundary = data.boundary[index] | np.r_[True, np.diff(index) > 1]
    in_order = ValidationSequence(
        index, data.clean[index], data.state[index], data.ticks[index], boundary, in_order=True
    )
    rate_hz = data.rate_hz or 1.0
    single = alone and data.fixed_order and states_are_scenes(data.state[index], index, rate_hz)
    by_length = data.movie_rate_hz and rate_hz * SCENE_S[0] >= 1 and (data.fixed_order or not alone)
    if not single and not by_length:
        return [in_order]
    order = shuffle_scenes(data.state[index], index, rate_hz, rng, single=single)
    typical_ticks = int(np.median(data.ticks[~data.boundary])) if (~data.boundary).any() else 1
    start = np.zeros(len(index), bool)
    start[0] = True
    ticks = np.where(data.boundary[order], typical_ticks, data.ticks[order])
    state = _reordered_states(data, order)
    shuffled = ValidationSequence(order, data.clean[order], state, ticks, start, in_order=False)
    return [shuffled] if single else [in_order, shuffled]


def validation_facts(data: TrainingSet, seed: int) -> dict[str, Any]:
    """Return on how many held-out moments, frames and repeats settings are chosen, JSON-ready.

    Parameters
    ----------
    data
        Training data.
    seed
        Random seed of the shuffled scenes.
    """
    index, in_order = [np.zeros(0, np.int64)], set()
    for _, test in cross_validation_folds(data):
        for sequence in validation_sequences(data, test, np.random.default_rng(seed), alone=True):
            index.append(sequence.index[sequence.state < data.n_frames])
            in_order.add(sequence.in_order)
    moments = np.unique(np.concatenate(index))
    orders = {True: "in order", False: "shuffled"}
    return {
        "moments": len(moments),
        "frames": len(np.unique(data.state[moments])),
        "of_frames": len(np.unique(data.state[data.state < data.n_frames])),
        "repeats": len(np.unique(data.block[moments])),
        "order": " and ".join(orders[each] for each in sorted(in_order, reverse=True)),
    }


def moment_weights(state: NDArray[np.int64], n_frames: int) -> NDArray[np.float64]:
    """Return what each moment counts in a score, float64 [time], summing to 1.

    All moments with a stimulus count the same, as in an evaluation. Those without count together as much as one frame,
    within `BLANK_SHARE`: long rest between the stimuli must not decide.

    Parameters
    ----------
    state
        Int64 [time], true states.
    n_frames
        Number of frames; this state is "no stimulus".

    Examples
    --------
    >>> moment_weights(np.array([0, 1, 2, 2, 2, 2]), 2).round(3).tolist()
    [0.425, 0.425, 0.038, 0.038, 0.038, 0.038]
    """
    blank = state == n_frames
    n_blank = int(blank.sum())
    if n_blank in (0, len(state)):
        return np.full(len(state), 1 / max(len(state), 1))
    share = float(np.clip(1 / (len(np.unique(state[~blank])) + 1), *BLANK_SHARE))
    return np.where(blank, share / n_blank, (1 - share) / (len(state) - n_blank))


def _spread(data: TrainingSet, test: NDArray[np.bool_], n_most: int, stretch_s: float) -> NDArray[np.int64]:
    """Return the held-out samples, or at most about ``n_most`` in stretches spread evenly over what is shown."""
    index = np.flatnonzero(test)
    if len(index) <= n_most:
        return index
    n_stretch = min(max(1, round(stretch_s * (data.rate_hz or 1))), max(1, n_most // MIN_STRETCHES))
    n_stretches = max(1, n_most // n_stretch)
    blank = data.state[index] == data.n_frames
    n_blank = max(1, n_stretches // 8) if blank.any() and not blank.all() and n_stretches > 3 else 0
    chosen = np.zeros(len(index), bool)
    for where, count in ((np.flatnonzero(~blank), n_stretches - n_blank), (np.flatnonzero(blank), n_blank)):
        where = where if len(where) else np.arange(len(index))
        for middle in where[((np.arange(count) + 0.5) * len(where) / max(count, 1)).astype(np.int64)]:
            first = min(max(0, middle - n_stretch // 2), len(index) - n_stretch)
            chosen[first : first + n_stretch] = True
    return index[chosen]


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
