from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax as scipy_softmax

from decoders.numerics import RowProduct, fast_max, fast_sum, softmax


@given(st.integers(0, 10_000), st.integers(1, 200))
def test_results_equal_those_of_numpy_and_scipy(seed: int, size: int) -> None:
    values = (10 * np.random.default_rng(seed).normal(size=size)).astype(np.float32)
    before = values.copy()
    assert fast_max(values) == values.max()
    assert fast_sum(values) == pytest.approx(float(values.sum(dtype=np.float64)), abs=1e-2)
    np.testing.assert_allclose(softmax(values), scipy_softmax(values.astype(np.float64)), atol=1e-5)
    np.testing.assert_array_equal(values, before)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.floats(0, 1))
def test_zero_rows_are_left_out_of_a_product(seed: int, n_rows: int, activity: float) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(n_rows, 7)).astype(np.float32)
    counts = (rng.poisson(2, n_rows) * (rng.random(n_rows) < activity)).astype(np.float32)
    np.testing.assert_allclose(RowProduct(weights).times(counts), counts @ weights, atol=1e-4)
