from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream.acquisition.screen import COUNTER_BACK, Screen
from stream.notices import Notices
from stream.session import segments_from_stamps

RATE_HZ = 30.0
FORWARD = st.lists(st.sampled_from([1 / 30, 1 / 30, 1 / 30, 0.049, 0.051, 0.4, 7.0]), min_size=1, max_size=60)
CUTS = st.lists(st.integers(0, 60))


def numbered(n: int) -> NDArray[np.float32]:
    """Samples no two of which are equal."""
    return np.arange(2 * n, dtype=np.float32).reshape(n, 2)


def run(
    screen: Screen,
    stamps: NDArray[np.float64],
    cuts: list[int],
    counter: NDArray[np.int64] | None = None,
    samples: NDArray[np.float32] | None = None,
    late_s: float = np.nan,
) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
    """Screen in chunks; each chunk arrives ``late_s`` after the stamp of its last sample."""
    n = len(stamps)
    samples = numbered(n) if samples is None else samples
    keep, segment = [], []
    edges = [0, *sorted(min(cut, n) for cut in cuts), n]
    for begin, end in itertools.pairwise(edges):
        rows = slice(begin, end)
        if begin == end:
            continue
        kept, segments = screen.check(
            samples[rows],
            stamps[rows],
            None if counter is None else counter[rows],
            float(stamps[end - 1]) + late_s,
            late_s,
        )
        keep.append(np.ones(end - begin, np.bool_) if kept is None else kept)
        segment.append(np.broadcast_to(segments, end - begin))
    return np.concatenate(keep), np.concatenate(segment)


@given(FORWARD, CUTS, st.sampled_from([0.0, RATE_HZ]))
def test_stamps_that_go_forward_are_numbered_as_in_a_recording(
    steps: list[float], cuts: list[int], rate_hz: float
) -> None:
    stamps = 50 + np.cumsum(steps)
    screen = Screen(rate_hz, Notices())
    keep, segment = run(screen, stamps, cuts)
    assert keep.all()
    np.testing.assert_array_equal(segment, segments_from_stamps(stamps, rate_hz))
    assert screen.counts.gaps == segment[-1]


@given(
    st.lists(st.sampled_from(["next", "next", "next", "lose", "again", "swap"]), min_size=1, max_size=40),
    CUTS,
)
def test_a_counter_tells_what_is_lost_twice_or_late(what: list[str], cuts: list[int]) -> None:
    sent: list[int] = [0]
    late, twice, lost, gaps = 0, 0, 0, 0
    newest = 0
    for item in what:
        if item == "next":
            newest += 1
            sent.append(newest)
        elif item == "lose":
            newest += 4
            sent.append(newest)
            lost += 3
            gaps += 1
        elif item == "again":
            sent.append(newest)
            twice += 1
        else:  # two come in the wrong order: the first is missing until the second is dropped
            newest += 2
            sent += [newest, newest - 1]
            lost += 1
            gaps += 1
            late += 1
    counter = np.array(sent, np.int64)
    screen = Screen(RATE_HZ, Notices())
    keep, segment = run(screen, 5 + counter / RATE_HZ, cuts, counter)
    counts = screen.counts
    assert (counts.missing, counts.gaps, counts.duplicates, counts.reordered) == (lost, gaps, twice, late)
    assert counts.clock_jumps == 0
    assert (np.diff(counter[keep]) > 0).all()
    assert segment[-1] == gaps


@given(st.lists(st.sampled_from([0.0, 0.002, -0.002, 0.02]), min_size=2, max_size=40), CUTS)
def test_with_a_counter_stamps_may_tremble(jitter: list[float], cuts: list[int]) -> None:
    n = len(jitter)
    stamps = np.arange(n) / RATE_HZ + np.array(jitter)
    screen = Screen(RATE_HZ, Notices())
    keep, segment = run(screen, stamps, cuts, np.arange(n, dtype=np.int64))
    assert keep.all()
    assert segment[-1] == 0


def test_a_sample_that_comes_twice_is_dropped_unless_it_differs() -> None:
    stamps = np.array([0, 1, 1, 2, 2, 3]) / RATE_HZ
    samples = numbered(6)
    samples[1] = np.nan
    samples[2] = np.nan
    screen, notices = Screen(RATE_HZ, Notices()), Notices()
    screen = Screen(RATE_HZ, notices)
    keep, segment = run(screen, stamps, [1, 2, 3, 4, 5], samples=samples)
    assert keep.tolist() == [True, True, False, True, True, True]
    assert segment.tolist() == [0, 0, 0, 0, 1, 1]
    assert [notice.event for notice in notices.take()] == ["duplicate", "repeated_stamp"]


def test_a_sample_after_its_successor_is_dropped() -> None:
    stamps = np.array([0, 1, 3, 2, 4]) / RATE_HZ
    screen = Screen(RATE_HZ, Notices())
    keep, segment = run(screen, stamps, [])
    assert keep.tolist() == [True, True, True, False, True]
    assert segment.tolist() == [0, 0, 1, 1, 1]
    assert screen.counts.reordered == 1


@pytest.mark.parametrize("seconds", [-5.0, 5.0, -0.2])
@pytest.mark.parametrize("counted", [False, True])
def test_a_jump_of_the_clock_is_no_gap(seconds: float, counted: bool) -> None:
    n = 20
    stamps = 100 + np.arange(n) / RATE_HZ
    arrivals = stamps + 0.001
    stamps = stamps + np.where(np.arange(n) >= 10, seconds, 0)
    notices = Notices()
    screen = Screen(RATE_HZ, notices)
    segment, jumps, dropped = 0, [], 0
    for i in range(n):
        counter = np.array([i]) if counted else None
        usual_s = 0.001 if i < 11 else arrivals[i] - stamps[i]
        keep, segment = screen.check(numbered(n)[i : i + 1], stamps[i : i + 1], counter, arrivals[i], usual_s)
        dropped += keep is not None
        jumps += [] if screen.jump is None else [screen.jump[1]]
    assert screen.counts.clock_jumps == 1
    assert screen.counts.gaps == 0
    assert jumps == [pytest.approx(seconds, abs=0.01 if dropped == 0 else 0.2)]
    assert (dropped > 0) == (seconds == -0.2 and not counted)
    assert np.max(segment) == 1
    jump = [notice for notice in notices.take() if notice.event == "clock_jump"]
    assert len(jump) == 1


def test_lost_samples_are_a_gap_though_they_come_late() -> None:
    screen = Screen(RATE_HZ, Notices())
    screen.check(numbered(1), np.array([10.0]), None, 10.001, 0.001)
    screen.check(numbered(1), np.array([12.0]), None, 12.4, 0.001)
    assert (screen.counts.gaps, screen.counts.clock_jumps, screen.counts.missing) == (1, 0, 59)


def test_after_a_return_a_segment_begins_and_the_counter_says_what_was_missed() -> None:
    notices = Notices()
    screen = Screen(RATE_HZ, notices)
    screen.check(numbered(1), np.array([10.0]), np.array([7]))
    screen.restart()
    keep, segment = screen.check(numbered(1), np.array([3.0]), np.array([17]))
    assert keep is None
    assert np.all(np.asarray(segment) == 1)
    assert [(notice.event, notice.facts["missing"]) for notice in notices.take()] == [("gap", 9)]


def test_a_counter_from_far_back_began_anew() -> None:
    screen = Screen(RATE_HZ, Notices())
    n = COUNTER_BACK + 10
    screen.check(numbered(n), np.arange(n) / RATE_HZ, np.arange(n))
    keep, segment = screen.check(numbered(1), np.array([n / RATE_HZ]), np.array([0]))
    assert keep is None
    assert np.all(np.asarray(segment) == 1)


def test_what_happens_often_is_said_once_a_second() -> None:
    notices = Notices()
    screen = Screen(RATE_HZ, notices)
    for i in range(40):
        screen.check(numbered(1), np.array([i * 0.2]), None, i * 0.2, 0.0)
    said = notices.take()
    screen.flush(9.0)
    said += notices.take()
    assert 7 <= len(said) <= 10
    assert sum(notice.facts["count"] for notice in said) == 39
    assert sum(notice.facts["missing"] for notice in said) == screen.counts.missing
