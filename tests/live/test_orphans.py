"""A recorder whose parent has died ends with the neural stream, also with one that was never found or opened."""

from __future__ import annotations

import subprocess
import time
import uuid
from pathlib import Path

import numpy as np
import pylsl
import pytest

from neuroreel.subprocesses import Child, start_child
from stream.control import ControlReader
from stream.io.xdf_reader import read_xdf
from stream.lsl.outlet import make_outlet

pytestmark = pytest.mark.live

LIMIT_S = 25.0


@pytest.fixture
def name() -> str:
    """A stream name that no other test uses."""
    return f"orphan-{uuid.uuid4().hex[:6]}"


def start_recorder(path: Path, name: str, *arguments: str) -> Child:
    """Start a recorder as the engine does, and wait until it is ready."""
    query = ["--stream", f"starts-with(name,'{name}')"]
    child = start_child(
        ["record", str(path), "--wait", "10", *query, *arguments],
        control=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert child.process.stdout is not None
    reports = ControlReader(child.process.stdout.fileno())
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        report = reports.poll(0.1)
        if report is not None and report["do"] == "ready":
            return child
    raise AssertionError("the recorder is not ready")


def die(child: Child) -> float:
    """Let the child see its parent's death; returns the seconds until it ends."""
    assert child.process.stdin is not None
    assert child.process.stdout is not None
    child.process.stdin.close()
    begin = time.monotonic()
    try:
        assert child.wait(LIMIT_S) is not None, "the recorder never ends"
        return time.monotonic() - begin
    finally:
        child.process.kill()
        child.process.wait()
        child.process.stdout.close()


def test_neural_stream_that_was_never_found(tmp_path: Path, name: str) -> None:
    side = make_outlet(f"{name}-stimulus", "Stimulus", ["frame", "repeat"], 0, "int32")
    die(start_recorder(tmp_path / "a.xdf", name, "--until-gone", name))
    del side


def test_neural_stream_that_ended_before_it_was_opened(tmp_path: Path, name: str) -> None:
    neural = [make_outlet(name, "Spikes", ["a"], 100.0)]
    child = start_recorder(tmp_path / "a.xdf", name, "--until-gone", name)
    neural.clear()
    die(child)


def test_no_neural_stream_to_wait_for(tmp_path: Path, name: str) -> None:
    outlet = make_outlet(name, "Spikes", ["a"], 100.0)
    assert die(start_recorder(tmp_path / "a.xdf", name)) < 10.0
    del outlet


def test_neural_stream_that_is_there_is_recorded_to_its_end(tmp_path: Path, name: str) -> None:
    neural = [make_outlet(name, "Spikes", ["a"], 100.0)]
    child = start_recorder(tmp_path / "a.xdf", name, "--until-gone", name)
    assert child.process.stdin is not None
    child.process.stdin.close()
    assert neural[0].wait_for_consumers(10.0)
    begin, sent = pylsl.local_clock(), 0
    while sent < 700:
        time.sleep(0.01)
        while sent < (pylsl.local_clock() - begin) * 100:
            neural[0].push_sample(np.full(1, sent, np.float32))
            sent += 1
    assert child.running
    time.sleep(0.5)
    neural.clear()
    die(child)
    (stream,) = read_xdf(tmp_path / "a.xdf")
    assert stream.samples[:, 0].tolist() == list(range(len(stream.samples)))
    assert len(stream.samples) >= 700
