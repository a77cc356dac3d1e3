from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path

import numpy as np
import pytest

from stream.io.session_io import load_session, save_session
from stream.io.xdf_writer import XdfWriter, stream_xml
from stream.lsl.network import child_env
from stream.lsl.outlet import make_outlet
from stream.session import Session
from tests.stream.strategies import assert_same

pytestmark = pytest.mark.live


def run(*arguments: str | Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own."""
    command = [sys.executable, "-P", "-m", "neuroreel", *map(str, arguments)]
    result = subprocess.run(command, env=child_env(), capture_output=True, text=True, timeout=60)
    assert result.returncode == expect, result.stderr
    assert "Traceback" not in result.stderr
    return result


def test_convert_there_and_back(tmp_path: Path, small_session: Session) -> None:
    save_session(small_session, tmp_path / "a.xdf")
    run("convert", tmp_path / "a.xdf", tmp_path / "a.npz")
    run("convert", tmp_path / "a.npz", tmp_path / "b.xdf")
    assert_same(load_session(tmp_path / "b.xdf"), small_session)
    before = (tmp_path / "b.xdf").read_bytes()
    result = run("convert", tmp_path / "a.npz", tmp_path / "b.xdf", expect=2)
    assert f"{tmp_path / 'b.xdf'} exists" in result.stderr
    assert (tmp_path / "b.xdf").read_bytes() == before


@pytest.mark.parametrize("command", ["convert", "replay"])
def test_bad_input_ends_with_2_and_a_message(tmp_path: Path, command: str) -> None:
    with XdfWriter(tmp_path / "eye.xdf") as writer:
        writer.header(1, stream_xml("eye", "Gaze", ("x",), 60, "float32"), "float32", 1)
    shapes = {"neural": np.ones((5, 2)), "stamps": np.arange(4.0), "frame": np.zeros(5, int)}
    np.savez(tmp_path / "shapes.npz", **shapes)
    pickled = {"neural": np.array([[None]]), "stamps": np.arange(1.0), "frame": np.zeros(1, int)}
    np.savez(tmp_path / "pickled.npz", **pickled)
    (tmp_path / "text.txt").write_text("hello")
    messages = {
        "none.xdf": "no such recording",
        "eye.xdf": "no neural stream",
        "shapes.npz": "'stamps' has 4 entries, but 'neural' has 5 samples",
        "pickled.npz": "pickled Python objects",
        "text.txt": "no known format",
    }
    for name, message in messages.items():
        more = [tmp_path / "out.npz"] if command == "convert" else []
        assert message in run(command, tmp_path / name, *more, expect=2).stderr


def test_convert_to_nowhere(tmp_path: Path, small_session: Session) -> None:
    save_session(small_session, tmp_path / "a.xdf")
    assert "no folder" in run("convert", tmp_path / "a.xdf", tmp_path / "b" / "a.npz", expect=2).stderr
    assert "no known format" in run("convert", tmp_path / "a.xdf", tmp_path / "a.txt", expect=2).stderr
    assert "only be read" in run("convert", tmp_path / "a.xdf", tmp_path / "a.mat", expect=2).stderr


@pytest.mark.parametrize("speed", ["0", "-1", "nan", "inf", "fast"])
def test_a_speed_that_is_none(tmp_path: Path, small_session: Session, speed: str) -> None:
    save_session(small_session, tmp_path / "a.npz")
    assert "--speed" in run("replay", tmp_path / "a.npz", "--speed", speed, expect=2).stderr


def test_replay_to_nobody(tmp_path: Path, small_session: Session) -> None:
    save_session(small_session, tmp_path / "a.npz")
    result = run("replay", tmp_path / "a.npz", "--speed", "20", "--no-wait")
    assert "80 samples sent, late by" in result.stderr


def test_streams_are_listed_with_their_rates() -> None:
    import threading
    import time

    name = f"list-{uuid.uuid4().hex[:6]}"
    outlet = make_outlet(name, "Spikes", ("a", "b"), 100.0, facts={"mode": "live"}, role="rig")
    waiting = make_outlet(f"{name}-w", "EEG", ("a",), 50.0, facts={"mode": "replay", "waits": 1})
    done = threading.Event()

    def send() -> None:
        while not done.is_set():
            outlet.push_sample([1, 2])
            time.sleep(0.01)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        result = run("streams", "--wait", "0.5", "--json", "-")
        table = run("streams", "--wait", "0.5", "--measure", "0")
    finally:
        done.set()
        thread.join()
    listed = json.loads(result.stdout)
    assert listed["network"] == "loopback"
    rows = {row["name"]: row for row in listed["streams"]}
    row = rows[name]
    assert (row["type"], row["n_channels"], row["nominal_rate_hz"], row["mode"]) == (
        "Spikes",
        2,
        100.0,
        "live",
    )
    assert row["source_id"] == f"neuroreel/{name}/Spikes/rig"
    assert 50 < row["effective_rate_hz"] < 110
    assert rows[f"{name}-w"]["effective_rate_hz"] is None
    assert not waiting.have_consumers()
    assert name in table.stdout


_FIND = """
import sys
from stream.errors import NeuroReelError
from stream.lsl.resolve import find_stream
try:
    find_stream(sys.argv[1], wait_s=float(sys.argv[2]))
except NeuroReelError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def find(query: str, wait_s: float) -> subprocess.CompletedProcess[str]:
    """Look for a stream in another process."""
    command = [sys.executable, "-P", "-c", _FIND, query, str(wait_s)]
    return subprocess.run(command, env=child_env(), capture_output=True, text=True, timeout=60)


def test_no_stream_and_several_streams() -> None:
    name = f"twice-{uuid.uuid4().hex[:6]}"
    outlets = [make_outlet(name, "Spikes", ("a",), 10.0, role=role) for role in ("one", "two")]
    several = find(name, 5)
    assert several.returncode == 2
    assert all(outlet.get_info().source_id() in several.stdout for outlet in outlets)
    none = find("nobody", 0.5)
    assert (none.returncode, "no stream 'nobody'" in none.stdout) == (1, True)
