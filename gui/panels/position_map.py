"""A map of the position: the posterior as a cloud, the estimate with its interval, the truth as an outline, trails."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PyQt5.QtCore import QPointF, QRectF, Qt
from PyQt5.QtGui import QColor, QFont, QImage, QPainter, QPen, QPolygonF
from PyQt5.QtWidgets import QWidget

from decoders.readouts.continuous import spacing
from gui.state.snapshot import PositionView
from gui.theme import DARK

CELLS = 72
"""Cells of the cloud along the longer side of the map."""

MAX_PLACES = 2_000
"""Number of places above which no cloud is drawn: the window has no time for it."""

FADED = 0.3
"""Opacity of what is not current."""

GAP_PERIODS = 3.0
"""A step in time of more than so many median steps breaks the trail."""

MARGIN = 12
LEFT = 52
BELOW = 40
ONE_LINE = 20
WORDS = 230
"""Room around the map in pixels, for text of the usual size."""


class PositionMap(QWidget):
    """Paints the map with equal scales on both axes."""

    def __init__(self) -> None:
        super().__init__()
        self.theme = DARK
        self.view: PositionView | None = None
        self.current = True
        self.has_evidence = True
        self.captions: list[str] = []
        self._kernel: NDArray[np.float32] | None = None
        self._kernel_of: tuple[object, ...] = ()
        self.setMinimumSize(160, 110)

    def show_view(self, view: PositionView, *, current: bool, has_evidence: bool) -> None:
        """Paint a position.

        Parameters
        ----------
        view
            Position of the last seconds.
        current
            Whether it is that of now.
        has_evidence
            Whether the estimate rests on any valid channel; without, only the truth is drawn.
        """
        self.view, self.current, self.has_evidence = view, current, has_evidence
        self.captions = self._captions(view)
        self.update()

    def map_rect(self) -> QRectF:
        """Rectangle of the map in the widget, in pixels."""
        px = self.theme.px
        left, top = px(LEFT), px(4)
        width = max(self.width() - left - px(MARGIN) - self._beside, 10)
        height = max(self.height() - top - px(BELOW if not self._beside else ONE_LINE), 10)
        if self.view is None:
            return QRectF(left, top, width, height)
        x0, y0, x1, y1 = self.view.bounds
        scale = min(width / (x1 - x0), height / (y1 - y0))
        inner = QRectF(0, 0, scale * (x1 - x0), scale * (y1 - y0))
        inner.moveCenter(QRectF(left, top, width, height).center())
        return inner

    @property
    def _beside(self) -> int:
        """Width in pixels of the words beside the map; 0 where they are below it."""
        return self.theme.px(WORDS) if self.width() > self.theme.px(2.2 * WORDS) else 0

    def point(self, x: float, y: float) -> QPointF:
        """Place of a position in the widget, in pixels."""
        assert self.view is not None
        rect, (x0, y0, x1, y1) = self.map_rect(), self.view.bounds
        return QPointF(
            rect.left() + (x - x0) / (x1 - x0) * rect.width(),
            rect.bottom() - (y - y0) / (y1 - y0) * rect.height(),
        )

    def paintEvent(self, _event: object) -> None:
        """Draw the ground, the cloud, the trails, the estimate, the truth and the words."""
        view, theme = self.view, self.theme
        if view is None:
            return
        painter, rect = QPainter(self), self.map_rect()
        painter.setRenderHint(QPainter.Antialiasing)
        painter.fillRect(rect, QColor(theme.raised))
        painter.setOpacity(1.0 if self.current else FADED)
        painter.save()
        painter.setClipRect(rect)
        if self.has_evidence:
            self._cloud(painter, view, rect)
            self._trail(painter, view.time_s, view.estimate, theme.decoded, 1)
        self._trail(painter, view.time_s, view.truth, theme.truth, 2)
        if self.has_evidence:
            self._estimate(painter, view)
        self._truth(painter, view)
        painter.restore()
        painter.setOpacity(1.0)
        painter.setPen(QPen(QColor(theme.border), 1))
        painter.drawRect(rect)
        self._words(painter, view, rect)
        painter.end()

    def _cloud(self, painter: QPainter, view: PositionView, rect: QRectF) -> None:
        """The posterior: opacity is the root of the probability within about one place of each point."""
        if view.places is None or view.chances is None or len(view.places) > MAX_PLACES:
            return
        x0, y0, x1, y1 = view.bounds
        cell = max(x1 - x0, y1 - y0) / CELLS
        shape = (max(1, round((y1 - y0) / cell)), max(1, round((x1 - x0) / cell)))
        of = (id(view.places), view.bounds)
        if self._kernel is None or of != self._kernel_of:
            self._kernel, self._kernel_of = _kernel(view.places, view.bounds, shape), of
        density = np.clip(self._kernel @ np.asarray(view.chances, np.float32), 0, 1)
        image = np.empty((*shape, 4), np.uint8)
        colour = QColor(self.theme.decoded)
        image[..., :3] = (colour.red(), colour.green(), colour.blue())
        image[..., 3] = 200 * np.sqrt(density.reshape(shape)[::-1])
        painter.setRenderHint(QPainter.SmoothPixmapTransform)
        picture = QImage(image.data, shape[1], shape[0], 4 * shape[1], QImage.Format_RGBA8888).copy()
        painter.drawImage(rect, picture)

    def _trail(
        self,
        painter: QPainter,
        time_s: NDArray[np.float64],
        points: NDArray[np.float64],
        colour: str,
        pixels: int,
    ) -> None:
        """A line through the positions, broken at gaps and where they are unknown."""
        step = np.diff(time_s)
        longest = GAP_PERIODS * float(np.median(step)) if len(step) else 0.0
        known: NDArray[np.bool_] = np.isfinite(points.sum(axis=1))
        breaks = np.r_[False, (step > longest) | ~known[1:] | ~known[:-1]]
        painter.setPen(QPen(QColor(colour), self.theme.px(pixels)))
        painter.setBrush(Qt.NoBrush)
        for part in np.split(np.arange(len(points)), np.flatnonzero(breaks)):
            if len(part) > 1:
                painter.drawPolyline(QPolygonF([self.point(x, y) for x, y in points[part].tolist()]))

    def _estimate(self, painter: QPainter, view: PositionView) -> None:
        """A dot at the estimate, and a bar along each axis as long as its interval."""
        px, (x, y) = self.theme.px, view.estimate[-1].tolist()
        if not (x == x and y == y):
            return
        at, (dx, dy) = self.point(x, y), view.half_width.tolist()
        painter.setPen(QPen(QColor(self.theme.decoded), px(2)))
        if dx == dx:
            painter.drawLine(self.point(x - dx, y), self.point(x + dx, y))
        if dy == dy:
            painter.drawLine(self.point(x, y - dy), self.point(x, y + dy))
        painter.setPen(QPen(QColor(self.theme.panel), 1))
        painter.setBrush(QColor(self.theme.decoded))
        painter.drawEllipse(at, px(6), px(6))

    def _truth(self, painter: QPainter, view: PositionView) -> None:
        x, y = view.truth[-1].tolist()
        if x == x and y == y:
            painter.setPen(QPen(QColor(self.theme.truth), self.theme.px(2)))
            painter.setBrush(Qt.NoBrush)
            painter.drawEllipse(self.point(x, y), self.theme.px(10), self.theme.px(10))

    def _captions(self, view: PositionView) -> list[str]:
        if not self.has_evidence:
            return ["no evidence", "no channel has a valid value"]
        parts = ["cloud: posterior"] if view.chances is not None else []
        if np.isfinite(view.half_width).any():
            parts.append("bars: 80 % interval of each axis")
        distances = view.distances
        known = distances[np.isfinite(distances)]
        if len(known):
            parts += [f"{distances[-1]:.3g} off the truth"] if np.isfinite(distances[-1]) else []
            parts.append(f"median {np.median(known):.3g} in the last {-view.time_s[0]:.0f} s")
        return parts

    def _words(self, painter: QPainter, view: PositionView, rect: QRectF) -> None:
        """The ends and names of the axes, and what is drawn."""
        px, (x0, y0, x1, y1) = self.theme.px, view.bounds
        font = QFont(painter.font())
        font.setPixelSize(px(11))
        painter.setFont(font)
        painter.setPen(QColor(self.theme.dim))
        below = QRectF(rect.left(), rect.bottom() + 2, rect.width(), px(15))
        beside = QRectF(0, rect.top(), rect.left() - px(6), rect.height())
        metrics = painter.fontMetrics()
        for where, flag, text in (
            (below, Qt.AlignLeft, f"{x0:.3g}"),
            (below, Qt.AlignRight, f"{x1:.3g}"),
            (beside, Qt.AlignRight | Qt.AlignBottom, f"{y0:.3g}"),
            (beside, Qt.AlignRight | Qt.AlignTop, f"{y1:.3g}"),
        ):
            painter.drawText(where, int(flag), text)
        room = int(rect.width() - metrics.horizontalAdvance(f"{x0:.3g}{x1:.3g}") - px(12))
        name = metrics.elidedText(view.names[0], Qt.ElideRight, max(room, 0))
        painter.drawText(below, int(Qt.AlignHCenter), name)
        name = metrics.elidedText(view.names[1], Qt.ElideRight, int(beside.width()))
        painter.drawText(beside, int(Qt.AlignRight | Qt.AlignVCenter), name)
        if not self._beside:
            line = QRectF(px(MARGIN), self.height() - px(20), self.width() - 2 * px(MARGIN), px(17))
            text = metrics.elidedText(" · ".join(self.captions), Qt.ElideRight, int(line.width()))
            painter.drawText(line, int(Qt.AlignHCenter), text)
            return
        font.setPixelSize(px(12))
        painter.setFont(font)
        left, room = rect.right() + px(2 * MARGIN), self._beside - px(2 * MARGIN)
        for index, text in enumerate(self.captions):
            line = QRectF(left, rect.top() + index * px(20), room, px(18))
            painter.drawText(line, int(Qt.AlignLeft | Qt.AlignVCenter), text)


def _kernel(
    places: NDArray[np.float64], bounds: tuple[float, float, float, float], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Weight of each place in each cell, float32 [cells, places]; row 0 of the cells lies at the smallest y."""
    x0, y0, x1, y1 = bounds
    width = max(spacing(places), (x1 - x0) / CELLS, (y1 - y0) / CELLS) if len(places) > 2 else (x1 - x0) / 10
    x = x0 + (np.arange(shape[1]) + 0.5) * (x1 - x0) / shape[1]
    y = y0 + (np.arange(shape[0]) + 0.5) * (y1 - y0) / shape[0]
    along_x = np.exp(-0.5 * ((x[:, None] - places[:, 0]) / width) ** 2)
    along_y = np.exp(-0.5 * ((y[:, None] - places[:, 1]) / width) ** 2)
    kernel = along_y[:, None, :] * along_x[None, :, :]
    return np.nan_to_num(kernel.reshape(-1, len(places)).astype(np.float32))
