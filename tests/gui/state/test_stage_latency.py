from __future__ import annotations

import numpy as np
import pytest

from gui.state.stage_latency import KEPT, STAGES, StageLatency


def test_the_engines_stages_come_from_its_stats() -> None:
    latency = StageLatency()
    latency.add_engine_stats(
        {"arrival_ms": {"p50": 1, "p99": 2.5, "max": None}, "latency_ms": None, "state": "live"}
    )
    assert latency.figures().stages == {"arrived": {"p50": 1.0, "p99": 2.5}}


def test_the_displays_stages_are_measured() -> None:
    latency = StageLatency()
    latency.receive(np.array([0.001, 0.002, 0.003]))
    for age_s in np.linspace(0.01, 0.02, 101).tolist():
        latency.paint(age_s)
    figures = latency.figures()
    assert set(figures.stages) == {"received", "painted"} <= set(STAGES)
    assert figures.stages["received"]["p50"] == pytest.approx(2.0)
    assert figures.stages["painted"]["p50"] == pytest.approx(15.0)
    assert figures.counts.sum() == 101
    assert figures.top_ms == pytest.approx(19.9)


def test_without_measurements_there_is_nothing_to_show() -> None:
    figures = StageLatency().figures()
    assert figures.stages == {}
    assert figures.counts.sum() == 0


def test_the_number_of_measurements_is_bounded() -> None:
    latency = StageLatency()
    for _ in range(KEPT + 10):
        latency.paint(0.001)
    assert latency.figures().counts.sum() == KEPT
