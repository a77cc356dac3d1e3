"""Estimation of the playback speed: the one at which the playback model explains the activity best."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from decoders.numerics import fast_max, ones
from decoders.playback.frame_clock import FrameClock
from decoders.playback.transition_powers import JumpingTransitions

SPEEDS = (1.0, 0.5, 0.75, 1.5, 2.0)
"""Speeds compared, in movie seconds per second; that of training comes first."""

OTHER_SPEED = 0.004
"""Prior probability that a segment begins at another speed than that of training."""

PRIOR = (1 - OTHER_SPEED, *[OTHER_SPEED / (len(SPEEDS) - 1)] * (len(SPEEDS) - 1))
"""Prior probability of each speed where a segment begins."""

CHANGES_PER_S = 0.001
"""Rate of speed changes per second."""

COMPARISON_INTERVAL_S = 0.1
"""Interval in seconds between comparisons of the speeds; steps in between are faster."""

SMALLEST_MASS = 1e-30
"""Likelihood below which the evidence excludes all that a model expected; its state starts anew."""

MAX_TICKS = 300
"""Ticks without a sample after which the state returns to the initial distribution."""


class PlaybackSpeed:
    """Estimates the playback speed by comparing hidden Markov models, one per speed.

    The frame clock of each model runs at its speed. `decoders.playback.filter.Playback` filters the most probable model
    sample by sample; the others are updated every `COMPARISON_INTERVAL_S`, with the summed evidence of all samples
    since. When another model becomes more probable, its frame clock and its state are adopted.

    Parameters
    ----------
    transitions
        Transitions of the filter.
    initial
        Float32 [states], distribution where a segment begins.
    movie_rate_hz
        Ticks per second at speed 1.
    rate_hz
        Sampling rate in Hz; 0 for one sample per tick.
    """

    _evidence: NDArray[np.float32]
    _log_likelihood: float
    _n_samples: int

    def __init__(
        self,
        transitions: JumpingTransitions,
        initial: NDArray[np.float32],
        movie_rate_hz: float,
        rate_hz: float,
    ) -> None:
        rate_hz = rate_hz or movie_rate_hz
        self._transitions = transitions
        self._initial = initial
        self._clocks = [FrameClock(movie_rate_hz * speed) for speed in SPEEDS]
        self._every = _samples_between(rate_hz)
        self._change = min(CHANGES_PER_S * self._every / rate_hz, 0.5)
        self.reset()
        for ticks in comparison_ticks(
            movie_rate_hz, rate_hz
        ):  # lay out the powers now, not at the first samples
            transitions.advance(initial, ticks)

    @property
    def speed(self) -> float:
        """Most probable speed, in movie seconds per second."""
        return SPEEDS[self._best]

    def reset(self) -> FrameClock:
        """Start a new segment; return the frame clock of the most probable speed."""
        for clock in self._clocks:
            clock.reset()
        self._best = 0
        # The state of the most probable speed is not updated here: `Playback` filters it.
        self._states = np.tile(self._initial, (len(SPEEDS), 1))
        self._log_weight = [math.log(prior) for prior in PRIOR]
        self._first_sample = True
        self._clear_evidence()
        return self._clocks[0]

    def take_over(self, other: PlaybackSpeed) -> FrameClock:
        """Copy the state of another estimator of the same frames, which stays unchanged; return the clock to use."""
        for mine, theirs in zip(self._clocks, other._clocks, strict=True):
            mine.take_over(theirs)
        self._best, self._first_sample = other._best, other._first_sample
        self._states, self._log_weight = other._states.copy(), list(other._log_weight)
        self._evidence = other._evidence.copy()
        self._log_likelihood = other._log_likelihood
        self._n_samples = other._n_samples
        return self._clocks[self._best]

    def update(
        self,
        evidence: NDArray[np.float32],
        likelihood: float,
        stamp: float,
        state: NDArray[np.float32],
    ) -> tuple[FrameClock, NDArray[np.float32]]:
        """Add the evidence of a sample, and compare the speeds when it is time.

        Parameters
        ----------
        evidence
            Float32 [states], log likelihoods of the sample.
        likelihood
            Likelihood of the sample at the most probable speed.
        stamp
            Timestamp of the sample in seconds.
        state
            Float32 [states], posterior at the most probable speed.

        Returns
        -------
        clock, state
            Frame clock and posterior of the speed that is now most probable.
        """
        if self._first_sample:
            self._first_sample = False
            for index, clock in enumerate(self._clocks):
                if index != self._best:
                    clock.advance(stamp)
        self._evidence += evidence
        self._log_likelihood += math.log(max(likelihood, 1e-30))
        self._n_samples += 1
        if self._n_samples >= self._every:
            state = self._compare(stamp, state)
        return self._clocks[self._best], state

    def _compare(self, stamp: float, state: NDArray[np.float32]) -> NDArray[np.float32]:
        """Update the probability of each speed; return the posterior at the most probable one."""
        highest, best, states = fast_max(self._evidence), self._best, self._states
        for index, clock in enumerate(self._clocks):
            if index != best:
                ticks = clock.advance(stamp)
                states[index] = (
                    self._initial if ticks > MAX_TICKS else self._transitions.advance(states[index], ticks)
                )
        self._evidence -= highest
        states *= np.exp(self._evidence, out=self._evidence)
        mass = [max(m, SMALLEST_MASS) for m in states.dot(ones(len(state))).tolist()]
        explained = [highest + math.log(m) for m in mass]
        explained[best] = self._log_likelihood
        log_weight = [w + e for w, e in zip(self._log_weight, explained, strict=True)]
        weight = [math.exp(w - max(log_weight)) for w in log_weight]
        kept = (1 - self._change) / sum(weight)
        weight = [kept * w + self._change * prior for w, prior in zip(weight, PRIOR, strict=True)]
        # The share of each speed's probability that has just changed from the most probable one brings its state.
        share = [self._change * prior / w for w, prior in zip(weight, PRIOR, strict=True)]
        for index, m in enumerate(mass):
            if m == SMALLEST_MASS:
                states[index], mass[index] = self._initial, 1.0
        states[best] = state
        mix = np.zeros((len(SPEEDS), len(SPEEDS)), np.float32)
        mix.flat[:: len(SPEEDS) + 1] = [(1 - s) / m for s, m in zip(share, mass, strict=True)]
        mix[:, best], mix[best] = share, 0
        mix[best, best] = 1
        self._states = mix.dot(states)
        self._log_weight = [math.log(w) for w in weight]
        self._clear_evidence()
        self._best = weight.index(max(weight))
        return state if self._best == best else self._states[self._best].copy()

    def _clear_evidence(self) -> None:
        self._evidence = np.zeros(len(self._initial), np.float32)
        self._log_likelihood = 0.0
        self._n_samples = 0


def _samples_between(rate_hz: float) -> int:
    """Return the samples between comparisons of the speeds."""
    # Rounded down, but for rates such as 29.97 Hz: evidence summed over a longer time misses fast speeds at 15 Hz.
    return max(1, int(COMPARISON_INTERVAL_S * rate_hz + 0.1))


def comparison_ticks(movie_rate_hz: float, rate_hz: float) -> list[int]:
    """Return the ticks of the frame clocks that usually pass between comparisons, at all speeds.

    Parameters
    ----------
    movie_rate_hz, rate_hz
        See `PlaybackSpeed`.
    """
    rate_hz = rate_hz or movie_rate_hz
    between = [speed * movie_rate_hz * _samples_between(rate_hz) / rate_hz for speed in SPEEDS]
    rounded = {min(int(t), MAX_TICKS) for t in between} | {min(math.ceil(t), MAX_TICKS) for t in between}
    return sorted(rounded - {0})
