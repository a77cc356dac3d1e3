"""The thresholds that colour the status bar."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import pytest

from gui.state.snapshot import Counts, Source
from gui.thresholds import Level, levels

SOURCE = Source(rate_hz=30.0)
FINE = Counts(received=1_000, age_ms=40.0, latency_p50_ms=2.0, latency_p99_ms=5.0, input_hz=30.0)


def test_ordinary_figures_are_fine() -> None:
    assert set(levels(FINE, SOURCE).values()) == {Level.FINE}
    assert set(levels(Counts(), SOURCE).values()) == {Level.FINE}


@pytest.mark.parametrize(
    ("figure", "changes", "level"),
    [
        ("age", {"age_ms": 300.0}, Level.WARN),
        ("age", {"age_ms": 2_071.0}, Level.ALARM),
        ("latency", {"latency_p99_ms": 60.0}, Level.WARN),
        ("latency", {"latency_p99_ms": 300.0}, Level.ALARM),
        ("latency", {"latency_p50_ms": -2_996.0}, Level.ALARM),
        ("input", {"input_hz": 27.0}, Level.WARN),
        ("input", {"input_hz": 10.0}, Level.ALARM),
        ("dropped", {"dropped": 3}, Level.WARN),
        ("dropped", {"dropped": 9_677}, Level.ALARM),
        ("unusable", {"unusable": 1}, Level.ALARM),
    ],
)
def test_each_figure_has_two_thresholds(figure: str, changes: dict[str, float], level: Level) -> None:
    judged = levels(replace(FINE, **changes), SOURCE)
    assert judged.pop(figure) is level
    assert set(judged.values()) == {Level.FINE}


def test_slow_samples_and_the_models_own_delay_are_no_fault() -> None:
    bold = Source(rate_hz=0.5, signal_lag_ms=7_500.0)
    counts = Counts(received=100, age_ms=9_400.0, latency_p99_ms=7_600.0, input_hz=0.5)
    assert set(levels(counts, bold).values()) == {Level.FINE}


def test_at_full_speed_there_is_no_nominal_rate() -> None:
    fast = Source(rate_hz=30.0, speed="max")
    assert "input" not in levels(replace(FINE, input_hz=900.0, age_ms=nan), fast)
