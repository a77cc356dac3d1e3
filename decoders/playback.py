"""The playback model: a hidden Markov model over movie frames and "no stimulus".

States 0 to n - 1 are frames, state n is "no stimulus". One tick of the movie's frame clock moves the state by

    T = (1 - jump) S + jump 1 u'

where S is sparse and learned from how the movie was played (with a floor for holds and neighbours) and u says
where a jump lands. Because S 1 = 1, h ticks are (1 - jump)^h S^h plus a constant row, so both the filter and the
forecast cost a few sparse products.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.playback_table import PlaybackTable
from decoders.prediction import HORIZONS_S
from decoders.sparse import Product, Sparse
from decoders.vectors import top, total
from stream.errors import BadUsage

MAX_TICKS = 300
"""After more ticks than this nothing is known any more."""

LONGEST_LEAP = 16
"""More ticks than this are taken in several leaps."""

LEAST = np.float32(1e-12)
"""Probability that no state falls below when two opinions multiply: they may exclude each other's."""

MAX_HORIZON_S = 2.0
"""The furthest that a forecast looks."""


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

    def take_over(self, other: FrameClock) -> None:
        """Count on from where another clock stands.

        Parameters
        ----------
        other
            Stays as it is.
        """
        self._last, self._thousandths = other._last, other._thousandths

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


class Leaps:
    """Products with powers of T = (1 - jump) S + jump 1 u'.

    Parameters
    ----------
    steps
        S.
    jump
        Probability per tick of a jump.
    target
        u, float64 [states].
    """

    def __init__(self, steps: Sparse, jump: float, target: NDArray[np.float64]) -> None:
        self._steps = steps
        self._jump = jump
        self._target = target
        self._known: dict[int, Product] = {}

    def times(
        self, state: NDArray[np.floating[Any]], ticks: int, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Carry a distribution forward.

        Parameters
        ----------
        state
            Float [states].
        ticks
            How far.
        out
            Float32 [states] to be filled; None = a new array.
        """
        if out is None:
            out = np.empty(len(state), np.float32)
        if ticks == 0:
            out[:] = state
            return out
        if ticks not in self._known:
            self._known[ticks] = self._power(ticks)
        return self._known[ticks].times(state, out)

    def _power(self, ticks: int) -> Product:
        constant = np.zeros(len(self._target))  # what jumps alone bring in that many ticks
        for _ in range(ticks):
            constant = (1 - self._jump) * self._steps.carry(constant) + self._jump * self._target
        return Product(self._steps.power(ticks), (1 - self._jump) ** ticks, constant)


class Playback:
    """Filters and forecasts, one sample at a time.

    Parameters
    ----------
    table
        What was learned.
    jump
        Probability per tick of a jump to anywhere, for the filter.
    jump_ahead
        The same for the forecast.
    movie_rate_hz
        Ticks per second; 0 = one tick per sample.
    rate_hz
        Samples per second, which sets the ticks of a second when there is no movie rate.
    lag_s
        How late the signal is: what comes a second after now comes that much later still after what is decoded.
    """

    def __init__(
        self,
        table: PlaybackTable,
        jump: float,
        jump_ahead: float,
        movie_rate_hz: float,
        rate_hz: float,
        lag_s: float = 0.0,
    ) -> None:
        self.table = table
        self.jump_ahead = jump_ahead
        self.clock = FrameClock(movie_rate_hz)
        self.horizon_ticks = horizon_ticks(movie_rate_hz, rate_hz, lag_s)
        self._gaps = tuple(np.diff(self.horizon_ticks, prepend=0).tolist())
        self._initial = table.initial.astype(np.float32)
        self._tick_rate = movie_rate_hz or rate_hz or 1.0
        self._lag_s = lag_s
        self._filter = Leaps(table.steps, jump, table.target)
        self._future = Leaps(table.ahead, jump_ahead, table.target)
        self.reset()
        self.advance(self.state, 1)  # the powers are made now, not at the first sample
        self.forecast()

    @property
    def n_states(self) -> int:
        """Frames and "no stimulus"."""
        return len(self.table.initial)

    def reset(self) -> None:
        """Start a new segment."""
        self.clock.reset()
        self.state = self._initial
        self._carried: NDArray[np.float32] | None = None

    def take_over(self, other: Playback) -> None:
        """Go on with the state and the clock of another one of the same frames.

        Parameters
        ----------
        other
            Stays as it is.
        """
        self.state = other.state.copy()
        self._carried = None if other._carried is None else other._carried.copy()
        self.clock.take_over(other.clock)

    def advance(self, state: NDArray[np.floating[Any]], ticks: int) -> NDArray[np.float32]:
        """Carry a distribution forward by what may have happened meanwhile, float32 [states].

        Parameters
        ----------
        state
            Float [states].
        ticks
            How far; after more than `MAX_TICKS` nothing is known any more.
        """
        if ticks > MAX_TICKS:
            return self._initial
        while ticks > LONGEST_LEAP:  # so that few powers are kept, whatever the stamps do
            state = self._filter.times(state, LONGEST_LEAP)
            ticks -= LONGEST_LEAP
        return self._filter.times(state, ticks)

    def step(
        self,
        log_likelihood: NDArray[np.floating[Any]] | None,
        stamp: float,
        aside: NDArray[np.floating[Any]] | None = None,
    ) -> NDArray[np.float32]:
        """Advance to a sample and take its evidence in.

        Parameters
        ----------
        log_likelihood
            Float [states], up to a constant, or None when the sample says nothing.
        stamp
            Seconds.
        aside
            Float [states], log likelihoods that count now and are not carried on: of a window, whose samples come
            again with the next window.

        Returns
        -------
        state
            Float32 [states], the posterior; a new array.
        """
        before = self.state if self._carried is None else self._carried
        state = self.advance(before, self.clock.advance(stamp))
        if log_likelihood is not None:
            likelihood = (log_likelihood - top(log_likelihood)).astype(np.float32, copy=False)
            np.exp(likelihood, out=likelihood)
            likelihood *= state
            state = likelihood
        self.state = state * (1 / total(state))
        self._carried = None
        if aside is not None:
            self._carried = self.state
            state = self.state * np.exp(aside - top(aside)).astype(np.float32, copy=False) + LEAST
            self.state = state * (1 / total(state))
        return self.state

    def later(self, states: NDArray[np.floating[Any]], horizon_s: float) -> NDArray[np.float32]:
        """Where distributions will be any time after now, which is a lag after what they say, float32 [time, states].

        Parameters
        ----------
        states
            Float [time, states].
        horizon_s
            Seconds, up to `MAX_HORIZON_S`.

        Raises
        ------
        BadUsage
            When the horizon is not within that.
        """
        if not 0 < horizon_s <= MAX_HORIZON_S:
            raise BadUsage(
                f"a forecast {horizon_s:g} s ahead is not possible; give more than 0 and at most {MAX_HORIZON_S:g}."
            )
        ticks = max(1, round((self._lag_s + horizon_s) * self._tick_rate))
        out = np.empty(states.shape, np.float32)
        for index, state in enumerate(states):
            self._future.times(state, ticks, out[index])
        return out

    def forecast(self) -> NDArray[np.float32]:
        """The distribution at each horizon, float32 [horizons, states]."""
        out = np.empty((len(self._gaps), self.n_states), np.float32)
        state = self.state
        for row, gap in zip(out, self._gaps, strict=True):  # each goes on from the one before
            state = self._future.times(state, gap, row)
        return out


def horizon_ticks(movie_rate_hz: float, rate_hz: float, lag_s: float = 0.0) -> tuple[int, ...]:
    """Ticks of the frame clock from what is decoded to each forecast horizon.

    Parameters
    ----------
    movie_rate_hz
        Ticks per second; 0 = one tick per sample.
    rate_hz
        Samples per second.
    lag_s
        How late the signal is.
    """
    tick_rate = movie_rate_hz or rate_hz or 1.0
    return tuple(max(1, round((lag_s + horizon) * tick_rate)) for horizon in HORIZONS_S)
