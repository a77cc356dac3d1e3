"""Sums over causal windows, sample by sample with carried state, or for a whole recording at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


class RunningSum:
    """The sum of the newest samples, kept up to date.

    Parameters
    ----------
    n_window
        Samples in the window.
    n_columns
        Numbers of a sample.
    n_kept
        Samples that are remembered, for another window to take over; None = those of the window.

    Attributes
    ----------
    total
        Float32 [columns], the sum of the samples that came, up to ``n_window`` of them; not to be changed.
    """

    def __init__(self, n_window: int, n_columns: int, n_kept: int | None = None) -> None:
        self.n_window = n_window
        self.n_columns = n_columns
        self._n_kept = max(n_window, n_kept or n_window)
        self._ring = np.zeros((self._n_kept, n_columns), np.float32)
        # The sum of one sample is that sample.
        self.total = self._ring[0] if self._n_kept == 1 else np.zeros(n_columns, np.float32)
        self._next = 0
        self._n_known = 0

    @property
    def n_held(self) -> int:
        """Samples in the window so far, up to ``n_window``."""
        return min(self._n_known, self.n_window)

    @property
    def fullness(self) -> float:
        """The part of the window that is filled, 0 to 1; less than 1 only after a reset."""
        return self.n_held / self.n_window

    def reset(self) -> None:
        """Empty the window: a new segment begins."""
        self._ring[:] = 0
        self.total[:] = 0
        self._next = self._n_known = 0

    def push(self, sample: NDArray[np.float32]) -> None:
        """Take in one sample.

        Parameters
        ----------
        sample
            Float32 [columns].
        """
        if self._n_known < self._n_kept:
            self._n_known += 1
        if self._n_kept == 1:
            self._ring[0] = sample
            return
        total, slot = self.total, self._ring[self._next]
        total -= self._ring[self._next - self.n_window]
        slot[:] = sample
        total += slot
        self._next += 1
        if self._next == self._n_kept:  # rounding errors may not pile up
            self._next = 0
            np.add.reduce(self._ring[-self.n_window :], 0, out=total)

    def take_over(self, other: RunningSum) -> None:
        """Hold what another window of the same columns holds, as far back as this one reaches.

        Parameters
        ----------
        other
            Stays as it is.
        """
        self.reset()
        for sample in other.samples():
            self.push(sample)

    def samples(self) -> Iterator[NDArray[np.float32]]:
        """What is remembered, float32 [columns] each, the oldest first."""
        for index in range(self._next - self._n_known, self._next):
            yield self._ring[index % self._n_kept]

    def read(self) -> NDArray[np.float32]:
        """The sum, float32 [columns], not to be changed; a window that is not yet full is scaled up to a full one."""
        if self._n_known >= self.n_window:
            return self.total
        return self.total * np.float32(self.n_window / max(self.n_held, 1))


def segment_begins(boundary: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Where the segment of each sample begins, int64 [time].

    Parameters
    ----------
    border
        Bool [time], true where a segment begins.
    """
    return np.maximum.accumulate(np.where(boundary, np.arange(len(boundary)), 0))


def window_sums(
    samples: NDArray[np.float32], boundary: NDArray[np.bool_], n_window: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What `RunningSum` gives after each sample of a recording.

    Parameters
    ----------
    samples
        Float32 [time, channels].
    border
        Bool [time], true where a segment begins: no window crosses it.
    n_window
        Samples in the window.

    Returns
    -------
    sums
        Float32 [time, channels], scaled up to a full window.
    fullness
        Float32 [time].
    """
    index = np.arange(len(samples))
    first = np.maximum(segment_begins(boundary), index - n_window + 1)
    n_held = index - first + 1
    total = np.zeros((len(samples) + 1, samples.shape[1]), np.float64)
    np.cumsum(samples, axis=0, dtype=np.float64, out=total[1:])
    sums = (total[index + 1] - total[first]) * (n_window / n_held)[:, None]
    return sums.astype(np.float32), (n_held / n_window).astype(np.float32)
