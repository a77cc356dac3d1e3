"""The neural activity of the last seconds: an image of all channels, or traces of the first ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gui.state.ring_buffers import ColumnImage
from gui.state.signal_history import TRACE_TYPES, SignalHistory
from gui.state.snapshot import Columns, NeuralTraces

IMAGE_ROWS = 180
"""Largest number of rows in the image; further channels are averaged with their neighbours."""


@dataclass(frozen=True, slots=True)
class NeuralChannels:
    """Description of the channels of a neural stream: their type, and the labels and unit of the first ones."""

    type: str = ""
    labels: tuple[str, ...] = ()
    unit: str = ""


class NeuralHistory:
    """Keeps an image, or traces for the types in `gui.state.signal_history.TRACE_TYPES`.

    Parameters
    ----------
    n_channels
        Number of channels.
    channels
        Their type, labels and unit.
    make_image
        Makes an empty image with that many rows.
    window_s, period_s
        Length of the time axis and sample period, in recorded seconds.
    """

    def __init__(
        self,
        n_channels: int,
        channels: NeuralChannels,
        make_image: Callable[[int], ColumnImage],
        window_s: float,
        period_s: float,
    ) -> None:
        n_rows = min(IMAGE_ROWS, n_channels)
        self._starts = (np.arange(n_rows) * n_channels / n_rows).astype(int)
        self._image: ColumnImage | None = None
        self._signals: SignalHistory | None = None
        if channels.type in TRACE_TYPES:
            self._signals = SignalHistory(n_channels, channels.labels, channels.unit, window_s, period_s)
        else:
            self._image = make_image(n_rows)

    def add(self, times: NDArray[np.float64], rows: NDArray[np.float32]) -> None:
        """Add samples, float32 [n, channels], at times in recorded seconds, float64 [n]."""
        if self._signals is not None:
            self._signals.add(times, rows)
        if self._image is not None:
            if len(self._starts) < rows.shape[1]:
                rows = self._averaged(rows)
            self._image.add(times, rows)

    def _averaged(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Average neighbouring channels, of those with a valid value; NaN where none has one."""
        valid = np.isfinite(rows)
        total = np.add.reduceat(np.where(valid, rows, 0), self._starts, axis=1)
        n = np.add.reduceat(valid, self._starts, axis=1, dtype=np.float32)
        return np.divide(total, n, out=np.full(total.shape, np.nan, np.float32), where=n > 0)

    def columns(self) -> Columns | None:
        """The image; None if the channels are shown as traces."""
        image = self._image
        return None if image is None else Columns(image.image(), image.step_s, image.has_data())

    def traces(self) -> NeuralTraces | None:
        """The traces; None if the channels are shown as an image."""
        return None if self._signals is None else self._signals.traces()
