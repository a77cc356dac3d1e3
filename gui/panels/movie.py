"""The movie panel: what is on screen, what is decoded, what comes next; each with what the picture is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PyQt5.QtCore import QRect, QRectF, Qt
from PyQt5.QtGui import QColor, QFont, QFontMetrics, QImage, QPainter, QPen
from PyQt5.QtWidgets import QWidget

from gui.panels.base import Panel
from gui.snapshot import UNKNOWN, Snapshot, Source
from gui.theme import DARK, ORANGE, SKY, Theme

CAPTION = 24
FOOT = 44
GAP = 14
MARGIN = 12
BLANK = 118
"""Gray of a blank screen."""


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """One picture and what is said about it.

    ``picture`` is uint8 [h, w(, 3)] or None, when ``big`` is written instead; ``confidence`` NaN draws no bar.
    """

    caption: str
    note: str
    provenance: str
    picture: NDArray[np.uint8] | None
    big: str = ""
    confidence: float = float("nan")
    agrees: bool | None = None


class MoviePanel(Panel):
    """On screen, decoded now, forecast."""

    def __init__(self) -> None:
        self._view = _View()
        super().__init__("Movie", self._view)

    def set_theme(self, theme: Theme) -> None:
        """Take the colours of a theme."""
        super().set_theme(theme)
        self._view.theme = theme
        self._view.update()

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Draw the newest moment."""
        if snapshot.newest is None:
            self.say(f"{snapshot.reason or snapshot.state} …")
            return
        self.say("")
        source = snapshot.source
        self.detail(
            snapshot.library_note
            or (f"{source.movie_name} · {source.n_frames} frames" if source.movie_name else "")
        )
        self._view.show_slots(slots_of(snapshot))

    @property
    def slots(self) -> tuple[Slot, ...]:
        """What is drawn."""
        return self._view.slots

    @property
    def picture_rects(self) -> list[QRect]:
        """Where each picture is drawn, in the panel's pixels."""
        origin = self._view.mapTo(self, self._view.rect().topLeft())
        return [rect.translated(origin) for rect in self._view.picture_rects]


def slots_of(snapshot: Snapshot) -> tuple[Slot, ...]:
    """The three pictures of a snapshot.

    Parameters
    ----------
    snapshot
        With a newest prediction.
    """
    newest, source = snapshot.newest, snapshot.source
    assert newest is not None
    pictures = snapshot.library.pictures if snapshot.library is not None else None
    horizon = "within 1 s" if source.movie_rate_hz else "exactly this"
    error = abs(newest.frame - newest.truth)
    comparable = newest.truth >= 0 and newest.frame >= 0
    agrees = error <= source.tolerance_frames if comparable else None
    return (
        _shown(newest.truth, snapshot.truth_known, pictures, source),
        Slot(
            "decoded now",
            _delta(newest.frame, newest.truth, source) if comparable else "",
            _provenance(newest.frame, source),
            _picture(newest.frame, pictures),
            _number(newest.frame),
            newest.confidence,
            agrees,
        ),
        Slot(
            "forecast +1 s",
            horizon,
            _provenance(newest.next_frame, source),
            _picture(newest.next_frame, pictures),
            _number(newest.next_frame),
            newest.next_confidence,
        ),
    )


def _shown(frame: int, known: bool, pictures: NDArray[np.uint8] | None, source: Source) -> Slot:
    if not known or frame == UNKNOWN:
        waiting = "not told yet" if known else f"no {source.neural_name}-stimulus stream"
        return Slot("on screen", "", waiting, None, "?")
    what = "blank" if frame < 0 else f"frame {frame}{_moment(frame, source)}"
    return Slot(
        "on screen", "", f"shown by the stimulus program · {what}", _picture(frame, pictures), _number(frame)
    )


def _provenance(frame: int, source: Source) -> str:
    if frame < 0:
        return "no decision on a frame · no stimulus"
    return f"retrieved · frame {frame}{_moment(frame, source)}"


def _moment(frame: int, source: Source) -> str:
    return f" · {frame / source.movie_rate_hz:.2f} s" if source.movie_rate_hz else ""


def _delta(frame: int, truth: int, source: Source) -> str:
    error = frame - truth
    if not error:
        return "exact"
    return f"off by {error:+d} frame{'s' if abs(error) > 1 else ''}"


def _number(frame: int) -> str:
    return "blank" if frame < 0 else str(frame)


def _picture(frame: int, pictures: NDArray[np.uint8] | None) -> NDArray[np.uint8] | None:
    if pictures is None or frame >= len(pictures):
        return None
    if frame < 0:
        return np.full(pictures.shape[1:], BLANK, np.uint8)
    return pictures[frame]


class _View(QWidget):
    """Paints the slots side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.theme = DARK
        self.slots: tuple[Slot, ...] = ()
        self.picture_rects: list[QRect] = []
        self._aspect = 1.5
        self.setMinimumHeight(140)

    def show_slots(self, slots: tuple[Slot, ...]) -> None:
        self.slots = slots
        for slot in slots:
            if slot.picture is not None:
                self._aspect = slot.picture.shape[1] / slot.picture.shape[0]
        self.update()

    def paintEvent(self, event: object) -> None:
        if not self.slots:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.SmoothPixmapTransform)
        painter.setRenderHint(QPainter.TextAntialiasing)
        n = len(self.slots)
        cell = (self.width() - 2 * MARGIN - (n - 1) * GAP) / n
        height = max(20.0, self.height() - CAPTION - FOOT - 10)
        width = min(cell, height * self._aspect)
        height = min(height, width / self._aspect)
        top = CAPTION + 2 + max(0.0, (self.height() - CAPTION - FOOT - 10 - height) / 2)
        left = (
            MARGIN + (self.width() - 2 * MARGIN - n * width - (n - 1) * GAP) / 2 if width < cell else MARGIN
        )
        self.picture_rects = []
        for index, slot in enumerate(self.slots):
            rect = QRect(round(left + index * (width + GAP)), round(top), round(width), round(height))
            self.picture_rects.append(rect)
            self._paint(painter, slot, rect)
        painter.end()

    def _paint(self, painter: QPainter, slot: Slot, rect: QRect) -> None:
        theme = self.theme
        caption = QRect(rect.left(), rect.top() - CAPTION, rect.width(), CAPTION - 4)
        self._text(painter, caption, slot.caption, theme.text, 13, Qt.AlignLeft, bold=True)
        colour = (
            theme.dim
            if slot.agrees is None
            else (SKY if theme is DARK else theme.decoded)
            if slot.agrees
            else ORANGE
        )
        self._text(painter, caption, slot.note, colour, 12, Qt.AlignRight)
        if slot.picture is not None:
            painter.drawImage(QRectF(rect), image_of(slot.picture))
        else:
            painter.fillRect(rect, QColor(theme.raised))
            size = max(18, min(rect.height() // 3, 72))
            self._text(
                painter, rect, slot.big, theme.dim if slot.big == "?" else theme.text, size, Qt.AlignHCenter
            )
        painter.setPen(QPen(QColor(colour if slot.agrees is not None else theme.border), 0))
        painter.drawRect(rect.adjusted(-1, -1, 0, 0))
        foot = QRect(rect.left(), rect.bottom() + 5, rect.width(), 18)
        self._text(painter, foot, slot.provenance, theme.dim, 12, Qt.AlignLeft)
        if slot.confidence == slot.confidence:
            self._bar(painter, slot.confidence, QRect(rect.left(), foot.bottom() + 3, rect.width(), 16))

    def _bar(self, painter: QPainter, confidence: float, rect: QRect) -> None:
        theme = self.theme
        figure = 44
        bar = QRectF(rect.left(), rect.center().y() - 3, rect.width() - figure, 6)
        painter.setPen(Qt.NoPen)
        painter.setBrush(QColor(theme.raised))
        painter.drawRect(bar)
        painter.setBrush(QColor(theme.decoded))
        painter.drawRect(
            QRectF(bar.left(), bar.top(), bar.width() * min(max(confidence, 0.0), 1.0), bar.height())
        )
        painter.setBrush(Qt.NoBrush)
        self._text(painter, rect, f"{confidence:.0%}", theme.text, 12, Qt.AlignRight)

    def _text(
        self,
        painter: QPainter,
        rect: QRect,
        text: str,
        colour: str,
        pixels: int,
        align: int,
        *,
        bold: bool = False,
    ) -> None:
        if not text:
            return
        font = QFont(painter.font())
        font.setPixelSize(pixels)
        font.setBold(bold)
        painter.setFont(font)
        painter.setPen(QColor(colour))
        elided = QFontMetrics(font).elidedText(text, Qt.ElideRight, rect.width())
        painter.drawText(rect, int(align | Qt.AlignVCenter), elided)


def image_of(picture: NDArray[np.uint8]) -> QImage:
    """A picture as Qt draws it; the array must live until it is drawn.

    Parameters
    ----------
    picture
        Uint8 [h, w] or [h, w, 3].
    """
    picture = np.ascontiguousarray(picture)
    height, width = picture.shape[:2]
    if picture.ndim == 2:
        return QImage(picture.data, width, height, width, QImage.Format_Grayscale8).copy()
    return QImage(picture.data, width, height, 3 * width, QImage.Format_RGB888).copy()
