"""How fast a movie is played: the speed at which the playback model explains the activity best."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from decoders.numerics import fast_max, ones
from decoders.playback.frame_clock import FrameClock
from decoders.playback.transition_powers import TransitionPowers

SPEEDS = (1.0, 0.5, 0.75, 1.5, 2.0)
"""Movie seconds per second that are told apart, that of training first."""

OTHER_SPEED = 0.004
"""Probability that a segment begins at another speed than the first."""

CHANGES_PER_S = 0.001
"""How often the speed changes."""

COMPARED_S = 0.1
"""How often the other speeds are compared with the one that is followed: a step is quicker in between."""

MAX_TICKS = 300
"""After more ticks than this nothing is known any more."""


class PlaybackSpeed:
    """Follows the likeliest speed, and weighs the others.

    Each speed is a hidden Markov model whose frame clock runs at that speed. The likeliest is filtered sample by sample,
    by `decoders.playback.filter.Playback`; the others every `COMPARED_S`, with the evidence of all samples since.
    When one of them has become likelier, its frame clock and its state are adopted.

    Parameters
    ----------
    leaps
        The filter's transitions.
    initial
        Float32 [states], where a segment begins.
    movie_rate_hz
        Ticks per second at speed one.
    rate_hz
        Samples per second; 0 = as many as ticks.
    """

    _evidence: NDArray[np.float32]
    _own: float
    _n_heard: int

    def __init__(
        self, leaps: TransitionPowers, initial: NDArray[np.float32], movie_rate_hz: float, rate_hz: float
    ) -> None:
        rate_hz = rate_hz or movie_rate_hz
        self._leaps = leaps
        self._initial = initial
        self._clocks = [FrameClock(movie_rate_hz * speed) for speed in SPEEDS]
        self._every = max(1, round(COMPARED_S * rate_hz))
        self._likely = np.full(len(SPEEDS), OTHER_SPEED / (len(SPEEDS) - 1))
        self._likely[0] = 1 - OTHER_SPEED
        self._change = min(CHANGES_PER_S * self._every / rate_hz, 0.5)
        self.reset()
        for speed in SPEEDS:  # the powers are made now, not at the first samples
            ticks = speed * movie_rate_hz * self._every / rate_hz
            for usual in (math.floor(ticks), math.ceil(ticks)):
                leaps.far(initial, min(usual, MAX_TICKS))

    @property
    def speed(self) -> float:
        """The speed that is followed."""
        return SPEEDS[self._followed]

    def reset(self) -> FrameClock:
        """Start a new segment; returns the frame clock to be followed."""
        for clock in self._clocks:
            clock.reset()
        self._followed = 0
        self._states = np.tile(
            self._initial, (len(SPEEDS), 1)
        )  # that of the followed speed is not kept up to date
        self._log = np.log(self._likely)
        self._fresh = True
        self._forget()
        return self._clocks[0]

    def take_over(self, other: PlaybackSpeed) -> FrameClock:
        """Go on where another one of the same frames stands, which stays as it is; returns the clock to be followed."""
        for mine, theirs in zip(self._clocks, other._clocks, strict=True):
            mine.take_over(theirs)
        self._followed, self._fresh = other._followed, other._fresh
        self._states, self._log = other._states.copy(), other._log.copy()
        self._evidence = other._evidence.copy()
        self._own = other._own
        self._n_heard = other._n_heard
        return self._clocks[self._followed]

    def hear(
        self,
        evidence: NDArray[np.float32],
        likelihood: float,
        stamp: float,
        state: NDArray[np.float32],
    ) -> tuple[FrameClock, NDArray[np.float32]]:
        """Take in what a sample said.

        Parameters
        ----------
        evidence
            Float32 [states], log likelihoods.
        likelihood
            Of this evidence at the speed that is followed.
        stamp
            Of the sample, seconds.
        state
            Float32 [states], the posterior at the speed that is followed.

        Returns
        -------
        clock, state
            To go on with.
        """
        if self._fresh:
            self._fresh = False
            for index, clock in enumerate(self._clocks):
                if index != self._followed:
                    clock.advance(stamp)
        self._evidence += evidence
        self._own += math.log(max(likelihood, 1e-30))
        self._n_heard += 1
        if self._n_heard >= self._every:
            state = self._compare(stamp, state)
        return self._clocks[self._followed], state

    def _compare(self, stamp: float, state: NDArray[np.float32]) -> NDArray[np.float32]:
        """Weigh the other speeds; returns the state to go on with."""
        highest, followed, states = fast_max(self._evidence), self._followed, self._states
        for index, clock in enumerate(self._clocks):
            if index != followed:
                ticks = clock.advance(stamp)
                states[index] = self._initial if ticks > MAX_TICKS else self._leaps.far(states[index], ticks)
        states *= np.exp(self._evidence - highest)
        mass = np.maximum(states.dot(ones(len(state))), 1e-30)
        states *= (1 / mass)[:, None]
        heard = highest + np.log(mass.astype(np.float64))
        heard[followed] = self._own
        self._log += heard
        weight = np.exp(self._log - self._log.max())
        weight = (1 - self._change) * weight / weight.sum() + self._change * self._likely
        # Some of each was followed until now and has just changed its speed.
        share = (self._change * self._likely / weight).astype(np.float32)
        states += share[:, None] * (state - states)
        states[followed] = state
        self._log = np.log(weight)
        self._forget()
        self._followed = int(weight.argmax())
        return state if self._followed == followed else states[self._followed].copy()

    def _forget(self) -> None:
        """Begin to collect evidence anew."""
        self._evidence = np.zeros(len(self._initial), np.float32)
        self._own = 0.0
        self._n_heard = 0
