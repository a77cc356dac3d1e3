"""Predictions of the last seconds: looked up by timestamp, traced, timed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from decoders.prediction import PREDICTION_CHANNELS
from gui.state.prediction_history import COLUMN, PredictionHistory
from gui.state.snapshot import UNKNOWN

STAMPS = 100.0 + np.arange(12) / 4


def filled(window_s: float = 2.0) -> PredictionHistory:
    """Twelve predictions at 4 Hz, each received half a second after its timestamp; the second has no lag."""
    history = PredictionHistory(window_s, 4.0, 1.0)
    for number, stamp in enumerate(STAMPS.tolist()):
        row = np.zeros((1, len(PREDICTION_CHANNELS)))
        row[0, [COLUMN["frame"], COLUMN["lag_ms"], COLUMN["stamp_raw"]]] = number, 10.0 * number, stamp - 50
        row[0, COLUMN["lag_ms"]] = math.nan if number == 1 else 10.0 * number
        history.add(row, np.array([stamp]), stamp + 0.5)
    return history


def test_an_empty_history_knows_nothing() -> None:
    history = PredictionHistory(2.0, 4.0, 1.0)
    assert history.newest_and_trace(lambda stamps: stamps.astype(np.int32), 6, known=True) == (None, None)
    assert history.timing(100.0, paced=True) == {}
    assert history.idle_s(100.0) == 0.0
    assert history.at("frame", np.array([1.0, 2.0]), -1.0).tolist() == [-1.0, -1.0]


def test_a_channel_is_that_of_the_prediction_with_the_timestamp_or_the_last_before_it() -> None:
    asked = np.array([STAMPS[0] - 9, STAMPS[3], STAMPS[3] + 0.1, STAMPS[-1] + 9])
    assert filled().at("frame", asked, -1.0).tolist() == [0.0, 3.0, 3.0, 11.0]


def test_traces_show_the_window_and_the_truth_by_its_own_timestamps() -> None:
    history = filled()
    newest, trace = history.newest_and_trace(
        lambda stamps: np.rint(stamps).astype(np.int32), COLUMN["stamp_raw"], known=True
    )
    assert newest is not None
    assert trace is not None
    assert (newest.frame, newest.lag_ms, newest.stamp) == (11, 110.0, STAMPS[-1])
    assert newest.truth == round(STAMPS[-1] - 50)
    assert trace.time_s.tolist() == (np.arange(-8, 1) / 4).tolist()
    assert trace.frame.tolist() == list(range(3, 12))
    unknown, _ = history.newest_and_trace(lambda stamps: stamps.astype(np.int32), 6, known=False)
    assert unknown is not None
    assert unknown.truth == UNKNOWN


def test_the_rate_of_slow_volumes_is_known() -> None:
    history = PredictionHistory(150.0, 0.4, 1.0)
    for stamp in np.arange(10) * 2.5:
        history.add(np.zeros((1, len(PREDICTION_CHANNELS))), np.array([stamp]), stamp)
    assert history.timing(24.9, paced=True)["input_hz"] == pytest.approx(0.4)


def test_latency_age_and_rate_count_real_time_only_when_paced() -> None:
    now_s = STAMPS[-1] + 1.0
    timing = filled().timing(now_s, paced=True)
    assert timing["age_ms"] == pytest.approx(1000.0)
    assert timing["input_hz"] == pytest.approx(4.0)
    assert timing["latency_p50_ms"] == pytest.approx(np.median([0, *range(20, 120, 10)]))
    fast = filled().timing(now_s, paced=False)
    assert fast["input_hz"] == pytest.approx(4.0)
    assert all(math.isnan(fast[name]) for name in ("age_ms", "latency_p50_ms", "latency_p99_ms"))
    assert filled().idle_s(now_s) == pytest.approx(0.5)
