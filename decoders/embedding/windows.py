"""Sums over causal windows: sample by sample with carried state, or for a whole recording at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


class RunningSum:
    """Running sum of the newest samples.

    Parameters
    ----------
    n_window
        Window length in samples.
    n_columns
        Values per sample.
    n_kept
        Samples stored, at least ``n_window``, so that a longer window can take them over; None stores ``n_window``.

    Attributes
    ----------
    total
        Float32 [columns], sum of the samples in the window; read-only for callers.

    Examples
    --------
    >>> window = RunningSum(n_window=2, n_columns=1)
    >>> for value in (1.0, 2.0, 4.0):
    ...     window.push(np.array([value], np.float32))
    >>> window.read().tolist()
    [6.0]
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
        """Samples in the window, at most ``n_window``."""
        return min(self._n_known, self.n_window)

    @property
    def full(self) -> bool:
        """Whether the window is filled."""
        return self._n_known >= self.n_window

    @property
    def fullness(self) -> float:
        """Share of the window that is filled, 0 to 1; less than 1 only after a reset."""
        return self.n_held / self.n_window

    @property
    def sums(self) -> NDArray[np.float32]:
        """Float32 [columns], the sum as it is, read-only; `read` multiplies that of a full window by `scale`."""
        return self.total

    @property
    def scale(self) -> NDArray[np.float32]:
        """Float32 [columns], see `sums`."""
        return np.ones(self.n_columns, np.float32)

    def reset(self) -> None:
        """Start a new segment with an empty window."""
        self._ring[:] = 0
        self.total[:] = 0
        self._next = self._n_known = 0

    def push(self, sample: NDArray[np.float32]) -> None:
        """Add a sample.

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
        total += sample
        slot[:] = sample
        self._next += 1
        if self._next == self._n_kept:  # sum anew, so that rounding errors do not accumulate
            self._next = 0
            np.add.reduce(self._ring[-self.n_window :], 0, out=total)

    def take_over(self, other: RunningSum) -> None:
        """Copy the samples of another window of the same columns, as many as this one stores.

        Parameters
        ----------
        other
            Source; it stays unchanged.
        """
        self.reset()
        for sample in other.samples():
            self.push(sample)

    def samples(self) -> Iterator[NDArray[np.float32]]:
        """Yield the stored samples, float32 [columns] each, oldest first."""
        for index in range(self._next - self._n_known, self._next):
            yield self._ring[index % self._n_kept]

    def read(self) -> NDArray[np.float32]:
        """Return the window sum, float32 [columns], read-only; a partly filled window is scaled up to a full one."""
        if self._n_known >= self.n_window:
            return self.total
        return self.total * np.float32(self.n_window / max(self.n_held, 1))


def segment_begins(boundary: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the first sample of each sample's segment, int64 [time].

    Parameters
    ----------
    boundary
        Bool [time], true where a segment begins.

    Examples
    --------
    >>> segment_begins(np.array([True, False, True, False])).tolist()
    [0, 0, 2, 2]
    """
    return np.maximum.accumulate(np.where(boundary, np.arange(len(boundary)), 0))


def window_sums(
    samples: NDArray[np.float32], boundary: NDArray[np.bool_], n_window: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compute the sum that `RunningSum` gives after each sample of a recording.

    Parameters
    ----------
    samples
        Float32 [time, channels].
    boundary
        Bool [time], true where a segment begins; no window crosses it.
    n_window
        Window length in samples.

    Returns
    -------
    sums
        Float32 [time, channels], scaled up to a full window.
    fullness
        Float32 [time], share of each window that is filled.
    """
    index = np.arange(len(samples))
    first = np.maximum(segment_begins(boundary), index - n_window + 1)
    n_held = index - first + 1
    total = np.zeros((len(samples) + 1, samples.shape[1]), np.float64)
    np.cumsum(samples, axis=0, dtype=np.float64, out=total[1:])
    sums = (total[index + 1] - total[first]) * (n_window / n_held)[:, None]
    return sums.astype(np.float32), (n_held / n_window).astype(np.float32)


def window_features(sums: NDArray[np.float32], n_window: int, *, root: bool) -> NDArray[np.float32]:
    """Convert window sums float32 [..., channels] to features of the same shape.

    Parameters
    ----------
    sums
        Sums over the window.
    n_window
        Window length in samples.
    root
        Whether to take the square root (of spike counts), which stabilizes their variance; otherwise the mean.

    Examples
    --------
    >>> window_features(np.array([4.0, 9.0], np.float32), 10, root=True).tolist()
    [2.0, 3.0]
    """
    features = np.sqrt(np.maximum(sums, 0)) if root else sums * np.float32(1 / n_window)
    return np.asarray(features, np.float32)
