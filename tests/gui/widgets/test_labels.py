"""Labels show text as it is."""

from __future__ import annotations

import pytest
from PyQt5.QtCore import Qt

from gui.widgets.labels import Legend, PlainLabel

pytestmark = pytest.mark.gui
MARKUP = "<h1>ALL IS WELL</h1><img src='/etc/passwd'>&nbsp;"


def test_markup_is_text(qtbot) -> None:
    label = PlainLabel(MARKUP)
    qtbot.addWidget(label)
    assert label.text() == MARKUP
    assert label.textFormat() == Qt.PlainText
    assert label.sizeHint().height() < 2 * label.fontMetrics().height()
    label.set_tip(MARKUP)
    assert "&lt;img" in label.toolTip()


def test_a_legend_has_room_for_its_names(qtbot) -> None:
    legend = Legend()
    qtbot.addWidget(legend)
    legend.set_entries((("#ff0000", "true"), ("#00ff00", MARKUP)))
    assert legend.text() == f"true  {MARKUP}"
    assert legend.sizeHint().width() > legend.fontMetrics().horizontalAdvance(MARKUP)
