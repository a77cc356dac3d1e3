from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from stream.io.session_io import save_session
from stream.session import Session
from tests.neuroreel.commands.runner import run


def test_properties_as_table_and_as_json(files: Path) -> None:
    result = run("convert", files / "session.npz", files / "session.csv")
    assert result.exit_code == 0, result.output
    rows = dict(line.split(maxsplit=1) for line in result.output.splitlines() if " " in line.strip())
    assert rows["repeats"].strip() == "6"
    result = run("convert", files / "session.npz", files / "b.npz", "--json", "-")
    assert json.loads(result.output)["showings"] == 6


def test_truncated_recording_is_read_up_to_the_cut(
    files: Path, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    save_session(session, files / "whole.xdf")
    whole = (files / "whole.xdf").read_bytes()
    (files / "cut.xdf").write_bytes(whole[: len(whole) * 2 // 3])
    result = run("convert", files / "cut.xdf", files / "cut.npz")
    assert result.exit_code == 0, result.output
    assert "cut.xdf" in caplog.text + result.output
    with np.load(files / "cut.npz") as arrays:
        n = len(arrays["stamps"])
        assert 0 < n < session.n_samples
        assert np.array_equal(arrays["neural"], session.neural[:n])
