from __future__ import annotations

import pytest

from neuroreel.bench.cebra import CebraSettings
from neuroreel.bench.data import BenchData
from neuroreel.bench.fit_cost import bench_fit


@pytest.mark.slow
@pytest.mark.usefixtures("fake_cebra")
def test_our_fit_and_cebra_are_measured_on_the_same_split(data: BenchData) -> None:
    result = bench_fit(data, 0, CebraSettings())
    assert result["fit"]["without_playback"]["accuracy_within_1s"] > 0.5
    assert result["fit"]["evaluate_peak_memory_mb"] >= result["fit"]["peak_memory_mb"] > 10
    assert result["fit"]["evaluate_cpu_seconds"] > 0
    assert result["fit"]["train_cpu_seconds"] > 0
    assert result["peer"]["from_cache"] is None
    assert result["peer"]["test_sha256"] == result["test_sha256"]
