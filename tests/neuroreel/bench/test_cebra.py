from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from neuroreel.bench.cebra import CebraDecoder, CebraSettings, run_cebra
from neuroreel.bench.data import BenchData
from stream.errors import BadUsage


@pytest.mark.usefixtures("fake_cebra")
@pytest.mark.parametrize("causal", [True, False])
def test_only_non_causal_windows_include_future_samples(data: BenchData, causal: bool) -> None:
    test = data.test
    decoder = CebraDecoder(CebraSettings(causal=causal)).fit(data.train)
    points = decoder.transform(test)
    assert len(points) == test.n_samples
    last = 30
    changed = np.asarray(test.neural).copy()
    changed[last + 1 :] += 100
    other = decoder.transform(replace(test, neural=changed))
    assert np.allclose(points[: last + 1], other[: last + 1]) is causal
    assert np.allclose(points[: last - 4], other[: last - 4])


@pytest.mark.usefixtures("fake_cebra")
def test_scores_on_our_test_repeats(data: BenchData) -> None:
    result = run_cebra(data.train, data.test, CebraSettings())
    assert result["accuracy_within_1s"] > 0.3
    assert result["settings"]["temperature"] == 0.1
    assert result["test_sha256"] == data.test.sha256()
    assert set(result["per_repeat"]) == {"4", "5"}
    assert max(result["by_neighbors"].values()) == result["accuracy_within_1s"]
    json.dumps(result)


@pytest.mark.parametrize(
    "invalid", [{"labels": "x"}, {"iterations": 0}, {"labels": "discrete", "hybrid": True}]
)
def test_invalid_settings(invalid: dict[str, object]) -> None:
    with pytest.raises(BadUsage):
        CebraSettings(**invalid)  # type: ignore[arg-type]
