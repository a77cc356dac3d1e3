"""When and with which timestamps a replay pushes; its real streams are tested in tests/live/test_stream_replay.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from stream.acquisition.stimulus_track import frames_at
from stream.errors import BadUsage
from stream.replay import player
from stream.replay.player import MAX_SPEED, MAX_SPEED_HZ, Replay
from stream.session import Session
from tests.stream.replay.conftest import MemoryNetwork

LATE_S = 0.0002
"""Upper bound of the lateness on a clock that is exact."""


def neural_pushes_are_on_time(memory: MemoryNetwork) -> None:
    for push in memory.pushed:
        if push.stream == "V1":
            assert push.stamps[-1] <= push.at_s < push.stamps[-1] + LATE_S


@pytest.mark.parametrize("speed", [0.5, 1.0, 7.0])
def test_each_sample_is_pushed_when_it_is_due_and_none_is_lost(
    memory: MemoryNetwork, small_session: Session, speed: float
) -> None:
    report = Replay(small_session, speed=speed, wait=False).run()
    samples, stamps = memory.of("V1")
    np.testing.assert_array_equal(samples, small_session.neural)
    recorded_s = small_session.stamps - small_session.stamps[0]
    np.testing.assert_allclose(stamps - stamps[0], recorded_s / speed, atol=1e-9)
    neural_pushes_are_on_time(memory)
    assert (report.samples, report.stopped) == (small_session.n_samples, False)
    assert 0 <= report.late_p50_ms <= report.late_p99_ms < 1e3 * LATE_S


@pytest.mark.parametrize("speed", [0.5, 1.0, 7.0])
def test_stimulus_and_labels_come_before_the_neural_sample(
    memory: MemoryNetwork, small_session: Session, speed: float
) -> None:
    Replay(small_session, speed=speed, wait=False).run()
    position, stamps = memory.of("V1-position")
    np.testing.assert_array_equal(position, small_session.labels["position"])
    np.testing.assert_array_equal(stamps, memory.of("V1")[1])
    events, onsets = memory.of("V1-stimulus")
    frame, repeat = frames_at(onsets, events, stamps, 30.0 * speed)
    np.testing.assert_array_equal(frame, small_session.frame)
    np.testing.assert_array_equal(repeat, small_session.repeat)
    shown, n_neural = -1, 0
    for push in memory.pushed:
        if push.stream == "V1-stimulus":
            shown = push.values[-1][0]
        if push.stream == "V1":
            assert shown == small_session.frame[n_neural]
            n_neural += 1


def test_the_neural_stream_opens_last_and_all_declare_the_same_facts(
    memory: MemoryNetwork, small_session: Session
) -> None:
    Replay(replace(small_session, simulated=True), name="A1", speed=2.0, recording="demo.xdf")
    assert [one["name"] for one in memory.opened] == ["A1-events", "A1-stimulus", "A1-position", "A1"]
    assert [one["rate_hz"] for one in memory.opened] == [0, 0, 60.0, 60.0]
    wanted = {"mode": "simulated", "speed": "2", "stamp_rate": "2.0", "recording": "demo.xdf", "waits": 1,
              "recorded_rate_hz": "30.0", "first_original_stamp": "100.0"}  # fmt: skip
    for one in memory.opened:
        assert wanted.items() <= one["facts"].items()
    Replay(small_session, name="A2")
    assert {one["facts"]["mode"] for one in memory.opened if one["name"].startswith("A2")} == {"replay"}


def test_all_streams_of_a_replay_have_one_sender_and_no_other_replay_has_it(
    memory: MemoryNetwork, small_session: Session
) -> None:
    for _ in range(2):
        Replay(small_session)
    senders = [one["facts"][player.SENDER_FACT] for one in memory.opened]
    assert len(set(senders[:4])) == len(set(senders[4:])) == 1
    assert senders[0] != senders[4]


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_a_speed_must_be_positive(memory: MemoryNetwork, small_session: Session, speed: float) -> None:
    with pytest.raises(BadUsage, match=f"the speed is {speed:g}; it must be positive"):
        Replay(small_session, speed=speed)
    assert not memory.opened


def test_a_pause_moves_all_later_samples_by_its_length(memory: MemoryNetwork, small_session: Session) -> None:
    memory.commands = [(0.5, {"do": "pause"}), (3.5, {"do": "resume"})]
    Replay(small_session, wait=False, control=memory).run()
    samples, stamps = memory.of("V1")
    np.testing.assert_array_equal(samples, small_session.neural)
    moved_s = stamps - stamps[0] - (small_session.stamps - small_session.stamps[0])
    assert moved_s[0] == 0
    assert set(np.round(moved_s, 1)) == {0.0, 3.0}
    assert (np.diff(moved_s) > -1e-9).all()
    neural_pushes_are_on_time(memory)
    assert [one["event"] for one in memory.announced()] == ["start", "pause", "resume", "end"]


@pytest.mark.parametrize(
    ("command", "first"), [({"repeat": 2}, 55), ({"s": 1.0}, 30), ({"s": 0}, 0), ({"s": 1.01}, 31)]
)
def test_a_seek_continues_at_the_requested_sample(
    memory: MemoryNetwork, small_session: Session, command: dict[str, float], first: int
) -> None:
    memory.commands = [(0.4, {"do": "seek", **command})]
    Replay(small_session, wait=False, control=memory).run()
    samples, stamps = memory.of("V1")
    n_before = len(samples) - (small_session.n_samples - first)
    assert 10 < n_before < 14
    np.testing.assert_array_equal(samples[:n_before], small_session.neural[:n_before])
    np.testing.assert_array_equal(samples[n_before:], small_session.neural[first:])
    steps = np.diff(stamps)
    assert steps.min() > 0
    assert 0.9 < steps[n_before - 1] < 1.1  # receivers see a gap
    neural_pushes_are_on_time(memory)
    (seek,) = [one for one in memory.announced() if one["event"] == "seek"]
    assert (seek["sample"], seek["samples"]) == (first, n_before)
    assert seek["s"] == pytest.approx(small_session.stamps[first] - small_session.stamps[0])
    frame, _ = frames_at(*memory.of("V1-stimulus")[::-1], stamps, 30.0)
    np.testing.assert_array_equal(frame[n_before:], small_session.frame[first:])


@pytest.mark.parametrize("first", [30, 31, 32])
def test_a_seek_into_a_frame_announces_that_frame(
    memory: MemoryNetwork, small_session: Session, first: int
) -> None:
    frame = (np.arange(small_session.n_samples) // 3 % 20).astype(np.int32)
    slow = replace(small_session, frame=frame, repeat=np.zeros_like(frame))
    memory.commands = [(0.4, {"do": "seek", "s": first / 30})]
    Replay(slow, wait=False, control=memory).run()
    _, stamps = memory.of("V1")
    events, onsets = memory.of("V1-stimulus")
    assert (np.diff(onsets) > 0).all()
    shown, _ = frames_at(onsets, events, stamps, 30.0)
    np.testing.assert_array_equal(shown[-(small_session.n_samples - first) :], frame[first:])


def test_stimulus_and_labels_are_pushed_early_enough_not_to_delay_the_neural_sample(
    memory: MemoryNetwork, small_session: Session
) -> None:
    Replay(small_session, wait=False).run()
    _, stamps = memory.of("V1")
    labels = [push.at_s for push in memory.pushed if push.stream == "V1-position"]
    early_s = stamps - np.array(labels)
    assert early_s[1:].min() > 0.001
    assert early_s[1:].max() < 0.003


@pytest.mark.parametrize("command", [{"s": 1e6}, {"repeat": 9}, {"s": "soon"}, {}])
def test_a_seek_to_what_does_not_exist_is_refused_and_the_replay_continues(
    memory: MemoryNetwork, small_session: Session, command: dict[str, object]
) -> None:
    memory.commands = [(0.4, {"do": "seek", **command})]
    assert Replay(small_session, wait=False, control=memory).run().samples == small_session.n_samples
    (refused,) = [one for one in memory.announced() if one["event"] == "refused"]
    assert {"do": "seek", **command}.items() <= refused.items()
    assert refused["last_s"] == pytest.approx(79 / 30 + 2, abs=1e-3)


def test_seek_and_start_count_from_the_same_zero(memory: MemoryNetwork, small_session: Session) -> None:
    memory.commands = [(0.2, {"do": "seek", "s": 0.8})]
    Replay(small_session, wait=False, start_s=0.5, seconds=0.5, control=memory).run()
    samples, _ = memory.of("V1")
    np.testing.assert_array_equal(samples[-6:], small_session.neural[24:30])
    assert [one["sample"] for one in memory.announced() if one["event"] == "seek"] == [24]


def test_a_stop_ends_it_at_once_even_in_a_long_gap(memory: MemoryNetwork, small_session: Session) -> None:
    memory.commands = [(2.0, {"do": "stop"})]  # in the gap after sample 40
    report = Replay(small_session, wait=False, control=memory).run()
    assert (report.samples, report.stopped) == (40, True)
    assert memory.now_s < 2.5
    assert memory.announced()[-1] == {"event": "end", "samples": 40, "stopped": True}


def test_ctrl_c_announces_the_end_too(memory: MemoryNetwork, small_session: Session) -> None:
    memory.interrupt_at_s = 0.5
    report = Replay(small_session, wait=False).run()
    assert report.stopped
    assert 10 < report.samples < 20
    assert memory.announced()[-1]["stopped"] is True


def test_a_loop_repeats_the_part_with_a_pause_and_without_drift(
    memory: MemoryNetwork, small_session: Session
) -> None:
    memory.commands = [(60.0, {"do": "stop"})]
    Replay(small_session, wait=False, loop=True, start_s=0.5, seconds=0.5, control=memory).run()
    samples, stamps = memory.of("V1")
    assert len(samples) > 30 * 15
    rounds = np.resize(small_session.neural[15:30], samples.shape)
    np.testing.assert_array_equal(samples, rounds)
    starts = stamps[::15]
    np.testing.assert_allclose(np.diff(starts), starts[1] - starts[0], atol=1e-9)
    assert stamps[15] - stamps[14] >= 1.0
    neural_pushes_are_on_time(memory)


def test_it_waits_for_a_consumer_and_briefly_for_those_of_the_other_streams(
    memory: MemoryNetwork, small_session: Session
) -> None:
    memory.consumers_from_s = {"V1": 3.0, "V1-position": np.inf}
    Replay(small_session).run()
    begun = memory.of("V1")[1][0]
    assert 3.5 < begun < 3.6


def test_it_can_be_stopped_while_it_waits(memory: MemoryNetwork, small_session: Session) -> None:
    memory.consumers_from_s = {"V1": np.inf}
    memory.commands = [(1.0, {"do": "stop"})]
    report = Replay(small_session, control=memory).run()
    assert (report.samples, report.stopped) == (0, True)
    assert [one["event"] for one in memory.announced()] == ["end"]


def test_outlets_stay_open_until_consumers_have_fetched_the_rest_or_for_five_seconds(
    memory: MemoryNetwork, small_session: Session
) -> None:
    Replay(small_session, wait=False).run()
    ended = memory.pushed[-1].at_s
    assert memory.now_s - ended == pytest.approx(5.0, abs=0.1)
    memory.consumers_until_s = memory.now_s + 6.0  # 1.3 s after the next one ends
    Replay(small_session, wait=False).run()
    assert memory.now_s == pytest.approx(memory.consumers_until_s, abs=0.1)


def test_the_longest_pause_is_in_real_seconds(memory: MemoryNetwork, small_session: Session) -> None:
    assert Replay(small_session, speed=4.0).longest_pause_s == pytest.approx((2 + 1 / 30) / 4)
    assert Replay(small_session, shorten_gaps=True).longest_pause_s == pytest.approx(1.0)


class CountingBackpressure:
    """Stands in for `stream.replay.backpressure.Backpressure`."""

    def __init__(self, memory: MemoryNetwork) -> None:
        self.memory = memory
        self.newest: list[float] = []
        self.closed = False

    def wait(self, newest: float, stopped: Callable[[], bool]) -> None:
        assert newest == self.memory.of("V1")[1][-1]
        assert not stopped()
        self.newest.append(newest)

    def close(self) -> None:
        self.closed = True


def test_full_speed_has_recorded_timestamps_a_limit_and_waits_for_the_engine(
    memory: MemoryNetwork, small_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    backpressure = CountingBackpressure(memory)
    monkeypatch.setattr(player, "Backpressure", lambda name, rate_hz: backpressure)
    replay = Replay(small_session, speed=MAX_SPEED, wait=False)
    assert replay.longest_pause_s == 0
    replay.run()
    samples, stamps = memory.of("V1")
    np.testing.assert_array_equal(samples, small_session.neural)
    np.testing.assert_allclose(stamps - stamps[0], small_session.stamps - small_session.stamps[0], atol=1e-9)
    pushes = [push for push in memory.pushed if push.stream == "V1"]
    n_sent = np.cumsum([len(push.values) for push in pushes])
    begun = stamps[0]
    assert all(
        push.at_s - begun >= before / MAX_SPEED_HZ for push, before in zip(pushes[1:], n_sent, strict=False)
    )
    assert pushes[-1].at_s - begun < 2 * small_session.n_samples / MAX_SPEED_HZ
    assert len(backpressure.newest) == len(pushes) - 1
    assert backpressure.closed
    assert memory.opened[-1]["facts"]["speed"] == "max"
    assert memory.opened[-1]["rate_hz"] == 30
