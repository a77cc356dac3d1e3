from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from neuroreel.cli import cli
from stream.io.session_io import save_session
from stream.replay.faults import CONSTANT_FAULTS, SCHEDULED_FAULTS
from stream.session import Session


@pytest.mark.live
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--faults", "drp@2+1"], "did you mean 'drop'"),
        (["--faults", "drop@99+1"], "after the last sample"),
        (["--faults", "nan@1+1:unit9"], "no channel 'unit9'"),
        (["--faults", "stall@1+1", "--speed", "max"], "stall cannot be injected"),
        (["--faults", "drop@1+1", "--as-events"], "give one of them"),
    ],
)
def test_faults_that_cannot_be_are_refused(
    tmp_path: Path, small_session: Session, arguments: list[str], said: str
) -> None:
    save_session(small_session, tmp_path / "s.npz")
    result = CliRunner().invoke(cli, ["replay", str(tmp_path / "s.npz"), *arguments])
    assert result.exit_code == 2
    assert said in result.output
    assert "Traceback" not in result.output


def test_every_fault_is_listed() -> None:
    result = CliRunner().invoke(cli, ["replay", "anything", "--faults", "list"])
    assert result.exit_code == 0
    assert all(line in result.output for line in (*SCHEDULED_FAULTS.values(), *CONSTANT_FAULTS.values()))
