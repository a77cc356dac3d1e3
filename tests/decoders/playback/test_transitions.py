from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.playback.frame_clock import FrameClock
from decoders.playback.transitions import learn_playback, persistence_forecast
from tests.decoders.playback.movie import transitions


@pytest.mark.parametrize("movie", [True, False])
def test_rows_are_distributions(movie: bool) -> None:
    t = transitions(movie=movie)
    for matrix in (t.steps, t.forecast_steps):
        np.testing.assert_allclose(matrix.dense(1).sum(1), 1, atol=1e-6)
    assert t.target.sum() == pytest.approx(1)
    assert t.initial.sum() == pytest.approx(1)
    assert (t.initial[:-1] > 0).all()


def test_any_scene_may_follow_another() -> None:
    steps = transitions().forecast_steps.dense(1)
    assert steps[6, 15] > 0.01
    assert steps[5, 15] < 1e-6


@settings(max_examples=25)
@given(
    state=st.lists(st.integers(0, 6), min_size=1, max_size=60),
    n_boundaries=st.integers(1, 5),
    movie=st.booleans(),
    seed=st.integers(0, 99),
)
def test_whatever_was_played_every_row_is_a_distribution(
    state: list[int], n_boundaries: int, movie: bool, seed: int
) -> None:
    random = np.random.default_rng(seed)
    boundary = np.zeros(len(state), bool)
    boundary[random.integers(0, len(state), n_boundaries)] = True
    ticks = random.integers(0, 3, len(state))
    ends = np.array([2, 5]) if movie else None
    starts = np.array([0, 3]) if movie else None
    learned = learn_playback(np.array(state), ticks, boundary, 6, ends, starts)
    for matrix in (learned.steps, learned.forecast_steps):
        assert (matrix.dense(1) >= 0).all()
        np.testing.assert_allclose(matrix.dense(1).sum(1), 1, atol=1e-6)
    for distribution in (learned.target, learned.initial):
        assert (distribution >= 0).all()
        assert distribution.sum() == pytest.approx(1)
        assert (distribution[:-1] > 0).all()  # any frame can come next
        assert (distribution[-1] > 0) == (6 in state)  # no stimulus only if it occurred


def test_before_anything_was_played_frames_follow_each_other_and_a_clip_ends_with_its_last() -> None:
    nothing = np.zeros(1, int), np.zeros(1, int), np.ones(1, bool)
    steps = learn_playback(*nothing, 30, np.array([14, 29]), np.array([0, 7, 15])).forecast_steps.dense(1)
    ends = (6, 14, 29)  # of scenes; two of them are also clips' ends
    for frame in range(30):
        assert steps[frame].argmax() == (frame if frame in (14, 29) else frame + 1)
        assert steps[frame].max() == pytest.approx(0.9 if frame in ends else 1.0, abs=0.04)


def test_only_steps_of_one_tick_within_a_segment_are_counted() -> None:
    state = np.array([0, 2, 0, 2, 0, 2])
    counted = learn_playback(state, np.ones(6, int), np.arange(6) % 2 == 0, 4, np.array([3])).steps.dense(1)
    boundary = np.ones(6, bool)
    by_boundary = learn_playback(state, np.ones(6, int), boundary, 4, np.array([3])).steps.dense(1)
    by_ticks = learn_playback(state, np.full(6, 2), np.arange(6) % 2 == 0, 4, np.array([3])).steps.dense(1)
    assert counted[0].argmax() == 2
    assert by_boundary[0].argmax() == by_ticks[0].argmax() == 1  # the prior alone


def test_the_filter_allows_pauses_and_skipped_frames_of_a_clip_and_the_forecast_does_not() -> None:
    t = transitions()
    steps, ahead = t.steps.dense(1), t.forecast_steps.dense(1)
    for offset in (0, 2, -1):
        assert steps[5, 5 + offset] > 0.001
        assert ahead[5, 5 + offset] < 1e-6
    assert steps[13, 15] < 1e-6  # not into another clip
    assert steps[15, 14] < 1e-6


def test_jumps_lead_to_places_as_often_as_they_were_visited_and_to_any_frame_of_a_movie() -> None:
    movie, places = transitions().target, transitions(movie=False).target
    assert np.ptp(movie[:-1]) == pytest.approx(0)
    state = np.r_[np.zeros(90, int), np.arange(10)]
    visited = learn_playback(state, np.ones(100, int), np.arange(100) == 0, 10, None).target
    assert visited[0] > 5 * visited[1]
    assert places[:-1].min() > 0


def test_a_persistence_forecast_keeps_every_state() -> None:
    t = transitions()
    kept = persistence_forecast(t)
    np.testing.assert_array_equal(kept.forecast_steps.dense(1), np.eye(31))
    assert kept.steps is t.steps


def sampled(rate_hz: float, phase: float, n_frames: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """Frames of a movie at 30 frames per second as samples see them, and the ticks of the frame clock between these."""
    stamps = np.arange(int(n_frames / 30 * rate_hz)) / rate_hz
    clock = FrameClock(30.0)
    ticks = [clock.advance(float(stamp)) for stamp in stamps]
    return np.minimum((stamps * 30 + phase).astype(int), n_frames - 1), np.array(ticks)


@pytest.mark.parametrize("phase", [0.01, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("rate_hz", [0.5, 10.0, 15.0, 15.5, 20.0, 29.97, 30.0, 47.0, 60.0, 120.0])
def test_a_movie_advances_by_one_frame_per_tick_at_any_sampling_rate(rate_hz: float, phase: float) -> None:
    state, ticks = sampled(rate_hz, phase)
    boundary = np.arange(len(state)) == 0
    steps = learn_playback(state, ticks, boundary, 90, np.array([89])).forecast_steps.dense(1)
    assert np.diag(steps, 1)[:89].min() > 0.6
    assert np.diag(steps, 1)[:89].mean() > 0.98


@pytest.mark.parametrize("rate_hz", [15.0, 30.0, 60.0])
def test_pauses_and_jumps_are_counted_at_any_sampling_rate(rate_hz: float) -> None:
    frame = np.r_[np.arange(30), np.full(30, 29), np.arange(45, 75)]  # of 3 s, one for each tick
    stamps = np.arange(int(3 * rate_hz)) / rate_hz
    clock = FrameClock(30.0)
    ticks = np.array([clock.advance(float(stamp)) for stamp in stamps])
    state = frame[(stamps * 30 + 0.01).astype(int)]
    steps = learn_playback(state, ticks, stamps == 0, 90, np.array([89])).forecast_steps.dense(1)
    assert steps[29, 29] == pytest.approx(30 / 33, abs=0.01)  # beside the jump and the prior
    assert steps[29, 44:46].sum() > 0.01  # between slow samples, at either tick
    assert np.diag(steps, 1)[[*range(28), *range(46, 73)]].min() > 0.6


def test_a_jump_between_slow_samples_may_have_been_at_any_tick() -> None:
    state, ticks = np.array([3, 40]), np.array([0, 3])
    steps = learn_playback(state, ticks, np.array([True, False]), 90, np.array([89])).forecast_steps.dense(1)
    for row, column in ((3, 38), (4, 39), (5, 40)):
        assert steps[row, column] == pytest.approx((1 / 3) / (2 + 1 / 3), abs=1e-4)
