"""Multi-scale windows: several causal windows side by side, each half as long as the next.

A short window is precise in time but noisy, a long one the reverse. Side by side, the within-class covariance weights
them, and the activity that led to a state informs its decoding too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from decoders.embedding.windows import RunningSum, window_sums

MAX_SCALES = 5
"""Largest number of windows."""

MAX_WINDOW_VALUES = 50_000_000
"""Largest window, in samples times channels: a damaged model file must not exhaust the memory."""

MAX_FEATURES = 640
"""Largest number of features (channels times windows): their covariance is estimated from minutes of data."""


def window_spans(n_window: int, n_channels: int) -> tuple[int, ...]:
    """Choose window lengths in samples, the longest last; empty when there is room for a single window only.

    Parameters
    ----------
    n_window
        Length of the longest window in samples.
    n_channels
        Number of channels.

    Examples
    --------
    >>> window_spans(20, 100)
    (1, 2, 5, 10, 20)
    >>> window_spans(20, 600)
    ()
    """
    n_most = min(MAX_SCALES, MAX_FEATURES // max(n_channels, 1))
    spans = sorted({max(1, round(n_window / 2**halving)) for halving in range(n_most)})
    return tuple(spans) if len(spans) > 1 else ()


class RunningMultiscale(RunningSum):
    """Running sums of several windows; as a `RunningSum` it is the longest.

    Parameters
    ----------
    spans
        Window lengths in samples, the longest last.
    n_channels
        Number of channels.
    n_kept
        Samples stored (see `RunningSum`); None stores those of the longest window.
    """

    def __init__(self, spans: tuple[int, ...], n_channels: int, n_kept: int | None = None) -> None:
        super().__init__(spans[-1], n_channels, n_kept)
        self._spans = np.array(spans)
        self._sums = np.zeros((len(spans), n_channels), np.float32)
        self._flat, self._change = self._sums.reshape(-1), np.empty_like(self._sums)
        self._scale = np.repeat(self._to_full(self._spans), n_channels, 1)
        # rows of the ring that leave the windows, by the row that comes next
        self._leaving = [(following - self._spans) % self._n_kept for following in range(self._n_kept)]

    @property
    def sums(self) -> NDArray[np.float32]:
        """Float32 [windows * channels], the sums side by side as they are, read-only."""
        return self._flat

    @property
    def scale(self) -> NDArray[np.float32]:
        """Float32 [windows * channels], by which `read` multiplies the sums of full windows."""
        return self._scale.reshape(-1)

    @property
    def fullness(self) -> float:
        """Mean share of the windows that is filled, 0 to 1; less than 1 only after a reset."""
        if self._n_known >= self.n_window:
            return 1.0
        return float(np.mean(np.minimum(self._n_known / self._spans, 1)))

    def reset(self) -> None:
        """Start a new segment with empty windows."""
        super().reset()
        self._sums[:] = 0

    def push(self, sample: NDArray[np.float32]) -> None:
        """Add a sample, float32 [channels]."""
        change = self._ring.take(self._leaving[self._next], 0, self._change, "clip")
        np.subtract(sample, change, change)
        self._sums += change
        self._ring[self._next] = sample
        self._n_known = min(self._n_known + 1, self._n_kept)
        self._next += 1
        if self._next == self._n_kept:  # sum anew, so that rounding errors do not accumulate
            self._next = 0
            for total, span in zip(self._sums, self._spans.tolist(), strict=True):
                np.add.reduce(self._ring[-span:], 0, out=total)

    def read(self) -> NDArray[np.float32]:
        """Return the sums side by side, float32 [windows * channels], each scaled up to the longest window."""
        scale = self._scale
        if self._n_known < self.n_window:
            scale = self._to_full(np.clip(self._n_known, 1, self._spans))
        return (self._sums * scale).reshape(-1)

    def _to_full(self, held: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return what sums of the samples held are multiplied by, float32 [windows, 1]."""
        return (self.n_window / held).astype(np.float32)[:, None]


def running_window(
    n_window: int, spans: tuple[int, ...], n_channels: int, n_kept: int | None = None
) -> RunningSum:
    """Return one window, or multi-scale windows when there are spans, that stores ``n_kept`` samples."""
    return RunningMultiscale(spans, n_channels, n_kept) if spans else RunningSum(n_window, n_channels, n_kept)


def multiscale_sums(
    samples: NDArray[np.float32], boundary: NDArray[np.bool_], n_window: int, spans: tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compute the sums that `running_window` gives after each sample of a recording.

    Parameters
    ----------
    samples
        Float32 [time, channels].
    boundary
        Bool [time], true where a segment begins; no window crosses it.
    n_window
        Window length in samples when there are no spans.
    spans
        Window lengths in samples, the longest last; empty for a single window.

    Returns
    -------
    sums
        Float32 [time, channels], or [time, windows * channels], each scaled up to the longest window.
    fullness
        Float32 [time], mean share of the windows that is filled.
    """
    if not spans:
        return window_sums(samples, boundary, n_window)
    each = [window_sums(samples, boundary, span) for span in spans]
    sums = np.hstack([s * np.float32(spans[-1] / span) for (s, _), span in zip(each, spans, strict=True)])
    return sums, np.mean([fullness for _, fullness in each], axis=0, dtype=np.float32)
