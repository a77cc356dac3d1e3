"""Replays that a consumer receives are tested in tests/live."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.io.session_io import save_session
from stream.replay.faults import CONSTANT_FAULTS, SCHEDULED_FAULTS
from stream.session import Session
from tests.neuroreel.commands.runner import run, run_process, run_refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--faults", "drp@2+1"], "did you mean 'drop'"),
        pytest.param(["--faults", "drop@99+1"], "after the last sample", marks=pytest.mark.live),
        pytest.param(["--faults", "nan@1+1:unit9"], "no channel 'unit9'", marks=pytest.mark.live),
        pytest.param(
            ["--faults", "stall@1+1", "--speed", "max"], "stall cannot be injected", marks=pytest.mark.live
        ),
        (["--faults", "drop@1+1", "--as-events"], "cannot be combined"),
        *((["--speed", speed], f"--speed is '{speed}'") for speed in ("0", "-1", "nan", "inf", "fast")),
        (["--repeats", "3-x"], "0-8"),
    ],
)
def test_invalid_options(tmp_path: Path, small_session: Session, arguments: list[str], message: str) -> None:
    save_session(small_session, tmp_path / "s.npz")
    assert message in run_refused("replay", tmp_path / "s.npz", *arguments)


def test_list_of_faults() -> None:
    result = run("replay", "anything", "--faults", "list")
    assert result.exit_code == 0
    assert all(line in result.output for line in (*SCHEDULED_FAULTS.values(), *CONSTANT_FAULTS.values()))


@pytest.mark.live
def test_replay_without_a_consumer(tmp_path: Path, small_session: Session) -> None:
    save_session(small_session, tmp_path / "a.npz")
    result = run_process("replay", tmp_path / "a.npz", "--speed", "20", "--no-wait")
    assert "80 samples sent, late by" in result.stderr
