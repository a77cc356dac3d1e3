from __future__ import annotations

from typing import Any

import pytest

from gui.state.snapshot import Snapshot, Source
from gui.theme import DARK
from gui.widgets.header import Header, describe


def test_a_late_signal_is_said() -> None:
    source = Source(n_frames=8, movie_name="house, cat, face", signal_lag_ms=5000.0)
    assert describe(source) == "8 categories · shows the moment 5 s ago (signal lag)"


def test_nothing_is_said_of_signals_that_are_not_late() -> None:
    assert describe(Source(n_frames=32)) == "32 places"


@pytest.mark.gui
@pytest.mark.parametrize("mode", ["live", "replay", "simulated"])
@pytest.mark.parametrize("model_simulated", [True, False])
def test_a_model_of_simulated_data_that_decodes_others_is_said(
    qtbot: Any, mode: str, model_simulated: bool
) -> None:
    header = Header()
    qtbot.addWidget(header)
    source = Source(name="V1", mode=mode, model_simulated=model_simulated)
    header.show_snapshot(Snapshot(source=source), paused=False, theme=DARK)
    assert header.badge.text().startswith(mode.upper())
    assert header.warning.isVisibleTo(header) is (model_simulated and mode != "simulated")
    if model_simulated and mode != "simulated":
        assert header.warning.text() == "MODEL OF SIMULATED DATA"
