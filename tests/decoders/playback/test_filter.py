"""The playback model: `filter`, `transitions`, `transition_powers`, `playback_speed` and `frame_clock`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.playback.filter import Playback
from decoders.playback.frame_clock import FrameClock
from decoders.playback.transition_powers import TransitionPowers
from decoders.playback.transitions import Transitions, learn_playback, persistence_forecast
from stream.errors import BadUsage

N = 30


def transitions(seed: int = 0, *, movie: bool = True) -> Transitions:
    rng = np.random.default_rng(seed)
    state = np.r_[np.tile(np.r_[np.full(6, N), np.arange(N)], 4), rng.integers(0, N, 5)]
    boundary = np.zeros(len(state), bool)
    boundary[[0, 72]] = True
    ends = np.array([14, N - 1]) if movie else None
    starts = np.array([0, 7, 15]) if movie else None
    return learn_playback(state, np.ones(len(state), np.int64), boundary, N, ends, starts)


def dense(t: Transitions, jump: float, *, forecast: bool = False) -> np.ndarray:
    matrix = (t.forecast_steps if forecast else t.steps).dense()
    return (1 - jump) * matrix + jump * t.target


@pytest.mark.parametrize("movie", [True, False])
def test_rows_are_distributions(movie: bool) -> None:
    t = transitions(movie=movie)
    for matrix in (t.steps, t.forecast_steps):
        np.testing.assert_allclose(matrix.row_sums(), 1, atol=1e-12)
    assert t.target.sum() == pytest.approx(1)
    assert t.initial.sum() == pytest.approx(1)
    assert (t.initial[:-1] > 0).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.001, 0.01, 0.2]))
def test_filter_equals_a_dense_hidden_markov_model(seed: int, jump: float) -> None:
    t = transitions()
    playback = Playback(t, jump, jump, 30.0, 30.0)
    rng = np.random.default_rng(seed)
    matrix = dense(t, jump)
    expected = t.initial
    stamp = 5.0
    for index in range(15):
        ticks = 0 if index == 0 else int(rng.integers(0, 4))
        stamp += ticks / 30
        evidence = rng.normal(size=N + 1) * 2
        expected = expected @ np.linalg.matrix_power(matrix, ticks) * np.exp(evidence)
        expected /= expected.sum()
        state = playback.step(evidence, stamp)
        if playback.speed != 1:  # random evidence may favour another speed
            break
        np.testing.assert_allclose(state, expected, atol=1e-5)
        assert state.sum() == pytest.approx(1)


@pytest.mark.parametrize("speed", [0.5, 1.0, 1.5, 2.0])
def test_another_playback_speed_is_found_and_used_by_the_forecast(speed: float) -> None:
    n_frames = 120
    t = learn_playback(
        np.arange(n_frames),
        np.ones(n_frames, int),
        np.arange(n_frames) == 0,
        n_frames,
        np.array([n_frames - 1]),
    )
    playback = Playback(t, 0.01, 0.01, 30.0, 30.0)
    rng = np.random.default_rng(1)
    now = 0
    for index in range(36):
        now = int(10 + index * speed)
        evidence = rng.normal(size=n_frames + 1)
        evidence[now - 1 : now + 2] += 2.0
        playback.step(evidence, index / 30)
    assert playback.speed == speed
    assert abs(int(playback.state.argmax()) - now) <= 2
    quarter = int(playback.forecast()[0].argmax())
    assert abs(quarter - min(now + 7.5 * speed, n_frames - 1)) <= 3


def test_frames_without_a_movie_have_speed_one() -> None:
    assert Playback(transitions(movie=False), 0.01, 0.01, 0.0, 30.0).speed == 1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 40))
def test_advance_equals_powers_of_the_dense_matrix(seed: int, ticks: int) -> None:
    t = transitions()
    state = np.random.default_rng(seed).dirichlet(np.full(N + 1, 0.1))
    powers = TransitionPowers(t.forecast_steps, 0.02, t.target)
    expected = state @ np.linalg.matrix_power(dense(t, 0.02, forecast=True), ticks)
    np.testing.assert_allclose(powers.advance(state, ticks), expected, atol=2e-5)


def test_forecast_equals_dense_powers_at_every_horizon() -> None:
    t = transitions()
    playback = Playback(t, 0.01, 0.02, 30.0, 30.0)
    playback.step(np.where(np.arange(N + 1) == 4, 5.0, 0.0), 1.0)
    assert playback.horizon_ticks == (8, 15, 22, 30)
    for row, ticks in zip(playback.forecast(), playback.horizon_ticks, strict=True):
        expected = playback.state @ np.linalg.matrix_power(dense(t, 0.02, forecast=True), ticks)
        np.testing.assert_allclose(row, expected, atol=5e-5)


def test_without_evidence_the_state_advances_along_the_movie() -> None:
    playback = Playback(transitions(), 0.001, 0.001, 30.0, 30.0)
    playback.step(np.where(np.arange(N + 1) == 2, 20.0, 0.0), 0.0)
    state = playback.step(None, 3 / 30)
    assert state.argmax() == 5


def test_any_scene_may_follow_another() -> None:
    steps = transitions().forecast_steps.dense()
    assert steps[6, 15] > 0.01
    assert steps[5, 15] < 1e-6


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 90_000), min_size=2, max_size=40), st.floats(0, 1e6))
def test_the_frame_clock_does_not_depend_on_the_origin_of_time(steps: list[int], start: float) -> None:
    stamps = np.cumsum(steps) / 1e6
    counts = []
    for offset in (0.0, start):
        clock = FrameClock(24.0)
        counts.append([clock.advance(float(stamp + offset)) for stamp in stamps])
    near_half = np.abs((np.diff(stamps) * 24_000) % 1 - 0.5) < 1e-4
    if not near_half.any():
        assert counts[0] == counts[1]
    assert abs(sum(counts[0]) - (stamps[-1] - stamps[0]) * 24) < 1 + 0.001 * len(steps)


def test_after_a_long_gap_the_state_is_the_initial_one() -> None:
    playback = Playback(transitions(), 0.01, 0.01, 30.0, 30.0)
    playback.step(np.where(np.arange(N + 1) == 2, 20.0, 0.0), 0.0)
    np.testing.assert_allclose(playback.step(None, 1000.0), playback.transitions.initial, rtol=1e-6)


def test_forecast_at_any_horizon_up_to_two_seconds() -> None:
    t = transitions()
    playback = Playback(t, 0.01, 0.02, 30.0, 30.0)
    states = np.random.default_rng(0).dirichlet(np.full(N + 1, 0.1), 3)
    expected = states @ np.linalg.matrix_power(dense(t, 0.02, forecast=True), 39)
    np.testing.assert_allclose(playback.forecast_at(states, 1.3), expected, atol=5e-5)
    with pytest.raises(BadUsage, match="at most 2"):
        playback.forecast_at(states, 2.5)


def test_a_persistence_forecast_keeps_the_state() -> None:
    playback = Playback(persistence_forecast(transitions()), 0.01, 0.0, 0.0, 20.0)
    state = playback.step(np.where(np.arange(N + 1) == 4, 9.0, 0.0), 1.0)
    np.testing.assert_allclose(playback.forecast()[-1], state, rtol=1e-6)
