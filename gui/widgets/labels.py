"""Labels that show text as it is: Qt would read HTML in names and messages from the network."""

from __future__ import annotations

import html

from PyQt5.QtCore import QSize, Qt
from PyQt5.QtGui import QColor, QPainter
from PyQt5.QtWidgets import QLabel, QWidget

SQUARE = 0.6
"""Side of a legend's square, relative to the height of its text, as the following."""

GAP = 0.3
BETWEEN = 0.9


class PlainLabel(QLabel):
    """A label of plain text.

    Parameters
    ----------
    text
        Text to show.
    name
        Name for the style sheet.
    """

    def __init__(self, text: str = "", name: str = "") -> None:
        super().__init__()
        self.setTextFormat(Qt.PlainText)
        self.setText(text)
        if name:
            self.setObjectName(name)

    def setText(self, text: str | None) -> None:
        """Set the text; the same text costs nothing."""
        if text != self.text():
            super().setText(text)

    def set_tip(self, text: str) -> None:
        """Set the text shown under the mouse, as plain text too."""
        self.setToolTip(f"<qt>{html.escape(text)}</qt>" if text else "")


class ElidedLabel(PlainLabel):
    """A line of text, elided where it does not fit."""

    def minimumSizeHint(self) -> QSize:
        """Any width will do."""
        return QSize(0, super().minimumSizeHint().height())

    def paintEvent(self, _event: object) -> None:
        """Draw the text that fits."""
        painter = QPainter(self)
        text = self.fontMetrics().elidedText(self.text(), Qt.ElideRight, self.width())
        painter.drawText(self.rect(), int(Qt.AlignLeft | Qt.AlignVCenter), text)


class Legend(QWidget):
    """Names of lines, each after a square of its colour."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("detail")
        self.entries: tuple[tuple[str, str], ...] = ()

    def set_entries(self, entries: tuple[tuple[str, str], ...]) -> None:
        """Set the colours, as ``#rrggbb``, and the names."""
        if entries != self.entries:
            self.entries = entries
            self.updateGeometry()
            self.update()

    def text(self) -> str:
        """The names."""
        return "  ".join(name for _, name in self.entries)

    def sizeHint(self) -> QSize:
        """Size of all entries."""
        metrics = self.fontMetrics()
        beside = round((SQUARE + GAP + BETWEEN) * metrics.height()) + 2
        width = sum(beside + metrics.horizontalAdvance(name) for _, name in self.entries)
        return QSize(width, metrics.height())

    def minimumSizeHint(self) -> QSize:
        """As `sizeHint`."""
        return self.sizeHint()

    def paintEvent(self, _event: object) -> None:
        """Draw the entries."""
        painter = QPainter(self)
        metrics, left, height = self.fontMetrics(), 0, self.height()
        side, gap, between = (round(share * metrics.height()) for share in (SQUARE, GAP, BETWEEN))
        for colour, name in self.entries:
            painter.fillRect(left, (height - side) // 2, side, side, QColor(colour))
            left += side + gap
            width = metrics.horizontalAdvance(name)
            painter.drawText(left, 0, width + 1, height, int(Qt.AlignVCenter), name)
            left += width + between
        painter.end()
