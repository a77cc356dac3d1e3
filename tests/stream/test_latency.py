from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream.latency import RollingQuantiles


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
