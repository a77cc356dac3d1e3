"""The neural panel: a raster of spike counts, a heat map of continuous signals, or traces with their names."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gui.panels.base import Panel
from gui.panels.timeline import AHEAD_S, nice_step
from gui.state.snapshot import Columns, NeuralTraces, Snapshot, State
from gui.theme import Theme
from gui.widgets.plots import ImageLayer, Plot, pen
from stream.printable import printable

SPREADS = 4.0
"""Distance between two traces, in standard deviations of the typical channel."""

TRACE_PIXELS = 18
"""Height of a trace in pixels; channels for which there is no room are not shown."""

FEWEST_TRACES = 4

SMALLEST_STEP = 1e-9
"""Smallest distance between two traces, in the unit of the signals."""

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
        self._traces = self.plot.line(self.theme.text)
        self._labels: tuple[str, ...] = ()
        self._level = 0.0
        self._painted = 0

    def set_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        super().set_theme(theme)
        self.plot.set_theme(theme)
        self._traces.setPen(pen(theme.text))
        self._set_map("")

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Draw the last seconds."""
        if snapshot.neural is None and snapshot.neural_traces is None:
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
        idle_s = 0.0 if snapshot.state is State.LIVE else snapshot.idle_s
        as_traces = snapshot.neural_traces is not None
        self._image.item.setVisible(not as_traces)
        self._traces.setVisible(as_traces)
        self.plot.set_hatched(not as_traces)  # a line ends where its data end
        if snapshot.neural_traces is not None:
            self._show_traces(snapshot, snapshot.neural_traces, idle_s)
        elif snapshot.neural is not None:
            self._show_image(snapshot, snapshot.neural, idle_s)

    def _show_image(self, snapshot: Snapshot, columns: Columns, idle_s: float) -> None:
        n_channels = snapshot.neural_n_channels
        window = columns.step_s * len(columns.values)
        self.plot.set_range(-window, max(AHEAD_S, 0.1 * window), 0, n_channels)
        self._set_labels((), "channel")
        self._set_map(snapshot.neural_type)
        spikes, values = snapshot.neural_type == "Spikes", columns.values
        image = self._counts(values) if spikes else standardised(values, columns.has_data)
        image[:, ~columns.has_data] = 0
        self._image.show(image, -window - idle_s, 0, window, n_channels)
        self.detail(self._describe(snapshot, values[columns.has_data]))

    def _show_traces(self, snapshot: Snapshot, traces: NeuralTraces, idle_s: float) -> None:
        """Draw one line for each channel, the first one on top, all on one scale."""
        window, height = snapshot.window_s, self.plot.getViewBox().height()
        n = min(max(int(height / self.theme.px(TRACE_PIXELS)), FEWEST_TRACES), len(traces.labels))
        values = traces.values[:, :n]
        self.plot.set_range(-window, max(AHEAD_S, 0.1 * window), -0.5, n - 0.5)
        self._set_labels(traces.labels[:n][::-1], "")
        mean, spread = mean_and_spread(values)
        if self._painted % LEVEL_EVERY == 0:
            typical = float(np.median(spread[spread > 0])) if np.any(spread > 0) else 0.0
            self._level = nice_step(SPREADS * typical / SMALLEST_STEP) * SMALLEST_STEP if typical else 1.0
        self._painted += 1
        y = np.clip((np.where(np.isfinite(values), values, np.nan) - mean) / self._level, -1, 1) + np.arange(
            n - 1, -1, -1
        )
        gap = np.full((1, n), np.nan)
        x = np.append(traces.time_s - idle_s, np.nan)
        self._traces.setData(np.tile(x, n), np.concatenate([y, gap]).T.ravel())
        shown = (
            f"{n} channels"
            if n == snapshot.neural_n_channels
            else f"{n} of {snapshot.neural_n_channels} channels"
        )
        unit = f" {traces.unit}" if traces.unit else " (no unit given)"
        n_unusable = int((~np.isfinite(values).any(axis=0)).sum())
        missing = f"{n_unusable} without a valid value · " if n_unusable else ""
        self.detail(
            f"{snapshot.neural_type} · {shown} · {missing}{snapshot.source.rate_hz:g} Hz · "
            f"line to line {self._level:g}{unit}"
        )

    def _set_labels(self, labels: tuple[str, ...], title: str) -> None:
        """Name the channels on the left axis; without labels they are numbered."""
        if labels != self._labels:
            self._labels = labels
            self.plot.label_left(title)
            self.plot.left.setTicks([list(enumerate(labels))] if labels else None)

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


def mean_and_spread(values: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of the valid values of each channel, float64 [channels]; 0 without any."""
    valid = np.isfinite(values)
    n = np.maximum(valid.sum(0), 1)
    usable = np.where(valid, values, 0).astype(np.float64)
    mean = usable.sum(0) / n
    deviation = np.where(valid, usable - mean, 0)
    return mean, np.sqrt((deviation**2).sum(0) / n)
