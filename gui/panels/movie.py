"""The movie panel: the frame on screen, the decoded frame and the forecast, each with its provenance."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PyQt5.QtCore import QRect, QRectF, Qt
from PyQt5.QtGui import QColor, QFont, QFontMetrics, QImage, QPainter, QPen
from PyQt5.QtWidgets import QHBoxLayout, QWidget

from gui.panels.base import Panel
from gui.panels.movie_slots import Slot, Tile, slots_of
from gui.panels.position_map import PositionMap
from gui.state.snapshot import Snapshot, State
from gui.theme import DARK, Theme
from gui.words import Kind, kind_of, plural

CAPTION = 24
FOOT = 44
GAP = 14
WORDS = 100
"""Least width of a caption in pixels, as all sizes for text of the usual size."""

WIDE = 180
"""Width below which a picture has less text around it."""

FIGURE = 128
"""Width beside a confidence bar for its figure."""

LEAST_TEXT = 245
"""Width that the words of a picture have at least, if the panel has it."""

MARGIN = 12
FADED = 0.3
"""Opacity of what is not current."""


class MoviePanel(Panel):
    """The frame on screen, the decoded frame, the forecast."""

    def __init__(self) -> None:
        self._view, self.map = _View(), PositionMap()
        content = QWidget()
        line = QHBoxLayout(content)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(0)
        line.addWidget(self._view, 3)
        line.addWidget(self.map, 2)
        self.map.hide()
        super().__init__("Movie", content)

    def set_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        super().set_theme(theme)
        self._view.theme = self.map.theme = theme
        self._view.update()
        self.map.update()

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Draw the newest moment."""
        if snapshot.newest is None:
            self.show_message(f"{snapshot.reason or snapshot.state} …")
            return
        self.show_message("")
        pictures = snapshot.movie_pictures
        things = plural(kind_of(snapshot.source))
        success = snapshot.forecast_success
        only_map = snapshot.position is not None and kind_of(snapshot.source) is Kind.PLACE
        note = snapshot.pictures_note.replace("frames are", f"{things} are")
        if only_map:
            pictures, note = None, ""
        self.detail(
            " · ".join(
                part
                for part in (
                    f"forecasts of the last minute: {success.came_true:.0%} came true, {success.claimed:.0%} claimed"
                    if success is not None
                    else "",
                    note or (f"pictures from {pictures.path.name}" if pictures is not None else ""),
                )
                if part
            )
        )
        current, position = snapshot.state is State.LIVE, snapshot.position
        old = [(self.theme.alarm, f"not current: {snapshot.idle_s:.1f} s old, {snapshot.state}")]
        lines = [(self.theme.decoded, "decoded"), (self.theme.truth, "true (outline)")]
        self.legend(*(lines if position is not None else []), *([] if current else old))
        self._title.setText("Position" if only_map else "Movie" if position is None else "Movie and position")
        self.map.setVisible(position is not None)
        self._view.setVisible(not only_map)
        if position is not None:
            self.map.show_view(position, current=current, has_evidence=snapshot.newest.has_evidence)
        self._view.show_slots(slots_of(snapshot), current=current)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The pictures that are drawn."""
        return self._view.slots

    @property
    def picture_rects(self) -> list[QRect]:
        """Rectangle of each picture, in the panel's pixels."""
        origin = self._view.mapTo(self, self._view.rect().topLeft())
        return [rect.translated(origin) for rect in self._view.picture_rects]


class _View(QWidget):
    """Paints the pictures side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.theme = DARK
        self.slots: tuple[Slot, ...] = ()
        self.picture_rects: list[QRect] = []
        self._current = True
        self._aspect = 1.5
        self.setMinimumHeight(110)

    def show_slots(self, slots: tuple[Slot, ...], *, current: bool) -> None:
        self.slots, self._current = slots, current
        pictures = (p for slot in slots for p in (slot.picture, *(tile.picture for tile in slot.tiles)))
        picture = next((p for p in pictures if p is not None), None)
        if picture is not None:
            self._aspect = picture.shape[1] / picture.shape[0]
        self.update()

    def paintEvent(self, _event: object) -> None:
        if not self.slots:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.SmoothPixmapTransform)
        painter.setRenderHint(QPainter.TextAntialiasing)
        px, n = self.theme.px, len(self.slots)
        text = px(CAPTION) + px(FOOT) + 10
        gap, margin = px(GAP), px(MARGIN)
        cell = (self.width() - 2 * margin - (n - 1) * gap) / n
        height = max(20.0, self.height() - text)
        width = min(cell, height * self._aspect)
        height = min(height, width / self._aspect)
        top = px(CAPTION) + 2 + max(0.0, (self.height() - text - height) / 2)
        wide = min(cell, max(width, px(LEAST_TEXT)))  # a small picture still has room for its words
        left = margin + (self.width() - 2 * margin - n * wide - (n - 1) * gap) / 2
        self.picture_rects = []
        for index, slot in enumerate(self.slots):
            rect = QRect(round(left + index * (wide + gap)), round(top), round(width), round(height))
            self.picture_rects.append(rect)
            self._paint(painter, slot, rect, QRect(rect.left(), rect.top(), round(wide), rect.height()))
        painter.end()

    def _paint(self, painter: QPainter, slot: Slot, rect: QRect, words: QRect) -> None:
        """Paint a picture, and its text across the width of ``words``."""
        theme, px = self.theme, self.theme.px
        caption = QRect(words.left(), rect.top() - px(CAPTION), words.width(), px(CAPTION) - 4)
        used = self._text(painter, caption, slot.caption, theme.text, 13, Qt.AlignLeft, bold=True)
        if words.width() > px(WIDE):
            beside = caption.adjusted(max(used + px(10), px(WORDS)), 0, 0, 0)
            self._text(painter, beside, slot.which, theme.text, 13, Qt.AlignRight)
        painter.setOpacity(1.0 if self._current else FADED)
        self._content(painter, slot, rect)
        verdict = theme.border if slot.agrees is None else theme.decoded if slot.agrees else theme.alarm
        painter.setPen(QPen(QColor(verdict), 0 if slot.agrees is None else px(2)))
        painter.drawRect(rect.adjusted(-1, -1, 0, 0))
        foot = QRect(words.left(), rect.bottom() + 5, words.width(), px(18))
        if slot.confidence == slot.confidence:
            self._bar(painter, slot, QRect(words.left(), foot.bottom() + 3, words.width(), px(16)))
        painter.setOpacity(1.0)
        used = self._text(painter, foot, slot.verdict, verdict, 12, Qt.AlignRight)
        beside = foot.adjusted(0, 0, -used - px(8) if used else 0, 0)
        self._text(painter, beside, slot.provenance, theme.dim, 12, Qt.AlignLeft)

    def _content(self, painter: QPainter, slot: Slot, rect: QRect) -> None:
        """The picture, or the likeliest frames, or the words in its place."""
        theme = self.theme
        if slot.picture is not None:
            painter.drawImage(QRectF(rect), image_of(slot.picture))
            return
        painter.fillRect(rect, QColor(theme.raised))
        if slot.tiles:
            for index, tile in enumerate(slot.tiles):
                self._tile(painter, tile, slot.tiles[0].probability, rect, index)
            return
        size = max(18, min(rect.height() // 3, 72))
        if len(slot.big) > 6:
            size = max(13, min(size, 13 * rect.width() // (10 * len(slot.big))))
        colour = theme.text if slot.big.isdigit() else theme.dim
        self._text(painter, rect, slot.big, colour, size / theme.scale, Qt.AlignHCenter, bold=True)

    def _tile(self, painter: QPainter, tile: Tile, largest: float, rect: QRect, index: int) -> None:
        """One of the likeliest frames in its quarter, with an area in proportion to its probability."""
        theme, px = self.theme, self.theme.px
        width, height = rect.width() / 2, rect.height() / 2
        cell = QRectF(rect.left() + index % 2 * width, rect.top() + index // 2 * height, width, height)
        share = math.sqrt(tile.probability / max(largest, 1e-9))
        room = px(16)
        inner = QRectF(0, 0, share * (width - 6), share * (height - room - 4))
        inner.moveCenter(cell.adjusted(0, 2, 0, -room).center())
        if tile.picture is not None:
            painter.drawImage(inner, image_of(tile.picture))
        else:
            painter.fillRect(inner, QColor(theme.dim))
        text = f"{tile.probability:.0%} · {tile.name}"
        line = QRect(round(cell.left()) + 3, round(cell.bottom()) - room, round(width) - 6, room)
        self._text(painter, line, text, theme.text, 11, Qt.AlignHCenter)

    def _bar(self, painter: QPainter, slot: Slot, rect: QRect) -> None:
        theme, px = self.theme, self.theme.px
        share = min(max(slot.confidence, 0.0), 1.0)
        wide = rect.width() > px(WIDE)
        room = px(FIGURE if wide else FIGURE // 3)
        bar = QRectF(rect.left(), rect.center().y() - px(3), rect.width() - room, px(6))
        painter.fillRect(bar, QColor(theme.raised))
        painter.fillRect(
            QRectF(bar.left(), bar.top(), bar.width() * share, bar.height()), QColor(theme.decoded)
        )
        if slot.unsure_below == slot.unsure_below:
            mark = bar.left() + bar.width() * slot.unsure_below
            painter.fillRect(QRectF(mark - 1, bar.top() - px(3), 2, bar.height() + px(6)), QColor(theme.text))
        figure = f"{share:.0%} {slot.reach}" if wide else f"{share:.0%}"
        self._text(painter, rect, figure, theme.text, 12, Qt.AlignRight)

    def _text(
        self,
        painter: QPainter,
        rect: QRect,
        text: str,
        colour: str,
        pixels: float,
        align: int,
        *,
        bold: bool = False,
    ) -> int:
        """Draw a text, elided where it does not fit; returns its width."""
        if not text:
            return 0
        font = QFont(painter.font())
        font.setPixelSize(self.theme.px(pixels))
        font.setBold(bold)
        painter.setFont(font)
        painter.setPen(QColor(colour))
        metrics = QFontMetrics(font)
        elided = metrics.elidedText(text, Qt.ElideRight, rect.width())
        painter.drawText(rect, int(align | Qt.AlignVCenter), elided)
        return metrics.horizontalAdvance(elided)


def image_of(picture: NDArray[np.uint8]) -> QImage:
    """Convert a picture to a QImage, which owns its data.

    Parameters
    ----------
    picture
        Gray or RGB picture, uint8 [h, w] or [h, w, 3].
    """
    picture = np.ascontiguousarray(picture)
    height, width = picture.shape[:2]
    if picture.ndim == 2:
        return QImage(picture.data, width, height, width, QImage.Format_Grayscale8).copy()
    return QImage(picture.data, width, height, 3 * width, QImage.Format_RGB888).copy()
