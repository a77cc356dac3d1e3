"""A stream that is not found: the message lists those that are there, wrong types, and streams of other sessions."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pylsl
import pytest

from replay_data.bundle import demo_model
from stream.lsl.network import SCOPE_VARIABLE, SESSION_VARIABLE, child_env

pytestmark = pytest.mark.live

RIG = """
import sys, pylsl
outlet = pylsl.StreamOutlet(pylsl.StreamInfo(sys.argv[1], "Spikes", 3, 30, "float32", "rig"))
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def name() -> str:
    """A stream name that no other test uses."""
    return f"hint-{uuid.uuid4().hex[:6]}"


@pytest.fixture
def plain_rig(name: str) -> Iterator[str]:
    """A rig in plain pylsl, in LSL's default session; returns its name."""
    env = {key: value for key, value in os.environ.items() if key not in (SCOPE_VARIABLE, SESSION_VARIABLE)}
    rig = subprocess.Popen(
        [sys.executable, "-P", "-c", RIG, name],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert rig.stdin is not None
    assert rig.stdout is not None
    assert rig.stdout.readline() == b"ready\n"
    yield name
    rig.stdin.close()
    rig.wait(10)
    rig.stdout.close()


def run(*arguments: object, code: int = 1, until: str = "") -> str:
    """Run a command to its end; returns what it prints.

    A command searches for a second, in which a busy computer may answer nobody: it runs again until it prints ``until``.
    """
    command = [sys.executable, "-P", "-m", "neuroreel", *map(str, arguments)]
    deadline = time.monotonic() + 60
    while True:
        done = subprocess.run(command, env=child_env(), capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        output = done.stdout + done.stderr
        if until in output or time.monotonic() > deadline:
            return output


def test_type_in_lower_case_and_missing_name(tmp_path: Path, name: str) -> None:
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "spikes", 3, 30.0, "float32", name))
    output = run("live", demo_model(), "--stream", name, "--wait", 1, until=f"name='{name}'")
    assert f"name='{name}' type='spikes'" in output
    assert f"'{name}' has type 'spikes'; it is decoded as 'Spikes'" in output
    output = run("record", tmp_path / "a.xdf", "--stream", f"{name}-x", "--wait", 1, until=f"name='{name}'")
    assert f"name='{name}' type='spikes'" in output
    output = run("display", "--name", f"{name}-x", "--wait", 1, until=f"name='{name}'")
    assert f"name='{name}' type='spikes'" in output
    del outlet


def test_rig_of_another_session_beside_loopback(plain_rig: str) -> None:
    for arguments, code in (
        (("live", demo_model(), "--stream", plain_rig, "--wait", 1), 1),
        (("streams",), 0),
    ):
        output = " ".join(run(*arguments, code=code, until=plain_rig + "' (type").split())
        assert f"'{plain_rig}' (type 'Spikes')" in output
        assert "it belongs to the LSL session 'default'" in output
        assert "leave out --network loopback or set NEUROREEL_SESSION_ID=default" in output
