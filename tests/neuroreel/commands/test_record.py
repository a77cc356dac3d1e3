"""Recordings of real streams are tested in tests/live/test_record.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.neuroreel.commands.runner import run_refused


@pytest.mark.parametrize("name", ["a.csv", "a", "a.XDF.npz"])
def test_only_xdf_files_are_written(tmp_path: Path, name: str) -> None:
    assert "does not end in .xdf" in run_refused("record", tmp_path / name, "--network", "loopback")
    assert not list(tmp_path.iterdir())
