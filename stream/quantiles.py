"""Rolling quantiles and summaries of latencies."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

SUMMARY_KEYS = ("p50", "p95", "p99", "max", "jitter")
"""Keys of the result of `latency_summary`, in order."""


class RollingQuantiles:
    """Ring buffer of the last measurements; adding one costs under a microsecond, quantiles are computed on demand.

    Parameters
    ----------
    window
        Number of measurements in the buffer.
    """

    def __init__(self, window: int = 1000) -> None:
        self._ring = np.empty(window)
        self._n = 0

    def __len__(self) -> int:
        return min(self._n, len(self._ring))

    def add(self, value: float) -> None:
        """Add a measurement.

        Parameters
        ----------
        value
            Measurement in any unit; NaN is ignored.
        """
        if math.isnan(value):
            return
        self._ring[self._n % len(self._ring)] = value
        self._n += 1

    def quantile(self, q: float) -> float:
        """Quantile of the measurements in the buffer; NaN if there are none.

        Parameters
        ----------
        q
            Probability, from 0 to 1.
        """
        return float(np.quantile(self._ring[: len(self)], q)) if self._n else math.nan

    @property
    def p50(self) -> float:
        """Median."""
        return self.quantile(0.5)

    @property
    def p99(self) -> float:
        """99th percentile."""
        return self.quantile(0.99)

    @property
    def values(self) -> NDArray[np.float64]:
        """Measurements in the buffer, oldest first; float64 [n], a copy."""
        if self._n <= len(self._ring):
            return self._ring[: self._n].copy()
        return np.roll(self._ring, -(self._n % len(self._ring)))

    def summary(self) -> dict[str, float]:
        """Quantiles, maximum and jitter of the measurements in the buffer, see `latency_summary`."""
        return latency_summary(self.values)


def latency_summary(values: NDArray[np.floating[Any]]) -> dict[str, float]:
    """Quantiles, maximum and jitter of a series of latencies.

    Parameters
    ----------
    values
        Float [n], in order of measurement.

    Returns
    -------
    summary
        ``p50``, ``p95``, ``p99``, ``max``, and ``jitter``: the mean absolute difference of successive values, which RFC
        3550 smooths. NaN if there are too few values.
    """
    if not len(values):
        return dict.fromkeys(SUMMARY_KEYS, math.nan)
    p50, p95, p99 = np.quantile(values, (0.5, 0.95, 0.99)).tolist()
    jitter = float(np.abs(np.diff(values)).mean()) if len(values) > 1 else math.nan
    return {"p50": p50, "p95": p95, "p99": p99, "max": float(values.max()), "jitter": jitter}


def histogram(values: NDArray[np.floating[Any]], bins: int = 24) -> tuple[NDArray[np.int64], float]:
    """Histogram of latencies from 0 to their 99th percentile; the last bin also counts all above.

    Parameters
    ----------
    values
        Float [n].
    bins
        Number of bins.

    Returns
    -------
    counts
        Int64 [bins].
    top
        Upper edge of the last bin; 0 if there are no values.
    """
    if not len(values):
        return np.zeros(bins, np.int64), 0.0
    top = max(float(np.quantile(values, 0.99)), 1e-9)
    at = np.clip((values * (bins / top)).astype(np.int64), 0, bins - 1)
    return np.bincount(at, minlength=bins), top
