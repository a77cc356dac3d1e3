from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream.quantiles import RollingQuantiles, histogram, latency_summary


@given(st.lists(st.floats(-1e6, 1e6), max_size=50), st.integers(1, 20))
def test_quantiles_of_the_last_values(values: list[float], window: int) -> None:
    ring = RollingQuantiles(window)
    for value in values:
        ring.add(value)
    ring.add(math.nan)
    last = values[-window:]
    assert len(ring) == len(last)
    if not last:
        assert math.isnan(ring.p50)
    else:
        assert ring.p50 == np.quantile(last, 0.5)
        assert ring.p99 == np.quantile(last, 0.99)
    assert ring.values.tolist() == last


def test_figures_of_a_series() -> None:
    summary = latency_summary(np.array([1.0, 3.0, 2.0]))
    assert (summary["p50"], summary["max"], summary["jitter"]) == (2.0, 3.0, 1.5)
    assert summary["p50"] <= summary["p95"] <= summary["p99"] <= summary["max"]
    assert all(math.isnan(value) for value in latency_summary(np.zeros(0)).values())
    assert math.isnan(latency_summary(np.ones(1))["jitter"])


@given(st.lists(st.floats(0, 1e3), max_size=50))
def test_a_histogram_counts_every_value(values: list[float]) -> None:
    counts, top = histogram(np.array(values), 8)
    assert counts.sum() == len(values)
    assert len(counts) == 8
    assert top >= 0
