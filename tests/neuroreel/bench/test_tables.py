from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neuroreel.bench.tables import plot_latency, print_fit, print_latency, print_soak

LATENCY = {"p50": 0.5, "p95": 0.8, "p99": 1.0, "max": 2.0, "jitter": 0.1}
CELL = {
    "channels": 120,
    "rate_hz": 30.0,
    "sent": 600,
    "floor_ms": LATENCY,
    "stages_ms": {"published": LATENCY},
    "above_floor_ms": {"published": {"p50": 0.25, "p99": float("nan")}},
    "peers_ms": {"mne-lsl": LATENCY},
    "lost": {"floor": 0, "published": 3, "mne-lsl": 0},
    "lag_growth_ms": 0.0,
    "engine_process": {"cpu_of_one_core": 0.05, "memory_mb": 90.0},
    "load_average": 1.0,
    "misses": ["3 samples lost before 'published'"],
    "ages_ms": {"floor": np.full(5, 0.5), "published": np.array([0.7, 0.8, np.nan, 0.9, 1.0])},
}


def test_latency_table_and_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    print_latency({"cells": [CELL], "budget_ms": 1.0, "within_budget": False})
    output = capsys.readouterr().out
    assert "120 channels at 30 Hz" in output
    assert "mne-lsl (receive only)" in output
    assert "0.25" in output
    assert "3 samples lost before 'published'" in output
    assert "OVER the budget" in output


def test_latency_plot_is_written(tmp_path: Path) -> None:
    plot_latency({"cells": [CELL]}, tmp_path / "latency.png")
    assert (tmp_path / "latency.png").read_bytes().startswith(b"\x89PNG")


def test_soak_table_and_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    result: dict[str, Any] = {
        "seconds": 600.0,
        "channels": 16,
        "rate_hz": 60.0,
        "sent": 36_000,
        "lost": {"received": 0},
        "processes": {"engine": {"memory_mb": 80.0, "memory_growth_mb": 9.5}},
        "stages_ms": {"received": LATENCY},
        "floor_ms": LATENCY,
        "clock_drift_ms": 0.1,
        "holds_judged": True,
        "problems": ["the memory of the engine grew by 9.5 MB"],
        "passed": False,
    }
    print_soak(result)
    output = capsys.readouterr().out
    assert "+9.50" in output
    assert "the memory of the engine grew by 9.5 MB" in output
    assert "FAILED." in output


def test_fit_table_marks_a_reference_that_is_not_causal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    scores = {"accuracy_within_1s": 0.9, "accuracy_exact": 0.5}
    times = {"train_seconds": 2.0, "train_cpu_seconds": 1.0}
    peer = {"peer": "cebra 0.6", "settings": {"iterations": 5}, "causal": False, "n_neighbors": 25}
    print_fit(
        {
            "recording": "demo",
            "units": 120,
            "test_repeats": [4],
            "fit": {
                **times,
                "peak_memory_mb": 300,
                "evaluate_cpu_seconds": 2.0,
                "evaluate_peak_memory_mb": 320,
                "without_playback": scores,
                "with_playback": scores,
            },
            "peer": {**peer, **times, **scores, "from_cache": "runs/[a].json"},
            "times_faster": 12.5,
        }
    )
    output = capsys.readouterr().out
    assert "NOT causal" in output
    assert "12.5 times as much CPU time (from runs/[a].json)" in output
