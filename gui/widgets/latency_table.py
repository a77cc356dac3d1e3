"""The latency table: latency of each stage, shown over the panels on request."""

from __future__ import annotations

from math import isfinite

import numpy as np
from PyQt5.QtCore import QRectF, Qt
from PyQt5.QtGui import QPainter, QPaintEvent
from PyQt5.QtWidgets import QGridLayout, QWidget

from gui.state.stage_latency import KEPT, STAGES, LatencyFigures
from gui.widgets.labels import PlainLabel
from gui.widgets.overlays import Overlay
from stream.quantiles import SUMMARY_KEYS

SIZE = (420, 90)
HEADINGS = {"p50": "p50", "p95": "p95", "p99": "p99", "max": "largest", "jitter": "jitter"}


class LatencyTable(Overlay):
    """A table of the stages, and a histogram of the painted latency."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, "Latency from the timestamp, ms")
        grid = QGridLayout()
        grid.setHorizontalSpacing(24)
        grid.setVerticalSpacing(7)
        self.cells: dict[tuple[str, str], PlainLabel] = {}
        for column, name in enumerate(SUMMARY_KEYS, 1):
            grid.addWidget(PlainLabel(HEADINGS[name], "dim"), 0, column, Qt.AlignRight)
        for row, stage in enumerate(STAGES, 1):
            grid.addWidget(PlainLabel(stage), row, 0)
            for column, name in enumerate(SUMMARY_KEYS, 1):
                self.cells[stage, name] = PlainLabel("–")
                grid.addWidget(self.cells[stage, name], row, column, Qt.AlignRight)
        self.bars = Bars()
        self.note = PlainLabel(name="dim")
        self.column.addLayout(grid)
        self.column.addWidget(self.bars)
        self.column.addWidget(self.note)

    def show_figures(self, figures: LatencyFigures | None) -> None:
        """Update the figures."""
        for (stage, name), label in self.cells.items():
            value = figures.stages.get(stage, {}).get(name, np.nan) if figures is not None else np.nan
            label.setText(f"{value:.2f}" if isfinite(value) else "–")
        self.bars.show_figures(figures)
        top_ms = figures.top_ms if figures is not None else 0.0
        self.note.setText(
            f"painted: the last {KEPT} frames, 0 to {top_ms:.0f} ms; the last bin holds all above"
            if top_ms
            else "nothing painted yet"
        )
        if self.isVisible() and self.width() < self.sizeHint().width():
            self.place()


class Bars(QWidget):
    """A histogram."""

    def __init__(self) -> None:
        super().__init__()
        self.setMinimumSize(*SIZE)
        self._figures: LatencyFigures | None = None

    def show_figures(self, figures: LatencyFigures | None) -> None:
        """Draw the histogram."""
        self._figures = figures
        self.update()

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        """Draw one bar per bin."""
        if self._figures is None or not self._figures.counts.any():
            return
        painter = QPainter(self)
        share = self._figures.counts / self._figures.counts.max()
        width, height = self.width() / len(share), self.height()
        for index, part in enumerate(share.tolist()):
            painter.fillRect(
                QRectF(index * width, height * (1 - part), 0.85 * width, height * part),
                self.palette().windowText().color(),
            )
