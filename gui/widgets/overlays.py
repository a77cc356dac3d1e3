"""Dialogs over the panels: the list of keys, and the stream picker."""

from __future__ import annotations

from collections.abc import Callable

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from gui.actions import ACTIONS
from gui.state.snapshot import Candidate
from gui.widgets.labels import PlainLabel
from stream.printable import printable

HEADINGS = ("", "name", "type", "host", "channels", "rate")


class Overlay(QFrame):
    """A dialog in the middle of the window."""

    def __init__(self, parent: QWidget, title: str) -> None:
        super().__init__(parent)
        self._over = parent
        self.setObjectName("panel")
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(28, 22, 28, 22)
        self.column.setSpacing(12)
        self.heading = PlainLabel(title, "heading")
        self.column.addWidget(self.heading)
        self.hide()

    def place(self) -> None:
        """Centre the dialog in the window."""
        self.adjustSize()
        parent = self._over
        self.resize(self.size().boundedTo(parent.size()))
        self.move((parent.width() - self.width()) // 2, (parent.height() - self.height()) // 2)

    def toggle(self) -> None:
        """Show or hide the dialog."""
        self.setVisible(not self.isVisible())
        if self.isVisible():
            self.place()
            self.raise_()


class KeyList(Overlay):
    """The list of actions with their keys."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, "Keys")
        grid = QGridLayout()
        grid.setHorizontalSpacing(24)
        grid.setVerticalSpacing(7)
        for row, action in enumerate(ACTIONS):
            key = PlainLabel("  ".join(action.keys), "key")
            grid.addWidget(key, row, 0, Qt.AlignRight)
            grid.addWidget(PlainLabel(action.help), row, 1)
        self.column.addLayout(grid)


class StreamPicker(Overlay):
    """The stream picker: lists the streams on the network.

    Parameters
    ----------
    parent
        The window.
    watch
        Called with the prediction stream of the engine to watch.
    start
        Called with the name of a neural stream to start an engine for; None without a model.
    """

    def __init__(
        self, parent: QWidget, watch: Callable[[Candidate], None], start: Callable[[str], None] | None
    ) -> None:
        super().__init__(parent, "Streams")
        self._watch, self._start = watch, start
        self._candidates: tuple[Candidate, ...] = ()
        self.note = PlainLabel(name="dim")
        self.note.setWordWrap(True)
        self.table = QTableWidget(0, len(HEADINGS))
        self.table.setHorizontalHeaderLabels(list(HEADINGS))
        self.table.setShowGrid(False)
        self.table.setSelectionBehavior(QAbstractItemView.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.NoEditTriggers)
        headings = QHeaderView(Qt.Horizontal)
        self.table.setHorizontalHeader(headings)
        numbers = QHeaderView(Qt.Vertical)
        numbers.hide()
        numbers.setDefaultSectionSize(32)
        self.table.setVerticalHeader(numbers)
        headings.setDefaultAlignment(Qt.AlignLeft | Qt.AlignVCenter)
        headings.setSectionResizeMode(QHeaderView.ResizeToContents)
        headings.setSectionResizeMode(1, QHeaderView.Stretch)
        self.table.setMinimumSize(560, 180)
        self.button = QPushButton("Choose")
        self.button.clicked.connect(self.choose)
        self.table.doubleClicked.connect(self.choose)
        self.table.itemSelectionChanged.connect(self._name_button)
        line = QHBoxLayout()
        line.addWidget(self.note, 1)
        line.addWidget(self.button)
        self.column.addWidget(self.table)
        self.column.addLayout(line)
        self.show_candidates(())

    def show_candidates(self, candidates: tuple[Candidate, ...]) -> None:
        """Update the list; an unchanged list keeps its selection."""
        wanted = tuple(
            sorted(candidates, key=lambda c: (c.type != "Prediction", not c.alive, c.name, c.hostname, c.uid))
        )
        if wanted == self._candidates and self.note.text():
            return
        before = self._selected()
        self._candidates = wanted
        self.table.setRowCount(len(wanted))
        for row, candidate in enumerate(wanted):
            rate = f"{candidate.rate_hz:g} Hz" if candidate.rate_hz else "irregular"
            texts = (
                "●" if candidate.alive else "○",
                printable(candidate.name, limit=80),
                printable(candidate.type, limit=20),
                printable(candidate.hostname, limit=60),
                str(candidate.n_channels),
                rate,
            )
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                if column == 0:
                    item.setToolTip("is sending" if candidate.alive else "gone a moment ago")
                self.table.setItem(row, column, item)
        if wanted:
            kept = [row for row, one in enumerate(wanted) if before is not None and _same(one, before)]
            self.table.selectRow(kept[0] if kept else 0)
            self.note.setText(
                "A Prediction stream is a running engine."
                if self._start is not None or wanted[0].type == "Prediction"
                else "No engine is running. To decode one of these, start: neuroreel live MODEL --stream NAME"
            )
        elif self._start is None:
            self.note.setText("No engine is running. Start one with: neuroreel live MODEL")
        else:
            self.note.setText(
                "No stream found yet. Start the neural stream of the rig, or: neuroreel replay RECORDING"
            )
        self._name_button()

    def show_message(self, problem: str) -> None:
        """Show the picker again, with an error message."""
        self.show_candidates(())
        self.note.setText(problem)
        if not self.isVisible():
            self.toggle()

    def toggle(self) -> None:
        """Show or hide the dialog; the arrow keys move in its list at once."""
        super().toggle()
        if self.isVisible():
            self.table.setFocus()

    def _selected(self) -> Candidate | None:
        row = self.table.currentRow()
        return self._candidates[row] if 0 <= row < len(self._candidates) else None

    def choose(self) -> None:
        """Watch the selected engine, or start one for the selected neural stream."""
        candidate = self._selected()
        if candidate is None or not self.button.isEnabled():
            return
        self.hide()
        if candidate.type == "Prediction":
            self._watch(candidate)
        elif self._start is not None:
            self._start(candidate.name)

    def _name_button(self) -> None:
        candidate = self._selected()
        neural = candidate is not None and candidate.type != "Prediction"
        self.button.setEnabled(candidate is not None and not (neural and self._start is None))
        self.button.setText("Decode" if neural else "Watch")


def _same(one: Candidate, other: Candidate) -> bool:
    """Whether two entries are the same stream, one of them perhaps gone."""
    return one.uid == other.uid and (one.name, one.type, one.hostname) == (
        other.name,
        other.type,
        other.hostname,
    )
