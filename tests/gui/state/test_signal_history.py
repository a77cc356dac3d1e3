"""The signals that are shown as traces: bounded, thinned with their extremes."""

from __future__ import annotations

import numpy as np
import pytest

from gui.state.signal_history import BLOCKS, MAX_TRACES, SignalHistory


def test_extremes_stay_and_the_number_of_points_is_bounded() -> None:
    history = SignalHistory(2, ("a", "b"), "uV", 10.0, 1e-3)
    rows = np.zeros((10_000, 2), np.float32)
    rows[5_000, 0], rows[7_000, 1] = 40, -30
    history.add(np.arange(10_000) / 1e3, rows)
    traces = history.traces()
    assert traces is not None
    assert len(traces.time_s) == len(traces.values) <= 2 * BLOCKS
    assert (traces.values[:, 0].max(), traces.values[:, 1].min()) == (40, -30)
    assert traces.time_s[0] == pytest.approx(-10, abs=0.1)
    assert (traces.labels, traces.unit) == (("a", "b"), "uV")


def test_slow_signals_are_shown_as_they_are() -> None:
    history = SignalHistory(1, (), "", 10.0, 0.1)
    history.add(np.arange(50) / 10, np.arange(50, dtype=np.float32)[:, None])
    traces = history.traces()
    assert traces is not None
    np.testing.assert_array_equal(traces.values[:, 0], np.arange(50))
    assert traces.labels == ("0",)


def test_many_channels_are_cut_and_a_clock_that_went_back_begins_anew() -> None:
    history = SignalHistory(300, (), "", 10.0, 0.1)
    assert history.traces() is None
    history.add(np.array([100.0]), np.ones((1, 300), np.float32))
    history.add(np.array([5.0]), np.zeros((1, 300), np.float32))
    traces = history.traces()
    assert traces is not None
    assert traces.values.shape == (1, MAX_TRACES)
