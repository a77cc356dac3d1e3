from __future__ import annotations

import math

import pytest

from stream.acquisition.rate_meter import RateMeter
from stream.notices import Notices


def measure(meter: RateMeter, rate_hz: float, seconds: int, from_s: int = 0) -> None:
    """One measurement per second."""
    for second in range(from_s, from_s + seconds):
        meter.tick(round(second * rate_hz), float(second))


@pytest.mark.parametrize(("rate_hz", "n_reports"), [(100.0, 0), (100.9, 0), (102.0, 1), (95.0, 1)])
def test_a_rate_that_is_off_by_a_percent_is_reported_once(rate_hz: float, n_reports: int) -> None:
    notices = Notices()
    meter = RateMeter(100.0, notices)
    assert math.isnan(meter.measured_hz)
    measure(meter, rate_hz, 30)
    assert meter.measured_hz == pytest.approx(rate_hz, rel=0.002)
    reports = notices.take()
    assert [notice.event for notice in reports] == ["rate_off"] * n_reports
    for notice in reports:
        assert notice.facts["off_percent"] == pytest.approx(rate_hz - 100, abs=0.3)


def test_lost_samples_do_not_count_as_a_low_rate() -> None:
    notices = Notices()
    meter = RateMeter(100.0, notices)
    measure(meter, 100.0, 5)
    meter.tick(410, 5.0)  # 90 samples lost
    meter.interrupt(5.0)
    for second in range(6, 20):
        meter.tick(410 + 100 * (second - 5), float(second))
    assert not notices


@pytest.mark.parametrize(("nominal_hz", "paced"), [(0.0, True), (100.0, False)])
def test_irregular_streams_and_replays_at_full_speed_are_measured_only(
    nominal_hz: float, paced: bool
) -> None:
    notices = Notices()
    meter = RateMeter(nominal_hz, notices, paced=paced)
    measure(meter, 50.0, 30)
    assert meter.measured_hz == pytest.approx(50)
    assert not notices


def test_a_new_sender_is_reported_again() -> None:
    notices = Notices()
    meter = RateMeter(100.0, notices)
    measure(meter, 90.0, 15)
    meter.restart()
    measure(meter, 90.0, 15, from_s=20)
    assert [notice.event for notice in notices.take()] == ["rate_off", "rate_off"]
