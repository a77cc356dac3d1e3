from __future__ import annotations

import numpy as np

from gui.state.snapshot import UNKNOWN
from gui.state.stimulus_history import MAX_EVENTS, StimulusHistory
from tests.gui.feeds import SOURCE


def test_a_clock_counts_from_the_last_onset_in_order() -> None:
    history = StimulusHistory(SOURCE)
    assert history.clock_frames(np.array([1.0])).tolist() == [-1]
    history.add(np.array([0.0, 1.0, 1.5]), np.array([-1, 0, 15], np.int32))
    assert history.clock_frames(np.array([1.55, 2.05, 9.0])).tolist() == [16, 31, -1]
    history.add(np.array([3.0]), np.array([-1], np.int32))
    assert history.clock_frames(np.array([3.1])).tolist() == [-1]
    history.add(np.array([4.0]), np.array([40], np.int32))  # begins elsewhere: the clock does not know
    assert history.clock_frames(np.array([4.05])).tolist() == [1]


def test_an_event_stamped_far_ahead_hides_none_of_the_following() -> None:
    history = StimulusHistory(SOURCE)
    history.add(np.array([1.0, 1e9, 2.0]), np.array([3, 77, 4], np.int32))
    history.add(np.array([3.0]), np.array([5], np.int32))
    assert history.frames_at(np.array([1.5, 2.5, 3.5])).tolist() == [3, 4, 5]


def test_an_event_counts_from_a_quarter_of_a_period_after_it() -> None:
    history = StimulusHistory(SOURCE)
    history.add(np.array([10.0, 11.0]), np.array([3, 4], np.int32))
    period = 1 / 30
    stamps = np.array([9.0, 10.0, 10.0 + 0.3 * period, 11.0 + 0.2 * period, 11.0 + 0.3 * period])
    np.testing.assert_array_equal(history.frames_at(stamps), [UNKNOWN, UNKNOWN, 3, 3, 4])
    np.testing.assert_array_equal(history.truth(stamps)[:, 1], -1)


def test_without_events_every_frame_is_unknown() -> None:
    history = StimulusHistory(SOURCE)
    assert len(history) == 0
    np.testing.assert_array_equal(history.frames_at(np.arange(3.0)), UNKNOWN)


def test_the_number_of_events_is_bounded() -> None:
    history = StimulusHistory(SOURCE)
    stamps = np.arange(MAX_EVENTS + 5.0)
    history.add(stamps, np.arange(len(stamps), dtype=np.int32))
    assert len(history) == MAX_EVENTS
    assert history.frames_at(stamps[-1:] + 1) == MAX_EVENTS + 4
    assert history.frames_at(stamps[:1] + 1) == UNKNOWN
