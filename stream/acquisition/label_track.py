"""Continuous labels as they arrive: add values, ask for a moment."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

LONGEST_S = 2.0
"""Between two values further apart than that nothing is made up."""

KEPT = 100_000
"""Values kept while nobody asks; then the older half is forgotten."""


class LabelTrack:
    """One label, at any rate, from whenever it begins.

    Moments are asked for in order; values older than the last moment are forgotten.
    """

    def __init__(self) -> None:
        self._stamps: list[float] = []
        self._values: list[NDArray[np.float32]] = []

    def __len__(self) -> int:
        return len(self._stamps)

    def add(self, stamps: ArrayLike, values: Iterable[ArrayLike]) -> None:
        """Add values; those whose stamps do not increase begin anew, for their clock has stepped back.

        Parameters
        ----------
        stamps
            Float [n], seconds, on the clock of the neural stream's stamps.
        values
            Float [n, k].
        """
        for stamp, row in zip(np.asarray(stamps, float).tolist(), values, strict=True):
            if self._stamps and stamp < self._stamps[-1]:
                del self._stamps[:], self._values[:]
            if self._stamps and stamp == self._stamps[-1]:
                continue
            self._stamps.append(stamp)
            self._values.append(np.asarray(row, np.float32))
        if len(self._stamps) > KEPT:
            del self._stamps[: -KEPT // 2], self._values[: -KEPT // 2]

    def at(self, stamp: float, n_columns: int, slack_s: float = 0.0) -> NDArray[np.float32]:
        """The label at a moment: the value stamped then, else on the line between its neighbours.

        Parameters
        ----------
        stamp
            Seconds.
        n_columns
            How many columns it should have.
        slack_s
            A value so near counts as stamped then.

        Returns
        -------
        value
            Float32 [columns]; NaN where nothing is known: before the first value, after the last, across more than
            `LONGEST_S`, or when the label has other columns.
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
        elif len(near) == 2 and self._stamps[after] - self._stamps[after - 1] <= LONGEST_S:
            before_s, after_s = self._stamps[after - 1], self._stamps[after]
            weight = np.float32((stamp - before_s) / (after_s - before_s))
            value = self._values[after - 1] * (1 - weight) + self._values[after] * weight
        return value if len(value) == n_columns else np.full(n_columns, np.nan, np.float32)


class Labels:
    """Every label of a neural stream, by name.

    Attributes
    ----------
    tracks
        Those that have come so far.
    """

    def __init__(self) -> None:
        self.tracks: dict[str, LabelTrack] = {}

    def add(self, name: str, stamps: ArrayLike, values: Iterable[ArrayLike]) -> None:
        """Add values of a label; see `LabelTrack.add`."""
        self.tracks.setdefault(name, LabelTrack()).add(stamps, values)

    def at(self, wanted: Iterable[tuple[str, int]], stamp: float, rate_hz: float) -> NDArray[np.float32]:
        """Labels at a sample, side by side.

        Parameters
        ----------
        wanted
            Names, and how many columns each has.
        stamp
            Of the sample, seconds.
        rate_hz
            Of the samples; 0 = irregular. A value within a quarter of a period counts for the sample.
        """
        slack_s = 0.25 / rate_hz if rate_hz > 0 else 1e-6
        nothing = LabelTrack()
        parts = [self.tracks.get(name, nothing).at(stamp, k, slack_s) for name, k in wanted]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def r2(n: int, total: NDArray[np.float64], square: NDArray[np.float64], error: NDArray[np.float64]) -> float:
    """Share of the variance that estimates explain, over all columns of a label; NaN when there is none.

    Parameters
    ----------
    n
        Moments.
    total, square
        Float64 [columns], sum and sum of squares of the truth.
    error
        Float64 [columns], sum of squared errors.
    """
    variance = float(np.sum(square - total**2 / n)) if n else 0.0
    return 1.0 - float(error.sum()) / variance if variance > 1e-12 else math.nan
