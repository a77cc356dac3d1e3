"""Transition probabilities of the playback model, learned from how the movie was played."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from decoders.playback.sparse import Sparse

_BLANK_SHARE = 0.02  # probability that a jump leads to "no stimulus"
_CUT_SHARE = 0.1  # probability that a scene's last frame is followed by the start of any scene
_ROW_PRIOR = 2.0  # weight of the expected successor of each state, in counts
# Smallest probability of staying, skipping a frame and going back a frame, by offset.
_MOVIE_FLOOR = {0: 0.012, 2: 0.008, -1: 0.002}
_PLACE_FLOOR = {0: 0.02}


@dataclass(frozen=True, slots=True, eq=False)
class Transitions:
    """Learned transitions (S and u of `decoders.playback.filter`).

    Attributes
    ----------
    steps
        S of the filter, rows summing to 1; a floor keeps pauses and skipped frames possible.
    forecast_steps
        S of the forecast, for movies without the floor.
    target
        u, float64 [states], distribution of the states that jumps lead to.
    initial
        Float64 [states], distribution where a segment begins.
    """

    steps: Sparse
    forecast_steps: Sparse
    target: NDArray[np.float64]
    initial: NDArray[np.float64]


def persistence_forecast(transitions: Transitions) -> Transitions:
    """Replace the forecast by persistence: the present state stays.

    Parameters
    ----------
    transitions
        Learned transitions.
    """
    states = np.arange(len(transitions.initial))
    return replace(transitions, forecast_steps=Sparse(states, states, np.ones(len(states)), len(states)))


def learn_playback(
    state: NDArray[np.int64],
    ticks: NDArray[np.int64],
    boundary: NDArray[np.bool_],
    n_frames: int,
    clip_ends: NDArray[np.int64] | None,
    scene_starts: NDArray[np.int64] | None = None,
) -> Transitions:
    """Learn transition probabilities from counts, with a prior and floors.

    Parameters
    ----------
    state
        Int64 [time]; ``n_frames`` = no stimulus.
    ticks
        Int64 [time], ticks of the frame clock since the previous sample.
    boundary
        Bool [time], true where a segment begins.
    n_frames
        Number of frames.
    clip_ends
        Int64 [clips], last frame of each clip; None when the frames are not a movie's (places, categories).
    scene_starts
        Int64 [scenes], first frame of each scene; the end of a scene may be followed by the start of any scene.

    Returns
    -------
    transitions
        Every state can be reached, "no stimulus" only when it occurred in training.

    Examples
    --------
    >>> state = np.array([0, 1, 2, 0, 1, 2])
    >>> boundary = np.array([True, False, False, True, False, False])
    >>> learned = learn_playback(state, np.ones(6, int), boundary, 3, clip_ends=np.array([2]))
    >>> learned.steps.dense()[0].argmax().item()  # frame 1 follows frame 0
    1
    """
    size = n_frames + 1
    follows = ~boundary & (ticks == 1)
    follows[:1] = False
    here = np.flatnonzero(follows)
    counts = Sparse(state[here - 1], state[here], np.ones(len(here)), size)
    prior, floor = _prior_and_floor(n_frames, clip_ends, _PLACE_FLOOR if clip_ends is None else _MOVIE_FLOOR)
    learned = Sparse(
        np.r_[counts.row, prior.row],
        np.r_[counts.column, prior.column],
        np.r_[counts.value, _ROW_PRIOR * prior.value],
        size,
    ).merged()
    if scene_starts is not None and len(scene_starts) > 1:
        learned = _add_scene_cuts(learned, scene_starts, n_frames)
    steps = _mix(learned, floor)
    no_floor = Sparse(floor.row[:0], floor.column[:0], floor.value[:0], size)
    forecast_steps = steps if clip_ends is None else _mix(learned, no_floor)
    target = _jump_target(state, n_frames, by_occupancy=clip_ends is None)
    begins = np.bincount(state[boundary], minlength=size).astype(np.float64)
    # Live decoding may start at any frame, whatever training began with: half the weight stays with jumps.
    initial = 0.5 * target + 0.5 * (begins + 4 * target) / (begins.sum() + 4)
    return Transitions(steps, forecast_steps, target, initial)


def _add_scene_cuts(learned: Sparse, scene_starts: NDArray[np.int64], n_frames: int) -> Sparse:
    """Let the end of every scene lead to the start of any scene, since scenes may be shown in shuffled order."""
    ends = np.r_[scene_starts[1:] - 1, n_frames - 1]
    share = np.zeros(learned.size)
    share[ends] = _CUT_SHARE
    rows = np.repeat(ends, len(scene_starts))
    return Sparse(
        np.r_[learned.row, rows],
        np.r_[learned.column, np.tile(scene_starts, len(ends))],
        np.r_[
            learned.value / learned.row_sums()[learned.row] * (1 - share[learned.row]),
            np.full(len(rows), _CUT_SHARE / len(scene_starts)),
        ],
        learned.size,
    ).merged()


def _jump_target(state: NDArray[np.int64], n_frames: int, *, by_occupancy: bool) -> NDArray[np.float64]:
    """Return u: uniform over the frames of a movie; for places and categories, in proportion to their occupancy."""
    count = np.bincount(state, minlength=n_frames + 1).astype(np.float64)
    target = np.zeros(n_frames + 1)
    target[n_frames] = _BLANK_SHARE if count[n_frames] else 0.0
    weight = count[:n_frames] + 0.1 * count.sum() / n_frames if by_occupancy else np.ones(n_frames)
    target[:n_frames] = (1 - target[n_frames]) * weight / weight.sum()
    return target


def _mix(learned: Sparse, floor: Sparse) -> Sparse:
    """Mix the floor with the learned transitions, so that each row sums to 1."""
    share = (1 - floor.row_sums())[learned.row] / learned.row_sums()[learned.row]
    mixed = Sparse(
        np.r_[learned.row, floor.row],
        np.r_[learned.column, floor.column],
        np.r_[learned.value * share, floor.value],
        learned.size,
    ).merged()
    return Sparse(mixed.row, mixed.column, mixed.value / mixed.row_sums()[mixed.row], mixed.size)


def _prior_and_floor(
    n_frames: int, clip_ends: NDArray[np.int64] | None, floor: dict[int, float]
) -> tuple[Sparse, Sparse]:
    """Return the prior (the expected successor of each state) and the floor."""
    size = n_frames + 1
    frames = np.arange(n_frames)
    successor = np.arange(size)
    if clip_ends is not None:
        successor[:-1] = frames + 1
        successor[clip_ends] = clip_ends
    clip = np.zeros(n_frames, np.int64) if clip_ends is None else np.searchsorted(clip_ends, frames)
    rows, columns, values = [np.array([n_frames])], [np.array([n_frames])], [np.array([floor[0]])]
    for offset, weight in floor.items():
        target = frames + offset
        inside = (target >= 0) & (target < n_frames)
        inside[inside] &= clip[target[inside]] == clip[frames[inside]]
        rows.append(frames[inside])
        columns.append(target[inside])
        values.append(np.full(int(inside.sum()), weight))
    possible = Sparse(np.concatenate(rows), np.concatenate(columns), np.concatenate(values), size)
    return Sparse(np.arange(size), successor, np.ones(size), size), possible.merged()
