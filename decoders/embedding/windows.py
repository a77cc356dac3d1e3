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
    n_channels
        Channels of a sample.
    """

    def __init__(self, n_window: int, n_channels: int) -> None:
        self.n_window = n_window
        self._ring = np.zeros((n_window, n_channels), np.float32)
        self._total = np.zeros(n_channels, np.float64)
        self._next = 0
        self.n_held = 0

    @property
    def fullness(self) -> float:
        """The part of the window that is filled, 0 to 1; less than 1 only after a reset."""
        return self.n_held / self.n_window

    def reset(self) -> None:
        """Empty the window: a new segment begins."""
        self._ring[:] = 0
        self._total[:] = 0
        self._next = self.n_held = 0

    def push(self, sample: NDArray[np.float32]) -> None:
        """Take in one sample.

        Parameters
        ----------
        sample
            Float32 [channels].
        """
        slot = self._ring[self._next]
        self._total -= slot
        slot[:] = sample
        self._total += slot
        self.n_held = min(self.n_held + 1, self.n_window)
        self._next = (self._next + 1) % self.n_window
        if self._next == 0:  # rounding errors may not pile up
            self._total[:] = self._ring.sum(0, dtype=np.float64)

    def take_over(self, other: RunningSum) -> None:
        """Hold what another window of the same channels holds, as far back as this one reaches.

        Parameters
        ----------
        other
            Stays as it is.
        """
        self.reset()
        for sample in other.samples():
            self.push(sample)

    def samples(self) -> Iterator[NDArray[np.float32]]:
        """What the window holds, float32 [channels] each, the oldest first."""
        for index in range(self._next - self.n_held, self._next):
            yield self._ring[index % self.n_window]

    def read(self) -> NDArray[np.float64]:
        """The sum, float64 [channels]; a window that is not yet full is scaled up to a full one."""
        return self._total * (self.n_window / max(self.n_held, 1))


def window_sums(
    samples: NDArray[np.float32], border: NDArray[np.bool_], n_window: int
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
    begins = np.maximum.accumulate(np.where(border, index, 0))
    first = np.maximum(begins, index - n_window + 1)
    n_held = index - first + 1
    total = np.zeros((len(samples) + 1, samples.shape[1]), np.float64)
    np.cumsum(samples, axis=0, dtype=np.float64, out=total[1:])
    sums = (total[index + 1] - total[first]) * (n_window / n_held)[:, None]
    return sums.astype(np.float32), (n_held / n_window).astype(np.float32)
