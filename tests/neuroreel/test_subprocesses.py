from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from neuroreel.subprocesses import Child, start_child
from stream.io.session_io import save_session
from stream.session import Session

pytestmark = pytest.mark.live


@pytest.fixture
def waiting(tmp_path: Path, small_session: Session) -> list[str]:
    """Arguments of a replay that waits for a consumer that never connects."""
    save_session(small_session, tmp_path / "a.npz")
    return ["replay", str(tmp_path / "a.npz"), "--name", "no-consumer"]


def _wait_started(child: Child) -> None:
    """Wait until the replay prints that it is waiting."""
    assert child.process.stderr is not None
    assert b"waiting" in child.process.stderr.readline()


def test_child_stops_on_command(waiting: list[str]) -> None:
    child = start_child(waiting, control=True, stderr=subprocess.PIPE)
    _wait_started(child)
    assert child.running
    assert "RUNNING" in repr(child)
    assert child.wait(0.1) is None
    assert child.stop(timeout_s=60) == 0  # not killed
    assert not child.send("pause")
    assert "ENDED 0" in repr(child)
    child.process.stderr.close()  # type: ignore[union-attr]


def test_child_without_control_is_terminated(waiting: list[str]) -> None:
    child = start_child(waiting, stderr=subprocess.PIPE)
    _wait_started(child)
    assert not child.send("stop")
    assert child.stop() == 0
    child.process.stderr.close()  # type: ignore[union-attr]


def test_child_that_hangs_is_killed(waiting: list[str]) -> None:
    import signal

    child = start_child(waiting, control=True, stderr=subprocess.PIPE)
    _wait_started(child)
    child.process.send_signal(signal.SIGSTOP)
    assert child.stop(timeout_s=0.2) == -signal.SIGKILL
    child.process.stderr.close()  # type: ignore[union-attr]


def test_child_ends_when_its_input_is_closed(waiting: list[str]) -> None:
    child = start_child(waiting, control=True, stderr=subprocess.PIPE)
    _wait_started(child)
    assert child.process.stdin is not None
    child.process.stdin.close()
    assert child.wait(60) == 0
    child.process.stderr.close()  # type: ignore[union-attr]
