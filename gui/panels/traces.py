"""The traces panel: confidence, error where the true frame is known, latency."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PyQt5.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from gui.panels.base import Panel
from gui.state.snapshot import Snapshot, State, Trace
from gui.theme import Theme
from gui.widgets.labels import PlainLabel
from gui.widgets.plots import Plot, decimate, pen
from gui.words import Kind, kind_of

POINTS = 800
TALL = 75
"""Height in pixels below which a plot has no room for a third tick."""

NICE_MS = (2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)
IMPOSSIBLE_MS = -1.0
"""A latency below this many milliseconds means that the clocks disagree."""

WRONG = math.log10(2)
"""Where a wrong category lies on the axis of errors."""

ERROR_TICKS = (0, 1, 3, 10, 30, 100, 300, 1_000, 3_000)


class TracesPanel(Panel):
    """Three stacked plots with one time axis."""

    every = 3

    def __init__(self) -> None:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 2)
        column.setSpacing(0)
        self._plots: dict[str, Plot] = {}
        self._values: dict[str, PlainLabel] = {}
        self._titles: dict[str, PlainLabel] = {}
        self._curves = {}
        for key, title in (
            ("confidence", "confidence"),
            ("error", "error (frames)"),
            ("latency", "latency (ms)"),
        ):
            plot = Plot("", "recorded time from now (s)" if key == "latency" else "", hatched=False)
            plot.getPlotItem().setContentsMargins(0, 4, 14, 0)
            if key != "latency":
                plot.bottom.setStyle(showValues=False)
                plot.set_bottom(6)
            column.addLayout(self._caption(key, title))
            column.addWidget(plot, 6 if key == "latency" else 5)
            self._plots[key] = plot
            self._curves[key] = plot.line("#ffffff")
        self._tolerance = self._plots["error"].line("#ffffff", dashed=True)
        self._top_ms = float(NICE_MS[0])
        super().__init__("Traces", content)

    def _caption(self, key: str, title: str) -> QHBoxLayout:
        line = QHBoxLayout()
        line.setContentsMargins(12, 2, 16, 0)
        name = self._titles[key] = PlainLabel(title, "detail")
        value = PlainLabel(name="detail")
        line.addWidget(name)
        line.addStretch(1)
        line.addWidget(value)
        self._values[key] = value
        return line

    def set_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        super().set_theme(theme)
        for plot in self._plots.values():
            plot.set_theme(theme)
        self._curves["confidence"].setPen(pen(theme.decoded))
        self._curves["error"].setPen(pen(theme.error))
        self._curves["latency"].setPen(pen(theme.latency))
        self._tolerance.setPen(pen(theme.dim, dashed=True))

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Draw the last seconds."""
        trace = snapshot.trace
        if trace is None:
            self.show_message("waiting for predictions")
            return
        self.show_message("")
        window = snapshot.window_s
        rate_hz = snapshot.source.rate_hz
        time_s = trace.time_s if snapshot.state is State.LIVE else trace.time_s - snapshot.idle_s
        self._plots["confidence"].set_range(-window, 0, 0, 1.02)
        self._plots["confidence"].left.setTicks([[(0, "0"), (0.5, ".5"), (1, "1")]])
        self._curves["confidence"].setData(
            *broken_line(time_s, np.where(np.isfinite(trace.novelty), trace.confidence, np.nan), rate_hz)
        )
        if snapshot.newest is not None:
            newest = snapshot.newest
            now = "now" if snapshot.state is State.LIVE else "last"
            self._values["confidence"].setText(
                f"{now} {newest.confidence:.2f} · entropy {newest.entropy_bits:.1f} bit · novelty {newest.novelty:.2f}"
                if newest.has_evidence
                else f"{now}: no evidence"
            )
        self._show_error(snapshot, trace, time_s, window)
        self._show_latency(snapshot, trace, time_s, window)

    def _show_error(
        self, snapshot: Snapshot, trace: Trace, time_s: NDArray[np.float64], window: float
    ) -> None:
        source, plot = snapshot.source, self._plots["error"]
        is_movie = kind_of(source) is Kind.FRAME
        top = math.log10(1 + max(source.n_frames, 10)) if is_movie else 1.2 * WRONG
        plot.set_range(-window, 0, -0.06 * top, top)
        ticks = [(math.log10(1 + t), str(t)) for t in ERROR_TICKS if math.log10(1 + t) <= top][::2]
        plot.left.setTicks([ticks if is_movie else [(0.0, "right"), (WRONG, "wrong")]])
        self._titles["error"].setText("error (frames)" if is_movie else f"{kind_of(source)}")
        evidence = np.isfinite(trace.novelty)
        known = (trace.truth >= 0) & (trace.frame >= 0) & evidence
        error = np.where(known, np.abs(trace.frame - trace.truth), np.nan).astype(float)
        if not is_movie:  # the numbers of categories and places are no distances
            error = np.minimum(error, 1.0)
        self._curves["error"].setData(*broken_line(time_s, np.log10(1 + error), source.rate_hz))
        level = math.log10(1 + source.tolerance_frames)
        self._tolerance.setData([-window, 0], [level, level])
        if not snapshot.truth_known:
            text = "the true frame is unknown"
        elif not evidence[-1]:
            text = "no evidence"
        elif known[-1]:
            now = "now" if snapshot.state is State.LIVE else "last"
            figure = f"{error[-1]:.0f}" if is_movie else "wrong" if error[-1] else "right"
            text = f"{now} {figure}" + (" · dashed: 1 s" if source.tolerance_frames else "")
        else:
            text = "blank"
        self._values["error"].setText(text)

    def _show_latency(
        self, snapshot: Snapshot, trace: Trace, time_s: NDArray[np.float64], window: float
    ) -> None:
        plot = self._plots["latency"]
        lag = trace.lag_ms
        p99 = snapshot.counts.latency_p99_ms
        if math.isfinite(p99) and not 0.3 * self._top_ms < 1.2 * p99 <= self._top_ms:
            self._top_ms = float(next((nice for nice in NICE_MS if nice >= 1.2 * p99), NICE_MS[-1]))
        plot.set_range(-window, 0, 0, self._top_ms)
        parts = (0.0, 0.5, 1.0) if plot.height() > TALL else (0.0, 1.0)
        plot.left.setTicks([[(part * self._top_ms, f"{part * self._top_ms:g}") for part in parts]])
        lag = np.where(lag < IMPOSSIBLE_MS, np.nan, lag)
        self._curves["latency"].setData(*broken_line(time_s, lag, snapshot.source.rate_hz))
        if snapshot.source.speed == "max":
            text = "undefined at full speed"
        elif math.isnan(lag[-1]):
            text = "unknown: the clocks disagree"
        else:
            text = f"{'now' if snapshot.state is State.LIVE else 'last'} {lag[-1]:.1f} ms"
        self._values["latency"].setText(text)


def broken_line(
    time_s: NDArray[np.float64], values: NDArray[np.float64], rate_hz: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A line thinned to about `POINTS` points, interrupted where samples are missing.

    Parameters
    ----------
    time_s, values
        [n] each.
    rate_hz
        Sampling rate; a step of more than 1.5 periods is a gap. 0 if irregular.
    """
    gaps = np.flatnonzero(np.diff(time_s) > 1.5 / rate_hz) + 1 if rate_hz > 0 else np.zeros(0, int)
    time_s, values = decimate(np.insert(time_s, gaps, time_s[gaps]), np.insert(values, gaps, np.nan), POINTS)
    return time_s, values
