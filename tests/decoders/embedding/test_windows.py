from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.embedding.windows import RunningSum, window_sums


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 60))
def test_sample_by_sample_equals_the_whole_recording(seed: int, n_window: int, n_samples: int) -> None:
    rng = np.random.default_rng(seed)
    samples = rng.normal(size=(n_samples, 3)).astype(np.float32)
    boundary = rng.random(n_samples) < 0.1
    boundary[0] = True
    sums, fullness = window_sums(samples, boundary, n_window)
    running = RunningSum(n_window, 3)
    for index in range(n_samples):
        if boundary[index]:
            running.reset()
        running.push(samples[index])
        np.testing.assert_allclose(running.read(), sums[index], atol=1e-4)
        assert (
            running.fullness == np.float32(fullness[index]) or abs(running.fullness - fullness[index]) < 1e-6
        )


def test_windows_stay_within_their_segment() -> None:
    samples = np.r_[np.full(5, 100.0), np.ones(5)].astype(np.float32)[:, None]
    boundary = np.zeros(10, bool)
    boundary[[0, 5]] = True
    sums, _ = window_sums(samples, boundary, 4)
    np.testing.assert_allclose(sums[5:], 4)
