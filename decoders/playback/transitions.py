"""What is learned about how a movie is played: which frame follows which, and where jumps land."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from decoders.playback.sparse import Sparse

_BLANK_SHARE = 0.02
_CUT_SHARE = 0.1
_ROW_PRIOR = 2.0
_MOVIE_FLOOR = {0: 0.012, 2: 0.008, -1: 0.002}
_PLACE_FLOOR = {0: 0.02}


@dataclass(frozen=True, slots=True, eq=False)
class Transitions:
    """What was learned about how the movie is played.

    Attributes
    ----------
    steps
        S for the filter, rows summing to 1: with a floor, so that pauses and slips are never impossible.
    forecast_steps
        S for the forecast, without the floor: what was usual.
    target
        u, float64 [states].
    initial
        Float64 [states], where a segment begins.
    """

    steps: Sparse
    forecast_steps: Sparse
    target: NDArray[np.float64]
    initial: NDArray[np.float64]


def persistence_forecast(table: Transitions) -> Transitions:
    """The same, but for a forecast that the present goes on.

    Parameters
    ----------
    table
        What was learned.
    """
    states = np.arange(len(table.initial))
    return replace(table, forecast_steps=Sparse(states, states, np.ones(len(states)), len(states)))


def learn_playback(
    state: NDArray[np.int64],
    ticks: NDArray[np.int64],
    boundary: NDArray[np.bool_],
    n_frames: int,
    clip_ends: NDArray[np.int64] | None,
    scene_starts: NDArray[np.int64] | None = None,
) -> Transitions:
    """Count how states follow each other.

    Parameters
    ----------
    state
        Int64 [time]; ``n_frames`` = no stimulus.
    ticks
        Int64 [time], ticks since the sample before.
    border
        Bool [time], true where a segment begins.
    n_frames
        Frames.
    clip_ends
        Int64 [clips], the last frame of each clip; None when frames do not follow each other (places, categories).
    scene_starts
        Int64 [scenes], where scenes begin: from the end of one, the start of any other may follow.

    Returns
    -------
    table
        With floors: nothing is impossible, and "no stimulus" only when it never occurred.
    """
    size = n_frames + 1
    follows = ~boundary & (ticks == 1)
    follows[:1] = False
    here = np.flatnonzero(follows)
    counts = Sparse(state[here - 1], state[here], np.ones(len(here)), size)
    base, floor = _base(n_frames, clip_ends, _PLACE_FLOOR if clip_ends is None else _MOVIE_FLOOR)
    learned = Sparse(
        np.r_[counts.row, base.row],
        np.r_[counts.column, base.column],
        np.r_[counts.value, _ROW_PRIOR * base.value],
        size,
    ).merged()
    if scene_starts is not None and len(scene_starts) > 1:
        learned = _with_cuts(learned, scene_starts, n_frames)
    steps = _mixed(learned, floor)
    nothing = Sparse(floor.row[:0], floor.column[:0], floor.value[:0], size)
    ahead = steps if clip_ends is None else _mixed(learned, nothing)
    target = _landing(state, n_frames, by_use=clip_ends is None)
    begins = np.bincount(state[boundary], minlength=size).astype(np.float64)
    # How a recording began says little about where a viewer tunes in: half the weight stays with anywhere.
    initial = 0.5 * target + 0.5 * (begins + 4 * target) / (begins.sum() + 4)
    return Transitions(steps, ahead, target, initial)


def _with_cuts(learned: Sparse, scene_starts: NDArray[np.int64], n_frames: int) -> Sparse:
    """Scenes are what shuffled showings are made of, so part of every scene's end leads to any scene's start."""
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


def _landing(state: NDArray[np.int64], n_frames: int, *, by_use: bool) -> NDArray[np.float64]:
    """Where a jump lands: on any frame of a movie alike; on places as often as they were visited."""
    count = np.bincount(state, minlength=n_frames + 1).astype(np.float64)
    target = np.zeros(n_frames + 1)
    target[n_frames] = _BLANK_SHARE if count[n_frames] else 0.0
    weight = count[:n_frames] + 0.1 * count.sum() / n_frames if by_use else np.ones(n_frames)
    target[:n_frames] = (1 - target[n_frames]) * weight / weight.sum()
    return target


def _mixed(learned: Sparse, floor: Sparse) -> Sparse:
    """Each row as the floor's entries and, for the rest, what was learned."""
    share = (1 - floor.row_sums())[learned.row] / learned.row_sums()[learned.row]
    mixed = Sparse(
        np.r_[learned.row, floor.row],
        np.r_[learned.column, floor.column],
        np.r_[learned.value * share, floor.value],
        learned.size,
    ).merged()
    return Sparse(mixed.row, mixed.column, mixed.value / mixed.row_sums()[mixed.row], mixed.size)


def _base(
    n_frames: int, clip_ends: NDArray[np.int64] | None, floor: dict[int, float]
) -> tuple[Sparse, Sparse]:
    """What is expected of each state before anything was counted, and what always stays possible."""
    size = n_frames + 1
    frames = np.arange(n_frames)
    usual = np.arange(size)
    if clip_ends is not None:
        usual[:-1] = frames + 1
        usual[clip_ends] = clip_ends
    clip = np.zeros(n_frames, np.int64) if clip_ends is None else np.searchsorted(clip_ends, frames)
    rows, columns, values = [np.array([n_frames])], [np.array([n_frames])], [np.array([floor[0]])]
    for offset, weight in floor.items():
        to = frames + offset
        inside = (to >= 0) & (to < n_frames)
        inside[inside] &= clip[to[inside]] == clip[frames[inside]]
        rows.append(frames[inside])
        columns.append(to[inside])
        values.append(np.full(int(inside.sum()), weight))
    always = Sparse(np.concatenate(rows), np.concatenate(columns), np.concatenate(values), size)
    return Sparse(np.arange(size), usual, np.ones(size), size), always.merged()
