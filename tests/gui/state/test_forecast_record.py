"""How often forecasts came true, on a store and alone."""

from __future__ import annotations

import numpy as np
import pytest

from decoders.metrics import frame_axis
from gui.state.forecast_record import FEWEST, RECENT_S, ForecastRecord
from gui.state.snapshot import UNKNOWN, Source
from tests.gui.feeds import Feed

AXIS = frame_axis(100, ())


def record(truth: dict[float, int]) -> ForecastRecord:
    return ForecastRecord(
        lambda stamps: np.array([truth.get(round(s, 3), UNKNOWN) for s in stamps.tolist()], np.int32),
        Source(n_frames=100),
    )


def test_a_forecast_is_compared_with_the_frame_one_second_later() -> None:
    kept = record({i + 1.0: i % 100 for i in range(40)})
    for i in range(40):
        kept.add(i, i, i % 100 if i % 4 else 99, 0.6)
    kept.settle(45.0, AXIS)
    success = kept.success()
    assert success is not None
    assert success.n == 40
    assert success.came_true == pytest.approx(0.75)
    assert success.claimed == pytest.approx(0.6)


def test_blanks_count_and_unknown_frames_do_not() -> None:
    kept = record({i + 1.0: -1 for i in range(FEWEST)})
    for i in range(2 * FEWEST):
        kept.add(i, i, -1 if i % 2 else 5, 0.5)
    kept.settle(2 * FEWEST, AXIS)
    success = kept.success()
    assert success is not None
    assert success.n == FEWEST
    assert success.came_true == pytest.approx(0.5)


def test_only_the_last_minute_counts_and_few_say_nothing() -> None:
    kept = record({i + 1.0: 3 for i in range(1_000)})
    for i in range(FEWEST - 1):
        kept.add(i, i, 3, 0.5)
    kept.settle(40.0, AXIS)
    assert kept.success() is None
    for i in range(500, 600):
        kept.add(i, i, 3 if i > 550 else 4, 0.5)
    kept.settle(602.0, AXIS)
    success = kept.success()
    assert success is not None
    assert success.n <= RECENT_S
    assert success.came_true > 0.7


def test_the_store_keeps_the_record(feed: Feed) -> None:
    feed.run(10)
    success = feed.store.snapshot().forecast_success
    assert success is not None
    assert (success.came_true, success.claimed) == (1.0, pytest.approx(0.6))
