"""Continuous labels (such as position or running speed) as they arrive, interpolated at sample times."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

MAX_STEP_S = 2.0
"""No interpolation between values further apart than this."""

MAX_VALUES = 100_000
"""While no value is queried, at most this many are stored; then the older half is dropped."""


MAX_NUMBERS = 4_000_000
"""The same, in numbers: of a label of many columns, fewer values are stored."""


class LabelTrack:
    """Values of one label at any rate, queried in order of time.

    Values older than the last query are dropped.
    """

    def __init__(self) -> None:
        self._stamps: list[float] = []
        self._values: list[NDArray[np.float32]] = []

    def __len__(self) -> int:
        return len(self._stamps)

    def add(self, stamps: ArrayLike, values: Iterable[ArrayLike]) -> None:
        """Add values.

        A timestamp that steps back means a new clock, and drops all earlier values; one that is not finite, its own.

        Parameters
        ----------
        stamps
            Float [n], seconds, on the same clock as the timestamps of the neural stream.
        values
            Float [n, columns].
        """
        for stamp, row in zip(np.asarray(stamps, float).tolist(), values, strict=True):
            if not math.isfinite(stamp):
                continue
            if self._stamps and stamp < self._stamps[-1]:
                del self._stamps[:], self._values[:]
            if self._stamps and stamp == self._stamps[-1]:
                continue
            self._stamps.append(stamp)
            self._values.append(np.asarray(row, np.float32))
        most = max(2, min(MAX_VALUES, MAX_NUMBERS // max(1, len(self._values[-1])))) if self._values else 0
        if len(self._stamps) > most:
            del self._stamps[: -most // 2], self._values[: -most // 2]

    def at(self, stamp: float, n_columns: int, slack_s: float = 0.0) -> NDArray[np.float32]:
        """Value of the label at a time: a stored value if one is near, else linear interpolation.

        Parameters
        ----------
        stamp
            Time, seconds.
        n_columns
            Expected number of columns.
        slack_s
            Largest distance in seconds at which a stored value is used as it is.

        Returns
        -------
        value
            Float32 [columns]; NaN before the first value, after the last, between values more than `MAX_STEP_S`
            apart, and if the number of columns is another.
        """
        after = bisect_right(self._stamps, stamp)
        if after > 1:
            del self._stamps[: after - 1], self._values[: after - 1]
            after = 1
        near = [i for i in (after - 1, after) if 0 <= i < len(self._stamps)]
        best = min(near, key=lambda i: abs(self._stamps[i] - stamp), default=None)
        value = np.full(n_columns, np.nan, np.float32)
        if best is not None and abs(self._stamps[best] - stamp) <= slack_s:
            value = self._values[best]
        elif len(near) == 2 and self._stamps[after] - self._stamps[after - 1] <= MAX_STEP_S:
            before_s, after_s = self._stamps[after - 1], self._stamps[after]
            weight = np.float32((stamp - before_s) / (after_s - before_s))
            value = self._values[after - 1] * (1 - weight) + self._values[after] * weight
        return value if len(value) == n_columns else np.full(n_columns, np.nan, np.float32)


class Labels:
    """All labels of a neural stream.

    Attributes
    ----------
    tracks
        Labels received so far, by name.
    """

    def __init__(self) -> None:
        self.tracks: dict[str, LabelTrack] = {}

    def add(self, name: str, stamps: ArrayLike, values: Iterable[ArrayLike]) -> None:
        """Add values of one label.

        Parameters
        ----------
        name
            Name of the label.
        stamps, values
            See `LabelTrack.add`.
        """
        self.tracks.setdefault(name, LabelTrack()).add(stamps, values)

    def at(self, wanted: Iterable[tuple[str, int]], stamp: float, rate_hz: float) -> NDArray[np.float32]:
        """Values of several labels at a sample, side by side.

        Parameters
        ----------
        wanted
            Name and number of columns of each label.
        stamp
            Timestamp of the sample, seconds.
        rate_hz
            Sampling rate in Hz, 0 for irregular streams. A value within a quarter of a period is used as it is.

        Returns
        -------
        values
            Float32 [columns of all labels]; NaN where unknown.
        """
        slack_s = 0.25 / rate_hz if rate_hz > 0 else 1e-6
        empty = LabelTrack()
        parts = [self.tracks.get(name, empty).at(stamp, k, slack_s) for name, k in wanted]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def r2(n: int, total: NDArray[np.float64], square: NDArray[np.float64], error: NDArray[np.float64]) -> float:
    """Coefficient of determination of decoded labels from running sums, over all columns together.

    Parameters
    ----------
    n
        Number of samples.
    total, square
        Float64 [columns], sum and sum of squares of the true values.
    error
        Float64 [columns], sum of squared errors.

    Returns
    -------
    r2
        1 - error / variance; NaN if the true values do not vary.
    """
    variance = float(np.sum(square - total**2 / n)) if n else 0.0
    return 1.0 - float(error.sum()) / variance if variance > 1e-12 else math.nan
