"""The neural panel: a raster of spike counts, or a heat map of continuous signals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gui.panels.base import Panel
from gui.panels.timeline import AHEAD_S
from gui.state.snapshot import Snapshot, State
from gui.theme import Theme
from gui.widgets.plots import ImageLayer, Plot
from stream.printable import printable

LEVEL_EVERY = 30
"""Repaints between two updates of the brightness."""

OUTLIER = 1e4
"""A count of more than this many times the median does not set the brightness."""


class NeuralPanel(Panel):
    """Activity by channel and time, on the same time axis as the timeline."""

    def __init__(self) -> None:
        self.plot = Plot("channel", "recorded time from now (s)")
        super().__init__("Neural activity", self.plot)
        self._image = ImageLayer(self.plot)
        self._level = 0.0
        self._painted = 0

    def set_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        super().set_theme(theme)
        self.plot.set_theme(theme)
        self._set_map("")

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Draw the last seconds."""
        columns = snapshot.neural
        if columns is None:
            name = snapshot.source.neural_name
            self.show_message(
                snapshot.refused.get("neural")
                or (
                    f"no neural stream '{printable(name, limit=80)}' seen"
                    if name and snapshot.newest
                    else "waiting for neural activity"
                )
            )
            return
        self.show_message("")
        n_channels = snapshot.neural_n_channels
        window = columns.step_s * len(columns.values)
        self.plot.set_range(-window, max(AHEAD_S, 0.1 * window), 0, n_channels)
        spikes = snapshot.neural_type == "Spikes"
        self._set_map(snapshot.neural_type)
        image = self._counts(columns.values) if spikes else standardised(columns.values, columns.has_data)
        image[:, ~columns.has_data] = 0
        begin = -window if snapshot.state is State.LIVE else -window - snapshot.idle_s
        self._image.show(image, begin, 0, window, n_channels)
        self.detail(self._describe(snapshot, columns.values[columns.has_data]))

    def _describe(self, snapshot: Snapshot, values: NDArray[np.float32]) -> str:
        n = snapshot.neural_n_channels
        rate = snapshot.source.rate_hz
        text = f"{snapshot.neural_type} · {n} channels · {rate:g} Hz"
        if values.shape[1] < n:
            return f"{text} · neighbours averaged to {values.shape[1]} rows"
        still = int(np.sum(values.max(0) == values.min(0))) if len(values) else 0
        return f"{text} · {still} silent" if still else text

    def _counts(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        if self._painted % LEVEL_EVERY == 0:
            positive = values[(values > 0) & np.isfinite(values)].astype(np.float64)
            usual = positive[positive <= OUTLIER * np.median(positive)] if len(positive) else np.ones(1)
            self._level = float(np.percentile(usual, 98))
        self._painted += 1
        finite = np.isfinite(values)
        scaled = np.sqrt(np.clip(np.where(finite, values, 0) / max(self._level, 1e-9), 0, 1))
        return np.ascontiguousarray(np.where(finite, 1 + 254 * scaled, 0).astype(np.uint8).T)

    def _set_map(self, stream_type: str) -> None:
        wanted = ("CET-L1", self.theme.reverse_maps) if stream_type in ("Spikes", "") else ("viridis", False)
        if wanted != getattr(self, "_map", None):
            self._map = wanted
            self._image.set_map(wanted[0], reverse=wanted[1], no_data=True)


def standardised(values: NDArray[np.float32], has_data: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Scale each row by its mean and standard deviation: uint8 [rows, columns].

    -2.5 to 2.5 standard deviations fill 1 to 255; a value that is not finite is 0.

    Parameters
    ----------
    values
        Float32 [columns, rows].
    has_data
        Which columns count, bool [columns].
    """
    finite = np.isfinite(values)
    usable = np.where(finite, values, 0).astype(np.float64)
    counts = finite & has_data[:, None]
    n = np.maximum(counts.sum(0), 1)
    centred = usable - usable.sum(0, where=counts) / n
    spread = np.sqrt(np.square(centred).sum(0, where=counts) / n)
    scaled = np.clip(128 + 51 * centred / np.where(spread > 0, spread, 1), 1, 255)
    return np.ascontiguousarray(np.where(finite, scaled, 0).astype(np.uint8).T)
