"""The one rule for gaps, order and smoothing of timestamps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream.timestamps import JudgedStamps, StampJudge, Verdict, judge_stamps

RATE_HZ = 200.0
STEPS = st.lists(
    st.sampled_from([0.005, 0.005, 0.0, 1e-5, 0.02, -0.004, 0.2, -5.0, 3.0, 0.0074, 0.0076]), max_size=80
)


def pushed(
    n: int, group: int, late_s: float = 0.0, seed: int = 0, rate_hz: float = RATE_HZ
) -> NDArray[np.float64]:
    """Timestamps of samples that come in groups, each early or late at random, spaced evenly within."""
    index = np.arange(n)
    late = np.random.default_rng(seed).uniform(-late_s, late_s, n // group + 1)
    return 1 + index / rate_hz + late[index // group]


def stamped_at_push(n: int, group: int, rate_hz: float, within_s: float = 2e-5) -> NDArray[np.float64]:
    """Timestamps of samples that all carry the time of the push of their group."""
    index = np.arange(n)
    return (index // group + 1) * group / rate_hz + index % group * within_s


def one_by_one(stamps: NDArray[np.float64], rate_hz: float) -> tuple[list[float], list[int]]:
    """Times and segments as a live stream finds them, where a sample out of order begins a segment."""
    judge, times, segments, segment = StampJudge(rate_hz), [], [], 0
    for stamp in stamps.tolist():
        verdict = judge.judge(stamp)
        if verdict is Verdict.REORDERED:
            judge.begin(stamp)
        segment += verdict >= Verdict.GAP
        times.append(judge.time)
        segments.append(segment)
    return times, segments


def check_order(judged: JudgedStamps) -> None:
    """Times increase within a segment."""
    assert np.all((np.diff(judged.times) > 0) | (np.diff(judged.segment) > 0))


@given(STEPS, st.sampled_from([0.0, RATE_HZ]))
def test_a_recording_is_judged_as_a_live_stream(steps: list[float], rate_hz: float) -> None:
    stamps = 1e5 + np.cumsum(steps)
    judged = judge_stamps(stamps, rate_hz)
    times, segments = one_by_one(stamps, rate_hz)
    assert judged.times.tolist() == times
    assert judged.segment.tolist() == segments
    check_order(judged)


def test_even_timestamps_stay_as_they_are() -> None:
    stamps = 5 + np.arange(1000) / 30 + np.random.default_rng(0).uniform(-0.1, 0.1, 1000) / 30
    judged = judge_stamps(stamps, 30.0)
    assert judged.times.tolist() == stamps.tolist()
    assert not judged.segment.any()
    assert judged.spread_s == 0


@pytest.mark.parametrize("seed", range(8))
def test_pushes_that_are_early_or_late_are_no_loss(seed: int) -> None:
    stamps = pushed(2000, 8, 0.02, seed)
    assert np.sum((np.diff(stamps) <= 0) | (np.diff(stamps) > 1.5 / RATE_HZ)) > 100
    judged = judge_stamps(stamps, RATE_HZ)
    # a push that is late before an early one has shown that pushes are uneven looks like a gap
    assert judged.segment[-1] <= 2
    assert judged.segment[-1] == judged.segment[100]
    check_order(judged)
    assert np.std((judged.times - np.arange(2000) / RATE_HZ)[400:]) < 0.001
    assert judged.spread_s == pytest.approx(0.04, abs=0.002)


@pytest.mark.parametrize("within_s", [2e-5, 0.0])
@pytest.mark.parametrize(("group", "rate_hz"), [(4, 30.0), (8, 200.0), (500, 1000.0), (2, 30.0)])
def test_samples_stamped_in_groups_get_their_own_times_back(
    group: int, rate_hz: float, within_s: float
) -> None:
    n = 40 * group
    judged = judge_stamps(stamped_at_push(n, group, rate_hz, within_s), rate_hz)
    assert not judged.segment.any()
    check_order(judged)
    late = group * within_s + 1.1 * group * 1e-3 / rate_hz
    np.testing.assert_allclose(
        judged.times[2 * group :], (np.arange(n)[2 * group :] + 1) / rate_hz, atol=late
    )


@pytest.mark.parametrize("group", [2, 4, 8])
def test_a_lost_group_is_a_gap_and_one_lost_sample_none(group: int) -> None:
    stamps = stamped_at_push(1200, group, RATE_HZ)
    lost = judge_stamps(np.delete(stamps, slice(40 * group, 41 * group)), RATE_HZ)
    assert (np.flatnonzero(np.diff(lost.segment)) + 1).tolist() == [40 * group]
    check_order(lost)


def test_a_push_that_is_lost_among_late_ones_is_counted_within_seconds() -> None:
    judge, missing = StampJudge(RATE_HZ), 0
    for stamp in np.delete(pushed(8000, 8, 0.02), slice(4000, 4008)).tolist():
        verdict = judge.judge(stamp)
        assert verdict in (Verdict.FOLLOWS, Verdict.LOST)
        missing += judge.missing if verdict is Verdict.LOST else 0
    assert missing == pytest.approx(8, abs=1)


@pytest.mark.parametrize("factor", [0.98, 1.0, 1.02])
def test_another_rate_than_the_nominal_one_is_no_loss(factor: float) -> None:
    judged = judge_stamps(stamped_at_push(20_000, 8, RATE_HZ * factor), RATE_HZ)
    assert not judged.segment.any()
    again = judge_stamps(judged.times, RATE_HZ)
    assert not again.segment.any()  # smoothed timestamps show no gap either


@pytest.mark.parametrize("stamps", [pushed(2000, 8, 0.02), stamped_at_push(2000, 8, RATE_HZ)])
def test_smoothing_again_changes_nothing(stamps: NDArray[np.float64]) -> None:
    times = judge_stamps(stamps, RATE_HZ).times
    again = judge_stamps(times, RATE_HZ)
    np.testing.assert_allclose(again.times[50:], times[50:], atol=1e-3)
    assert not again.segment.any()


def test_uneven_timestamps_may_become_even_again() -> None:
    stamps = np.arange(4000) / RATE_HZ
    stamps[500:508] = stamps[500]
    judge = StampJudge(RATE_HZ)
    uneven = []
    for stamp in stamps.tolist():
        assert judge.judge(stamp) is Verdict.FOLLOWS
        uneven.append(judge.uneven)
    assert not any(uneven[:501])
    assert all(uneven[501:1000])
    assert not any(uneven[-1000:])
    assert judge.judge(stamps[-1] + 2 / RATE_HZ) is Verdict.GAP
    assert judge.missing == 1


@pytest.mark.parametrize("wrong_s", [-0.0311, 0.0311])
def test_one_wrong_timestamp_does_not_move_the_others(wrong_s: float) -> None:
    stamps = 1 + np.arange(400) / 20.0
    damaged = stamps.copy()
    damaged[120] += wrong_s
    judged = judge_stamps(damaged, 20.0)
    assert np.flatnonzero(judged.times != stamps).tolist() in ([], [120])
    check_order(judged)


def test_timestamps_in_float32_are_rounded_not_lost() -> None:
    stamps = (1e6 + np.arange(4000) / RATE_HZ).astype(np.float32).astype(float)
    judged = judge_stamps(stamps, RATE_HZ)
    assert not judged.segment.any()
    assert np.abs(judged.times - 1e6 - np.arange(4000) / RATE_HZ)[100:].max() < 0.07


def test_a_sample_at_the_place_of_a_missing_one_is_out_of_order() -> None:
    judge = StampJudge(10.0)
    verdicts = [judge.judge(stamp) for stamp in (0.0, 0.1, 0.5, 0.31, 0.2, 0.6, 0.56)]
    follows, gap, late = Verdict.FOLLOWS, Verdict.GAP, Verdict.REORDERED
    assert verdicts == [follows, follows, gap, late, late, follows, follows]
    assert judge.uneven  # 0.56 is neither missing nor sent twice


@pytest.mark.parametrize("stamp", [0.4, -3.0])
def test_a_clock_that_steps_back_by_whole_periods_or_far_is_even(stamp: float) -> None:
    judge = StampJudge(10.0)
    assert {judge.judge(0.1 * i) for i in range(10)} == {Verdict.FOLLOWS}
    verdicts = [judge.judge(stamp + 0.1 * i) for i in range(5)]
    n_late = 3 if stamp > 0 else 0
    assert verdicts == [Verdict.REORDERED] * n_late + [Verdict.BACK] + [Verdict.FOLLOWS] * (4 - n_late)
    assert not judge.uneven


def test_nothing_is_compared_across_a_known_start() -> None:
    stamps = np.array([0.0, 0.1, 0.1, 0.2, 0.3, 0.1])
    judged = judge_stamps(stamps, 10.0, np.array([0, 2, 5]))
    assert judged.times.tolist() == stamps.tolist()
    assert judged.segment.tolist() == [0, 0, 1, 1, 1, 2]


def test_a_long_recording_is_judged_quickly_where_it_is_even() -> None:
    judged = judge_stamps(np.arange(2_000_000) / 1000, 1000.0)
    assert not judged.segment.any()


def test_empty_recordings_have_no_segments() -> None:
    assert judge_stamps(np.zeros(0), 10.0).segment.tolist() == []


@pytest.mark.parametrize("at", [0, 35])
def test_a_timestamp_that_is_moved_is_told(at: int) -> None:
    stamps = 10 + np.arange(36) / 30
    assert judge_stamps(stamps, 30.0).spread_s == 0
    stamps[at] += 0.09 if at == 0 else -0.164
    judged = judge_stamps(stamps, 30.0)
    assert judged.spread_s >= np.abs(judged.times - stamps).max() > 0.05
