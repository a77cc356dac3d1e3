from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PyQt5.QtWidgets import QWidget

from gui.state.stage_latency import STAGES, LatencyFigures, StageLatency
from gui.widgets.latency_table import Bars, LatencyTable
from stream.quantiles import SUMMARY_KEYS
from tests.gui.test_window import pixels

pytestmark = pytest.mark.gui


@pytest.fixture
def table(qtbot: Any) -> LatencyTable:
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(900, 700)
    table = LatencyTable(window)
    table.window_ = window  # type: ignore[attr-defined]  # kept alive
    return table


def test_every_stage_and_figure_has_a_cell_of_its_own(table: LatencyTable) -> None:
    values = {
        stage: {key: 10.0 * i + j for j, key in enumerate(SUMMARY_KEYS)} for i, stage in enumerate(STAGES)
    }
    table.show_figures(LatencyFigures(values, np.array([1, 2]), 30.0))
    for i, stage in enumerate(STAGES):
        for j, key in enumerate(SUMMARY_KEYS):
            assert table.cells[stage, key].text() == f"{10 * i + j:.2f}"
    assert "0 to 30 ms" in table.note.text()


def test_what_is_unknown_is_a_dash_also_after_it_was_known(table: LatencyTable) -> None:
    known = {"painted": {"p50": 3.0, "p99": np.inf}}
    table.show_figures(LatencyFigures(known, np.array([1]), 5.0))
    assert table.cells["painted", "p50"].text() == "3.00"
    assert table.cells["painted", "p99"].text() == "–"
    assert table.cells["arrived", "p50"].text() == "–"
    for nothing in (None, StageLatency().figures()):
        table.show_figures(nothing)
        assert {label.text() for label in table.cells.values()} == {"–"}
        assert table.note.text() == "nothing painted yet"


def heights(bars: Bars, n_bins: int) -> list[float]:
    """Height of each bar as a share of the widget's."""
    bars.resize(400, 100)
    image = pixels(bars.grab()).astype(int)
    middles = [int((index + 0.4) * 400 / n_bins) for index in range(n_bins)]
    return [float((np.abs(image[:, x] - image[0, 399]).max(1) > 20).mean()) for x in middles]


def test_bars_are_as_high_as_their_counts(qtbot: Any) -> None:
    bars = Bars()
    qtbot.addWidget(bars)
    bars.show_figures(LatencyFigures({}, np.array([5, 20, 0, 10, 0]), 5.0))
    assert heights(bars, 5) == pytest.approx([0.25, 1.0, 0.0, 0.5, 0.0], abs=0.03)


@pytest.mark.parametrize("figures", [None, LatencyFigures({}, np.zeros(5, np.int64), 0.0)])
def test_without_measurements_no_bar_is_painted(qtbot: Any, figures: LatencyFigures | None) -> None:
    bars = Bars()
    qtbot.addWidget(bars)
    bars.show_figures(figures)
    assert heights(bars, 5) == [0.0] * 5
