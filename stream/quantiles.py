"""Quantiles of the last so many measurements."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

FIGURES = ("p50", "p95", "p99", "max", "jitter")
"""What `figures` says of a series, in order."""


class RollingQuantiles:
    """Keeps the last measurements in a ring; adding costs under a microsecond, quantiles are taken when asked for.

    Parameters
    ----------
    window
        How many measurements count.
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
            In whatever unit; NaN is left out.
        """
        if math.isnan(value):
            return
        self._ring[self._n % len(self._ring)] = value
        self._n += 1

    def quantile(self, q: float) -> float:
        """A quantile of what the ring holds; NaN when it is empty.

        Parameters
        ----------
        q
            From 0 to 1.
        """
        return float(np.quantile(self._ring[: len(self)], q)) if self._n else math.nan

    @property
    def p50(self) -> float:
        """The median."""
        return self.quantile(0.5)

    @property
    def p99(self) -> float:
        """The 99th percentile."""
        return self.quantile(0.99)

    @property
    def values(self) -> NDArray[np.float64]:
        """Float64 [n], the measurements that count, oldest first; a copy."""
        if self._n <= len(self._ring):
            return self._ring[: self._n].copy()
        return np.roll(self._ring, -(self._n % len(self._ring)))

    def figures(self) -> dict[str, float]:
        """Quantiles, largest and jitter of what the ring holds, see `figures`."""
        return figures(self.values)


def figures(values: NDArray[np.floating[Any]]) -> dict[str, float]:
    """What a series of latencies is quoted by.

    Parameters
    ----------
    values
        [n], in the order in which they were measured.

    Returns
    -------
    figures
        ``p50``, ``p95``, ``p99``, ``max``, and ``jitter``: the mean absolute difference between one measurement and
        the next (RFC 3550 smooths the same difference). NaN where there are too few.
    """
    if not len(values):
        return dict.fromkeys(FIGURES, math.nan)
    p50, p95, p99 = np.quantile(values, (0.5, 0.95, 0.99)).tolist()
    jitter = float(np.abs(np.diff(values)).mean()) if len(values) > 1 else math.nan
    return {"p50": p50, "p95": p95, "p99": p99, "max": float(values.max()), "jitter": jitter}


def histogram(values: NDArray[np.floating[Any]], bins: int = 24) -> tuple[NDArray[np.int64], float]:
    """Counts of a series of latencies from 0 up to its 99th percentile; the last bin takes what is above.

    Parameters
    ----------
    values
        [n].
    bins
        How many.

    Returns
    -------
    counts
        Int64 [bins].
    top
        Where the last bin would end; 0 when there is nothing.
    """
    if not len(values):
        return np.zeros(bins, np.int64), 0.0
    top = max(float(np.quantile(values, 0.99)), 1e-9)
    at = np.clip((values * (bins / top)).astype(np.int64), 0, bins - 1)
    return np.bincount(at, minlength=bins), top
