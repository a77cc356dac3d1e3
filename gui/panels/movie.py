"""The movie panel: the frame on screen, the decoded frame and the forecast, each with its provenance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PyQt5.QtCore import QRect, QRectF, Qt
from PyQt5.QtGui import QColor, QFont, QFontMetrics, QImage, QPainter, QPen
from PyQt5.QtWidgets import QWidget

from gui.panels.base import Panel
from gui.state.snapshot import UNKNOWN, Snapshot, Source, State
from gui.theme import DARK, Theme
from gui.untrusted import one_line

CAPTION = 24
FOOT = 44
GAP = 14
WORDS = 100
"""Width of a caption in pixels."""

WIDE = 180
"""Width in pixels below which a picture has less text around it."""

FIGURE = 108
"""Width in pixels beside a confidence bar for its figure."""

MARGIN = 12
BLANK = 118
"""Gray level of a blank screen."""


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """One picture and its captions.

    ``picture`` is uint8 [h, w(, 3)], or None to show ``big`` as text; ``confidence`` is the probability of ``reach``
    (NaN draws no bar); ``verdict`` and ``agrees`` compare the frame with the true one.
    """

    caption: str
    which: str
    provenance: str
    picture: NDArray[np.uint8] | None
    big: str = ""
    confidence: float = float("nan")
    reach: str = ""
    verdict: str = ""
    agrees: bool | None = None


class MoviePanel(Panel):
    """The frame on screen, the decoded frame, the forecast."""

    def __init__(self) -> None:
        self._view = _View()
        super().__init__("Movie", self._view)

    def set_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        super().set_theme(theme)
        self._view.theme = theme
        self._view.update()

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Draw the newest moment."""
        if snapshot.newest is None:
            self.show_message(f"{snapshot.reason or snapshot.state} …")
            return
        self.show_message("")
        movie_pictures = snapshot.movie_pictures
        self.detail(
            snapshot.pictures_note
            or (f"pictures from {movie_pictures.path.name}" if movie_pictures is not None else "")
        )
        if snapshot.state is State.LIVE:
            self.legend()
        else:
            self.legend((self.theme.truth, f"not current: {snapshot.reason or snapshot.state}"))
        self._view.show_slots(slots_of(snapshot))

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The pictures that are drawn."""
        return self._view.slots

    @property
    def picture_rects(self) -> list[QRect]:
        """Rectangle of each picture, in the panel's pixels."""
        origin = self._view.mapTo(self, self._view.rect().topLeft())
        return [rect.translated(origin) for rect in self._view.picture_rects]


def slots_of(snapshot: Snapshot) -> tuple[Slot, ...]:
    """The three pictures of a snapshot.

    Parameters
    ----------
    snapshot
        Snapshot with a newest prediction.
    """
    newest, source = snapshot.newest, snapshot.source
    assert newest is not None
    pictures = snapshot.movie_pictures.pictures if snapshot.movie_pictures is not None else None
    reach = "within 1 s" if source.movie_rate_hz else "exact"
    decided = not math.isnan(newest.novelty)  # NaN: no valid channel, nothing was decoded
    comparable = newest.truth >= 0 and newest.frame >= 0
    error = newest.frame - newest.truth
    return (
        _shown(newest.truth, snapshot.truth_known, pictures, source),
        Slot(
            "decoded now",
            _which(newest.frame, source),
            _provenance(newest.frame, decided),
            _picture(newest.frame, pictures) if decided else None,
            _number(newest.frame),
            newest.confidence,
            reach,
            _delta(error) if comparable else "",
            abs(error) <= source.tolerance_frames if comparable else None,
        ),
        Slot(
            "forecast +1 s",
            _which(newest.next_frame, source),
            _provenance(newest.next_frame, decided),
            _picture(newest.next_frame, pictures) if decided else None,
            _number(newest.next_frame),
            newest.next_confidence,
            reach,
        ),
    )


def _shown(frame: int, known: bool, pictures: NDArray[np.uint8] | None, source: Source) -> Slot:
    if not known or frame == UNKNOWN:
        waiting = "not reported yet" if known else f"no stream {one_line(source.neural_name, 80)}-stimulus"
        return Slot("on screen", "", waiting, None, "?")
    picture = _picture(frame, pictures)
    return Slot("on screen", _which(frame, source), "shown by the stimulus program", picture, _number(frame))


def _which(frame: int, source: Source) -> str:
    if frame < 0:
        return "no stimulus"
    return f"frame {frame}" + (f" · {frame / source.movie_rate_hz:.1f} s" if source.movie_rate_hz else "")


def _provenance(frame: int, decided: bool) -> str:
    return f"retrieved · frame {frame}" if decided and frame >= 0 else "no decision"


def _delta(error: int) -> str:
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
    picture: NDArray[np.uint8] = pictures[frame]
    return picture


class _View(QWidget):
    """Paints the pictures side by side."""

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

    def paintEvent(self, _event: object) -> None:
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
        if rect.width() > WIDE:
            self._text(painter, caption.adjusted(WORDS, 0, 0, 0), slot.which, theme.text, 13, Qt.AlignRight)
        if slot.picture is not None:
            painter.drawImage(QRectF(rect), image_of(slot.picture))
        else:
            painter.fillRect(rect, QColor(theme.raised))
            size = max(18, min(rect.height() // 3, 72))
            colour = theme.dim if slot.big == "?" else theme.text
            self._text(painter, rect, slot.big, colour, size, Qt.AlignHCenter, bold=True)
        verdict = theme.border if slot.agrees is None else theme.decoded if slot.agrees else theme.truth
        painter.setPen(QPen(QColor(verdict), 0 if slot.agrees is None else 2))
        painter.drawRect(rect.adjusted(-1, -1, 0, 0))
        foot = QRect(rect.left(), rect.bottom() + 5, rect.width(), 18)
        self._text(painter, foot, slot.provenance, theme.dim, 12, Qt.AlignLeft)
        self._text(painter, foot.adjusted(150, 0, 0, 0), slot.verdict, verdict, 12, Qt.AlignRight)
        if slot.confidence == slot.confidence:
            self._bar(painter, slot, QRect(rect.left(), foot.bottom() + 3, rect.width(), 16))

    def _bar(self, painter: QPainter, slot: Slot, rect: QRect) -> None:
        theme = self.theme
        share = min(max(slot.confidence, 0.0), 1.0)
        wide = rect.width() > WIDE
        room = FIGURE if wide else FIGURE // 2
        bar = QRectF(rect.left(), rect.center().y() - 3, rect.width() - room, 6)
        painter.fillRect(bar, QColor(theme.raised))
        painter.fillRect(
            QRectF(bar.left(), bar.top(), bar.width() * share, bar.height()), QColor(theme.decoded)
        )
        self._text(
            painter,
            rect,
            f"{share:.0%} {slot.reach}" if wide else f"{share:.0%}",
            theme.text,
            12,
            Qt.AlignRight,
        )

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
