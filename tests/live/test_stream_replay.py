"""Tests of `stream.replay`: player, faulty_replay and backpressure, with replays in processes of their own."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from neuroreel.subprocesses import Child, start_child
from stream.acquisition.stimulus_track import frames_at
from stream.chunk import Chunk
from stream.io.session_io import save_session
from stream.lsl.event_inlet import EventInlet
from stream.lsl.inlet import Inlet, InletState
from stream.lsl.outlet import make_outlet
from stream.lsl.resolve import find_stream
from stream.recorder.continuity import Continuity
from stream.replay.backpressure import MAX_LEAD
from stream.session import Kind, Session

pytestmark = pytest.mark.live

WITHIN_S = 60.0
"""Upper bound of every wait; the machine may be busy."""


@dataclass
class Received:
    """Everything received from a replay."""

    samples: NDArray[np.float32]
    stamps: NDArray[np.float64]
    event_stamps: NDArray[np.float64]
    events: NDArray[np.int32]
    labels: dict[str, tuple[NDArray[np.float32], NDArray[np.float64]]]
    markers: list[dict[str, Any]]
    facts: dict[str, str]
    late_s: list[float] = field(default_factory=list)  # arrival of each chunk after its last timestamp


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    children: list[Child] = []

    def start_replay(session: Session, *arguments: str) -> Child:
        path = tmp_path / f"{session.name}.npz"
        save_session(session, path, force=True)
        children.append(start_child(["replay", str(path), *arguments], control=True, stderr=subprocess.PIPE))
        return children[-1]

    yield start_replay
    for child in children:
        child.stop()
        assert child.process.stderr is not None
        child.process.stderr.close()


def receive(session: Session, child: Child | None = None, until: str = "end") -> Received:
    """Receive all streams of a replay until an event."""
    import pylsl

    name = session.name
    inlet = Inlet(find_stream(name))
    events, *others = [
        EventInlet(find_stream(f"{name}-{which}")) for which in ("events", "stimulus", *session.labels)
    ]
    for other in (events, *others):
        other.open()
    inlet.open()
    chunks, received = [], [([], []) for _ in others]  # type: ignore[var-annotated]
    markers: list[dict[str, Any]] = []
    late_s = []
    expected: int | None = None
    deadline = time.monotonic() + WITHIN_S
    while expected is None or inlet.n_received < expected:
        assert time.monotonic() < deadline, f"only {inlet.n_received} samples and {markers}"
        chunk = inlet.pull(0.1)
        if chunk is not None:
            chunks.append(chunk)
            late_s.append(pylsl.local_clock() - float(chunk.stamps[-1]))
        for other, (rows, stamps) in zip(others, received, strict=True):
            new_rows, new_stamps = other.pull()
            rows.extend(new_rows)
            stamps.extend(new_stamps)
        markers += [json.loads(text) for text in events.pull()[0]]
        expected = next((marker["samples"] for marker in markers if marker["event"] == until), None)
    stamps_s = np.concatenate([chunk.stamps for chunk in chunks])
    n_after_change = session.n_samples - 1 - np.flatnonzero(np.diff(session.frame))[-1]
    last_change_s = stamps_s[-n_after_change] - 1.01 * np.median(np.diff(stamps_s))  # the start of its bin
    due_s = [last_change_s, *[stamps_s[-1] - 1e-9] * len(session.labels)]
    for other, (rows, stamps), due in zip(
        others, received, due_s, strict=True
    ):  # each has its own connection
        while not stamps or stamps[-1] < due:
            assert time.monotonic() < deadline, f"{other} ends at {stamps[-1:]}, before {due}"
            new_rows, new_stamps = other.pull(0.1)
            rows.extend(new_rows)
            stamps.extend(new_stamps)
    for each in (inlet, events, *others):
        each.close()
    arrays = [(np.array(rows), np.array(stamps)) for rows, stamps in received]
    return Received(
        np.concatenate([chunk.samples for chunk in chunks]),
        stamps_s,
        arrays[0][1],
        arrays[0][0],
        dict(zip(session.labels, arrays[1:], strict=True)),
        markers,
        inlet.facts,
        late_s,
    )


@pytest.mark.parametrize(("speed", "scale"), [("1", 1.0), ("20", 20.0), ("max", 1.0)])
def test_all_streams_arrive_as_recorded(start: Any, small_session: Session, speed: str, scale: float) -> None:
    child = start(small_session, "--speed", speed)
    got = receive(small_session)
    assert got.samples.tobytes() == small_session.neural.tobytes()
    played = (got.stamps - got.stamps[0]) * scale
    np.testing.assert_allclose(played, small_session.stamps - small_session.stamps[0], rtol=0, atol=1e-9)
    rate_hz = small_session.rate_hz * scale
    np.testing.assert_array_equal(Continuity(rate_hz).check(got.stamps), small_session.segment)
    frame, repeat = frames_at(got.event_stamps, got.events, got.stamps, rate_hz)
    np.testing.assert_array_equal(frame, small_session.frame)
    np.testing.assert_array_equal(repeat, small_session.repeat)
    values, stamps = got.labels["position"]
    assert values.tobytes() == small_session.labels["position"].tobytes()
    np.testing.assert_array_equal(stamps, got.stamps)
    assert [marker["event"] for marker in got.markers] == ["start", "end"]
    assert got.markers[-1]["samples"] == small_session.n_samples
    assert got.facts["mode"] == "replay"
    assert (got.facts["speed"], float(got.facts["stamp_rate"])) == (speed, scale)
    assert float(got.facts["recorded_rate_hz"]) == 30
    assert float(got.facts["first_original_stamp"]) == small_session.stamps[0]
    assert child.wait(WITHIN_S) == 0
    if speed == "1":
        assert min(got.late_s) > -0.01  # none before its time


def test_boundaries_without_gaps_and_backward_clock_steps_arrive_as_gaps(
    start: Any, small_session: Session
) -> None:
    stamps = np.r_[np.arange(40) / 30, np.arange(20) / 30, 0.7 + np.arange(20) / 30]
    segment = np.r_[np.zeros(40), np.ones(20), np.full(20, 2)].astype(np.int32)
    glued = replace(small_session, stamps=stamps, segment=segment, name="glued")
    start(glued, "--speed", "10")
    got = receive(glued)
    assert got.samples.tobytes() == glued.neural.tobytes()
    np.testing.assert_array_equal(Continuity(300.0).check(got.stamps), segment)
    frame, _ = frames_at(got.event_stamps, got.events, got.stamps, 300.0)
    np.testing.assert_array_equal(frame, glued.frame)


def test_nothing_is_lost_at_full_speed(start: Any, small_session: Session) -> None:
    n_samples = 6000
    random = np.random.default_rng(0)
    frame = (np.arange(n_samples) // 3 % 20).astype(np.int32)
    long = Session(
        neural=random.normal(size=(n_samples, 200)).astype(np.float32),
        stamps=5 + np.arange(n_samples) / 30,
        frame=frame,
        repeat=(np.arange(n_samples) // 60).astype(np.int32),
        segment=np.zeros(n_samples, np.int32),
        channel_names=tuple(f"c{index}" for index in range(200)),
        kind=Kind.EEG,
        rate_hz=30.0,
        name="long",
    )
    start(long, "--speed", "max")
    got = receive(long)
    assert got.samples.tobytes() == long.neural.tobytes()
    frames, _ = frames_at(got.event_stamps, got.events, got.stamps, 30.0)
    np.testing.assert_array_equal(frames, frame)


def test_a_loop_pauses_between_rounds_and_stops_on_command(start: Any, small_session: Session) -> None:
    child = start(small_session, "--speed", "20", "--loop", "--start", "0.5", "--seconds", "1.5")
    inlet = Inlet(find_stream("V1"))
    inlet.open()
    continuity = Continuity(inlet.rate_hz)
    parts, segments = [], [0]
    while segments[-1] < 5:
        chunk = inlet.pull(1.0)
        if chunk is not None:
            parts.append(chunk.samples)
            segments += continuity.check(chunk.stamps).tolist()
    assert child.send("stop")
    assert child.wait(WITHIN_S) == 0
    got = np.concatenate(parts)
    part = small_session.neural[15:40]  # the gap after sample 40 ends each round
    rounds = [got[np.array(segments[1:]) == segment] for segment in range(4)]
    for each in rounds:
        np.testing.assert_array_equal(each, part)
    inlet.close()


def test_a_pause_is_a_gap_and_nothing_is_lost(start: Any, small_session: Session) -> None:
    child = start(small_session)
    inlet, events = Inlet(find_stream("V1")), EventInlet(find_stream("V1-events"))
    events.open()
    inlet.open()
    parts, stamps, announced = [], [], []

    def listen() -> int:
        """Receive for a moment; returns the number of samples so far."""
        chunk = inlet.pull(0.05)
        if chunk is not None:
            parts.append(chunk.samples)
            stamps.append(chunk.stamps)
        announced.extend(json.loads(text)["event"] for text in events.pull()[0])
        return inlet.n_received

    while listen() < 10:
        pass
    requested = time.monotonic()
    child.send("pause")
    while "pause" not in announced:
        listen()
    paused = time.monotonic()
    while time.monotonic() < paused + 0.4:
        listen()
    at_least_s, n_before = time.monotonic() - paused, inlet.n_received
    child.send("resume")
    while listen() == n_before:
        pass
    at_most_s = time.monotonic() - requested
    while "end" not in announced or inlet.n_received < small_session.n_samples:
        listen()
    assert np.concatenate(parts).tobytes() == small_session.neural.tobytes()
    steps = np.diff(np.concatenate(stamps))
    in_recording = np.abs(steps - 2 - 1 / 30) < 1e-6
    assert in_recording.sum() == 1
    (pause_s,) = steps[~in_recording & (steps > 0.1)]
    assert at_least_s < pause_s < at_most_s + 1 / 30
    assert announced == ["start", "pause", "resume", "end"]
    inlet.close()
    events.close()


def test_a_killed_sender_is_lost_and_found_again(start: Any, small_session: Session) -> None:
    child = start(small_session, "--loop")
    inlet = Inlet(find_stream("V1"))
    inlet.open()
    while inlet.n_received < 5:
        inlet.pull(0.5)
    child.process.kill()
    begin = time.monotonic()
    while inlet.state is not InletState.LOST:
        inlet.pull(0.1)
        assert time.monotonic() - begin < WITHIN_S
    received = inlet.n_received
    start(small_session, "--loop")
    while inlet.state is not InletState.LIVE:
        chunk = inlet.pull(0.1)
        assert time.monotonic() - begin < 2 * WITHIN_S
    assert chunk is not None
    assert chunk.sequence[0] == received
    inlet.close()


def test_a_frozen_sender_is_stale(start: Any, small_session: Session) -> None:
    child = start(small_session, "--loop", "--seconds", "1")
    inlet = Inlet(find_stream("V1"))
    inlet.stale_after_s = 0.3
    inlet.open()
    while inlet.n_received < 5:
        inlet.pull(0.5)
    import signal

    child.process.send_signal(signal.SIGSTOP)
    begin = time.monotonic()
    while inlet.state is not InletState.STALE:
        inlet.pull(0.1)
        assert time.monotonic() - begin < WITHIN_S
    child.process.send_signal(signal.SIGCONT)
    while inlet.state is not InletState.LIVE:
        inlet.pull(0.1)
        assert time.monotonic() - begin < 2 * WITHIN_S
    inlet.close()


def test_faults_are_injected_and_announced(start: Any, small_session: Session, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    spec = "drop@0.2+0.1,dup@0.5+0.1,nan@0.8+0.1:unit2,stall@3.5+0.2,clock@4+5,seed=1"
    child = start(small_session, "--speed", "2", "--faults", spec, "--json", str(report))
    got = receive(small_session)
    announced = [marker for marker in got.markers if marker["event"] == "fault"]
    assert [each["fault"] for each in announced] == ["drop", "dup", "nan", "stall", "clock"]
    assert [(each["first"], each["last"]) for each in announced[:3]] == [(6, 8), (15, 17), (24, 26)]
    expected = np.delete(np.arange(small_session.n_samples), slice(6, 9))
    expected = np.sort(np.r_[expected, 15:18])
    values = small_session.neural.copy()
    values[24:27, 2] = np.nan
    np.testing.assert_array_equal(got.samples, values[expected])
    elapsed_s = got.stamps - got.stamps[0]
    moved_s = np.where(expected >= announced[-1]["first"], 5.0, 0.0)
    np.testing.assert_allclose(elapsed_s, (small_session.stamps - 100)[expected] / 2 + moved_s, atol=1e-9)
    assert child.wait(WITHIN_S) == 0
    written = json.loads(report.read_text())
    assert written["samples"] == len(expected)
    assert [each["fault"] for each in written["injected"]] == [each["fault"] for each in announced]


def test_a_restart_closes_and_reopens_the_stream(start: Any, small_session: Session) -> None:
    start(small_session, "--loop", "--faults", "restart-channels@0.5+1:4")
    first = find_stream("V1")
    inlet, events = Inlet(first), EventInlet(find_stream("V1-events"))
    events.open()
    inlet.open()
    announced: list[dict[str, Any]] = []
    deadline = time.monotonic() + WITHIN_S
    while not any(each["event"] == "reopened" for each in announced):
        assert time.monotonic() < deadline
        inlet.pull(0.1)
        announced += [json.loads(text) for text in events.pull()[0]]
    again = find_stream("V1")
    assert inlet.n_received >= 15
    assert (first.channel_count(), again.channel_count()) == (6, 4)
    assert (first.source_id(), first.uid() == again.uid()) == (again.source_id(), False)
    inlet.close()
    events.close()


@pytest.mark.parametrize("speed", ["2", "max"])
def test_a_seek_begins_a_new_segment(start: Any, small_session: Session, speed: str) -> None:
    child = start(small_session, "--speed", speed, "--loop")
    inlet, events, stimulus = (
        Inlet(find_stream("V1")),
        EventInlet(find_stream("V1-events")),
        EventInlet(find_stream("V1-stimulus")),
    )
    for each in (events, stimulus, inlet):
        each.open()
    parts: list[Chunk] = []
    while inlet.n_received < 3:
        parts += filter(None, [inlet.pull(1.0)])
    child.send("seek", s=1e6)
    child.send("pause")
    child.send("seek", repeat=2)
    child.send("resume")
    announced: list[dict[str, Any]] = []
    while (
        not announced
        or announced[-1]["event"] != "seek"
        or parts[-1].sequence[-1] < announced[-1]["samples"] + 10
    ):
        parts += filter(None, [inlet.pull(0.1)])
        announced += [json.loads(text) for text in events.pull()[0]]
    assert [each["event"] for each in announced] == ["start", "refused", "pause", "resume", "seek"]
    samples, stamps = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("samples", "stamps")
    )
    before = announced[-1]["samples"]
    np.testing.assert_array_equal(samples[before : before + 10], small_session.neural[55:65])
    assert announced[-1]["sample"] == 55
    scale = 2.0 if speed == "2" else 1.0
    segments = Continuity(30.0 * scale).check(stamps)
    assert segments[before] > segments[before - 1]
    assert len(set(segments[before : before + 10].tolist())) == 1
    rows: list[Any] = []
    at: list[float] = []
    while not at or at[-1] < stamps[before + 9] - 1.01 / (30.0 * scale):  # the start of that sample's bin
        new_rows, new_stamps = stimulus.pull(0.1)
        rows.extend(new_rows)
        at.extend(new_stamps)
    frame, repeat = frames_at(np.array(at), np.array(rows), stamps, 30.0 * scale)
    np.testing.assert_array_equal(frame[before : before + 10], small_session.frame[55:65])
    assert (repeat[before : before + 10] == 2).all()
    for each in (events, stimulus, inlet):
        each.close()


def test_full_speed_waits_for_a_slow_engine(start: Any, small_session: Session) -> None:
    n_samples = MAX_LEAD + 2000
    long = Session(
        neural=np.arange(n_samples, dtype=np.float32)[:, None],
        stamps=5 + np.arange(n_samples) / 30,
        frame=np.full(n_samples, -1, np.int32),
        repeat=np.full(n_samples, -1, np.int32),
        segment=np.zeros(n_samples, np.int32),
        channel_names=("c0",),
        kind=Kind.EEG,
        rate_hz=30.0,
        name="ahead",
    )
    predictions = make_outlet(
        "other-prediction",
        "Prediction",
        ("frame", "stamp_raw"),
        30,
        "double64",
        facts={"source_stream": "ahead"},
    )
    start(long, "--speed", "max")
    inlet = Inlet(find_stream("ahead"))
    inlet.open()
    first = newest = float("nan")
    held = False
    deadline = time.monotonic() + 2 * WITHIN_S
    while inlet.n_received < n_samples:
        assert time.monotonic() < deadline
        chunk = inlet.pull(0.1 if not held else 1.0)
        if chunk is not None:
            newest = float(chunk.stamps[-1])
            first = first if first == first else float(chunk.stamps[0])
        if predictions.have_consumers() and not held:
            predictions.push_sample([0.0, first])  # an engine that stopped after its first prediction
        if chunk is None and inlet.n_received > MAX_LEAD / 2 and not held:
            held = True
            assert inlet.n_received <= MAX_LEAD + 100
        if held:
            predictions.push_sample([0.0, newest])
    assert held
    inlet.close()
