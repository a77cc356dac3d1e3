from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.acquisition.stimulus_track import MAX_EVENTS, StimulusTrack, changes, frames_at, onset

SHOWN = st.lists(st.tuples(st.integers(-1, 5), st.integers(-1, 2)), min_size=1, max_size=80)


@given(
    SHOWN, st.sampled_from([0.0, 0.4, 30.0, 1000.0]), st.integers(0, 2**31), st.sampled_from([0.0, 0.1, 0.8])
)
def test_events_reproduce_the_frame_of_every_sample(
    shown: list[tuple[int, int]], rate_hz: float, seed: int, jitter: float
) -> None:
    frame, repeat = np.array(shown, np.int32).T
    random = np.random.default_rng(seed)
    period = 1 / rate_hz if rate_hz else 0.5
    steps = period * (1 + jitter * random.uniform(-1, 1, len(frame))) + 3 * (random.random(len(frame)) < 0.1)
    stamps = random.uniform(-1e5, 1e5) + np.cumsum(steps)
    samples, onsets = changes(stamps, frame, repeat, rate_hz)
    events = np.stack([frame[samples], repeat[samples]], 1)
    assert np.all(np.diff(onsets) > 0)
    assert np.all(onsets < stamps[samples])
    got_frame, got_repeat = frames_at(onsets, events, stamps, rate_hz)
    np.testing.assert_array_equal(got_frame, frame)
    np.testing.assert_array_equal(got_repeat, repeat)
    track = StimulusTrack()
    track.add(onsets, events[:, 0], events[:, 1])
    assert [track.at(float(stamp), rate_hz) for stamp in stamps] == shown


def test_a_frame_appears_at_the_start_of_its_bin() -> None:
    assert onset(2.0, 1.9, 10.0) == 1.9
    assert onset(2.0, 0.5, 10.0) == 1.9
    assert onset(2.0, 1.95, 10.0) == 1.95
    assert onset(2.0, 1.0, 0.0) == 1.5


def test_nothing_is_known_before_the_first_event() -> None:
    track = StimulusTrack()
    assert track.at(5.0, 30.0) == (-1, -1)
    track.add(np.array([6.0]), np.array([3], np.int32), np.array([0], np.int32))
    assert track.at(5.0, 30.0) == (-1, -1)
    assert track.at(6.5, 30.0) == (3, 0)
    frame, repeat = frames_at(np.zeros(0), np.zeros((0, 2), np.int32), np.arange(3.0), 30.0)
    assert frame.tolist() == repeat.tolist() == [-1, -1, -1]


def test_past_events_are_dropped() -> None:
    track = StimulusTrack()
    track.add(np.arange(1000.0), np.arange(1000, dtype=np.int32), np.zeros(1000, np.int32))
    assert track.at(998.5, 10.0) == (998, 0)
    assert len(track) == 2


@pytest.mark.parametrize("ahead_s", [1e6, 5.0])
@pytest.mark.parametrize("n_ahead", [1, 50])
def test_frames_stamped_far_ahead_do_not_freeze_the_truth(ahead_s: float, n_ahead: int) -> None:
    track = StimulusTrack()
    for i in range(900):
        stamp = i / 30 + (ahead_s if 50 <= i < 50 + n_ahead else 0)
        track.add(np.array([stamp]), np.array([i], np.int32), np.array([0], np.int32))
    assert track.at(9.01, 30) == (270, 0)
    assert track.at(29.01, 30) == (870, 0)


def test_events_that_are_a_little_out_of_order_are_sorted_and_invalid_ones_dropped() -> None:
    track = StimulusTrack()
    stamps = np.array([1.0, 1.2, 1.1, np.nan, np.inf, 1.3])
    track.add(stamps, np.arange(6, dtype=np.int32), np.zeros(6, np.int32))
    assert [track.at(stamp, 0.0)[0] for stamp in (1.05, 1.15, 1.25, 1.35)] == [0, 2, 1, 5]


def test_events_that_nobody_looks_up_are_bounded() -> None:
    track = StimulusTrack()
    for _ in range(3):
        n = MAX_EVENTS - 1
        track.add(np.arange(n, dtype=float), np.zeros(n, np.int32), np.zeros(n, np.int32))
    assert len(track) <= MAX_EVENTS
