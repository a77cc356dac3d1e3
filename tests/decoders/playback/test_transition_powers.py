from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.playback.transition_powers import MAX_POWER, TransitionPowers
from tests.decoders.playback.movie import N, dense, transitions


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 40))
def test_advance_equals_powers_of_the_dense_matrix(seed: int, ticks: int) -> None:
    t = transitions()
    state = np.random.default_rng(seed).dirichlet(np.full(N + 1, 0.1))
    powers = TransitionPowers(t.forecast_steps, 0.02, t.target)
    expected = state @ np.linalg.matrix_power(dense(t, 0.02, forecast=True), ticks)
    np.testing.assert_allclose(powers.advance(state, ticks), expected, atol=2e-5)


def test_several_powers_at_once_equal_one_after_the_other() -> None:
    t = transitions()
    powers = TransitionPowers(t.steps, 0.02, t.target)
    state = np.random.default_rng(0).dirichlet(np.full(N + 1, 0.1)).astype(np.float32)
    ticks = (1, 8, 15, 30)
    together = powers.products(ticks).times(state)
    for row, n_ticks in zip(together, ticks, strict=True):
        np.testing.assert_allclose(row, powers.advance(state, n_ticks), atol=2e-6)


def test_no_tick_changes_nothing_and_returns_a_new_array() -> None:
    t = transitions()
    state = np.full(N + 1, 1 / (N + 1), np.float32)
    moved = TransitionPowers(t.steps, 0.02, t.target).advance(state, 0)
    np.testing.assert_array_equal(moved, state)
    moved[0] = 5
    assert state[0] < 1


def test_few_powers_are_stored_whatever_the_ticks() -> None:
    t = transitions()
    powers = TransitionPowers(t.steps, 0.02, t.target)
    for ticks in range(300):
        powers.advance(t.initial, ticks)
    assert len(powers._stored) == MAX_POWER
