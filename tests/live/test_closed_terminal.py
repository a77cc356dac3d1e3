"""Decoding and recording continue whatever happens to the terminal that they print to."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from neuroreel.subprocesses import start_child
from stream.io.session_io import save_session
from stream.lsl.network import child_env
from tests.live.test_engine import movie_session

pytestmark = pytest.mark.live

SECONDS = 5.0
Ends = tuple[int, Callable[[subprocess.Popen[bytes]], None]]


@pytest.fixture(scope="module")
def sender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A replay that runs during all tests of this module; returns the folder with a model of its recording."""
    folder = tmp_path_factory.mktemp("sender")
    session = movie_session(6, seed=1)
    fit_model(session, FitOptions()).save(folder / "model.safetensors")
    save_session(session, folder / "session.npz")
    arguments = ["replay", str(folder / "session.npz"), "--loop", "--no-wait"]
    child = start_child(arguments, control=True, stderr=subprocess.DEVNULL)
    yield folder
    child.stop()


def unread_pipe() -> Ends:
    """A pipe that is full and that nobody reads."""
    _, write = os.pipe()
    os.set_blocking(write, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write, bytes(1000))
    os.set_blocking(write, True)
    return write, lambda process: None


def closed_pipe() -> Ends:
    """A pipe whose reader ends, as ``| head -3`` does."""
    read, write = os.pipe()
    return write, lambda process: os.close(read)


def stopped_terminal() -> Ends:
    """A terminal in which the user has pressed Ctrl-S."""
    _, slave = pty.openpty()
    return slave, lambda process: termios.tcflow(slave, termios.TCOOFF)


def closed_terminal() -> Ends:
    """A terminal whose window is closed."""
    master, slave = pty.openpty()

    def close(process: subprocess.Popen[bytes]) -> None:
        os.close(master)
        process.send_signal(signal.SIGHUP)

    return slave, close


@pytest.mark.parametrize("command", ["live", "record"])
@pytest.mark.parametrize("terminal", [unread_pipe, closed_pipe, stopped_terminal, closed_terminal])
def test_terminal_holds_nothing_up(
    sender: Path, tmp_path: Path, command: str, terminal: Callable[[], Ends]
) -> None:
    out, result = tmp_path / "out.xdf", tmp_path / "out.json"
    arguments = {
        "live": ["live", str(sender / "model.safetensors"), "--record", str(out)],
        "record": ["record", str(out)],
    }[command]
    arguments += ["--stream", "V1", "--seconds", str(SECONDS), "--json", str(result)]
    descriptor, disturb = terminal()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "neuroreel", *arguments],
        env=child_env(),
        stdout=descriptor,
        stderr=descriptor,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    begin = time.monotonic()
    while not out.exists() and time.monotonic() < begin + 20:
        time.sleep(0.05)
    time.sleep(1.0)
    disturb(process)
    try:
        assert process.wait(SECONDS + 40) == 0
    finally:
        process.kill()
        os.close(descriptor)
    summary = json.loads(result.read_text())
    recording = summary["recording"] if command == "live" else summary
    assert recording["verified"]
    neural = next(row for row in recording["streams"] if row["name"] == "V1")
    assert neural["samples"] > 0.5 * SECONDS * neural["nominal_rate_hz"]
    if command == "live":
        assert summary["received"] > 0.5 * SECONDS * neural["nominal_rate_hz"]
