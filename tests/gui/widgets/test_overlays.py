from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QLabel, QPushButton, QWidget

from gui.actions import ACTIONS
from gui.state.snapshot import Candidate
from gui.widgets.overlays import HEADINGS, KeyList, Overlay, StreamPicker

pytestmark = pytest.mark.gui

RICH = "<img src='/etc/passwd'>"
NEURAL = Candidate("A1", "Spikes", "rig", 80, 0.0, uid="n")
ENGINE = Candidate("V1-prediction", "Prediction", "pc-a", 12, 30.0, uid="a")
GONE = Candidate("V1-prediction", "Prediction", "pc-b", 12, 30.0, alive=False, uid="b")


@pytest.fixture
def window(qtbot: Any) -> QWidget:
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(1000, 700)
    window.show()
    return window


@pytest.fixture
def picker(window: QWidget) -> Callable[..., tuple[StreamPicker, list[Any], list[str]]]:
    """A picker, the engines watched with it, and the streams decoded with it."""

    def make(*, with_model: bool = True) -> tuple[StreamPicker, list[Any], list[str]]:
        watched: list[Any] = []
        started: list[str] = []
        picker = StreamPicker(window, watched.append, started.append if with_model else None)
        picker.toggle()
        return picker, watched, started

    return make


def rows(picker: StreamPicker) -> list[list[str]]:
    table = picker.table
    return [
        [table.item(row, column).text() for column in range(len(HEADINGS))] for row in range(table.rowCount())
    ]


def test_a_dialog_opens_in_the_middle_and_closes_again(window: QWidget) -> None:
    overlay = Overlay(window, "Title")
    assert not overlay.isVisible()
    overlay.toggle()
    assert overlay.isVisible()
    middle = overlay.geometry().center() - window.rect().center()
    assert max(abs(middle.x()), abs(middle.y())) <= 1
    overlay.toggle()
    assert not overlay.isVisible()


@pytest.mark.parametrize("size", [(300, 200), (700, 300)])
def test_a_dialog_is_no_larger_than_its_window(window: QWidget, size: tuple[int, int]) -> None:
    window.resize(*size)
    for overlay in (KeyList(window), StreamPicker(window, lambda _: None, None)):
        overlay.toggle()
        assert window.rect().contains(overlay.geometry())


def test_every_action_is_listed_beside_its_keys(window: QWidget) -> None:
    keys = KeyList(window)
    texts = [label.text() for label in keys.findChildren(QLabel)]
    for action in ACTIONS:
        assert texts[texts.index(action.help) - 1] == "  ".join(action.keys)


def test_engines_come_first_then_those_that_answer(picker: Callable[..., Any]) -> None:
    picker, watched, started = picker()
    picker.show_candidates((NEURAL, GONE, ENGINE))
    assert rows(picker) == [
        ["●", "V1-prediction", "Prediction", "pc-a", "12", "30 Hz"],
        ["○", "V1-prediction", "Prediction", "pc-b", "12", "30 Hz"],
        ["●", "A1", "Spikes", "rig", "80", "irregular"],
    ]
    assert picker.table.currentRow() == 0
    picker.choose()
    assert watched == [ENGINE]
    assert not picker.isVisible()
    assert started == []


def test_a_neural_stream_is_decoded(picker: Callable[..., Any], qtbot: Any) -> None:
    picker, watched, started = picker()
    picker.show_candidates((NEURAL, ENGINE))
    assert picker.button.text() == "Watch"
    picker.table.selectRow(1)
    assert picker.button.text() == "Decode"
    qtbot.mouseClick(picker.button, Qt.LeftButton)
    assert (watched, started) == ([], ["A1"])


def test_without_a_model_a_neural_stream_is_listed_but_cannot_be_chosen(picker: Callable[..., Any]) -> None:
    picker, watched, started = picker(with_model=False)
    picker.show_candidates((NEURAL,))
    assert [row[1] for row in rows(picker)] == ["A1"]
    assert not picker.button.isEnabled()
    assert "neuroreel live MODEL --stream" in picker.note.text()
    picker.choose()
    picker.table.doubleClicked.emit(picker.table.model().index(0, 0))
    assert (watched, started) == ([], [])
    assert picker.isVisible()
    picker.show_candidates((NEURAL, ENGINE))
    assert picker.note.text() == "A Prediction stream is a running engine."


@pytest.mark.parametrize(
    ("with_model", "remedy"), [(True, "neuroreel replay"), (False, "neuroreel live MODEL")]
)
def test_an_empty_list_says_what_to_start(picker: Callable[..., Any], with_model: bool, remedy: str) -> None:
    picker, watched, started = picker(with_model=with_model)
    picker.show_candidates((ENGINE,))
    picker.show_candidates(())
    assert remedy in picker.note.text()
    assert not picker.button.isEnabled()
    picker.choose()
    assert (watched, started) == ([], [])


def test_the_choice_stays_with_its_stream(picker: Callable[..., Any]) -> None:
    picker, watched, _ = picker()
    picker.show_candidates((ENGINE, NEURAL))
    picker.table.selectRow(1)
    picker.show_candidates((ENGINE, NEURAL))
    assert picker.table.currentRow() == 1
    picker.show_candidates((GONE, ENGINE, NEURAL))
    assert rows(picker)[picker.table.currentRow()][1] == "A1"
    picker.show_candidates((GONE, ENGINE))  # it has gone: the first is selected
    assert picker.table.currentRow() == 0
    picker.choose()
    assert watched == [ENGINE]


def test_a_double_click_chooses(picker: Callable[..., Any]) -> None:
    picker, watched, _ = picker()
    picker.show_candidates((ENGINE, GONE))
    picker.table.selectRow(1)
    picker.table.doubleClicked.emit(picker.table.model().index(1, 0))
    assert watched == [GONE]


def test_text_from_the_network_is_printable_and_no_markup(picker: Callable[..., Any]) -> None:
    picker, _, _ = picker()
    bad = Candidate(f"{RICH}\x1b[2J\n", "Prediction", "\u202erig" + "x" * 500, 12, 30.0)
    picker.show_candidates((bad,))
    (row,) = rows(picker)
    assert row[1].startswith(RICH)
    assert all(text.isprintable() for text in row)
    assert len(row[3]) < 120
    for label in picker.findChildren(QLabel):
        assert label.textFormat() == Qt.PlainText


def test_an_error_is_shown_in_the_open_picker(picker: Callable[..., Any]) -> None:
    picker, _, _ = picker()
    picker.show_candidates((ENGINE,))
    picker.choose()
    picker.show_message(RICH)
    assert picker.isVisible()
    assert picker.note.text() == RICH
    picker.show_candidates(())  # nothing has changed: the message stays
    assert picker.note.text() == RICH
    picker.show_candidates((ENGINE,))
    assert picker.note.text() != RICH


def test_arrow_keys_move_in_the_list_at_once(picker: Callable[..., Any], window: QWidget, qtbot: Any) -> None:
    picker, _, _ = picker()
    picker.show_candidates((ENGINE, GONE))
    assert window.focusWidget() is picker.table
    qtbot.keyClick(picker.table, Qt.Key_Down)
    assert picker.table.currentRow() == 1
    assert picker.findChildren(QPushButton) == [picker.button]
