"""Timing of decoding steps on the recording of `neuroreel.bench.data`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from neuroreel.bench import decode
from tests.neuroreel.commands.runner import run


@pytest.mark.slow
def test_steps_are_timed_and_compared_with_knn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "N_TIGHT", 100)
    monkeypatch.setattr(decode, "N_KNN", 20)
    target = tmp_path / "decode.json"
    arguments = ("bench", "decode", "--seconds", 1, "--budget-us", 1e6, "--json", target)
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    assert "Within the budget" in done.output
    result = json.loads(target.read_text())
    assert result["units"] == 120
    assert 0 < result["tight_us"]["p50"] <= result["tight_us"]["p99"]
    assert result["paced_us"]["p50"] > 0
    assert result["paced_cold_us"]["p50"] > 0
    assert result["decision_us"]["cpu_p50"] > 0
    ratio = result["peers_tight_us"]["sklearn_knn"]["cpu_p50"] / result["tight_us"]["cpu_p50"]
    assert result["times_slower"]["sklearn_knn"] == pytest.approx(ratio, abs=0.1)
    assert run(*arguments, "--force", "--budget-us", 0.1).exit_code == 1
