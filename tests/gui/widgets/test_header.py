from __future__ import annotations

from gui.state.snapshot import Source
from gui.widgets.header import describe


def test_a_late_signal_is_said() -> None:
    source = Source(n_frames=8, movie_name="house, cat, face", signal_lag_ms=5000.0)
    assert describe(source) == "8 categories · shows the moment 5 s ago (signal lag)"


def test_nothing_is_said_of_signals_that_are_not_late() -> None:
    assert describe(Source(n_frames=32)) == "32 places"
