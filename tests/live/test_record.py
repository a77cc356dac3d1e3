"""Tests of `stream.recorder`: recorder, recorded_stream and discovery, with streams of real processes."""

from __future__ import annotations

import io
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pylsl
import pytest
import pyxdf
from pylsl.lib import lib
from rich.console import Console

from neuroreel.recording.views import _state_line, _state_table, print_summary
from neuroreel.subprocesses import Child, start_child
from stream.errors import NoStream
from stream.io.xdf_reader import XdfStream, read_xdf
from stream.lsl.network import child_env
from stream.lsl.outlet import make_outlet
from stream.recorder.recorder import Recorder

pytestmark = pytest.mark.live

NUMBERS = ("float32", "double64", "int8", "int16", "int32", "int64")


@pytest.fixture
def name() -> str:
    """Return a prefix of stream names that no other test uses."""
    return f"rec-{uuid.uuid4().hex[:6]}"


@pytest.fixture
def recorder(tmp_path: Path, name: str) -> Iterator[Callable[..., Recorder]]:
    """Start recorders of the test's streams in this process."""
    made = []

    def start(*queries: str) -> Recorder:
        made.append(Recorder(tmp_path / "a.xdf", queries or (f"starts-with(name,'{name}')",)))
        made[-1].start(10)
        return made[-1]

    yield start
    for each in made:
        if not each._stopping.is_set():
            each.stop()


@pytest.fixture
def children() -> Iterator[Callable[..., Child]]:
    """Start commands, and end them after the test."""
    started: list[Child] = []

    def start(*arguments: object, **popen: Any) -> Child:
        started.append(start_child([str(each) for each in arguments], stderr=subprocess.PIPE, **popen))
        return started[-1]

    yield start
    for child in started:
        child.stop()
        if child.process.stderr is not None:
            child.process.stderr.close()
        if child.process.stdout is not None:
            child.process.stdout.close()


def until(condition: Callable[[], Any], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def by_name(path: Path) -> dict[str, XdfStream]:
    return {stream.name: stream for stream in read_xdf(path)}


class Sender:
    """Pushes counted samples at 200 Hz from a thread."""

    def __init__(self, name: str, n_channels: int = 8) -> None:
        labels = [f"c{index}" for index in range(n_channels)]
        self.outlet = make_outlet(name, "Spikes", labels, 200.0, role="rig")
        self.n_sent = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._send, args=(n_channels,))
        self._thread.start()

    def _send(self, n_channels: int) -> None:
        begun = time.monotonic()
        while not self._done.wait(0.005):
            while self.n_sent < (time.monotonic() - begun) * 200:  # several if this thread was held up
                self.outlet.push_sample([float(self.n_sent)] * n_channels)
                self.n_sent += 1

    def stop(self) -> None:
        self._done.set()
        self._thread.join()


def test_all_formats_and_late_streams_are_recorded_exactly(recorder: Any, tmp_path: Path, name: str) -> None:
    random = np.random.default_rng(5)
    outlets = {fmt: make_outlet(f"{name}-{fmt}", "Test", ("a", "b"), 0, fmt) for fmt in NUMBERS}
    outlets["string"] = make_outlet(f"{name}-string", "Markers", ("a", "b"), 0, "string")
    sent: dict[str, tuple[list[Any], list[float]]] = {fmt: ([], []) for fmt in (*NUMBERS, "string", "late")}
    running = recorder()
    for round_ in range(40):
        if round_ == 20:
            outlets["late"] = make_outlet(f"{name}-late", "Test", ("a", "b"), 100, "double64")
            until(lambda: (running.poll(), outlets["late"].have_consumers())[1])
        for fmt, outlet in outlets.items():
            n_rows = 2500 if round_ == 7 else int(random.integers(0, 90))  # one pull returns at most 1,024
            stamps = np.sort(pylsl.local_clock() + random.random(n_rows)).tolist()
            if fmt == "string":
                rows: Any = [[f"ü{value}\n", ""] for value in range(n_rows)]
            elif fmt in ("float32", "double64", "late"):
                rows = random.normal(size=(n_rows, 2)).astype("f4" if fmt == "float32" else "f8")
                rows[:1] = np.nan
            else:
                rows = random.integers(-128, 128, (n_rows, 2)).astype(fmt)
            if n_rows:
                outlet.push_chunk(rows, stamps)
            sent[fmt][0].extend(rows)
            sent[fmt][1].extend(stamps)
        time.sleep(0.01)
        running.poll()
    time.sleep(0.3)
    summary = running.stop()
    assert summary["verified"], summary["problems"]
    assert not summary["problems"]
    assert summary["high_water_bytes"] > 0
    assert {row["name"]: (row["samples"], row["lost"]) for row in summary["streams"]} == {
        f"{name}-{fmt}": (len(stamps), 0) for fmt, (_, stamps) in sent.items()
    }
    recorded = by_name(tmp_path / "a.xdf")
    theirs, _ = pyxdf.load_xdf(tmp_path / "a.xdf", synchronize_clocks=False, dejitter_timestamps=False)
    for fmt, (rows, stamps) in sent.items():
        stream = recorded[f"{name}-{fmt}"]
        (other,) = (each for each in theirs if each["info"]["name"] == [f"{name}-{fmt}"])
        assert stream.stamps.tobytes() == np.array(stamps).tobytes(), fmt
        assert np.array_equal(other["time_stamps"], stream.stamps)
        if fmt == "string":
            assert stream.samples == other["time_series"] == rows
        else:
            assert stream.samples.tobytes() == np.array(rows).tobytes() == other["time_series"].tobytes()
        assert len(stream.clock_offsets) >= 1
        assert np.all(np.abs(stream.clock_offsets) < 0.01)
        assert int(other["footer"]["info"]["sample_count"][0]) == len(stamps)


_SENDER = """
import sys, time
from stream.lsl.network import configure
configure()
from stream.lsl.outlet import make_outlet
name, n_channels, rate = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
outlet = make_outlet(name, "Spikes", [f"c{i}" for i in range(n_channels)], rate, role="rig")
outlet.wait_for_consumers(60)
time.sleep(0.3)
for count in range(int(sys.argv[4])):
    outlet.push_sample([float(count)] * n_channels)
    print(count, flush=True)
    time.sleep(0.005)
time.sleep(60)
"""


@pytest.fixture
def sender() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start senders as processes that print the number of each sample they push."""
    started: list[subprocess.Popen[str]] = []

    def start(name: str, n_channels: int, rate_hz: float, count: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-P", "-c", _SENDER, name, str(n_channels), str(rate_hz), str(count)]
        started.append(subprocess.Popen(command, env=child_env(), stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def kill_after(process: subprocess.Popen[str], n_samples: int, poll: Callable[[], Any]) -> None:
    """Kill a sender after it has pushed ``n_samples``."""
    assert process.stdout is not None
    for line in process.stdout:
        poll()
        if int(line) + 1 >= n_samples:
            break
    time.sleep(0.1)
    process.kill()
    process.wait()


def test_expected_streams_are_awaited(recorder: Any, name: str) -> None:
    neural = make_outlet(f"{name}-a", "Label", ("x",), 0, role="rig")
    running = recorder()
    late = make_outlet(f"{name}-late", "Label", ("x",), 0, role="rig")
    awaited: list[dict[str, Any]] = []

    def has_event() -> bool:
        awaited.extend(event for event in running.poll() if event["event"] == "awaited")
        return bool(awaited)

    running.watch_for([f"{name}-a", f"{name}-late"])
    until(has_event)
    assert awaited.pop()["missing"] == []
    assert neural.have_consumers()
    assert late.have_consumers()
    running.watch_for([f"{name}-a", f"{name}-never"], timeout_s=0.3)
    until(has_event)
    assert awaited.pop()["missing"] == [f"{name}-never"]


def test_a_restarted_sender_continues_its_stream_or_a_new_one_if_it_changed(
    recorder: Any, sender: Any, tmp_path: Path, name: str
) -> None:
    first = sender(name, 4, 200, 150)
    running = recorder()
    events: list[dict[str, Any]] = []

    def poll() -> list[str]:
        events.extend(running.poll())
        return [event["event"] for event in events]

    kill_after(first, 150, poll)
    until(lambda: "lost" in poll())
    second = sender(name, 4, 200, 150)
    until(lambda: "back" in poll())
    kill_after(second, 150, poll)
    third = sender(name, 6, 200, 100)
    kill_after_thread = threading.Thread(target=kill_after, args=(third, 100, lambda: None))
    kill_after_thread.start()
    until(lambda: poll().count("recording") == 2)
    kill_after_thread.join()
    summary = running.stop()
    assert summary["verified"], summary["problems"]
    streams = read_xdf(tmp_path / "a.xdf")
    assert [stream.samples.shape for stream in streams] == [(300, 4), (100, 6)]
    counted = np.r_[np.arange(150), np.arange(150)]
    np.testing.assert_array_equal(streams[0].samples[:, 0], counted)
    np.testing.assert_array_equal(streams[1].samples[:, 0], np.arange(100))


def test_a_killed_recorder_leaves_a_readable_file(children: Any, tmp_path: Path, name: str) -> None:
    source = Sender(name)
    path = tmp_path / "a.xdf"
    child = children("record", path, "--stream", name)
    until(lambda: source.outlet.have_consumers())
    begun = source.n_sent
    time.sleep(2.5)
    child.process.kill()
    sent = source.n_sent
    source.stop()
    (stream,) = read_xdf(path)
    counted = stream.samples[:, 0]
    np.testing.assert_array_equal(np.diff(counted), 1)
    assert counted[0] <= begun + 2
    assert sent - counted[-1] < 2 * 200
    (theirs,), _ = pyxdf.load_xdf(path, synchronize_clocks=False, dejitter_timestamps=False)
    assert len(theirs["time_stamps"]) == len(counted)


def test_a_full_disk_exits_with_1_and_leaves_a_readable_file(
    children: Any, tmp_path: Path, name: str
) -> None:
    source = Sender(name, 64)
    path = tmp_path / "a.xdf"

    def small_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    child = children("record", path, "--stream", name, "--seconds", "4", preexec_fn=small_disk)
    try:
        assert child.wait(60) == 1
    finally:
        source.stop()
    output = child.process.stderr.read().decode()
    assert "NOT WRITTEN" in output
    assert "File too large" in output
    assert "Traceback" not in output
    (stream,) = read_xdf(path)
    assert 100 < len(stream.stamps) < 300
    np.testing.assert_array_equal(np.diff(stream.samples[:, 0]), 1)


def test_low_disk_space_and_missing_streams_are_shown(
    recorder: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Sender(name)
    try:
        running = recorder(name, f"{name}-none")
        monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=100_000))
        events: list[dict[str, Any]] = []
        until(lambda: (events.extend(running.poll()), "low_space" in str(events))[1])
        until(lambda: source.n_sent > 100)
        assert 0 < running.seconds_left < 300
        assert sum(event["event"] == "low_space" for event in events) == 1
        console = Console(record=True, width=120, file=io.StringIO())
        console.print(_state_table("a.xdf", running))
        table = console.export_text()
        assert re.search(rf"{name} +Spikes +\d+", table)
        assert re.search(rf"{name}-none +missing", table)
        assert name in _state_line(running)
    finally:
        source.stop()


def run(*arguments: object, expect: int) -> str:
    """Run a command to its end and return its output."""
    command = [sys.executable, "-P", "-m", "neuroreel", *map(str, arguments)]
    done = subprocess.run(command, env=child_env(), capture_output=True, text=True, timeout=60)
    assert done.returncode == expect, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr + done.stdout


def test_invalid_outputs_and_queries_are_refused(tmp_path: Path, name: str) -> None:
    existing = tmp_path / "a.xdf"
    existing.write_bytes(b"mine")
    assert "a.xdf exists" in run("record", existing, "--force", expect=2)
    assert existing.read_bytes() == b"mine"
    assert "does not exist. Create it first" in run("record", tmp_path / "none" / "b.xdf", expect=2)
    assert "does not end in .xdf" in run("record", tmp_path / "b.csv", expect=2)
    assert "cannot be understood" in run("record", tmp_path / "b.xdf", "--stream", "name='", expect=2)
    assert not (tmp_path / "b.xdf").exists()
    if os.geteuid():
        (tmp_path / "locked").mkdir(mode=0o500)
        assert "Permission denied" in run("record", tmp_path / "locked" / "b.xdf", expect=1)


def test_invalid_descriptions_and_two_senders_of_one_name_are_recorded(
    recorder: Any, tmp_path: Path, name: str
) -> None:
    odd = pylsl.StreamInfo(f"{name}-odd", "Test", 2, 0, pylsl.cf_float32, "odd")
    odd.desc().append_child_value("unit", "a\x01b")
    outlets = [
        pylsl.StreamOutlet(odd),
        make_outlet(f"{name}-twice", "Test", ("a",), 0, "int32"),
        make_outlet(f"{name}-twice", "Test", ("a",), 0, "int32"),
    ]
    running = recorder()
    for count, outlet in enumerate(outlets):
        outlet.push_sample([count] * outlet.channel_count)
    time.sleep(0.3)
    assert running.stop()["verified"]
    streams = sorted(read_xdf(tmp_path / "a.xdf"), key=lambda stream: float(stream.samples[0][0]))
    assert [stream.name for stream in streams] == [f"{name}-odd", f"{name}-twice", f"{name}-twice"]
    assert [stream.samples[0].tolist() for stream in streams] == [[0, 0], [1], [2]]


def test_a_description_that_is_not_utf_8_is_recorded_with_a_minimal_header(
    recorder: Any, tmp_path: Path, name: str
) -> None:
    info = pylsl.StreamInfo(name, "Test", 1, 0, pylsl.cf_float32, "odd")
    channel = info.desc().append_child("channels").append_child("channel")
    lib.lsl_append_child_value(channel.e, b"label", b"\xb5V\xff")
    outlet = pylsl.StreamOutlet(info)
    running = recorder()
    outlet.push_sample([1.0])
    time.sleep(0.3)
    summary = running.stop()
    assert summary["verified"], summary["problems"]
    (only,) = read_xdf(tmp_path / "a.xdf")
    assert (only.name, only.samples.tolist()) == (name, [[1.0]])


def test_a_stream_that_fails_while_it_is_recorded_is_a_problem_and_is_connected_again(
    recorder: Any, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outlet = make_outlet(name, "EEG", ("x",), 100.0, role="rig")
    running = recorder()
    (stream,) = running.streams
    link, failed = stream.link, threading.Event()

    def fail() -> int:
        monkeypatch.undo()
        failed.set()
        raise MemoryError("no room")

    monkeypatch.setattr(stream, "pull", fail)
    assert failed.wait(10)
    deadline = time.monotonic() + 60
    while (stream.link is link or not stream.link.is_open) and time.monotonic() < deadline:
        running.poll()
        time.sleep(0.05)
    outlet.push_sample([7.0])
    time.sleep(0.5)
    summary = running.stop()
    (problem,) = summary["problems"]
    assert problem == f"recording '{name}' failed, so samples are missing: MemoryError('no room')"
    assert read_xdf(tmp_path / "a.xdf")[-1].samples.tolist() == [[7.0]]
    output = io.StringIO()
    monkeypatch.setattr("neuroreel.recording.views.live_console", lambda: Console(file=output))
    print_summary(summary)
    assert "verified, all that was received is in the file; but see the problems" in output.getvalue()


@pytest.mark.parametrize("rate_hz", [1e-9, float("nan"), float("inf"), 1e12])
def test_a_neighbours_rate_that_cannot_be_does_not_end_the_recorder(
    recorder: Any, tmp_path: Path, name: str, rate_hz: float
) -> None:
    good = make_outlet(name, "EEG", ("x",), 100.0, role="rig")
    running = recorder()
    info = pylsl.StreamInfo(f"{name}-odd", "EEG", 1, rate_hz, "float32", "odd")
    odd = pylsl.StreamOutlet(info)
    for _ in range(80):  # two attempts
        running.poll()
        time.sleep(0.05)
    for outlet in (good, odd):
        outlet.push_sample([1.0])
    time.sleep(0.5)
    summary = running.stop()
    assert summary["verified"]
    assert {row["name"]: row["samples"] for row in summary["streams"]} == {name: 1}
    # of NaN and others LSL itself makes no stream
    assert len(summary["problems"]) == (rate_hz == 1e-9)
    for problem in summary["problems"]:
        assert problem.startswith(
            f"'{name}-odd' was found but cannot be recorded: it announces a nominal rate of 1e-09 Hz"
        )
    assert {stream.name for stream in read_xdf(tmp_path / "a.xdf")} >= {name}


def test_no_stream_leaves_no_file(tmp_path: Path, name: str) -> None:
    running = Recorder(tmp_path / "a.xdf", [name])
    with pytest.raises(NoStream, match=r"no stream to record appeared within 0\.3 s"):
        running.start(0.3)
    assert not list(tmp_path.iterdir())


def test_the_json_summary_and_the_unmatched_query_are_printed(tmp_path: Path, name: str) -> None:
    source = Sender(name)
    try:
        output = run(
            "record", tmp_path / "a.xdf", "--stream", name, "--stream", f"{name}-none", "--seconds", "2.2",
            "--json", tmp_path / "a.json", expect=0,
        )  # fmt: skip
    finally:
        source.stop()
    summary = json.loads((tmp_path / "a.json").read_text())
    (row,) = summary["streams"]
    assert (row["name"], row["lost"], row["matches"], summary["verified"]) == (name, 0, True, True)
    assert row["samples"] == len(read_xdf(tmp_path / "a.xdf")[0].stamps) > 200
    assert summary["bytes"] == (tmp_path / "a.xdf").stat().st_size
    assert summary["ended"] == "recorded for 2.2 s"
    assert f"{name}-none: missing" in output
    assert "verified, no samples lost" in output
