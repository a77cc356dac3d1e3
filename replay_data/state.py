"""Changes of a population's gain that the stimulus does not cause: running, shared fluctuations, slow drift."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from replay_data.movie import RATE_HZ

Array = NDArray[np.float32]

_MAX_SPEED_CM_S = 22.0


def behaviour(
    repeat: NDArray[np.int32], episode: tuple[int, int], rng: np.random.Generator
) -> tuple[Array, Array]:
    """Simulate arousal and the running speed that goes with it.

    Parameters
    ----------
    repeat
        Int32 [time], repeat number (see `replay_data.schedule`).
    episode
        Repeats within which a long episode of running begins and ends.
    rng
        Random generator.

    Returns
    -------
    state
        Float32 [time], arousal from 0 (rest) to 1 (the episode); short bouts stay below 0.5.
    running
        Float32 [time, 1], running speed in cm/s.
    """
    n_bins = len(repeat)
    target = np.zeros(n_bins)
    for onset in np.flatnonzero(rng.random(n_bins) < 1 / (45 * RATE_HZ)):
        target[onset : onset + round(rng.uniform(2, 6) * RATE_HZ)] = rng.uniform(0.2, 0.5)
    ends = []
    for number in episode:
        during = np.flatnonzero(repeat == number)
        ends.append(int(during[round(rng.uniform(0.3, 0.7) * len(during))]))
    target[ends[0] : ends[1]] = 1.0
    state = _low_pass(target, 0.7)
    stride = fluctuation(n_bins, 0.5, rng)[:, 0]
    speed = _MAX_SPEED_CM_S * state * (1 + 0.12 * stride) + 0.15 * np.abs(rng.standard_normal(n_bins))
    return state.astype(np.float32), np.maximum(speed, 0).astype(np.float32)[:, None]


def fluctuation(n_bins: int, time_constant_s: float, rng: np.random.Generator, n: int = 1) -> Array:
    """Simulate independent Ornstein-Uhlenbeck processes of variance 1.

    Parameters
    ----------
    n_bins
        Length in bins of 1/30 s.
    time_constant_s
        Time in seconds over which the autocorrelation falls to 1/e.
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
    noise = rng.standard_normal((n_bins, n))
    start = keep * rng.standard_normal((1, n))
    values, _ = lfilter([np.sqrt(1 - keep**2)], [1, -keep], noise, axis=0, zi=start)
    return values.astype(np.float32)  # type: ignore[no-any-return]


def log_gain(
    n_bins: int, n_units: int, shared: float, own: float, drift: float, rng: np.random.Generator
) -> Array:
    """Simulate the log gain of every unit: fluctuations that units share to different degrees, and private ones.

    Parameters
    ----------
    n_bins, n_units
        Numbers of bins and units.
    shared
        Standard deviation of the shared part in a typical unit; it causes noise correlations.
    own
        Standard deviation of each unit's private part that changes within seconds.
    drift
        Standard deviation of each unit's private part that changes within minutes.
    rng
        Random generator.

    Returns
    -------
    log_gain
        Float32 [time, units]; the mean gain is about 1.
    """
    common = np.concatenate([fluctuation(n_bins, 0.8, rng), fluctuation(n_bins, 15.0, rng)], axis=1)
    coupling = rng.normal(0.7, 0.35, (2, n_units)).astype(np.float32) * np.float32(shared)
    private = own * fluctuation(n_bins, 1.5, rng, n_units) + drift * fluctuation(n_bins, 300.0, rng, n_units)
    variance = (coupling**2).sum(0) + own**2 + drift**2
    return np.asarray(common @ coupling + private - variance / 2, np.float32)


def _low_pass(values: NDArray[np.float64], time_constant_s: float) -> NDArray[np.float64]:
    keep = float(np.exp(-1 / (time_constant_s * RATE_HZ)))
    return lfilter([1 - keep], [1, -keep], values)  # type: ignore[no-any-return]
