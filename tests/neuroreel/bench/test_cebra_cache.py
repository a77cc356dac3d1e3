from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from neuroreel.bench import cebra_cache
from neuroreel.bench.cebra import CebraSettings
from neuroreel.bench.data import BenchData
from stream.errors import BadUsage

COMPARISON = Path(__file__).resolve().parents[3] / "docs" / "comparison.md"


@pytest.mark.usefixtures("fake_cebra")
def test_run_is_stored_and_reused_for_the_same_settings_only(
    data: BenchData, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cebra_cache.cebra_run(data.train, data.test, CebraSettings(), cached=True)
    assert first["from_cache"] is None
    monkeypatch.setitem(sys.modules, "cebra", None)
    again = cebra_cache.cebra_run(data.train, data.test, CebraSettings(), cached=True)
    assert Path(again["from_cache"]).parent == cebra_cache.cache_folder()
    assert again["accuracy_within_1s"] == first["accuracy_within_1s"]
    with pytest.raises(BadUsage, match="compare"):
        cebra_cache.cebra_run(data.train, data.test, CebraSettings(temperature=1.0), cached=True)


def test_documentation_quotes_the_stored_runs() -> None:
    page = COMPARISON.read_text()
    runs = sorted(cebra_cache.QUOTED.glob("*.json"))
    assert runs
    for path in runs:
        run = json.loads(path.read_text())
        assert {"settings", "train_sha256", "test_sha256", "causal", "train_seconds"} <= set(run), path.name
        assert str(run["settings"]["iterations"]) in path.name
        for score in ("accuracy_within_1s", "accuracy_exact"):
            assert f"{run[score]:.3f}".lstrip("0") in page
