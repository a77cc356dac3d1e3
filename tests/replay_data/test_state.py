from __future__ import annotations

import numpy as np
import pytest

from replay_data.movie import RATE_HZ
from replay_data.state import behaviour, fluctuation, log_gain

REPEAT = np.repeat(np.arange(12), 900).astype(np.int32)
"""Twelve repeats of half a minute."""


def correlation(values: np.ndarray, lag: int) -> float:
    return float(np.mean(values[lag:] * values[:-lag]) / np.mean(values**2))


@pytest.mark.parametrize("time_constant_s", [0.5, 3.0, 15.0])
def test_a_fluctuation_has_variance_one_and_its_time_constant(time_constant_s: float) -> None:
    values = fluctuation(60_000, time_constant_s, np.random.default_rng(0), 4)
    assert (values.shape, values.dtype) == ((60_000, 4), np.float32)
    n_independent = 4 * 60_000 / (2 * time_constant_s * RATE_HZ)
    assert values.var() == pytest.approx(1, abs=4 * np.sqrt(2 / n_independent))
    lag = round(time_constant_s * RATE_HZ)
    assert correlation(values, lag) == pytest.approx(1 / np.e, abs=4 / np.sqrt(n_independent))
    assert abs(np.corrcoef(values.T)[0, 1]) < 8 / np.sqrt(n_independent)


def test_a_fluctuation_is_as_large_at_its_start_as_later() -> None:
    starts = [fluctuation(5, 300.0, np.random.default_rng(seed))[0, 0] for seed in range(400)]
    assert np.std(starts) == pytest.approx(1, abs=0.15)


def test_the_mean_gain_is_one_whatever_the_fluctuations() -> None:
    gain = np.exp(log_gain(30_000, 40, 0.4, 0.3, 0.2, np.random.default_rng(0)))
    assert gain.mean() == pytest.approx(1, abs=0.06)
    np.testing.assert_array_equal(log_gain(100, 5, 0, 0, 0, np.random.default_rng(0)), 0)


def test_only_the_shared_part_correlates_units() -> None:
    def mean_correlation(shared: float, own: float) -> float:
        values = log_gain(20_000, 15, shared, own, 0.0, np.random.default_rng(1))
        return float(np.corrcoef(values.T)[np.triu_indices(15, 1)].mean())

    assert mean_correlation(0.0, 0.5) == pytest.approx(0, abs=0.05)
    assert mean_correlation(0.5, 0.0) > 0.5
    assert 0.1 < mean_correlation(0.3, 0.3) < mean_correlation(0.5, 0.1)


@pytest.mark.parametrize("seed", range(4))
def test_full_arousal_is_one_long_episode_between_its_repeats(seed: int) -> None:
    state, running = behaviour(REPEAT, (3, 6), np.random.default_rng(seed))
    assert (state.shape, running.shape) == ((len(REPEAT),), (len(REPEAT), 1))
    assert state.min() >= 0
    assert state.max() <= 1
    above = np.flatnonzero(state > 0.6)
    assert REPEAT[above[0]] == 3
    assert REPEAT[above[-1]] in (6, 7)  # it takes a moment to calm down
    assert (np.diff(above) == 1).all()
    assert len(above) > 2 * 900
    outside = state[(REPEAT < 3) | (REPEAT > 7)]
    assert outside.max() < 0.5
    assert (outside > 0.1).any()  # short bouts


def test_the_animal_runs_when_aroused_and_never_backwards() -> None:
    state, running = behaviour(REPEAT, (3, 6), np.random.default_rng(0))
    speed = running[:, 0]
    assert speed.min() >= 0
    assert speed[state > 0.9].mean() == pytest.approx(22, rel=0.1)
    assert speed[state < 0.01].mean() < 0.5
    assert np.corrcoef(state, speed)[0, 1] > 0.95


def test_the_same_seed_gives_the_same_animal() -> None:
    one, same, other = (behaviour(REPEAT, (3, 6), np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one[1], same[1])
    assert not np.array_equal(one[1], other[1])
