from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream.quantiles import RollingQuantiles, figures, histogram


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
    said = figures(np.array([1.0, 3.0, 2.0]))
    assert (said["p50"], said["max"], said["jitter"]) == (2.0, 3.0, 1.5)
    assert said["p50"] <= said["p95"] <= said["p99"] <= said["max"]
    assert all(math.isnan(value) for value in figures(np.zeros(0)).values())
    assert math.isnan(figures(np.ones(1))["jitter"])


@given(st.lists(st.floats(0, 1e3), max_size=50))
def test_a_histogram_counts_everything(values: list[float]) -> None:
    counts, top = histogram(np.array(values), 8)
    assert counts.sum() == len(values)
    assert len(counts) == 8
    assert top >= 0
