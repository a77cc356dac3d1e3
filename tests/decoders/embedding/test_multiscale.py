from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoders.embedding.multiscale import (
    MAX_FEATURES,
    MAX_SCALES,
    multiscale_sums,
    running_window,
    window_spans,
)


@given(st.integers(0, 1000), st.integers(2, 40))
def test_sample_by_sample_equals_the_whole_recording(seed: int, n_window: int) -> None:
    rng = np.random.default_rng(seed)
    samples = rng.poisson(0.5, (60, 3)).astype(np.float32)
    boundary = rng.random(60) < 0.1
    boundary[0] = True
    spans = window_spans(n_window, 3)
    sums, fullness = multiscale_sums(samples, boundary, n_window, spans)
    live = running_window(n_window, spans, 3)
    for index, sample in enumerate(samples):
        if boundary[index]:
            live.reset()
        live.push(sample)
        np.testing.assert_allclose(live.read(), sums[index], rtol=1e-5, atol=1e-5)
        assert live.fullness == pytest.approx(float(fullness[index]), abs=1e-6)


@given(st.integers(1, 500), st.integers(1, 2000))
def test_spans_increase_to_the_window_length(n_window: int, n_channels: int) -> None:
    spans = window_spans(n_window, n_channels)
    if spans:
        assert 2 <= len(spans) <= MAX_SCALES
        assert spans[-1] == n_window
        assert list(spans) == sorted(set(spans))
        assert len(spans) * n_channels <= MAX_FEATURES


def test_a_constant_rate_gives_the_same_sum_at_every_scale() -> None:
    samples = np.full((50, 2), 3, np.float32)
    boundary = np.r_[True, np.zeros(49, bool)]
    sums, fullness = multiscale_sums(samples, boundary, 8, window_spans(8, 2))
    np.testing.assert_allclose(sums, 24)
    assert fullness[-1] == 1
    assert fullness[0] < 1


def test_multiscale_windows_take_over_the_samples_of_a_single_window() -> None:
    samples = np.random.default_rng(0).poisson(1.0, (30, 2)).astype(np.float32)
    one, other, fresh = (
        running_window(12, (), 2),
        running_window(8, window_spans(8, 2), 2),
        running_window(8, window_spans(8, 2), 2),
    )
    for sample in samples:
        one.push(sample)
        fresh.push(sample)
    other.take_over(one)
    np.testing.assert_allclose(other.read(), fresh.read())


def test_without_spans_there_is_a_single_window() -> None:
    samples = np.ones((5, 2), np.float32)
    sums, _ = multiscale_sums(samples, np.r_[True, np.zeros(4, bool)], 2, ())
    assert sums.shape == (5, 2)
