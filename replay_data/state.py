"""Gain changes of a population beside the stimulus: running, shared fluctuations, slow drift."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from replay_data.movie import RATE_HZ

Array = NDArray[np.float32]

_FULL_SPEED_CM_S = 22.0


def behaviour(
    repeat: NDArray[np.int32], episode: tuple[int, int], rng: np.random.Generator
) -> tuple[Array, Array]:
    """Draw the state of arousal and the running speed that follows it.

    Parameters
    ----------
    repeat
        Repeat of each bin, int32 [time], see `replay_data.schedule`.
    episode
        Repeats in which the long change of state begins and ends.
    rng
        Random generator.

    Returns
    -------
    state
        Arousal, float32 [time], 0 (rest) to 1 (the episode); short bouts reach less.
    running
        Speed in cm/s, float32 [time, 1].
    """
    n_bins = len(repeat)
    wanted = np.zeros(n_bins)
    for onset in np.flatnonzero(rng.random(n_bins) < 1 / (45 * RATE_HZ)):
        wanted[onset : onset + round(rng.uniform(2, 6) * RATE_HZ)] = rng.uniform(0.2, 0.5)
    ends = []
    for number in episode:
        during = np.flatnonzero(repeat == number)
        ends.append(int(during[round(rng.uniform(0.3, 0.7) * len(during))]))
    wanted[ends[0] : ends[1]] = 1.0
    state = _low_pass(wanted, 0.7)
    steps = fluctuation(n_bins, 0.5, rng)[:, 0]
    speed = _FULL_SPEED_CM_S * state * (1 + 0.12 * steps) + 0.15 * np.abs(rng.standard_normal(n_bins))
    return state.astype(np.float32), np.maximum(speed, 0).astype(np.float32)[:, None]


def fluctuation(n_bins: int, time_constant_s: float, rng: np.random.Generator, n: int = 1) -> Array:
    """Draw independent Ornstein-Uhlenbeck processes of variance 1.

    Parameters
    ----------
    n_bins
        Length, in bins of 1/30 s.
    time_constant_s
        Time in which the correlation falls to 1/e, seconds.
    rng
        Random generator.
    n
        Number of processes.

    Returns
    -------
    values
        Float32 [time, n].
    """
    keep = float(np.exp(-1 / (time_constant_s * RATE_HZ)))
    kicks = rng.standard_normal((n_bins, n))
    start = keep * rng.standard_normal((1, n))
    values, _ = lfilter([np.sqrt(1 - keep**2)], [1, -keep], kicks, axis=0, zi=start)
    return values.astype(np.float32)  # type: ignore[no-any-return]


def log_gain(
    n_bins: int, n_units: int, shared: float, own: float, drift: float, rng: np.random.Generator
) -> Array:
    """Draw the log gain of every unit: fluctuations shared in unequal measure, and fluctuations and drift of its own.

    Parameters
    ----------
    n_bins, n_units
        Shape of the result.
    shared
        Standard deviation of the shared part of a typical unit, which causes noise correlations.
    own
        Standard deviation of each unit's own part that changes within seconds.
    drift
        Standard deviation of each unit's own part that changes within minutes.
    rng
        Random generator.

    Returns
    -------
    log_gain
        Float32 [time, units]; the gain's mean is about 1.
    """
    common = np.concatenate([fluctuation(n_bins, 0.8, rng), fluctuation(n_bins, 15.0, rng)], axis=1)
    coupling = rng.normal(0.7, 0.35, (2, n_units)).astype(np.float32) * np.float32(shared)
    private = own * fluctuation(n_bins, 1.5, rng, n_units) + drift * fluctuation(n_bins, 300.0, rng, n_units)
    variance = (coupling**2).sum(0) + own**2 + drift**2
    return np.asarray(common @ coupling + private - variance / 2, np.float32)


def _low_pass(values: NDArray[np.float64], time_constant_s: float) -> NDArray[np.float64]:
    """Low-pass filter a series, like the slow onset of running."""
    keep = float(np.exp(-1 / (time_constant_s * RATE_HZ)))
    return lfilter([1 - keep], [1, -keep], values)  # type: ignore[no-any-return]
