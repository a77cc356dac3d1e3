"""Several causal windows side by side, each half as long as the next: what just happened, and what led there.

One window must be short to be precise and long to be sure. Side by side, the covariance of the noise says how much each
is worth, and what was seen on the way to a place counts as well as what is seen in it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from decoders.embedding.windows import RunningSum, window_sums

MAX_SCALES = 5
MAX_FEATURES = 640
"""Channels times windows; their covariance must be learned from minutes of data."""


def window_spans(n_window: int, n_channels: int) -> tuple[int, ...]:
    """The lengths of a ladder's windows in samples, the longest last; empty when there is room for one only.

    Parameters
    ----------
    n_window
        Samples in the longest.
    n_channels
        Channels of a sample.
    """
    n_most = min(MAX_SCALES, MAX_FEATURES // max(n_channels, 1))
    spans = sorted({max(1, round(n_window / 2**rung)) for rung in range(n_most)})
    return tuple(spans) if len(spans) > 1 else ()


class RunningMultiscale(RunningSum):
    """The sums of several windows, kept up to date; in itself it is the longest.

    Parameters
    ----------
    spans
        Samples in each window, the longest last.
    n_channels
        Channels of a sample.
    n_kept
        Samples that are remembered, for another window to take over; None = those of the longest.
    """

    def __init__(self, spans: tuple[int, ...], n_channels: int, n_kept: int | None = None) -> None:
        super().__init__(spans[-1], n_channels, n_kept)
        self._spans = np.array(spans)
        self._sums = np.zeros((len(spans), n_channels), np.float32)
        self._scale = (self.n_window / self._spans).astype(np.float32)[:, None]

    @property
    def fullness(self) -> float:
        """How much of the windows is filled, 0 to 1, their mean; less than 1 only after a reset."""
        if self._n_known >= self.n_window:
            return 1.0
        return float(np.mean(np.minimum(self._n_known / self._spans, 1)))

    def reset(self) -> None:
        """Empty the windows: a new segment begins."""
        super().reset()
        self._sums[:] = 0

    def push(self, sample: NDArray[np.float32]) -> None:
        """Take in one sample, float32 [channels]."""
        self._sums -= self._ring.take(self._next - self._spans, 0, mode="wrap")
        self._sums += sample
        self._ring[self._next] = sample
        self._n_known = min(self._n_known + 1, self._n_kept)
        self._next += 1
        if self._next == self._n_kept:  # rounding errors may not pile up
            self._next = 0
            for total, span in zip(self._sums, self._spans.tolist(), strict=True):
                np.add.reduce(self._ring[-span:], 0, out=total)

    def read(self) -> NDArray[np.float32]:
        """The sums side by side, float32 [windows * channels], each scaled up to the longest window."""
        scale = self._scale
        if self._n_known < self.n_window:
            held = np.clip(self._n_known, 1, self._spans)
            scale = (self.n_window / held).astype(np.float32)[:, None]
        return (self._sums * scale).ravel()


def running_window(
    n_window: int, spans: tuple[int, ...], n_channels: int, n_kept: int | None = None
) -> RunningSum:
    """One window, or a ladder when there are spans, that remembers ``n_kept`` samples."""
    return RunningMultiscale(spans, n_channels, n_kept) if spans else RunningSum(n_window, n_channels, n_kept)


def multiscale_sums(
    samples: NDArray[np.float32], boundary: NDArray[np.bool_], n_window: int, spans: tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What `running_window` gives after each sample of a recording.

    Parameters
    ----------
    samples
        Float32 [time, channels].
    border
        Bool [time], true where a segment begins: no window crosses it.
    n_window
        Samples in the only window, when there are no spans.
    spans
        Samples in each window, the longest last; empty = one window.

    Returns
    -------
    sums
        Float32 [time, channels], or [time, windows * channels], each scaled up to the longest window.
    fullness
        Float32 [time].
    """
    if not spans:
        return window_sums(samples, boundary, n_window)
    each = [window_sums(samples, boundary, span) for span in spans]
    sums = np.hstack([s * np.float32(spans[-1] / span) for (s, _), span in zip(each, spans, strict=True)])
    return sums, np.mean([fullness for _, fullness in each], axis=0, dtype=np.float32)
