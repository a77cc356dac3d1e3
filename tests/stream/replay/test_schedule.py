from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from stream.acquisition.stimulus_track import frames_at
from stream.errors import BadUsage
from stream.replay.schedule import make_schedule
from stream.session import Session, segments_from_stamps
from tests.stream.strategies import sessions


@given(sessions())
@settings(deadline=None)
def test_the_schedule_reproduces_segments_frames_and_repeats(session: Session) -> None:
    table = make_schedule(session)
    if session.rate_hz > 0:
        np.testing.assert_array_equal(segments_from_stamps(table.times_s, session.rate_hz), session.segment)
    frame, repeat = frames_at(table.event_times_s, table.events, table.times_s, session.rate_hz)
    np.testing.assert_array_equal(frame, session.frame)
    np.testing.assert_array_equal(repeat, session.repeat)


def test_timestamps_with_visible_boundaries_are_kept(small_session: Session) -> None:
    table = make_schedule(small_session)
    np.testing.assert_array_equal(table.times_s, small_session.stamps - small_session.stamps[0])


def test_a_boundary_without_a_gap_becomes_a_pause(small_session: Session) -> None:
    joined = replace(
        small_session,
        stamps=np.arange(80) / 30,
        segment=np.repeat([0, 1], 40).astype(np.int32),
    )
    steps = np.diff(make_schedule(joined).times_s)
    assert steps[39] == pytest.approx(1.0)
    np.testing.assert_allclose(np.delete(steps, 39), 1 / 30)
    slow = replace(joined, rate_hz=0.5, stamps=np.arange(80) * 2.0)
    assert np.diff(make_schedule(slow).times_s)[39] == pytest.approx(8.0)


def test_long_gaps_can_be_shortened(small_session: Session) -> None:
    chosen = small_session.select_repeats([0, 2])
    assert np.diff(make_schedule(chosen).times_s).max() > 2.5
    table = make_schedule(chosen, shorten_gaps=True)
    assert np.diff(table.times_s).max() == pytest.approx(1.0)
    np.testing.assert_array_equal(segments_from_stamps(table.times_s, 30.0), chosen.segment)


def test_a_part_can_be_selected(small_session: Session) -> None:
    table = make_schedule(small_session, start_s=0.5, seconds=0.5)
    assert (table.first_sample, len(table.times_s), table.times_s[0]) == (15, 15, 0.0)
    assert table.events[0].tolist() == [10, 0]
    with pytest.raises(BadUsage, match=r"no sample from 99 to inf s; the recording is 4\.6 s long"):
        make_schedule(small_session, start_s=99)
