"""Matching of times and the verdict; the processes run in test_soak.py, which uses the same sender and receivers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neuroreel.bench.latency import Budget, Cell, summarize


@pytest.fixture
def result() -> dict[str, Any]:
    """Ten samples, each pushed 1 ms late; the receiver lost the fifth."""
    due = np.arange(10) / 100
    sent = np.column_stack([due, due + 0.001])
    floor = np.column_stack([due, due + 0.003, np.arange(10)])
    engine = np.column_stack([due, due + 0.002, due + 0.003, due + 0.004])
    received = np.delete(np.add(floor, (0, 0.004, 0)), 4, 0)
    times = {"sender": sent, "floor": floor, "engine": engine, "received": received}
    return summarize(Cell(8, 100.0, 0.1), times)[0]


def test_times_are_matched_by_timestamp_and_count_from_the_push(result: dict[str, Any]) -> None:
    stages = result["stages_ms"]
    assert result["floor_ms"]["p50"] == pytest.approx(2)
    assert [round(stages[name]["p50"]) for name in ("arrived", "decoded", "published")] == [1, 2, 3]
    assert result["above_floor_ms"]["received"]["p50"] == pytest.approx(4)
    assert result["lost"] == {"floor": 0, "arrived": 0, "decoded": 0, "published": 0, "received": 1}


def test_budget_lists_what_was_exceeded(result: dict[str, Any]) -> None:
    misses = Budget(0.5).misses(result)
    assert "1.00 ms above the floor" in misses[0]
    assert "1 samples lost before 'received'" in misses[1]
    assert len(misses) == 2
