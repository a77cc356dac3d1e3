from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.playback.filter import Playback
from decoders.playback.transitions import learn_playback, persistence_forecast
from stream.errors import BadUsage
from tests.decoders.playback.movie import N, dense, transitions


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


def test_evidence_that_excludes_all_that_is_left_within_one_frame_counts_alone() -> None:
    playback = Playback(transitions(), 0.01, 0.01, 30.0, 30.0)
    for frame in (3, 7, 2):
        evidence = np.full(N + 1, -500.0)
        evidence[frame] = 0.0
        state = playback.step(evidence, 5.0)
        assert state.sum() == pytest.approx(1)
        assert int(state.argmax()) == frame


def test_frames_without_a_movie_have_speed_one() -> None:
    assert Playback(transitions(movie=False), 0.01, 0.01, 0.0, 30.0).speed == 1


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


@pytest.mark.parametrize("value", [1e6, np.nan, np.inf])
def test_evidence_that_excludes_every_possible_state_starts_anew(value: float) -> None:
    t = transitions()
    playback = Playback(t, 0.0, 0.0, 30.0, 30.0)
    start = np.zeros(N + 1, np.float32)
    start[0] = 1
    playback.set_state(start)
    evidence = np.full(N + 1, -1e9)
    evidence[N // 2] = value
    with np.errstate(invalid="ignore"):
        state = playback.step(evidence, 5.0, np.zeros(N + 1))
    assert state.sum() == pytest.approx(1)
    if np.isfinite(value):
        assert state.argmax() == N // 2
    assert playback.step(np.zeros(N + 1), 5.1).sum() == pytest.approx(1)


@pytest.mark.parametrize("hedges", [(), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)])
def test_a_forecast_computed_later_is_that_of_its_moment(hedges: tuple[float, ...]) -> None:
    playback = Playback(transitions(), 0.01, 0.02, 30.0, 30.0, 0.0, hedges)
    evidence = np.random.default_rng(0).normal(size=(2, N + 1)).astype(np.float32)
    playback.step(evidence[0], 0.0)
    now, last, later = playback.forecast(), playback.last_forecast(), playback.later_forecast()
    playback.step(evidence[1], 1 / 30)
    np.testing.assert_array_equal(later(), now)
    np.testing.assert_allclose(last, now[-1], rtol=1e-5, atol=1e-7)
    assert not np.allclose(playback.forecast(), now)
