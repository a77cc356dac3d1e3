from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import BadUsage
from stream.replay.faults import (
    CONSTANT_FAULTS,
    SCHEDULED_FAULTS,
    Fault,
    FaultPlan,
    Faults,
    parse_faults,
    plan_faults,
)

NAMES = ("a", "b", "c")
N, RATE_HZ = 300, 30.0
AT_S = np.arange(N) / RATE_HZ


def plan(text: str) -> FaultPlan:
    return plan_faults(parse_faults(text), AT_S, NAMES)


def test_the_whole_grammar_is_parsed() -> None:
    faults = parse_faults(
        "drop@2+1.0, nan@5+0.5:b,stall@8+4,restart@12,restart-other@15+2,restart-channels@17:2,clock@18-30,"
        "rate=1.02,jitter=3ms,burst=12,dup@20+5,dead@22:a,swap@23+1,loss=1%,seed=7"
    )
    assert {fault.kind for fault in faults.scheduled} == set(SCHEDULED_FAULTS)
    assert faults.scheduled[1] == Fault("nan", 5.0, 0.5, "b")
    assert faults.scheduled[6] == Fault("clock", 18.0, -30.0)
    assert (faults.rate, faults.jitter_s, faults.burst) == (1.02, 0.003, 12)
    assert faults.loss == pytest.approx(0.01)
    assert faults.seed == 7
    assert faults.kinds() == {*SCHEDULED_FAULTS, *CONSTANT_FAULTS}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dropp@2+1", "did you mean 'drop'"),
        ("", "contains no fault"),
        ("seed=1", "contains no fault"),
        ("explode@2", "restart-other@T"),
        ("drop@2", "drop@T+D"),
        ("drop@-2+1", "drop@T+D"),
        ("drop@2-1", "drop@T+D"),
        ("drop@2+1:a", "drop@T+D"),
        ("drop=2", "drop@T+D"),
        ("dead@2", "dead@T:CHANNEL"),
        ("clock@2+0", "clock@T+J"),
        ("restart-channels@2:none", "with N channels"),
        ("rate=2%", "rate=1.02"),
        ("rate=0", "out of range"),
        ("jitter=3", "jitter=3ms"),
        ("burst=1", "out of range"),
        ("burst=2.5", "out of range"),
        ("loss=100%", "out of range"),
        ("rate@2+1", "rate=1.02"),
        ("rate=1.1,rate=1.2", "twice"),
        ("drop@2+1;nan@3+1", "drop@T+D"),
    ],
)
def test_invalid_faults_are_refused_with_the_syntax(text: str, message: str) -> None:
    with pytest.raises(BadUsage) as raised:
        parse_faults(text)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("drop@11+1", "after the last sample, which is at 9.97 s"),
        ("dead@1:x", "no channel 'x'"),
        ("nan@1+1:3", "a, b, c"),
    ],
)
def test_faults_that_do_not_fit_the_recording_are_refused(text: str, message: str) -> None:
    with pytest.raises(BadUsage, match=message):
        plan(text)


def test_each_fault_affects_only_its_samples() -> None:
    inside = (AT_S >= 2 - 1e-9) & (AT_S < 3 - 1e-9)
    np.testing.assert_array_equal(plan("drop@2+1").copies, np.where(inside, 0, 1))
    np.testing.assert_array_equal(plan("dup@2+1").copies, np.where(inside, 2, 1))
    stalled = plan("stall@2+1")
    np.testing.assert_array_equal(stalled.sent_with, np.where(inside, 90, np.arange(N)))
    assert stalled.copies.all()
    swapped = plan("swap@2+1")
    np.testing.assert_array_equal(swapped.order[58:64], [58, 59, 61, 60, 63, 62])
    np.testing.assert_array_equal(swapped.sent_with[58:64], [58, 59, 61, 61, 63, 63])
    np.testing.assert_array_equal(
        plan("clock@2+30,clock@3-10").clock_error_s[[59, 60, 89, 90, -1]], [0, 30, 30, 20, 20]
    )
    closed = plan("restart@2,restart-other@5+2")
    np.testing.assert_array_equal(closed.restart >= 0, inside | ((AT_S >= 5) & (AT_S < 7 - 1e-9)))
    np.testing.assert_array_equal(closed.copies == 0, closed.restart >= 0)
    np.testing.assert_array_equal(plan("burst=12").sent_with[[0, 11, 12, 23]], [11, 11, 23, 23])


def test_nan_and_dead_overwrite_one_channel_or_all() -> None:
    broken = plan("nan@2+1,dead@5:b,nan@6+1:0")
    for index, wanted in {
        59: [1, 1, 1],
        60: [np.nan] * 3,
        90: [1, 1, 1],
        150: [1, 0, 1],
        180: [np.nan, 0, 1],
        N - 1: [1, 0, 1],
    }.items():
        row = np.ones(3, np.float32)
        broken.overwrite(index, row)
        np.testing.assert_array_equal(row, wanted)


def test_announcements_count_samples_of_the_recording() -> None:
    faults = parse_faults("drop@2+1,clock@3+30,jitter=3ms,dead@4:b,seed=2")
    announced = plan_faults(faults, AT_S, NAMES, first=1000).injected
    assert announced[0] == (0, {"fault": "jitter", "value": 0.003})
    assert announced[1] == (
        60,
        {"fault": "drop", "first": 1060, "last": 1089, "n": 30, "at_s": 2.0, "length_s": 1.0},
    )
    assert announced[2][1]["jump_s"] == 30
    assert announced[3][1]["target"] == "b"


times = st.floats(0, 9.5).map(lambda value: round(value, 3))
lengths = st.floats(0.05, 4).map(lambda value: round(value, 3))
scheduled = st.builds(
    lambda kind, at_s, length_s: Fault(kind, at_s, length_s, "b" if kind == "dead" else ""),
    st.sampled_from(sorted(set(SCHEDULED_FAULTS) - {"restart-channels"})),
    times,
    lengths,
)
any_faults = st.builds(
    Faults,
    st.lists(scheduled, max_size=5).map(tuple),
    st.just(1.0),
    st.sampled_from([0.0, 0.01]),
    st.sampled_from([1, 2, 12]),
    st.sampled_from([0.0, 0.2]),
    st.integers(0, 5),
)


@given(any_faults)
def test_plans_are_valid_and_deterministic(faults: Faults) -> None:
    one, again = (plan_faults(faults, AT_S, NAMES) for _ in range(2))
    for name in ("copies", "sent_with", "order", "delay_s", "clock_error_s", "restart"):
        np.testing.assert_array_equal(getattr(one, name), getattr(again, name))
    assert (one.sent_with >= np.arange(N)).all()
    assert (np.diff(one.sent_with) >= 0).all()
    assert one.sent_with[-1] == N - 1  # every sample is sent in the end
    assert one.restart[-1] == -1  # and the stream is open at the end
    assert np.isin(one.copies, (0, 1, 2)).all()
    assert sorted(one.order.tolist()) == list(range(N))
    assert ((one.delay_s >= 0) & (one.delay_s <= faults.jitter_s)).all()


def test_random_faults_depend_on_the_seed() -> None:
    one, same, other = (plan(f"loss=20%,jitter=5ms,seed={seed}") for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.copies, same.copies)
    np.testing.assert_array_equal(one.delay_s, same.delay_s)
    assert (one.copies != other.copies).any()
    assert 0.1 < np.mean(one.copies == 0) < 0.3
