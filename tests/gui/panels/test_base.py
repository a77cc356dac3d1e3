from __future__ import annotations

from typing import Any

import pytest
from PyQt5.QtCore import Qt
from PyQt5.QtGui import QColor, QPalette
from PyQt5.QtWidgets import QApplication, QLabel, QWidget

from gui.panels.base import Panel
from gui.state.snapshot import Snapshot
from gui.theme import DARK
from tests.gui.test_window import count, pixels

pytestmark = pytest.mark.gui

RICH = "<h1>ALL IS WELL</h1>"


@pytest.fixture
def panel(qtbot: Any) -> Panel:
    content = QWidget()
    content.setAutoFillBackground(True)
    content.setPalette(QPalette(QColor("#ff0000")))
    panel = Panel("Title", content)
    qtbot.addWidget(panel)
    panel.resize(400, 200)
    panel.show()
    return panel


def red(panel: Panel) -> float:
    image = pixels(panel.grab())
    return count(image, "#ff0000") / (image.shape[0] * image.shape[1])


def test_a_message_takes_the_place_of_the_content_until_it_is_empty(panel: Panel) -> None:
    panel.show_message("")
    assert panel.message == ""
    assert red(panel) > 0.5
    panel.show_message("waiting")
    assert panel.message == "waiting"
    assert red(panel) == 0
    panel.show_message("still waiting")
    assert panel.message == "still waiting"
    panel.show_message("")
    panel.show_message("")
    assert panel.message == ""
    assert red(panel) > 0.5


def test_title_detail_and_message_show_markup_as_it_is(panel: Panel) -> None:
    panel.detail(RICH)
    panel.show_message(RICH)
    labels = panel.findChildren(QLabel)
    assert [label.text() for label in labels if label.text()] == ["Title", RICH, RICH]
    assert {label.textFormat() for label in labels} == {Qt.PlainText}


def test_a_long_detail_is_cut_and_does_not_widen_the_panel(panel: Panel) -> None:
    before = panel.minimumSizeHint().width()
    panel.detail("neighbours averaged " * 100)
    assert panel.minimumSizeHint().width() == before
    panel.grab()
    assert panel.width() == 400


def test_a_legend_names_its_colours(panel: Panel) -> None:
    assert panel.legend_text == ""
    panel.legend(("#00ff00", "true"), ("#0000ff", "decoded"))
    QApplication.processEvents()  # it gets its place
    assert panel.legend_text == "true  decoded"
    image = pixels(panel.grab())
    assert count(image, "#00ff00") == count(image, "#0000ff") > 10
    panel.legend(("#00ff00", "true"))
    assert count(pixels(panel.grab()), "#0000ff") == 0


def test_a_widget_can_be_added_to_the_title_line(panel: Panel) -> None:
    label = QLabel("bar")
    panel.add_to_title(label)
    QApplication.processEvents()
    assert label.geometry().right() > 0.9 * panel.width() - 20
    assert label.geometry().bottom() < 40


def test_a_double_click_maximises(panel: Panel, qtbot: Any) -> None:
    with qtbot.waitSignal(panel.maximise, timeout=5_000):
        qtbot.mouseDClick(panel, Qt.LeftButton)


def test_the_base_class_draws_nothing(panel: Panel) -> None:
    with pytest.raises(NotImplementedError):
        panel.show_snapshot(Snapshot())
    assert panel.theme is DARK
