"""What a replay with faults pushes; its real streams are tested in tests/live/test_stream_replay.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stream.errors import BadUsage
from stream.replay.faults import parse_faults
from stream.replay.faulty_replay import FaultyReplay
from stream.replay.player import MAX_SPEED, ReplayReport
from stream.session import Session
from tests.stream.replay.conftest import MemoryNetwork


@pytest.fixture
def counted(small_session: Session) -> Session:
    """The small session, whose values are the number of the sample."""
    numbers = np.repeat(np.arange(small_session.n_samples, dtype=np.float32)[:, None], 6, 1)
    return replace(small_session, neural=numbers)


def play(session: Session, text: str, **options: object) -> ReplayReport:
    return FaultyReplay(session, parse_faults(text), **{"wait": False} | options).run()


def sent(memory: MemoryNetwork) -> list[float]:
    """Numbers of the samples in the order in which they were pushed."""
    return [values[0] for push in memory.pushed if push.stream == "V1" for values in push.values]


ALL = list(range(80))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("drop@0.5+0.1", ALL[:15] + ALL[18:]),
        ("dup@0.5+0.1", [*ALL[:15], 15, 15, 16, 16, 17, 17, *ALL[18:]]),
        ("swap@0.5+0.14", [*ALL[:15], 16, 15, 18, 17, *ALL[19:]]),
        ("dup@0.5+0.1,drop@0.5+0.04", [*ALL[:15], 17, 17, *ALL[18:]]),
        ("burst=7", ALL),
        ("stall@0.5+0.3", ALL),
    ],
)
def test_the_samples_sent_and_the_count_of_them(
    memory: MemoryNetwork, counted: Session, text: str, wanted: list[int]
) -> None:
    assert play(counted, text).samples == len(wanted)
    assert sent(memory) == wanted
    _, stamps = memory.of("V1")
    recorded_s = counted.stamps[np.array(wanted)] - counted.stamps[0]
    np.testing.assert_allclose(stamps - min(stamps), recorded_s, atol=1e-9)


def test_a_burst_is_pushed_at_once_when_its_last_sample_is_due(
    memory: MemoryNetwork, counted: Session
) -> None:
    play(counted, "burst=7")
    pushes = [push for push in memory.pushed if push.stream == "V1"]
    assert [len(push.values) for push in pushes] == [7] * 11 + [3]
    for push in pushes:
        assert push.stamps[-1] <= push.at_s < push.stamps[-1] + 0.001


def test_a_stall_sends_nothing_and_then_all_that_is_due(memory: MemoryNetwork, counted: Session) -> None:
    play(counted, "stall@0.5+0.3")
    at_s = np.array([push.at_s for push in memory.pushed if push.stream == "V1"])
    n_samples = [len(push.values) for push in memory.pushed if push.stream == "V1"]
    longest = int(np.diff(at_s[:30]).argmax())
    assert np.diff(at_s)[longest] == pytest.approx(0.3 + 1 / 30, abs=0.002)
    assert n_samples[longest + 1] == 10


def test_jitter_stays_within_its_limit_and_no_sample_overtakes_another(
    memory: MemoryNetwork, counted: Session
) -> None:
    play(counted, "jitter=50ms,seed=3")
    _, stamps = memory.of("V1")
    recorded_s = counted.stamps - counted.stamps[0]
    delay_s = stamps - (memory.of("V1-position")[1][0] + recorded_s)
    assert delay_s.min() >= -1e-9
    assert 0.04 < delay_s.max() <= 0.05
    assert (np.diff(stamps) >= 0).all()
    assert sent(memory) == ALL
    assert all(push.at_s >= push.stamps[0] for push in memory.pushed if push.stream == "V1")


def test_values_are_overwritten_in_what_is_sent_and_not_in_the_recording(
    memory: MemoryNetwork, counted: Session
) -> None:
    before = counted.neural.copy()
    play(counted, "nan@0.5+0.1:unit2,dead@1:0")
    samples, _ = memory.of("V1")
    wanted = before.copy()
    wanted[15:18, 2] = np.nan
    wanted[30:, 0] = 0
    np.testing.assert_array_equal(samples, wanted)
    np.testing.assert_array_equal(counted.neural, before)


def test_a_clock_jump_affects_all_streams_of_the_sender(memory: MemoryNetwork, counted: Session) -> None:
    play(counted, "clock@0.5+20,clock@3.5-15")
    recorded_s = counted.stamps - counted.stamps[0]
    jump_s = np.where(recorded_s >= 0.5, 20.0, 0.0) + np.where(recorded_s >= 3.5, -15.0, 0.0)
    for stream in ("V1", "V1-position"):
        _, stamps = memory.of(stream)
        np.testing.assert_allclose(stamps - stamps[0], recorded_s + jump_s, atol=1e-6)
    events, onsets = memory.of("V1-stimulus")
    _, stamps = memory.of("V1")
    first_of_last_repeat = int(np.flatnonzero((counted.repeat == 2) & (counted.frame == 0))[0])
    (at,) = np.flatnonzero((events == (0, 2)).all(1))
    assert 0 < stamps[first_of_last_repeat] - onsets[at] < 2 / 30


def test_another_rate_than_declared(memory: MemoryNetwork, counted: Session) -> None:
    play(counted, "rate=2", speed=1.5)
    assert memory.opened[-1]["rate_hz"] == 45
    assert memory.opened[-1]["facts"]["stamp_rate"] == "1.5"
    recorded_s = counted.stamps - counted.stamps[0]
    for stream in ("V1", "V1-position"):
        _, stamps = memory.of(stream)
        np.testing.assert_allclose(stamps - stamps[0], recorded_s / 3, atol=1e-9)


@pytest.mark.parametrize(
    ("kind", "role", "labels"),
    [
        ("restart@0.5+0.2", "replay", [f"unit{i}" for i in range(6)]),
        ("restart-other@0.5+0.2", "replay-other", [f"unit{i}" for i in range(6)]),
        ("restart-channels@0.5+0.2", "replay", [f"unit{i}" for i in range(5)]),
        ("restart-channels@0.5+0.2:8", "replay", [*(f"unit{i}" for i in range(6)), "extra6", "extra7"]),
    ],
)
def test_a_restart_loses_what_is_due_while_the_stream_is_closed(
    memory: MemoryNetwork, counted: Session, kind: str, role: str, labels: list[str]
) -> None:
    play(counted, kind)
    assert sent(memory) == ALL[:15] + ALL[21:]
    reopened = memory.opened[-1]
    assert (reopened["name"], reopened["role"], list(reopened["labels"])) == ("V1", role, labels)
    assert reopened["facts"] == memory.opened[-2]["facts"]
    after = [push for push in memory.pushed if push.stream == "V1"][-1].values[0]
    assert after == [79.0] * min(len(labels), 6) + [0.0] * (len(labels) - 6)
    assert len(memory.of("V1-position")[1]) == 80  # the other streams stay open
    events = [(one["event"], one.get("fault")) for one in memory.announced()]
    name = kind.partition("@")[0]
    assert events == [("start", None), ("fault", name), ("reopened", name), ("end", None)]


def test_faults_are_announced_when_they_begin_and_listed_in_the_report(
    memory: MemoryNetwork, counted: Session
) -> None:
    report = play(counted, "nan@1+0.1,drop@0.5+0.1,loss=1%,seed=2", start_s=0.2)
    announced = [one for one in memory.announced() if one["event"] == "fault"]
    assert [one["fault"] for one in announced] == ["loss", "drop", "nan"]
    assert [one["fault"] for one in report.injected] == ["loss", "drop", "nan"]
    assert (announced[1]["first"], announced[1]["last"], announced[1]["n"]) == (21, 23, 3)  # in the recording
    begun = memory.of("V1-position")[1][0]
    at_s = [push.at_s for push in memory.pushed if push.stream == "V1-events" and "nan" in push.values[0][0]]
    assert at_s == [pytest.approx(begun + 1, abs=0.01)]


def test_faults_repeat_in_each_round_of_a_loop(memory: MemoryNetwork, counted: Session) -> None:
    memory.commands = [(10.0, {"do": "stop"})]
    report = play(counted, "drop@0.1+0.1,clock@0.2+5", loop=True, seconds=0.5, control=memory)
    one_round = [0, 1, 2, *range(6, 15)]
    assert sent(memory)[:24] == one_round * 2
    assert len(report.injected) >= 2 * 5
    _, stamps = memory.of("V1")
    assert stamps[12] == pytest.approx(stamps[11] - 5 + 1 + 1 / 30, abs=0.05)  # the clock is right again


@pytest.mark.parametrize("fault", ["stall@0.5+0.1", "restart@0.5", "jitter=3ms"])
def test_faults_in_real_time_are_refused_at_full_speed(
    memory: MemoryNetwork, counted: Session, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.replay.player.Backpressure", lambda name, rate_hz: None)
    with pytest.raises(BadUsage, match=r"(stall|restart|jitter) cannot be injected at --speed max"):
        FaultyReplay(counted, parse_faults(fault), speed=MAX_SPEED)


def test_full_speed_injects_the_other_faults(
    memory: MemoryNetwork, counted: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.replay.player.Backpressure", lambda name, rate_hz: None)
    play(counted, "drop@0.5+0.1,dup@1+0.1", speed=MAX_SPEED)
    assert sent(memory) == ALL[:15] + ALL[18:30] + [30, 30, 31, 31, 32, 32] + ALL[33:]
    faults = [(one["fault"], one["first"], one["samples"]) for one in memory.announced() if "fault" in one]
    assert faults == [("drop", 15, 15), ("dup", 30, 27)]
