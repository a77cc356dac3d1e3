"""The last seconds of neural signals that are shown as traces, such as EEG."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gui.state.ring_buffers import RowRing
from gui.state.snapshot import NeuralTraces

TRACE_TYPES = ("EEG",)
"""LSL types whose channels are shown as traces."""

MAX_TRACES = 16
"""Largest number of traces; further channels are not shown."""

MAX_SAMPLES = 40_000
"""Largest number of samples kept."""

BLOCKS = 250
"""Number of blocks into which the samples are thinned; each gives its smallest and its largest value."""


class SignalHistory:
    """Ring buffer of the first channels.

    Parameters
    ----------
    n_channels
        Number of channels of the stream.
    labels, unit
        Labels of the channels and their unit; empty if unknown.
    window_s, period_s
        Length of the time axis and sample period, in recorded seconds.
    """

    def __init__(
        self, n_channels: int, labels: Sequence[str], unit: str, window_s: float, period_s: float
    ) -> None:
        self._n = min(n_channels, MAX_TRACES)
        self._labels = tuple(labels[: self._n]) or tuple(str(index) for index in range(self._n))
        self._unit = unit
        self._window_s = window_s
        self._rows = RowRing(int(min(max(window_s / period_s, 100), MAX_SAMPLES)), self._n + 1)

    def add(self, times: NDArray[np.float64], rows: NDArray[np.float32]) -> None:
        """Add samples, float32 [n, channels], at times in recorded seconds, float64 [n]."""
        newest = self._rows.rows()[-1, 0] if len(self._rows) else times[0]
        if times[0] < newest - self._window_s:
            self._rows.clear()  # the sender's clock went back
        self._rows.add(np.column_stack([times, rows[:, : self._n]]))

    def traces(self) -> NeuralTraces | None:
        """The traces, thinned; None before the first sample."""
        rows = self._rows.rows()
        if not len(rows):
            return None
        rows = rows[rows[:, 0] >= rows[-1, 0] - self._window_s]
        time_s, values = rows[:, 0] - rows[-1, 0], rows[:, 1:].astype(np.float32)
        size = -(-len(rows) // BLOCKS)
        if size > 2:
            # blocks begin at multiples of their size, so that they do not change from one repaint to the next
            skip = min((size - (self._rows.total - len(rows)) % size) % size, len(rows) - size)
            n_blocks = (len(rows) - skip) // size
            blocks = values[skip : skip + n_blocks * size].reshape(n_blocks, size, -1)
            time_s = np.repeat(time_s[skip : skip + n_blocks * size : size], 2)
            lowest, highest = np.fmin.reduce(blocks, 1), np.fmax.reduce(blocks, 1)
            values = np.stack([lowest, highest], axis=1).reshape(2 * n_blocks, -1)
        return NeuralTraces(time_s, values, self._labels, self._unit)
