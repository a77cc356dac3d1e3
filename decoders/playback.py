"""The playback model: a hidden Markov model over movie frames and "no stimulus".

States 0 to n - 1 are frames, state n is "no stimulus". One tick of the movie's frame clock moves the state by

    T = (1 - jump) S + jump 1 u'

where S is sparse and learned from how the movie was played (with a floor for holds and neighbours) and u says
where a jump lands. Because S 1 = 1, h ticks are (1 - jump)^h S^h plus a constant row, so both the filter and the
forecast cost a few sparse products.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoders.prediction import HORIZONS_S
from decoders.sparse import Gather, Sparse

MAX_TICKS = 300
"""After more ticks than this nothing is known any more."""

_BLANK_SHARE = 0.2
_ROW_PRIOR = 2.0
_MOVIE_FLOOR = {0: 0.04, 2: 0.015, -1: 0.005}
_PLACE_FLOOR = {0: 0.02}


class FrameClock:
    """Counts the ticks that pass between samples, in integers so that live and batch agree exactly.

    Parameters
    ----------
    rate_hz
        Movie frames per second; 0 = one tick per sample.
    """

    def __init__(self, rate_hz: float) -> None:
        self.rate_hz = rate_hz
        self.reset()

    def reset(self) -> None:
        """Forget the last stamp: a new segment begins."""
        self._last: float | None = None
        self._thousandths = 0

    def advance(self, stamp: float) -> int:
        """Ticks since the last sample; 0 for the first of a segment.

        Parameters
        ----------
        stamp
            Seconds.
        """
        last, self._last = self._last, stamp
        if last is None:
            return 0
        if self.rate_hz <= 0:
            return 1
        self._thousandths += max(0, round((stamp - last) * self.rate_hz * 1000))
        ticks, self._thousandths = divmod(self._thousandths, 1000)
        return ticks


@dataclass(frozen=True, slots=True, eq=False)
class PlaybackTable:
    """What was learned about how the movie is played.

    Attributes
    ----------
    steps
        S, rows summing to 1.
    target
        u, float64 [states].
    initial
        Float64 [states], where a segment begins.
    """

    steps: Sparse
    target: NDArray[np.float64]
    initial: NDArray[np.float64]


class Playback:
    """Filters and forecasts, one sample at a time.

    Parameters
    ----------
    table
        What was learned.
    jump
        Probability per tick of a jump to anywhere.
    movie_rate_hz
        Ticks per second; 0 = one tick per sample.
    rate_hz
        Samples per second, which sets the ticks of a second when there is no movie rate.
    """

    def __init__(self, table: PlaybackTable, jump: float, movie_rate_hz: float, rate_hz: float) -> None:
        self.table = table
        self.jump = jump
        self.clock = FrameClock(movie_rate_hz)
        tick_rate = movie_rate_hz or rate_hz or 1.0
        self.horizon_ticks = tuple(max(1, round(horizon * tick_rate)) for horizon in HORIZONS_S)
        self._leaps: dict[int, tuple[Gather, float, NDArray[np.float64]]] = {}
        self._leap(1)
        self.reset()

    @property
    def n_states(self) -> int:
        """Frames and "no stimulus"."""
        return len(self.table.initial)

    def reset(self) -> None:
        """Start a new segment."""
        self.clock.reset()
        self.state = self.table.initial.copy()

    def ahead(self, state: NDArray[np.float64], ticks: int) -> NDArray[np.float64]:
        """Carry a distribution forward.

        Parameters
        ----------
        state
            Float64 [states].
        ticks
            How far.
        """
        if ticks <= 0:
            return state
        if ticks > MAX_TICKS:
            return self.table.initial
        if ticks not in self._leaps and ticks > 8 and ticks not in self.horizon_ticks:
            return self.ahead(self.ahead(state, ticks - 8), 8)
        gather, stay, constant = self._leap(ticks)
        return stay * gather.times(state) + constant

    def step(self, log_likelihood: NDArray[np.float64] | None, stamp: float) -> NDArray[np.float64]:
        """Advance to a sample and take its evidence in.

        Parameters
        ----------
        log_likelihood
            Float64 [states], up to a constant, or None when the sample says nothing.
        stamp
            Seconds.

        Returns
        -------
        state
            Float64 [states], the posterior.
        """
        state = self.ahead(self.state, self.clock.advance(stamp))
        if log_likelihood is not None:
            state = state * np.exp(log_likelihood - log_likelihood.max())
        self.state = state / state.sum()
        return self.state

    def forecast(self) -> NDArray[np.float64]:
        """The distribution at each horizon, float64 [horizons, states]."""
        out = np.empty((len(self.horizon_ticks), self.n_states))
        state, done = self.state, 0
        for row, ticks in enumerate(self.horizon_ticks):
            state = self._exact(state, ticks - done)
            done = ticks
            out[row] = state
        return out

    def _exact(self, state: NDArray[np.float64], ticks: int) -> NDArray[np.float64]:
        if ticks <= 0:
            return state
        gather, stay, constant = self._leap(ticks)
        return stay * gather.times(state) + constant

    def _leap(self, ticks: int) -> tuple[Gather, float, NDArray[np.float64]]:
        """The product with T^ticks: a sparse part, its factor, and a constant."""
        if ticks not in self._leaps:
            one = Gather(self.table.steps)
            constant = np.zeros(self.n_states)
            for _ in range(ticks):
                constant = (1 - self.jump) * one.times(constant) + self.jump * self.table.target
            power = self.table.steps.power(ticks)
            self._leaps[ticks] = (Gather(power), (1 - self.jump) ** ticks, constant)
        return self._leaps[ticks]


def learn_playback(
    state: NDArray[np.int64],
    ticks: NDArray[np.int64],
    border: NDArray[np.bool_],
    n_frames: int,
    clip_ends: NDArray[np.int64] | None,
) -> PlaybackTable:
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

    Returns
    -------
    table
        With floors: nothing is impossible, and "no stimulus" only when it never occurred.
    """
    size = n_frames + 1
    follows = ~border & (ticks == 1)
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
    learned_share = (1 - floor.row_sums())[learned.row] / learned.row_sums()[learned.row]
    steps = Sparse(
        np.r_[learned.row, floor.row],
        np.r_[learned.column, floor.column],
        np.r_[learned.value * learned_share, floor.value],
        size,
    ).merged()
    steps = Sparse(steps.row, steps.column, steps.value / steps.row_sums()[steps.row], size)
    has_blank = bool(np.any(state == n_frames))
    target = np.full(size, (1 - _BLANK_SHARE * has_blank) / n_frames)
    target[n_frames] = _BLANK_SHARE * has_blank
    begins = np.bincount(state[border], minlength=size).astype(np.float64)
    # How a recording began says little about where a viewer tunes in: half the weight stays with anywhere.
    initial = 0.5 * target + 0.5 * (begins + 4 * target) / (begins.sum() + 4)
    return PlaybackTable(steps, target, initial)


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
