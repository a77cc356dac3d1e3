"""Playback model: a hidden Markov model over movie frames and "no stimulus".

States 0 to n - 1 are frames, state n is "no stimulus". The transition matrix of one tick of the movie's frame clock is

    T = (1 - jump) S + jump 1 u'

where S is learned from how the movie was played (with a floor for pauses and neighbouring frames), and u is the
distribution of the states that jumps lead to. Forward filter (Rabiner 1989) and forecast multiply by powers of T (see
`decoders.playback.transition_powers`). `decoders.playback.playback_speed` estimates the speed of the movie.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.numerics import fast_max, ones
from decoders.playback.frame_clock import FrameClock
from decoders.playback.playback_speed import (
    MAX_TICKS,
    SMALLEST_MASS,
    SPEEDS,
    PlaybackSpeed,
    comparison_ticks,
)
from decoders.playback.transition_powers import JumpingTransitions, Transitions
from decoders.prediction import HORIZONS_S, OFFLINE_HORIZONS_S
from stream.errors import BadUsage

MIN_PROBABILITY = np.float32(1e-12)
"""Floor of the probabilities when window evidence multiplies the state: each may exclude what the other favours."""

MAX_STORED_TICKS = 16
"""More ticks between two samples, as at slow rates and in gaps, take several products of the filter."""

MAX_HORIZON_S = 2.0
"""Longest forecast horizon in seconds."""


class Playback:
    """Forward filter and forecast, sample by sample.

    Parameters
    ----------
    transitions
        Transitions learned in training.
    jump
        Probability per tick of a jump to any state, in the filter.
    jump_ahead
        Probability per tick of a jump to any state, in the forecast.
    movie_rate_hz
        Ticks of the frame clock per second; 0 for one tick per sample.
    rate_hz
        Sampling rate in Hz, which sets the ticks per second when there is no movie rate.
    lag_s
        Lag of the signal in seconds, which the forecast has to bridge besides its horizon.
    hedges
        Share of a uniform guess among the frames in the forecast at each of `HORIZONS_S` and `OFFLINE_HORIZONS_S`, in
        place of ``jump_ahead``; empty for none.

    Attributes
    ----------
    state
        Float32 [states], filtered posterior.
    """

    def __init__(
        self,
        transitions: Transitions,
        jump: float,
        jump_ahead: float,
        movie_rate_hz: float,
        rate_hz: float,
        lag_s: float = 0.0,
        hedges: Sequence[float] = (),
    ) -> None:
        self.transitions = transitions
        self.jump_ahead = jump_ahead
        self.clock = FrameClock(movie_rate_hz)
        self._initial = transitions.initial.astype(np.float32)
        self._relative = np.empty_like(self._initial)  # log likelihoods of a sample
        self._ones = ones(self.n_states)
        # An operand in an array without dimensions is faster than a number, which numpy converts first.
        self._peak, self._sum = np.empty((), np.float32), np.empty((), np.float32)
        self._tick_rate = movie_rate_hz or rate_hz or 1.0
        self._horizons = {speed: horizon_ticks(self._tick_rate * speed, lag_s) for speed in SPEEDS}
        self._lag_s = lag_s
        self._filter = JumpingTransitions(transitions.steps, jump, transitions.target)
        ahead = 0.0 if len(hedges) else jump_ahead
        self._forecast = JumpingTransitions(transitions.forecast_steps, ahead, transitions.target)
        self._hedges = np.array(hedges, np.float32)
        self._uniform = np.full(self.n_states, 1 / (self.n_states - 1), np.float32)
        self._uniform[-1] = 0
        self._speed = (
            PlaybackSpeed(self._filter, self._initial, movie_rate_hz, rate_hz) if movie_rate_hz > 0 else None
        )
        self.reset()
        self.advance(self.state, 1)  # lay out the powers now, not at the first sample
        self.forecast()
        self.last_forecast()

    @property
    def n_states(self) -> int:
        """Number of states: frames and "no stimulus"."""
        return len(self.transitions.initial)

    @property
    def speed(self) -> float:
        """Estimated playback speed, in movie seconds per second; 1 when the frames are not a movie's."""
        return self._speed.speed if self._speed is not None else 1.0

    @property
    def horizon_ticks(self) -> tuple[int, ...]:
        """Ticks from the decoded moment to each forecast horizon, at the present speed."""
        return self._horizons[self.speed]

    def reset(self) -> None:
        """Start a new segment."""
        if self._speed is not None:
            self.clock = self._speed.reset()
        self.clock.reset()
        self.state = self._initial
        self._without_window: NDArray[np.float32] | None = None

    def take_over(self, other: Playback) -> None:
        """Copy the state and the clock of another playback model of the same frames.

        Parameters
        ----------
        other
            Source; it stays unchanged.
        """
        self.state = other.state.copy()
        self._without_window = None if other._without_window is None else other._without_window.copy()
        if self._speed is not None and other._speed is not None:
            self.clock = self._speed.take_over(other._speed)
        self.clock.take_over(other.clock)

    def set_state(self, state: NDArray[np.float32]) -> NDArray[np.float32]:
        """Replace the posterior by a distribution float32 [states], and return it."""
        self.state = state
        return state

    def advance(self, state: NDArray[np.float32], ticks: int) -> NDArray[np.float32]:
        """Predict a distribution some ticks later, float32 [states]; the state itself after none.

        Parameters
        ----------
        state
            Float32 [states].
        ticks
            Ticks of the frame clock; after more than `MAX_TICKS` the initial distribution is returned.
        """
        return self._initial if ticks > MAX_TICKS else self._filter.advance(state, ticks)

    def step(
        self,
        log_likelihood: NDArray[np.floating[Any]] | None,
        stamp: float,
        window_evidence: NDArray[np.floating[Any]] | None = None,
    ) -> NDArray[np.float32]:
        """Advance to a sample and update with its evidence (a step of the forward algorithm; Rabiner 1989, eq. 20).

        Parameters
        ----------
        log_likelihood
            Float [states], log likelihoods up to a constant; None when the sample holds no evidence.
        stamp
            Timestamp of the sample in seconds.
        window_evidence
            Float [states], log likelihoods of the window, which affect this posterior only: the next window contains the
            same samples again.

        Returns
        -------
        state
            Float32 [states], the posterior; a new array.
        """
        before = self.state if self._without_window is None else self._without_window
        state = self.advance(before, self.clock.advance(stamp))
        if log_likelihood is None:
            self.state = self._to_one(state.copy())
        else:
            self._peak[()] = log_likelihood[log_likelihood.argmax()]
            relative = np.subtract(log_likelihood, self._peak, self._relative)
            posterior = np.exp(relative)
            posterior *= state
            likelihood = float(posterior.dot(self._ones, self._sum))
            if not likelihood >= SMALLEST_MASS:  # false for NaN, too
                # Within one frame, evidence excludes all that was left: it counts alone.
                posterior = np.exp(relative)
                likelihood = float(posterior.dot(self._ones, self._sum))
                if not likelihood > 0:
                    # The evidence is not a number, as that of a damaged model: the prediction counts alone.
                    self._without_window = None
                    self.state = self._to_one(state.copy())
                    return self.state
            posterior /= self._sum
            self.state = posterior
            if self._speed is not None:
                self.clock, self.state = self._speed.update(relative, likelihood, stamp, posterior)
        self._without_window = None
        if window_evidence is not None:
            self._without_window = self.state
            likelihoods = np.exp(window_evidence - fast_max(window_evidence)).astype(np.float32, copy=False)
            self.state = self._to_one(self.state * likelihoods + MIN_PROBABILITY)
        return self.state

    def _to_one(self, weight: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scale float32 [states] to a sum of 1, in place."""
        weight.dot(self._ones, self._sum)
        weight /= self._sum
        return weight

    def forecast_at(self, states: NDArray[np.floating[Any]], horizon_s: float) -> NDArray[np.float32]:
        """Forecast distributions at any horizon, at normal speed, float32 [time, states].

        Parameters
        ----------
        states
            Float [time, states], filtered posteriors.
        horizon_s
            Horizon in seconds, up to `MAX_HORIZON_S`; the signal's lag is added to it.

        Raises
        ------
        BadUsage
            When the horizon is out of range.
        """
        if not 0 < horizon_s <= MAX_HORIZON_S:
            raise BadUsage(
                f"'horizon_s' must be more than 0 and at most {MAX_HORIZON_S:g} s, got {horizon_s:g}."
            )
        ticks = max(1, round((self._lag_s + horizon_s) * self._tick_rate))
        out = np.empty(states.shape, np.float32)
        for index, state in enumerate(states.astype(np.float32)):
            out[index] = self._forecast.advance(state, ticks)
        if len(self._hedges):
            horizons = (*HORIZONS_S, *OFFLINE_HORIZONS_S)[: len(self._hedges)]
            self._hedge(out, np.float32(np.interp(horizon_s, horizons, self._hedges)))
        return out

    def forecast(self) -> NDArray[np.float32]:
        """Return the distribution at each forecast horizon, float32 [horizons, states]."""
        return self.later_forecast()()

    def last_forecast(self) -> NDArray[np.float32]:
        """Return the distribution at the last forecast horizon, float32 [states]."""
        ticks = self._horizons[self.speed]
        last: NDArray[np.float32] = self._ahead(self.state, ticks[-1:], slice(len(ticks) - 1, len(ticks)))[0]
        return last

    def later_forecast(self) -> Callable[[], NDArray[np.float32]]:
        """Return a function that computes `forecast` of the present state, also after later steps."""
        ticks = self._horizons[self.speed]
        return partial(self._ahead, self.state, ticks, slice(len(ticks)))

    def _ahead(
        self, state: NDArray[np.float32], ticks: tuple[int, ...], horizons: slice
    ) -> NDArray[np.float32]:
        """Forecasts from a state, some numbers of ticks ahead, at these of the horizons."""
        ahead = self._forecast.advance_each(state, ticks)
        if len(self._hedges):
            self._hedge(ahead, self._hedges[horizons, None])
        return ahead

    def _hedge(self, ahead: NDArray[np.float32], share: NDArray[np.float32] | np.float32) -> None:
        """Mix a uniform guess among the frames into forecasts float32 [n, states], given that a frame is shown."""
        blank = ahead[:, -1:].copy()
        ahead += share * ((1 - blank) * self._uniform - ahead)
        ahead[:, -1:] = blank


def horizon_ticks(tick_rate_hz: float, lag_s: float = 0.0) -> tuple[int, ...]:
    """Return the ticks of the frame clock from the decoded moment to each forecast horizon.

    Parameters
    ----------
    tick_rate_hz
        Ticks per second.
    lag_s
        Lag of the signal in seconds.

    Examples
    --------
    >>> horizon_ticks(30.0)
    (8, 15, 22, 30)
    """
    return tuple(max(1, round((lag_s + horizon) * tick_rate_hz)) for horizon in HORIZONS_S)


def needed_ticks(movie_rate_hz: float, rate_hz: float, lag_s: float) -> tuple[list[int], list[int]]:
    """Return the numbers of ticks by which filter and forecast advance in one product.

    Parameters
    ----------
    movie_rate_hz, rate_hz, lag_s
        See `Playback`.
    """
    if not movie_rate_hz:
        return [1], list(horizon_ticks(rate_hz or 1.0, lag_s))
    ahead = {t for speed in SPEEDS for t in horizon_ticks(movie_rate_hz * speed, lag_s)}
    regular = {t for t in comparison_ticks(movie_rate_hz, rate_hz) if t <= MAX_STORED_TICKS}
    return sorted({1, 2, 4} | regular), sorted({1, 2, 4} | ahead)
