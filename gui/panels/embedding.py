"""The embedding panel: a rolling trail in three dimensions, coloured by decoded movie time."""

from __future__ import annotations

import math
import time

import numpy as np
from PyQt5.QtCore import QPointF, QRectF, Qt
from PyQt5.QtGui import QColor, QFont, QImage, QMouseEvent, QPainter, QPen, QPolygonF
from PyQt5.QtWidgets import QWidget

from gui.panels.base import Panel
from gui.panels.embedding_projection import MEAN_POINTS, Basis, rotate, splat
from gui.state.snapshot import Snapshot, Source, State
from gui.theme import DARK, Theme
from gui.widgets.plots import colour_table
from gui.words import kind_of

TURN_RADIANS_S = 0.15
TILT = 0.45
BASIS_EVERY_S = 0.5
ZOOM = 0.92
LIFT = 0.25
"""Share of the text's colour mixed into the colours, so that those close to the ground stand out from it."""

RENEWED_S = 3.0
"""Seconds for which a renewal is marked by a ring around the newest point."""

FADED = 0.3
"""Opacity of a trail that is not current."""

COMET = 15
"""Number of the newest points that a line joins."""


class EmbeddingPanel(Panel):
    """A slowly rotating trail; drag to rotate it, double-click the title to maximise the panel."""

    def __init__(self) -> None:
        self.view = TrailView()
        super().__init__("Embedding", self.view)

    def set_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        super().set_theme(theme)
        self.view.set_theme(theme)

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Draw the trail."""
        trail, frame, source = snapshot.trail, snapshot.trail_frame, snapshot.source
        if trail is not None and frame is not None and source.explore:
            fitted = trail.any(axis=1)  # until the first embedding, points are at the origin
            trail, frame = trail[fitted], frame[fitted]
        if trail is None or len(trail) < 3 or frame is None:
            waiting = snapshot.refused.get("embedding") or snapshot.trainer
            self.show_message(waiting or "waiting for the embedding")
            return
        self.show_message("")
        view = self.view
        view.current = snapshot.state is State.LIVE and (
            snapshot.newest is None or snapshot.newest.has_evidence
        )
        view.version = snapshot.newest.model_version if snapshot.newest is not None else 0
        view.news = snapshot.trainer
        view.first, view.what, view.last, state, n_states = _colours(source, frame)
        view.show_trail(trail, state, n_states)
        shown = (
            "3 dimensions, as they are"
            if trail.shape[1] == 3
            else f"first 3 principal of {trail.shape[1]} dimensions, {view.explained:.0%} of the variance"
        )
        mean = "" if trail.shape[1] == 3 else f", running mean of {MEAN_POINTS}"
        self.detail(f"{shown} · last {len(trail):,} points{mean}")


def _colours(source: Source, frame: np.ndarray) -> tuple[str, str, str, np.ndarray, int]:
    """Text at the start, middle and end of the colour scale, and each point's place on it of so many."""
    if source.explore and not np.any(frame >= 0):
        return "oldest", "time", "newest", np.arange(len(frame)), len(frame)
    if source.explore:
        n = int(frame.max()) + 1
        return "0", "frame of the stimulus", str(n), frame, n
    n = max(source.n_frames, 1)
    seconds = source.n_frames / source.movie_rate_hz if source.movie_rate_hz else 0.0
    states = source.states.states(frame)
    if seconds:
        return "0", "movie time", f"{seconds:.0f} s", states, n
    return "0", str(kind_of(source)), f"{source.n_frames:.0f}", states, n


class TrailView(QWidget):
    """Paints the trail in software, without OpenGL."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.what, self.last = "0", "movie time", ""
        self.current = True
        self.news = ""
        self.version = 0
        self._renewed: tuple[int, float] | None = None
        self._is_sphere = False
        self.yaw = 0.6
        self.pitch = TILT
        self._basis = Basis()
        self._basis_at = -math.inf
        self._turned_at: float | None = None
        self._drag: tuple[int, int] | None = None
        self._image: QImage | None = None
        self.set_theme(DARK)
        self._comet = QPolygonF()
        self.setMinimumHeight(110)
        self.setCursor(Qt.OpenHandCursor)

    def set_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        self._theme = theme
        ground = QColor(theme.panel)
        self._ground = (ground.red(), ground.green(), ground.blue())
        ink = np.array(QColor(theme.text).getRgb()[:3], np.float32)
        table = colour_table("viridis").astype(np.float32)
        self._table = (table + (ink - table) * LIFT).astype(np.uint8)
        self._image = None
        self.update()

    @property
    def explained(self) -> float:
        """Share of the variance of the embedding that is drawn, 0 to 1."""
        return self._basis.explained

    def show_trail(self, trail: np.ndarray, frame: np.ndarray, n_frames: int) -> None:
        """Project and paint a trail, float32 [n, k], coloured by the states of frames, int32 [n]."""
        now = time.monotonic()
        if self._renewed is None or self._renewed[0] != self.version:
            self._renewed = self.version, now if self._renewed is not None else -math.inf
        self._is_sphere = trail.shape[1] == 3
        if self._drag is None and self._turned_at is not None:
            self.yaw += TURN_RADIANS_S * min(now - self._turned_at, 0.2)
        self._turned_at = now
        if now - self._basis_at > BASIS_EVERY_S:
            self._basis.update(trail)
            self._basis_at = now
        points = rotate(self._basis.project(trail), self.yaw, self.pitch) * np.float32(ZOOM)
        ratio = self.devicePixelRatioF()
        size = (max(8, int(self.width() * ratio)), max(8, int(self.height() * ratio)))
        colour = self._table[np.clip(frame * 256 // n_frames, 0, 255)].astype(np.float32)
        colour[frame < 0] = 110
        age = np.linspace(0.6, 1.0, len(points), dtype=np.float32)
        light = age * np.clip(0.8 + 0.3 * points[:, 2], 0.5, 1.0)
        shaded = (np.array(self._ground, np.float32) * (1 - light[:, None]) + colour * light[:, None]).astype(
            np.uint8
        )
        pixels = splat(points, shaded, size, self._ground, min(4, max(2, round(min(size) / 150))))
        self._image = QImage(pixels.data, *size, 4 * size[0], QImage.Format_RGBA8888).copy()
        self._image.setDevicePixelRatio(ratio)
        radius = min(self.width(), self.height()) / 2
        self._comet = QPolygonF(
            [
                QPointF(self.width() / 2 + x * radius, self.height() / 2 - y * radius)
                for x, y, _ in points[-COMET:].tolist()
            ]
        )
        self.update()

    def paintEvent(self, _event: object) -> None:
        """Draw the trail, the newest point and the colour bar."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(self._theme.panel))
        if self._image is not None:
            painter.setOpacity(1.0 if self.current else FADED)
            painter.drawImage(0, 0, self._image)
            painter.setRenderHint(QPainter.Antialiasing)
            if self._is_sphere:
                radius = min(self.width(), self.height()) / 2 * ZOOM
                painter.setPen(QPen(QColor(self._theme.dim), 1))
                painter.drawEllipse(QPointF(self.width() / 2, self.height() / 2), radius, radius)
            ink = QColor(self._theme.text)
            ink.setAlpha(130)
            painter.setPen(QPen(ink, 1.5))
            painter.drawPolyline(self._comet)
            painter.setPen(QPen(QColor(self._theme.text), 2))
            painter.setBrush(QColor(self._theme.decoded))
            newest = self._comet[self._comet.size() - 1]
            painter.drawEllipse(newest, self._theme.px(7), self._theme.px(7))
            if self._renewed is not None and time.monotonic() - self._renewed[1] < RENEWED_S:
                painter.setBrush(Qt.NoBrush)
                painter.drawEllipse(newest, self._theme.px(16), self._theme.px(16))
            painter.setRenderHint(QPainter.Antialiasing, False)
            painter.setOpacity(1.0)
            self._scale(painter)
        painter.end()

    def _scale(self, painter: QPainter) -> None:
        px = self._theme.px
        width, height = min(px(180), self.width() // 3), px(8)
        left, top = 14, self.height() - px(28)
        bar = QImage(np.ascontiguousarray(self._table[None]).data, 256, 1, 768, QImage.Format_RGB888).copy()
        painter.drawImage(QRectF(left, top, width, height), bar)
        font = QFont(painter.font())
        font.setPixelSize(px(11))
        painter.setFont(font)
        painter.setPen(QColor(self._theme.dim))
        below = QRectF(left, top + height + 1, width, px(16))
        painter.drawText(below, int(Qt.AlignLeft | Qt.AlignVCenter), self.first)
        painter.drawText(below, int(Qt.AlignHCenter | Qt.AlignVCenter), self.what)
        painter.drawText(below, int(Qt.AlignRight | Qt.AlignVCenter), self.last)
        above = QRectF(left, 2, self.width() - 2 * left, px(32))
        painter.drawText(above, int(Qt.AlignLeft | Qt.AlignTop | Qt.TextWordWrap), self.news)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Start a drag."""
        if event is not None:
            self._drag = (event.x(), event.y())

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Rotate the trail."""
        if self._drag is not None and event is not None:
            self.yaw += (event.x() - self._drag[0]) * 0.01
            self.pitch = min(max(self.pitch + (event.y() - self._drag[1]) * 0.01, -1.5), 1.5)
            self._drag = (event.x(), event.y())

    def mouseReleaseEvent(self, _event: object) -> None:
        """End the drag; the slow rotation resumes."""
        self._drag = None
