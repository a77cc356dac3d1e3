"""Live decoding between real processes is tested in tests/live."""

from __future__ import annotations

from pathlib import Path

from tests.neuroreel.commands.runner import run_refused


def test_rolling_refits_exclude_gain_adaptation(files: Path) -> None:
    assert "cannot be combined" in run_refused("live", files / "model.safetensors", "--rolling", "--adapt")


def test_existing_recording_is_kept(files: Path) -> None:
    existing = files / "a.xdf"
    existing.write_bytes(b"mine")
    output = run_refused("live", files / "model.safetensors", "--record", existing, "--force")
    assert "a.xdf exists" in output
    assert existing.read_bytes() == b"mine"


def test_exploring_excludes_a_model_and_refits(files: Path) -> None:
    assert "leave MODEL out" in run_refused("live", files / "model.safetensors", "--explore")
    assert "give a MODEL" in run_refused("live")
    assert "leave out --rolling" in run_refused("live", "--explore", "--rolling")
