"""Ring buffers of bounded size: rows of a table, and an image whose columns are time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

GAP_PERIODS = 1.5
"""A step longer than this many sample periods is a gap, which stays empty."""


class RowRing:
    """Ring buffer of rows, readable as one contiguous block.

    Parameters
    ----------
    capacity
        Number of rows kept.
    n_columns
        Values per row.
    dtype
        Type of the values.
    """

    def __init__(self, capacity: int, n_columns: int, dtype: type = np.float64) -> None:
        self.capacity = capacity
        self.n_columns = n_columns
        self.total = 0
        self._buffer: NDArray[Any] = np.empty((2 * capacity, n_columns), dtype)
        self._buffer.fill(0)  # takes the memory now: the window does not grow while the buffer fills
        self._end = 0

    def __len__(self) -> int:
        return min(self._end, self.capacity)

    def add(self, rows: NDArray[Any]) -> None:
        """Append rows, [n, n_columns]."""
        self.total += len(rows)
        rows = rows[-self.capacity :]
        if self._end + len(rows) > len(self._buffer):
            keep = self.rows()[len(rows) :] if len(self) + len(rows) > self.capacity else self.rows()
            self._buffer[: len(keep)] = keep  # apart: it lies in the second half
            self._end = len(keep)
        self._buffer[self._end : self._end + len(rows)] = rows
        self._end += len(rows)

    def rows(self) -> NDArray[Any]:
        """The kept rows, oldest first: [n, n_columns], a view that the next `add` may change."""
        return self._buffer[self._end - len(self) : self._end]

    def clear(self) -> None:
        """Discard all rows."""
        self._end = 0
        self.total = 0


class ColumnImage:
    """A rolling image, one column per step of time; columns without data are marked.

    Parameters
    ----------
    n_rows, n_columns
        Size of the image.
    step_s
        Width of a column in seconds.
    period_s
        Sample period in seconds; steps longer than `GAP_PERIODS` of it are gaps.
    """

    def __init__(self, n_rows: int, n_columns: int, step_s: float, period_s: float) -> None:
        self.step_s = step_s
        self._longest = max(GAP_PERIODS * period_s, 1.01 * step_s)
        self._data = np.zeros((n_columns, n_rows), np.float32)
        self._has_data = np.zeros(n_columns, bool)
        self._newest = -1
        self._time = math.nan
        self._origin = math.nan

    @property
    def newest_s(self) -> float:
        """Time of the newest sample in seconds; NaN before the first."""
        return self._time

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self._data.shape[1]

    def add(self, times: NDArray[np.float64], values: NDArray[np.float32]) -> None:
        """Add samples; several in one column keep their largest valid value.

        Parameters
        ----------
        times
            Timestamps, float64 [n], in seconds.
        values
            Samples, float32 [n, n_rows].
        """
        for time_s, value in zip(times.tolist(), values, strict=True):
            if math.isnan(self._origin) or time_s < self._time - self._longest:
                self._data[:] = 0
                self._has_data[:] = False
                self._origin, self._newest, self._time = time_s, 0, time_s
                self._data[0], self._has_data[0] = value, True
                continue
            index = round((time_s - self._origin) / self.step_s)
            n_columns = len(self._data)
            if index <= self._newest:
                slot = self._newest % n_columns
                np.fmax(self._data[slot], value, out=self._data[slot])
            else:
                fresh = np.arange(max(self._newest + 1, index - n_columns + 1), index + 1) % n_columns
                connected = time_s - self._time <= self._longest
                self._data[fresh] = value if connected else 0
                self._has_data[fresh] = connected
                self._data[index % n_columns] = value
                self._has_data[index % n_columns] = True
                self._newest = index
            self._time = max(self._time, time_s)

    def image(self, first: int = 0, last: int | None = None) -> NDArray[np.float32]:
        """Rows ``first`` to ``last`` of the image, float32 [n_columns, rows], oldest column first; a copy."""
        begin = (self._newest + 1) % len(self._data)
        part = self._data[:, first:last]
        return np.concatenate([part[begin:], part[:begin]])

    def has_data(self) -> NDArray[np.bool_]:
        """Which columns hold data, bool [n_columns], oldest first; a copy."""
        begin = (self._newest + 1) % len(self._data)
        return np.concatenate([self._has_data[begin:], self._has_data[:begin]])

    def newest(self) -> NDArray[np.float32]:
        """The newest column, float32 [n_rows]; a copy."""
        newest: NDArray[np.float32] = self._data[self._newest % len(self._data)].copy()
        return newest
