from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.playback import transition_powers
from decoders.playback.transition_powers import JumpingTransitions, TransitionPowers, Transitions
from decoders.playback.transitions import learn_playback
from tests.decoders.playback.movie import TICKS, N, dense, transitions

N_LONG = 400
"""Frames of a movie whose matrices are laid out by diagonals."""


def long_movie(n_scenes: int, n_repeats: int) -> Transitions:
    """Scenes in random order, with a gray screen and jumps between them."""
    rng = np.random.default_rng(n_scenes)
    starts = np.linspace(0, N_LONG, n_scenes, endpoint=False).astype(int)
    scenes = np.split(np.arange(N_LONG), starts[1:])
    parts = [scenes[i] for _ in range(n_repeats) for i in rng.permutation(n_scenes)]
    state = np.concatenate([*parts, [N_LONG, N_LONG], rng.integers(0, N_LONG, 40)])
    first = np.arange(len(state)) == 0
    ticks = np.ones(len(state), int)
    return learn_playback(state, ticks, first, N_LONG, np.array([N_LONG - 1]), starts, (TICKS, TICKS))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 40))
def test_advance_equals_powers_of_the_dense_matrix(seed: int, ticks: int) -> None:
    t = transitions()
    state = np.random.default_rng(seed).dirichlet(np.full(N + 1, 0.1)).astype(np.float32)
    powers = JumpingTransitions(t.forecast_steps, 0.02, t.target)
    expected = state @ np.linalg.matrix_power(dense(t, 0.02, forecast=True), ticks)
    np.testing.assert_allclose(powers.advance(state, ticks), expected, atol=2e-6)


@pytest.mark.parametrize("forecast", [False, True])
@pytest.mark.parametrize(("n_scenes", "n_repeats"), [(1, 1), (5, 1), (5, 9), (40, 9)])
@pytest.mark.parametrize("max_dense", [2**15, 2**12, 0])
def test_every_layout_equals_the_dense_matrix(
    monkeypatch: pytest.MonkeyPatch, n_scenes: int, n_repeats: int, max_dense: int, forecast: bool
) -> None:
    monkeypatch.setattr(transition_powers, "MAX_DENSE", max_dense)
    t = long_movie(n_scenes, n_repeats)
    powers = JumpingTransitions(t.forecast_steps if forecast else t.steps, 0.02, t.target)
    matrix = dense(t, 0.02, forecast=forecast)
    rng = np.random.default_rng(0)
    for spread in (0.01, 10.0):
        state = rng.dirichlet(np.full(N_LONG + 1, spread)).astype(np.float32)
        expected = [state @ np.linalg.matrix_power(matrix, each) for each in TICKS]
        np.testing.assert_allclose(powers.advance_each(state, TICKS), expected, atol=2e-6)
        np.testing.assert_allclose(powers.advance(state, 2), expected[1], atol=2e-6)


def test_stored_powers_are_those_of_one_tick() -> None:
    t = long_movie(5, 3)
    for ticks in TICKS:
        expected = np.linalg.matrix_power(t.steps.dense(1).astype(float), ticks)
        np.testing.assert_allclose(t.steps.dense(ticks), expected, atol=2e-6)


def test_ticks_without_a_stored_power_are_composed_of_others() -> None:
    t = transitions()
    few = learn_playback(
        np.arange(N), np.ones(N, int), np.arange(N) == 0, N, np.array([14, N - 1]), np.array([0, 7, 15])
    )
    assert few.steps.ticks.tolist() == [1]
    for stored in (t, few):
        powers = JumpingTransitions(stored.steps, 0.02, stored.target)
        state = np.random.default_rng(0).dirichlet(np.full(N + 1, 0.1)).astype(np.float32)
        expected = [state @ np.linalg.matrix_power(dense(stored, 0.02), each) for each in (5, 9, 33)]
        np.testing.assert_allclose(powers.advance_each(state, (5, 9, 33)), expected, atol=2e-6)


def test_no_tick_changes_nothing() -> None:
    t = transitions()
    state = np.full(N + 1, 1 / (N + 1), np.float32)
    assert JumpingTransitions(t.steps, 0.02, t.target).advance(state, 0) is state


def test_results_are_new_arrays() -> None:
    t = transitions()
    powers = JumpingTransitions(t.steps, 0.02, t.target)
    state = np.full(N + 1, 1 / (N + 1), np.float32)
    one = powers.advance(state, 1)
    before = one.copy()
    powers.advance(one, 1)
    np.testing.assert_array_equal(one, before)


def test_places_that_fill_up_are_stored_as_long_as_they_are_sparse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decoders.playback.transitions._MAX_PER_STATE", 8)
    monkeypatch.setattr("decoders.playback.transitions._MAX_ENTRIES", 0)
    rng = np.random.default_rng(0)
    state = np.cumsum(rng.integers(-1, 2, 4000)) % 60
    first = np.arange(4000) == 0
    t = learn_playback(state, np.ones(4000, int), first, 60, None, None, ((1, 2, 40), (1, 2, 40)))
    assert t.steps.ticks.tolist() == [1, 2]
    powers: TransitionPowers = t.steps
    moved = JumpingTransitions(powers, 0.0, t.target).advance(t.initial.astype(np.float32), 40)
    expected = t.initial @ np.linalg.matrix_power(powers.dense(1).astype(float), 40)
    np.testing.assert_allclose(moved, expected, atol=1e-5)
