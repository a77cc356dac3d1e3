from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.numerics import entropy_bits
from decoders.prediction import N_LIKELIEST, forecast_channels


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 60), st.floats(0.01, 10))
def test_forecast_channels_are_the_likeliest_frames_and_the_entropy(
    seed: int, n_states: int, spread: float
) -> None:
    ahead = np.random.default_rng(seed).dirichlet(np.full(n_states, spread), 4).astype(np.float32)
    original = ahead.copy()
    numbers = np.r_[700 + 3 * np.arange(n_states - 1), -1].astype(np.float32)
    channels = forecast_channels(ahead, np.tile(numbers, 4))
    np.testing.assert_array_equal(ahead, original)
    k = min(N_LIKELIEST, n_states)
    for row, probability in zip(channels, ahead, strict=True):
        order = np.argsort(-probability, kind="stable")[:k]
        np.testing.assert_array_equal(row[:k], numbers[order])
        np.testing.assert_array_equal(row[N_LIKELIEST : N_LIKELIEST + k], probability[order])
        assert (row[k:N_LIKELIEST] == -1).all()
        assert (row[N_LIKELIEST + k : -1] == 0).all()
        positive = probability[probability > 0].astype(np.float64)
        assert row[-1] == pytest.approx(-(positive * np.log2(positive)).sum(), abs=1e-4)
        assert entropy_bits(probability) == pytest.approx(float(row[-1]), abs=1e-4)
