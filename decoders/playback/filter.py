"""The playback model: a hidden Markov model over movie frames and "no stimulus".

States 0 to n - 1 are frames, state n is "no stimulus". One tick of the movie's frame clock moves the state by

    T = (1 - jump) S + jump 1 u'

where S is sparse and learned from how the movie was played (with a floor for holds and neighbours) and u says
where a jump lands. Because S 1 = 1, h ticks are (1 - jump)^h S^h plus a constant row, so both the filter and the
forecast cost a few sparse products. How fast the movie is played is followed by `decoders.playback.playback_speed`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.numerics import fast_max, fast_sum
from decoders.playback.frame_clock import FrameClock
from decoders.playback.playback_speed import MAX_TICKS, PlaybackSpeed
from decoders.playback.sparse import Products
from decoders.playback.transition_powers import TransitionPowers
from decoders.playback.transitions import Transitions
from decoders.prediction import HORIZONS_S
from stream.errors import BadUsage

MIN_PROBABILITY = np.float32(1e-12)
"""Probability that no state falls below when two opinions multiply: they may exclude each other's."""

NEGLIGIBLE = 1e-6
"""States that are not likelier do not cut to other scenes in the forecast; what would follow from them is left out."""

MAX_HORIZON_S = 2.0
"""The furthest that a forecast looks."""


class Playback:
    """Filters and forecasts, one sample at a time.

    Parameters
    ----------
    transitions
        Learned from training.
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

    Attributes
    ----------
    state
        Float32 [states], the posterior.
    """

    def __init__(
        self,
        transitions: Transitions,
        jump: float,
        jump_ahead: float,
        movie_rate_hz: float,
        rate_hz: float,
        lag_s: float = 0.0,
    ) -> None:
        self.transitions = transitions
        self.jump_ahead = jump_ahead
        self.clock = FrameClock(movie_rate_hz)
        self._initial = transitions.initial.astype(np.float32)
        self._tick_rate = movie_rate_hz or rate_hz or 1.0
        self._lag_s = lag_s
        self._filter = TransitionPowers(transitions.steps, jump, transitions.target)
        self._future = TransitionPowers(transitions.forecast_steps, jump_ahead, transitions.target)
        self._tempo = (
            PlaybackSpeed(self._filter, self._initial, movie_rate_hz, rate_hz) if movie_rate_hz > 0 else None
        )
        self._ahead_at: dict[float, Products] = {}
        self.reset()
        self.advance(self.state, 1)  # the powers are made now, not at the first sample
        self.forecast()

    @property
    def n_states(self) -> int:
        """Frames and "no stimulus"."""
        return len(self.transitions.initial)

    @property
    def speed(self) -> float:
        """How fast the movie seems to be played, in movie seconds per second; 1 for what is no movie."""
        return self._tempo.speed if self._tempo is not None else 1.0

    @property
    def horizon_ticks(self) -> tuple[int, ...]:
        """Ticks of the frame clock from what is decoded to each forecast horizon, at the present speed."""
        return horizon_ticks(self._tick_rate * self.speed, self._lag_s)

    def reset(self) -> None:
        """Start a new segment."""
        if self._tempo is not None:
            self.clock = self._tempo.reset()
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
        if self._tempo is not None and other._tempo is not None:
            self.clock = self._tempo.take_over(other._tempo)
        self.clock.take_over(other.clock)

    def set_state(self, state: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take a distribution float32 [states] for the posterior, whatever was before; returns it."""
        self.state = state
        return state

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
        return self._filter.far(state, ticks)

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
        if log_likelihood is None:
            self.state = state * (1 / fast_sum(state))
        else:
            relative = (log_likelihood - fast_max(log_likelihood)).astype(np.float32, copy=False)
            self.state = np.exp(relative)
            self.state *= state
            likelihood = fast_sum(self.state)
            self.state *= 1 / likelihood
            if self._tempo is not None:
                self.clock, self.state = self._tempo.hear(relative, likelihood, stamp, self.state)
        self._carried = None
        if aside is not None:
            self._carried = self.state
            state = (
                self.state * np.exp(aside - fast_max(aside)).astype(np.float32, copy=False) + MIN_PROBABILITY
            )
            self.state = state * (1 / fast_sum(state))
        return self.state

    def forecast_at(self, states: NDArray[np.floating[Any]], horizon_s: float) -> NDArray[np.float32]:
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
            out[index] = self._future.far(state, ticks)
        return out

    def forecast(self) -> NDArray[np.float32]:
        """The distribution at each horizon, float32 [horizons, states]."""
        speed = self.speed
        if speed not in self._ahead_at:
            self._ahead_at[speed] = self._future.together(self.horizon_ticks, NEGLIGIBLE)
        return self._ahead_at[speed].times(self.state)


def horizon_ticks(tick_rate_hz: float, lag_s: float = 0.0) -> tuple[int, ...]:
    """Ticks of the frame clock from what is decoded to each forecast horizon.

    Parameters
    ----------
    tick_rate_hz
        Ticks per second.
    lag_s
        How late the signal is.
    """
    return tuple(max(1, round((lag_s + horizon) * tick_rate_hz)) for horizon in HORIZONS_S)
