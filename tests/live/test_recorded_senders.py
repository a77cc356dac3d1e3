"""Whose samples a recording holds: one sender's in a stream of the file, all of them, and those of no other."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stream.recorder.recorder
import stream.recorder.successors
from neuroreel.bench.process_stats import process_stats
from neuroreel.recording.recorder_process import _queries
from stream.io.xdf_reader import XdfStream, read_xdf
from stream.lsl.outlet import make_outlet
from stream.lsl.resolve import find_stream
from stream.recorder.recorder import Recorder
from tests.live.recorded_sender import values

pytestmark = pytest.mark.live

OTHER_COMPUTER = ("unshare", "--map-root-user", "--uts", "sh", "-c", 'hostname other-pc && exec "$@"', "sh")
"""Runs a command under another host name."""


class Recording:
    """A recorder of one stream name and the events that it reported."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self.recorder = Recorder(path, [name])
        self.recorder.start(20)
        self.events: list[dict[str, Any]] = []

    def wait(self, event: str, count: int = 1) -> dict[str, Any]:
        """Poll until an event was reported so many times, and return it."""
        deadline = time.monotonic() + 60
        while len(found := [one for one in self.events if one["event"] == event]) < count:
            assert time.monotonic() < deadline, (event, self.events)
            self.poll(0.05)
        return found[count - 1]

    def poll(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.events += self.recorder.poll()
            time.sleep(0.02)

    def stop(self) -> list[XdfStream]:
        summary = self.recorder.stop()
        assert summary["verified"], summary["problems"]
        return read_xdf(self.path)


@pytest.fixture
def name() -> str:
    return f"whose-{uuid.uuid4().hex[:6]}"


def assert_contiguous(counts: Any) -> None:
    np.testing.assert_array_equal(np.diff(counts), 1)


def test_a_recording_never_continues_with_the_stream_of_another_session(
    sender: Any, tmp_path: Path, name: str
) -> None:
    ours = sender(name, 1)
    sender(name, 2, session=f"other-{name}")  # same name, type, source id, format
    recording = Recording(tmp_path / "a.xdf", name)
    recording.poll(1.0)
    ours.kill()
    recording.wait("lost")
    recording.poll(3.0)  # LSL's own recovery takes 1.5 s
    sender(name, 1)
    recording.wait("back")
    recording.poll(0.5)
    (only,) = recording.stop()
    assert values(only) == {1.0}
    first, again = (row["samples"] for row in recording.recorder.streams[0].summary()["senders"])
    counts = np.asarray(only.samples)[:, 1]
    assert first + again == len(counts)
    assert_contiguous(counts[:first])
    assert_contiguous(counts[first:])
    assert min(first, again) > 50


@pytest.mark.parametrize("session", ["", "other"])
def test_what_has_arrived_is_recorded_when_the_sender_dies(
    sender: Any, tmp_path: Path, name: str, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with a stream of another session beside it, to which LSL would turn."""
    monkeypatch.setattr(
        stream.recorder.recorder, "_PULL_EVERY_S", 0.4
    )  # so that much is pulled after the death
    burst = 1000
    ours = sender(name, 1, burst=burst)
    if session:
        sender(name, 2, session=f"other-{name}")
    recording = Recording(tmp_path / "a.xdf", name)
    recording.poll(1.0)
    ours.send()
    time.sleep(0.1)
    ours.kill()
    recording.wait("lost")
    recording.poll(2.0)
    (only,) = recording.stop()
    assert np.asarray(only.samples).tolist() == [[1.0, float(burst + index)] for index in range(burst)]


def test_a_second_sender_is_a_new_stream_complete_from_its_beginning(
    sender: Any, tmp_path: Path, name: str
) -> None:
    sender(name, 1)
    recording = Recording(tmp_path / "a.xdf", name)
    recording.poll(0.5)
    sender(name, 2)
    said = recording.wait("new_sender")
    assert said["reason"].startswith(
        f"a second sender of '{name}' is recorded as a new stream of the file: name="
    )
    recording.poll(0.5)
    one, two = recording.stop()
    assert (values(one), values(two)) == ({1.0}, {2.0})
    counts = np.asarray(two.samples)[:, 1]
    assert_contiguous(counts)
    assert counts[0] < 400  # it was opened when it appeared, 4 s before it was known to be a second one


def test_a_sender_that_returns_with_other_channels_or_source_is_a_new_stream(
    sender: Any, tmp_path: Path, name: str
) -> None:
    ours = sender(name, 1)
    recording = Recording(tmp_path / "a.xdf", name)
    recording.poll(0.3)
    ours.kill()
    recording.wait("lost")
    other = sender(name, 2, labels="b,a")
    said = recording.wait("new_sender")["reason"]
    assert said.startswith(
        f"the same sender with other channel labels of '{name}' is recorded as a new stream"
    )
    recording.poll(0.3)
    other.kill()
    recording.wait("lost", 2)
    sender(name, 3, role="spare")
    assert recording.wait("new_sender", 2)["reason"].startswith(f"another sender of '{name}'")
    recording.poll(0.3)
    assert [values(each) for each in recording.stop()] == [{1.0}, {2.0}, {3.0}]


def test_a_sender_on_another_computer_is_a_new_stream(sender: Any, tmp_path: Path, name: str) -> None:
    if shutil.which("unshare") is None or subprocess.run([*OTHER_COMPUTER, "true"], check=False).returncode:
        pytest.skip("another host name is not allowed here")
    ours = sender(name, 1)
    recording = Recording(tmp_path / "a.xdf", name)
    recording.poll(0.3)
    ours.kill()
    recording.wait("lost")
    sender(name, 2, prefix=OTHER_COMPUTER)
    assert "hostname='other-pc'" in recording.wait("new_sender")["reason"]
    recording.poll(0.3)
    one, two = recording.stop()
    assert (values(one), values(two)) == ({1.0}, {2.0})
    assert two.hostname == "other-pc"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")
def test_senders_that_ended_leave_no_threads_and_sockets(
    sender: Any, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LSL would search for the return of each until the end of the recording."""
    monkeypatch.setattr(stream.recorder.successors, "_ENDED_S", 2.5)
    now = sender(name, 0)
    recording = Recording(tmp_path / "a.xdf", name)
    recording.poll(2.0)
    at_first = process_stats(os.getpid())
    for number in range(1, 5):
        now.kill()
        recording.wait("lost", number)
        now = sender(name, number, role=f"other{number}")
        recording.wait("new_sender", number)
        recording.poll(0.5)
    deadline = time.monotonic() + 30
    while (found := process_stats(os.getpid())) and at_first and found.threads > at_first.threads:
        assert time.monotonic() < deadline, (found, at_first)
        recording.poll(0.1)
    recording.poll(2.0)
    found = process_stats(os.getpid())
    assert found is not None
    assert at_first is not None
    assert found.handles < at_first.handles + 10  # a search opens some for a moment, a sender left 15
    now.kill()
    recording.wait("lost", 5)
    sender(name, 0)  # the first one
    recording.wait("back")
    recording.poll(0.5)
    assert [values(each) for each in recording.stop()] == [{float(number)} for number in range(5)]


@pytest.mark.slow
def test_a_sender_that_stands_still_for_long_continues_its_stream(
    sender: Any, tmp_path: Path, name: str
) -> None:
    """After 15 s without data LSL turns to the stream of another session; the own one is connected again later."""
    ours = sender(name, 1)
    sender(name, 2, session=f"other-{name}")
    recording = Recording(tmp_path / "a.xdf", name)
    recording.poll(0.3)
    os.kill(ours.process.pid, signal.SIGSTOP)
    recording.wait("lost")
    recording.poll(31.0)  # LSL looks every 15 s whether there were data in the last 15 s
    os.kill(ours.process.pid, signal.SIGCONT)
    recording.wait("back")
    recording.poll(0.5)
    (only,) = recording.stop()
    assert values(only) == {1.0}
    assert len(recording.recorder.streams[0].summary()["senders"]) == 2


@pytest.mark.parametrize("line_break", ["\n", "\r\n", " \n\t"])
def test_a_name_with_a_line_break_is_found_and_recorded(tmp_path: Path, line_break: str) -> None:
    """LSL sends conditions line by line."""
    word = uuid.uuid4().hex
    name = f"{word}{line_break}x"
    beside = make_outlet(f"{word} x", "Spikes", ("a",), 30.0, role="rig")
    outlet = make_outlet(name, "Spikes", ("a",), 30.0, role="rig")
    label = make_outlet(f"{name}-position", "Label", ("a",), 30.0, role="rig")
    info = find_stream(name, wait_s=30)
    name = name.replace("\r\n", "\n")  # as XML does
    assert info.name() == name
    queries = _queries(info.name(), "Spikes", info.name(), info.hostname())
    recorder = Recorder(tmp_path / "a.xdf", queries, expected=[name, f"{name}-position"])
    recorder.start(30)
    assert {name, f"{name}-position"} <= {stream.name for stream in recorder.streams}
    assert not recorder.unmatched
    recorder.stop()
    assert name in {stream.name for stream in read_xdf(tmp_path / "a.xdf")}
    del beside, outlet, label
