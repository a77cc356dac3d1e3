"""Transition probabilities of the playback model, learned from how the movie was played."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from decoders.playback.transition_powers import TransitionPowers, Transitions

_BLANK_SHARE = 0.02  # probability that a jump leads to "no stimulus"
_CUT_SHARE = 0.1  # probability that a scene's last frame is followed by the start of any scene
_ROW_PRIOR = 2.0  # weight of the expected successor of each state, in counts
# Smallest probability of staying, skipping a frame and going back a frame, by offset.
_MOVIE_FLOOR = {0: 0.012, 2: 0.008, -1: 0.002}
_PLACE_FLOOR = {0: 0.02}
_ONCE_PER_FRAME = 0.9  # share of single ticks from which on samples come once per frame
_NEGLIGIBLE = 1e-7  # entries of powers up to this size are dropped
_MAX_PER_STATE, _MAX_ENTRIES = 64, 2**18  # powers with more entries than either of these are not stored

Matrix = Any
"""A sparse matrix of scipy, in compressed rows."""


def persistence_forecast(transitions: Transitions) -> Transitions:
    """Replace the forecast by persistence: the present state stays.

    Parameters
    ----------
    transitions
        Learned transitions.
    """
    ticks = transitions.forecast_steps.ticks.tolist()
    n_states = len(transitions.initial)
    return replace(
        transitions,
        forecast_steps=_powers(sparse.eye_array(n_states, format="csr"), np.zeros(n_states), None, ticks),
    )


def learn_playback(
    state: NDArray[np.int64],
    ticks: NDArray[np.int64],
    boundary: NDArray[np.bool_],
    n_frames: int,
    clip_ends: NDArray[np.int64] | None,
    scene_starts: NDArray[np.int64] | None = None,
    stored_ticks: tuple[Sequence[int], Sequence[int]] = ((), ()),
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
    stored_ticks
        Numbers of ticks whose powers filter and forecast need (see `decoders.playback.filter.needed_ticks`); others are
        composed of these.

    Returns
    -------
    transitions
        Every state can be reached, "no stimulus" only when it occurred in training.

    Examples
    --------
    >>> state = np.array([0, 1, 2, 0, 1, 2])
    >>> boundary = np.array([True, False, False, True, False, False])
    >>> learned = learn_playback(state, np.ones(6, int), boundary, 3, clip_ends=np.array([2]))
    >>> learned.steps.dense(1)[0].argmax().item()  # frame 1 follows frame 0
    1
    """
    size = n_frames + 1
    prior, floor = _prior_and_floor(n_frames, clip_ends, _PLACE_FLOOR if clip_ends is None else _MOVIE_FLOOR)
    learned = _rows_to_1(_count(state, ticks, boundary, n_frames, clip_ends) + _ROW_PRIOR * prior)
    cut = np.zeros(size)
    starts = None
    if scene_starts is not None and len(scene_starts) > 1:
        cut[np.r_[scene_starts[1:] - 1, n_frames - 1]] = _CUT_SHARE
        starts = np.bincount(scene_starts, minlength=size) / len(scene_starts)
        learned = sparse.diags_array(1 - cut) @ learned
    share = 1 - floor.sum(1)
    steps = sparse.diags_array(share) @ learned + floor
    ahead, cut_ahead = (learned, cut) if clip_ends is not None else (steps, share * cut)
    target = _jump_target(state, n_frames, by_occupancy=clip_ends is None)
    begins = np.bincount(state[boundary], minlength=size).astype(np.float64)
    # Live decoding may start at any frame, whatever training began with: half the weight stays with jumps.
    initial = 0.5 * target + 0.5 * (begins + 4 * target) / (begins.sum() + 4)
    filter_ticks, forecast_ticks = stored_ticks
    return Transitions(
        _powers(steps, share * cut, starts, filter_ticks),
        _powers(ahead, cut_ahead, starts, forecast_ticks),
        target,
        initial,
    )


def _count(
    state: NDArray[np.int64],
    ticks: NDArray[np.int64],
    boundary: NDArray[np.bool_],
    n_frames: int,
    clip_ends: NDArray[np.int64] | None,
) -> Matrix:
    """Count the transitions of single ticks, [states, states].

    Between two samples may lie any number of ticks. A state that stays, stays for each of them. A movie that advances
    by as many frames, or by one more or less where samples do not come once per frame, advances by one frame per tick;
    if it advances by fewer, it pauses first. Any other change is a jump, at each of the ticks with equal probability.
    """
    run = np.flatnonzero(
        boundary | (np.diff(state, prepend=-1) != 0)
    )  # first sample of each run of one state
    end = np.r_[run[1:], len(state)] - 1
    elapsed = np.cumsum(ticks)
    held = elapsed[end] - elapsed[run]
    here = np.flatnonzero(~boundary[run[1:]])  # runs that another one follows
    before, after = state[run[here]], state[run[here + 1]]
    passed, last = elapsed[run[here + 1]] - elapsed[run[here]], np.maximum(ticks[run[here + 1]], 1)
    first_of = last_of = np.arange(n_frames + 1)
    slack, advances = 0, np.zeros(len(here), bool)
    if clip_ends is not None:
        within = ticks[~boundary]
        slack = int(np.count_nonzero(within == 1) < _ONCE_PER_FRAME * len(within))
        last_of = np.r_[clip_ends[np.searchsorted(clip_ends, np.arange(n_frames))], n_frames]
        first_of = np.r_[np.searchsorted(last_of, last_of[:n_frames]), n_frames]
        advances = (after > before) & (after - before <= last + slack) & (last_of[before] == last_of[after])
    held[here] = np.where(advances, passed - (after - before), passed - last)
    held = np.maximum(held - slack, 0)
    n_steps = (after - before)[advances]
    row = np.repeat(before[advances], n_steps) + _within(n_steps)
    n_places = last[~advances]
    place = _within(n_places)
    jump_from = np.repeat(before[~advances], n_places)
    jump_to = np.repeat(after[~advances], n_places)
    left = np.repeat(n_places, n_places) - 1 - place
    return _matrix(
        np.r_[state[run], row, np.minimum(jump_from + place, last_of[jump_from])],
        np.r_[state[run], row + 1, np.maximum(jump_to - left, first_of[jump_to])],
        np.r_[held, np.ones(len(row)), 1 / np.repeat(n_places, n_places)],
        n_frames + 1,
    )


def _within(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 0 to count - 1 for each count, end to end."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def _powers(
    stay: Matrix, cut: NDArray[np.float64], starts: NDArray[np.float64] | None, ticks: Sequence[int]
) -> TransitionPowers:
    """Compute the powers of S = B + e c' for some numbers of ticks.

    Parameters
    ----------
    stay
        B, transitions other than cuts.
    cut, starts
        e and c, float64 [states]; None for ``starts`` if there are no cuts.
    ticks
        Numbers of ticks besides 1.
    """
    n = stay.shape[0]
    stored, parts = [], []
    power = stay
    led: list[Matrix] = []  # c' B^k
    for t in range(1, max((1, *ticks)) + 1):
        if t > 1:
            power = _without_negligible(power @ stay)
        if starts is not None:
            led.append(_without_negligible(led[-1] @ stay) if led else sparse.csr_array(starts[None]))
        if t > 1 and power.nnz > max(_MAX_PER_STATE * n, _MAX_ENTRIES):
            break
        if t == 1 or t in ticks:
            stored.append(t)
            parts.append(sparse.vstack([power, *led[::-1]], format="coo"))
    return TransitionPowers(
        ticks=np.array(stored, np.int32),
        end=np.cumsum([part.nnz for part in parts]).astype(np.int32),
        row=np.concatenate([part.row for part in parts]).astype(np.int32),
        column=np.concatenate([part.col for part in parts]).astype(np.int32),
        value=np.concatenate([part.data for part in parts]).astype(np.float32),
        cut=cut.astype(np.float32),
    )


def _matrix(
    row: NDArray[np.int64], column: NDArray[np.int64], value: NDArray[np.float64], size: int
) -> Matrix:
    return sparse.csr_array((value, (row, column)), shape=(size, size))


def _rows_to_1(matrix: Matrix) -> Matrix:
    return sparse.diags_array(1 / matrix.sum(1)) @ matrix


def _without_negligible(matrix: Matrix) -> Matrix:
    matrix.data[matrix.data <= _NEGLIGIBLE] = 0
    matrix.eliminate_zeros()
    return matrix


def _jump_target(state: NDArray[np.int64], n_frames: int, *, by_occupancy: bool) -> NDArray[np.float64]:
    """Return u: uniform over the frames of a movie; for places and categories, in proportion to their occupancy."""
    count = np.bincount(state, minlength=n_frames + 1).astype(np.float64)
    target = np.zeros(n_frames + 1)
    target[n_frames] = _BLANK_SHARE if count[n_frames] else 0.0
    weight = count[:n_frames] + 0.1 * count.sum() / n_frames if by_occupancy else np.ones(n_frames)
    target[:n_frames] = (1 - target[n_frames]) * weight / weight.sum()
    return target


def _prior_and_floor(
    n_frames: int, clip_ends: NDArray[np.int64] | None, floor: dict[int, float]
) -> tuple[Matrix, Matrix]:
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
    possible = _matrix(np.concatenate(rows), np.concatenate(columns), np.concatenate(values), size)
    return _matrix(np.arange(size), successor, np.ones(size), size), possible
