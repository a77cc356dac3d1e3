"""`sample_timing` with `timing_notices`: order, gaps, clock jumps and segments of samples as they arrive.

Delay, clock offset and rate (`rate_meter`) are tested in `test_intake`.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream.acquisition.sample_timing import SampleTiming
from stream.acquisition.timed_samples import TimedSamples
from stream.chunk import Chunk
from stream.notices import Notices
from stream.sample_counter import COUNTER_BACK
from stream.session import segments_from_stamps
from stream.timestamps import judge_stamps

RATE_HZ = 30.0
DELAY_S = 0.001
FORWARD = st.lists(st.sampled_from([1 / 30, 1 / 30, 1 / 30, 0.049, 0.051, 0.4, 7.0]), min_size=1, max_size=60)
CUTS = st.lists(st.integers(0, 60))


def numbered(n: int) -> NDArray[np.float32]:
    """Samples no two of which are equal."""
    return np.arange(2 * n, dtype=np.float32).reshape(n, 2)


def chunk_of(
    stamps: list[float] | NDArray[np.float64],
    counter: list[int] | NDArray[np.int64] | None = None,
    samples: NDArray[np.float32] | None = None,
    first: int = 0,
) -> Chunk:
    n = len(stamps)
    return Chunk(
        numbered(n) if samples is None else samples,
        np.asarray(stamps, float),
        np.arange(first, first + n),
        None if counter is None else np.asarray(counter, np.int64),
    )


def run(
    timing: SampleTiming,
    stamps: NDArray[np.float64],
    cuts: list[int],
    counter: NDArray[np.int64] | None = None,
    samples: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Send samples in chunks, each at the timestamp of its last sample: the rows that are kept, and their segments."""
    n = len(stamps)
    samples = numbered(n) if samples is None else samples
    kept: list[TimedSamples] = []
    edges = [0, *sorted(min(cut, n) for cut in cuts), n]
    for begin, end in itertools.pairwise(edges):
        rows = slice(begin, end)
        if begin == end:
            continue
        counted = None if counter is None else counter[rows]
        timed = timing.accept(
            chunk_of(stamps[rows], counted, samples[rows], begin), float(stamps[end - 1]) + DELAY_S
        )
        kept += [] if timed is None else [timed]
    return np.concatenate([timed.sequence for timed in kept]), np.concatenate(
        [timed.segment for timed in kept]
    )


@given(FORWARD, CUTS, st.sampled_from([0.0, RATE_HZ]))
def test_increasing_timestamps_get_the_segments_of_a_recording(
    steps: list[float], cuts: list[int], rate_hz: float
) -> None:
    stamps = 50 + np.cumsum(steps)
    timing = SampleTiming(rate_hz, Notices())
    kept, segment = run(timing, stamps, cuts)
    assert len(kept) == len(stamps)
    np.testing.assert_array_equal(segment, segments_from_stamps(stamps, rate_hz))
    assert timing.counts.gaps == segment[-1]


@given(
    st.lists(st.sampled_from(["next", "next", "next", "lose", "again", "swap"]), min_size=1, max_size=40),
    CUTS,
)
def test_a_counter_reveals_lost_duplicate_and_reordered_samples(what: list[str], cuts: list[int]) -> None:
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
        else:  # two arrive in the wrong order: the first is missing until the second is dropped
            newest += 2
            sent += [newest, newest - 1]
            lost += 1
            gaps += 1
            late += 1
    counter = np.array(sent, np.int64)
    timing = SampleTiming(RATE_HZ, Notices())
    kept, segment = run(timing, 5 + counter / RATE_HZ, cuts, counter)
    counts = timing.counts
    assert (counts.missing, counts.gaps, counts.duplicates, counts.reordered) == (lost, gaps, twice, late)
    assert counts.clock_jumps == 0
    assert (np.diff(counter[kept]) > 0).all()
    assert segment[-1] == gaps


@given(st.lists(st.sampled_from([0.0, 0.002, -0.002, 0.02]), min_size=2, max_size=40), CUTS)
def test_with_a_counter_jitter_of_timestamps_does_no_harm(jitter: list[float], cuts: list[int]) -> None:
    n = len(jitter)
    stamps = np.arange(n) / RATE_HZ + np.array(jitter)
    kept, segment = run(SampleTiming(RATE_HZ, Notices()), stamps, cuts, np.arange(n, dtype=np.int64))
    assert len(kept) == n
    assert segment[-1] == 0


def test_a_repeated_timestamp_is_a_duplicate_unless_the_sample_differs() -> None:
    stamps = 2.0 + np.array([0, 1, 1, 2, 2, 3]) / RATE_HZ
    samples = numbered(6)
    samples[1] = np.nan
    samples[2] = np.nan
    notices = Notices()
    kept, segment = run(SampleTiming(RATE_HZ, notices), stamps, [1, 2, 3, 4, 5], samples=samples)
    assert kept.tolist() == [0, 1, 3, 4, 5]
    assert segment.tolist() == [0, 0, 0, 0, 0]
    assert [notice.event for notice in notices.take()] == ["duplicate"]
    irregular = Notices()
    kept, segment = run(SampleTiming(0.0, irregular), stamps, [1, 2, 3, 4, 5], samples=samples)
    assert kept.tolist() == [0, 1, 3, 4, 5]
    assert segment.tolist() == [0, 0, 0, 1, 1]
    assert [notice.event for notice in irregular.take()] == ["duplicate", "repeated_stamp"]


def test_a_sample_after_its_successor_is_dropped() -> None:
    timing = SampleTiming(RATE_HZ, Notices())
    kept, segment = run(timing, np.array([0, 1, 3, 2, 4]) / RATE_HZ, [])
    assert kept.tolist() == [0, 1, 2, 4]
    assert segment.tolist() == [0, 0, 1, 1]
    assert timing.counts.reordered == 1


@pytest.mark.parametrize("group", [4, 8])
@pytest.mark.parametrize("late_s", [0.0, 0.02])
def test_samples_pushed_in_groups_are_neither_lost_nor_late_and_get_the_times_of_a_recording(
    group: int, late_s: float
) -> None:
    n, rate_hz = 4000, 200.0
    index = np.arange(n)
    if late_s:
        stamps = 1 + index / rate_hz + np.random.default_rng(0).uniform(-late_s, late_s, n)[index // group]
    else:
        stamps = (index // group + 1) * group / rate_hz + index % group * 2e-5
    notices, parts = Notices(), []
    timing = SampleTiming(rate_hz, notices)
    for first in range(0, n, group):
        arrival_s = float(stamps[first : first + group].max()) + DELAY_S
        part = timing.accept(chunk_of(stamps[first : first + group], first=first), arrival_s)
        assert part is not None
        parts.append(part)
        if first % 200 == 0:
            timing.tick(arrival_s)
    judged = judge_stamps(stamps, rate_hz)
    np.testing.assert_array_equal(np.concatenate([part.times for part in parts]), judged.times)
    np.testing.assert_array_equal(np.concatenate([part.segment for part in parts]), judged.segment)
    np.testing.assert_array_equal(np.concatenate([part.stamps for part in parts]), stamps)
    counts = timing.counts
    assert (counts.gaps, counts.missing, counts.reordered, counts.duplicates) == (0, 0, 0, 0)
    assert [notice.event for notice in notices.take()] == ["uneven_stamps"]  # once
    assert timing.measured_hz == pytest.approx(rate_hz, rel=0.01)


@pytest.mark.parametrize("seconds", [-5.0, 5.0, -0.2])
@pytest.mark.parametrize("counted", [False, True])
def test_a_clock_jump_is_no_gap(seconds: float, counted: bool) -> None:
    n = 20
    stamps = 100 + np.arange(n) / RATE_HZ
    arrivals = stamps + DELAY_S
    stamps = stamps + np.where(np.arange(n) >= 10, seconds, 0)
    notices = Notices()
    timing = SampleTiming(RATE_HZ, notices)
    timed = [
        timing.accept(
            chunk_of(stamps[i : i + 1], [i] if counted else None, numbered(n)[i : i + 1]), arrivals[i]
        )
        for i in range(n)
    ]
    dropped = timed.count(None)
    assert timing.counts.clock_jumps == 1
    assert timing.counts.gaps == 0
    assert timing.correction_s == pytest.approx(-seconds, abs=0.01 if dropped == 0 else 0.2)
    assert (dropped > 0) == (seconds == -0.2 and not counted)
    assert timing.segment == 1
    assert [notice.event for notice in notices.take()].count("clock_jump") == 1


@pytest.mark.parametrize("counted", [False, True])
def test_every_clock_jump_in_a_chunk_counts(counted: bool) -> None:
    n = 20
    shift = np.where(np.arange(n) >= 5, 5.0, 0.0) + np.where(np.arange(n) >= 9, 3.0, 0.0)
    shift[15:] -= 8.0
    true = 100 + np.arange(n) / RATE_HZ
    timing = SampleTiming(RATE_HZ, Notices())
    timing.accept(chunk_of(true[:3], [0, 1, 2] if counted else None), true[2] + DELAY_S)
    timed = timing.accept(
        chunk_of((true + shift)[3:], list(range(3, n)) if counted else None), true[-1] + DELAY_S
    )
    assert timed is not None
    np.testing.assert_allclose(timed.local, true[3:], atol=n / RATE_HZ)
    assert timing.counts.clock_jumps == 3
    assert timing.counts.gaps == 0


def test_lost_samples_are_a_gap_although_the_next_arrives_late() -> None:
    timing = SampleTiming(RATE_HZ, Notices())
    timing.accept(chunk_of([10.0]), 10.001)
    timing.accept(chunk_of([12.0]), 12.4)
    assert (timing.counts.gaps, timing.counts.clock_jumps, timing.counts.missing) == (1, 0, 59)


def test_a_reconnection_begins_a_segment_and_the_counter_reveals_what_was_missed() -> None:
    notices = Notices()
    timing = SampleTiming(RATE_HZ, notices)
    timing.accept(chunk_of([10.0], [7]), 10.0)
    timing.restart()
    timed = timing.accept(chunk_of([3.0], [17]), 13.0)
    assert timed is not None
    assert timed.segment.tolist() == [1]
    assert [(notice.event, notice.facts.get("missing")) for notice in notices.take()] == [("gap", 9)]


def test_a_counter_that_falls_far_back_has_restarted() -> None:
    timing = SampleTiming(RATE_HZ, Notices())
    n = COUNTER_BACK + 10
    timing.accept(chunk_of(np.arange(n) / RATE_HZ, np.arange(n)), n / RATE_HZ)
    timed = timing.accept(chunk_of([n / RATE_HZ], [0]), n / RATE_HZ)
    assert timed is not None
    assert timed.segment.tolist() == [1]


@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("rate_hz", [0.0, RATE_HZ])
@pytest.mark.parametrize("invalid", [np.nan, np.inf, -np.inf])
def test_a_sample_with_an_invalid_timestamp_is_dropped(invalid: float, rate_hz: float, counted: bool) -> None:
    notices = Notices()
    timing = SampleTiming(rate_hz, notices)
    stamps = 50 + np.arange(6) / RATE_HZ
    stamps[[0, 3]] = invalid
    for i in range(6):
        timed = timing.accept(chunk_of(stamps[i : i + 1], [i] if counted else None), 50 + i / RATE_HZ)
        assert (timed is None) == (i in (0, 3))
        assert timed is None or timed.local.tolist() == stamps[i : i + 1].tolist()
    timing.tick(60.0)
    reported = notices.take()
    assert sum(notice.facts["count"] for notice in reported if notice.event == "invalid_stamp") == 2
    assert {notice.event for notice in reported} <= {"invalid_stamp", "gap"}  # a sample is missing then


def test_frequent_faults_are_reported_once_a_second() -> None:
    notices = Notices()
    timing = SampleTiming(RATE_HZ, notices)
    for i in range(40):
        timing.accept(chunk_of([i * 0.2]), i * 0.2)
    reported = notices.take()
    timing.tick(9.0)
    reported += notices.take()
    assert 7 <= len(reported) <= 10
    assert sum(notice.facts["count"] for notice in reported) == 39
    assert sum(notice.facts["missing"] for notice in reported) == timing.counts.missing


NUMBERS = np.arange(900)
SWAPPED = NUMBERS + np.where(NUMBERS % 2, -1, 1)


@pytest.mark.parametrize(
    "counts",
    [
        np.zeros(900, int),
        900 - NUMBERS,
        3 * NUMBERS,
        np.random.default_rng(0).integers(-(2**62), 2**62, 900),
        (2**24 - 300 + NUMBERS).astype(np.float32).astype(int),  # stands still, then jumps by two
    ],
)
def test_a_channel_that_does_not_count_is_no_counter(counts: np.ndarray) -> None:
    notices = Notices()
    timing = SampleTiming(RATE_HZ, notices)
    kept = 0
    for index, count in enumerate(counts):
        stamp = np.array([100 + index / RATE_HZ])
        chunk = Chunk(np.zeros((1, 1), np.float32), stamp, np.array([index]), np.array([count]))
        kept += timing.accept(chunk, stamp[0]) is not None
    assert kept >= 860
    assert [notice.event for notice in notices.take()].count("counter_ignored") == 1
    assert timing.segment < 50


@pytest.mark.parametrize(
    "counts", [SWAPPED, np.repeat(NUMBERS[:450], 2), np.delete(NUMBERS, slice(0, 890, 7))]
)
def test_a_counter_of_a_bad_connection_is_believed(counts: np.ndarray) -> None:
    notices = Notices()
    timing = SampleTiming(RATE_HZ, notices)
    for index, count in enumerate(counts):
        stamp = np.array([100 + count / RATE_HZ])
        chunk = Chunk(np.zeros((1, 1), np.float32), stamp, np.array([index]), np.array([count]))
        timing.accept(chunk, 100 + index / RATE_HZ)
    assert "counter_ignored" not in [notice.event for notice in notices.take()]
    lost = np.ptp(counts) + 1 - len(set(counts.tolist()))
    assert timing.counts.missing - timing.counts.reordered == pytest.approx(
        lost, abs=1
    )  # the first may be late


@pytest.mark.parametrize("real_hz", [10.0, 15.0, 19.0])
def test_a_rate_far_below_the_nominal_one_is_said_although_each_step_is_a_gap(real_hz: float) -> None:
    notices = Notices()
    timing = SampleTiming(30.0, notices)
    for index in range(round(12 * real_hz)):
        stamp = np.array([100 + index / real_hz])
        timing.accept(Chunk(np.zeros((1, 1), np.float32), stamp, np.array([index])), stamp[0])
        if index % round(real_hz) == 0:
            timing.tick(stamp[0])
    (notice,) = [notice for notice in notices.take() if notice.event == "rate_off"]
    assert notice.facts["measured_hz"] == pytest.approx(real_hz)
    assert "Let the sender announce the rate" in notice.text


@pytest.mark.parametrize("factor", [1e3, 1e6])
def test_timestamps_in_another_unit_are_said_live(factor: float) -> None:
    notices = Notices()
    timing = SampleTiming(RATE_HZ, notices)
    for offset_s, text in (
        (50.0, "are the timestamps in seconds"),
        (1e10, "no time in seconds; is it in ms"),
    ):
        for i in range(80):
            timing.accept(chunk_of([(offset_s + i / RATE_HZ) * factor]), 50 + i / RATE_HZ)
        timing.tick(90.0)
        assert any(text in notice.text for notice in notices.take())
