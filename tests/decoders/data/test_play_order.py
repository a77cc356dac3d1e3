"""The order of states: whether it is fixed, and shuffled scenes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoders.data.play_order import order_is_fixed, shuffle_scenes, states_are_scenes

NO_BOUNDARY = np.zeros(400, bool)


def test_categories_that_were_never_shuffled_are_in_fixed_order() -> None:
    state = np.tile(
        np.repeat([0, 4, 1, 4, 2, 4], [5, 2, 5, 3, 5, 1]), 6
    )  # 4 = no stimulus, between the trials
    assert order_is_fixed(state, NO_BOUNDARY[: len(state)], 4)


def test_random_trials_and_places_are_not() -> None:
    rng = np.random.default_rng(0)
    trials = np.repeat(rng.integers(0, 4, 60), 5)
    there_and_back = np.tile(np.r_[np.arange(10), np.arange(8, 0, -1)], 20)
    for state in (trials, there_and_back):
        assert not order_is_fixed(state, NO_BOUNDARY[: len(state)], 10)


def test_what_follows_across_a_boundary_does_not_count() -> None:
    state = np.tile([0, 1, 2], 20)
    assert not order_is_fixed(state, np.arange(60) % 1 == 0, 3)
    assert not order_is_fixed(np.full(60, 3), NO_BOUNDARY[:60], 3)


@given(st.integers(1, 6), st.integers(2, 40), st.booleans())
def test_shuffling_keeps_every_sample_and_every_scene_whole(length: int, n_states: int, single: bool) -> None:
    state = np.repeat(np.arange(n_states), length)
    index = np.arange(len(state)) + 100
    order = shuffle_scenes(state, index, 2.0, np.random.default_rng(n_states), single=single)
    assert np.array_equal(np.sort(order), index)
    if single:
        assert np.all(np.diff(order.reshape(n_states, length), axis=1) == 1)


@pytest.mark.parametrize(("n_per_state", "expected"), [(1, False), (2, True), (8, True)])
def test_states_of_a_second_or_more_are_scenes(n_per_state: int, expected: bool) -> None:
    state = np.repeat(np.arange(20), n_per_state)
    assert states_are_scenes(state, np.arange(len(state)), 2.0) is expected
