from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from decoders.playback.frame_clock import FrameClock
from decoders.playback.playback_speed import (
    COMPARISON_INTERVAL_S,
    SMALLEST_MASS,
    SPEEDS,
    PlaybackSpeed,
)
from decoders.playback.transition_powers import JumpingTransitions
from decoders.playback.transitions import learn_playback

N_FRAMES = 240
MOVIE_HZ = 30.0
JUMP = 0.01

FRAMES = np.arange(N_FRAMES)
LEARNED = learn_playback(FRAMES, np.ones(N_FRAMES, int), FRAMES == 0, N_FRAMES, np.array([N_FRAMES - 1]))
POWERS = JumpingTransitions(LEARNED.steps, JUMP, LEARNED.target)
INITIAL = LEARNED.initial.astype(np.float32)


@dataclass
class Filter:
    """Filters evidence as `decoders.playback.filter.Playback` does, with the speed of an estimator."""

    estimator: PlaybackSpeed
    clock: FrameClock
    state: NDArray[np.float32]

    @classmethod
    def begin(cls, rate_hz: float = 30.0) -> Filter:
        estimator = PlaybackSpeed(POWERS, INITIAL, MOVIE_HZ, rate_hz)
        return cls(estimator, estimator.reset(), INITIAL)

    def step(self, evidence: NDArray[np.float64], stamp: float, *, scale: float = 0.0) -> None:
        evidence = np.asarray(evidence + scale, np.float32)
        ticks = self.clock.advance(stamp)
        state = POWERS.advance(self.state, ticks) * np.exp(evidence - evidence.max())
        mass = float(state.sum())
        if mass < SMALLEST_MASS:
            state = np.exp(evidence - evidence.max())
            mass = float(state.sum())
        state = (state / mass).astype(np.float32)
        likelihood = mass * math.exp(evidence.max())
        self.clock, self.state = self.estimator.update(evidence, likelihood, stamp, state)


def evidence_of(frame: float, random: np.random.Generator, rate_hz: float = MOVIE_HZ) -> NDArray[np.float64]:
    """Evidence of one sample for the frame on screen, with noise; a second holds the same at any sampling rate."""
    evidence = random.normal(size=N_FRAMES + 1) * np.sqrt(MOVIE_HZ / rate_hz)
    evidence[max(int(frame) - 1, 0) : int(frame) + 2] += 3 * MOVIE_HZ / rate_hz
    return evidence


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("rate_hz", [8.0, 15.0, 18.0, 29.97, 100.0])
def test_the_speed_is_found_within_three_seconds_at_any_sampling_rate(speed: float, rate_hz: float) -> None:
    random = np.random.default_rng(0)
    played = Filter.begin(rate_hz)
    frame = 0.0
    for index in range(round(3 * rate_hz)):
        frame = 20 + index / rate_hz * MOVIE_HZ * speed
        played.step(evidence_of(frame, random, rate_hz), index / rate_hz)
    assert played.estimator.speed == speed
    assert played.clock.rate_hz == MOVIE_HZ * speed
    assert abs(int(played.state.argmax()) - frame) <= 2


def test_a_change_of_speed_is_followed_and_the_frames_stay_right() -> None:
    random = np.random.default_rng(3)
    played = Filter.begin()
    frame, changed_s = 20.0, 1.0
    found_after_s = None
    for index in range(120):
        speed = 1.0 if index / 30 < changed_s else 2.0
        frame += speed
        played.step(evidence_of(frame, random), index / 30)
        if played.estimator.speed == 2.0 and found_after_s is None:
            found_after_s = index / 30 - changed_s
    assert found_after_s is not None
    assert 0 < found_after_s < 2.0
    assert played.estimator.speed == 2.0
    assert abs(int(played.state.argmax()) - frame) <= 2


def test_a_change_is_noticed_as_soon_after_a_long_time_as_after_a_short_one() -> None:
    found_after_s = []
    for before_s in (1.0, 7.0):
        random = np.random.default_rng(3)
        played = Filter.begin()
        n_before = round(30 * before_s)
        for index in range(n_before):
            played.step(evidence_of(index, random), index / 30)
        assert played.estimator.speed == 1.0
        for index in range(100):
            played.step(evidence_of(20 + 2 * index, random), (n_before + index) / 30)
            if played.estimator.speed == 2.0:
                break
        found_after_s.append(index / 30)
    assert max(found_after_s) < 2
    assert abs(found_after_s[0] - found_after_s[1]) < 0.7


def test_evidence_that_favours_no_frame_leaves_the_speed_of_training() -> None:
    played = Filter.begin()
    for index in range(300):
        played.step(np.zeros(N_FRAMES + 1), index / 30)
        assert played.estimator.speed == 1.0


def test_between_comparisons_the_state_passes_unchanged() -> None:
    random = np.random.default_rng(4)
    estimator = PlaybackSpeed(POWERS, INITIAL, MOVIE_HZ, 100.0)
    n_between = round(100 * COMPARISON_INTERVAL_S)
    before = estimator.reset()
    for index in range(n_between - 1):
        state = random.dirichlet(np.ones(N_FRAMES + 1)).astype(np.float32)
        clock, returned = estimator.update(np.zeros(N_FRAMES + 1, np.float32), 1e-9, index / 100, state)
        assert clock is before
        assert returned is state


@given(seed=st.integers(0, 1000), scale=st.floats(-30, 30), speed=st.sampled_from(SPEEDS))
def test_a_constant_in_the_evidence_changes_nothing(seed: int, scale: float, speed: float) -> None:
    plain, scaled = Filter.begin(), Filter.begin()
    random = np.random.default_rng(seed)
    for index in range(24):
        evidence = evidence_of(10 + index * speed, random)
        plain.step(evidence, index / 30)
        scaled.step(evidence, index / 30, scale=scale)
        assert plain.estimator.speed == scaled.estimator.speed
        np.testing.assert_allclose(scaled.state, plain.state, atol=1e-3)


@given(seed=st.integers(0, 1000), steps_s=st.lists(st.floats(0, 40), min_size=5, max_size=25))
def test_the_state_stays_a_distribution_whatever_the_timestamps(seed: int, steps_s: list[float]) -> None:
    random = np.random.default_rng(seed)
    played = Filter.begin()
    for stamp in np.cumsum(steps_s).tolist():
        played.step(random.normal(size=N_FRAMES + 1) * 20, stamp)
        assert played.state.sum() == pytest.approx(1, abs=1e-4)
        assert (played.state >= 0).all()
        assert played.estimator.speed in SPEEDS


def test_a_new_segment_begins_at_the_speed_of_training_and_forgets_the_old_one() -> None:
    used, fresh = Filter.begin(), Filter.begin()
    random = np.random.default_rng(5)
    for index in range(60):
        used.step(evidence_of(10 + 2 * index, random), index / 30)
    assert used.estimator.speed == 2.0
    used.clock, used.state = used.estimator.reset(), INITIAL
    assert used.estimator.speed == 1.0
    for index in range(40):
        evidence = evidence_of(50 + 0.5 * index, random)
        used.step(evidence, 1000 + index / 30)
        fresh.step(evidence, 1000 + index / 30)
    np.testing.assert_array_equal(used.state, fresh.state)
    assert used.estimator.speed == fresh.estimator.speed


def test_a_copy_continues_as_the_original_would_and_leaves_it_alone() -> None:
    original, untouched, copy = Filter.begin(), Filter.begin(), Filter.begin()
    random = np.random.default_rng(6)
    evidences = [evidence_of(10 + 1.5 * index, random) for index in range(80)]
    for index, evidence in enumerate(evidences[:40]):
        original.step(evidence, index / 30)
        untouched.step(evidence, index / 30)
    copy.clock, copy.state = copy.estimator.take_over(original.estimator), original.state.copy()
    assert copy.estimator.speed == original.estimator.speed == 1.5
    for index, evidence in enumerate(evidences[40:], 40):
        copy.step(evidence, index / 30)
    for index, evidence in enumerate(evidences[40:], 40):
        original.step(evidence, index / 30)
        untouched.step(evidence, index / 30)
    np.testing.assert_array_equal(original.state, untouched.state)
    np.testing.assert_array_equal(copy.state, original.state)


def test_without_a_sampling_rate_each_sample_is_one_frame() -> None:
    random = np.random.default_rng(7)
    by_movie, by_rate = Filter.begin(0.0), Filter.begin(MOVIE_HZ)
    for index in range(40):
        evidence = evidence_of(10 + 2 * index, random)
        by_movie.step(evidence, index / 30)
        by_rate.step(evidence, index / 30)
    np.testing.assert_array_equal(by_movie.state, by_rate.state)
