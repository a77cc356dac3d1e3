"""Base class of the panels: a frame, a title line, and a message when there is nothing to show."""

from __future__ import annotations

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import QFrame, QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from gui.state.snapshot import Snapshot
from gui.theme import DARK, Theme
from gui.widgets.labels import ElidedLabel, Legend, PlainLabel


class Panel(QFrame):
    """A framed part of the window.

    Parameters
    ----------
    title
        Title of the panel.
    content
        Widget that the panel shows.
    """

    maximise = pyqtSignal()
    every = 1
    """Ticks between two repaints; above 1 for content that changes slowly."""

    def __init__(self, title: str, content: QWidget) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.theme = DARK
        self.content = content
        self._title = PlainLabel(title, "title")
        self._detail = ElidedLabel(name="detail")
        self._legend = Legend()
        self._message = PlainLabel(name="message")
        self._message.setAlignment(Qt.AlignCenter)
        self._message.setWordWrap(True)
        line = QHBoxLayout()
        line.setContentsMargins(12, 6, 12, 0)
        line.setSpacing(10)
        line.addWidget(self._title)
        line.addWidget(self._detail, 1)
        line.addWidget(self._legend)
        self._stack = QStackedLayout()
        self._stack.addWidget(self._message)
        self._stack.addWidget(content)
        self._line = line
        column = QVBoxLayout(self)
        column.setContentsMargins(1, 1, 1, 1)
        column.setSpacing(2)
        column.addLayout(line)
        column.addLayout(self._stack, 1)

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Draw a snapshot."""
        raise NotImplementedError

    def set_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        self.theme = theme

    def add_to_title(self, widget: QWidget) -> None:
        """Add a widget at the right end of the title line."""
        self._line.addWidget(widget)

    def show_message(self, message: str) -> None:
        """Show a message instead of the content; an empty one shows the content again."""
        if message:
            self._message.setText(message)
            self._stack.setCurrentWidget(self._message)
        elif self._stack.currentWidget() is not self.content:
            self._stack.setCurrentWidget(self.content)

    @property
    def message(self) -> str:
        """The message shown instead of the content; empty while the content is shown."""
        return "" if self._stack.currentWidget() is self.content else self._message.text()

    def detail(self, text: str) -> None:
        """Set the text beside the title."""
        self._detail.setText(text)

    def legend(self, *entries: tuple[str, str]) -> None:
        """Set the legend at the right of the title: (colour, name) of each line."""
        self._legend.set_entries(entries)

    @property
    def legend_text(self) -> str:
        """The names in the legend."""
        return self._legend.text()

    def mouseDoubleClickEvent(self, _event: object) -> None:
        """Maximise the panel, or show all panels."""
        self.maximise.emit()
