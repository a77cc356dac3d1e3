from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from decoders.model.model import Model
from neuroreel.commands.fit import _warn_of_few_samples
from stream.io.session_io import save_session
from stream.session import Session
from tests.neuroreel.commands.conftest import N_CHANNELS
from tests.neuroreel.commands.runner import run, run_refused


def test_fitted_model_can_be_evaluated(files: Path) -> None:
    model, recording = files / "fitted.safetensors", files / "session.npz"
    result = run("fit", recording, "-o", model, "--train-repeats", "0-3", "--json", "-")
    assert result.exit_code == 0, result.output
    assert run("evaluate", model, recording, "--repeats", "4-5", "--draws", 0).exit_code == 0


def test_existing_output_is_kept(files: Path) -> None:
    existing = files / "existing"
    existing.write_text("precious")
    assert "--force" in run_refused("fit", files / "session.npz", "-o", existing)
    assert existing.read_text() == "precious"


def test_model_that_cannot_be_saved_after_training_is_not_lost(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, rescued = files / "model.safetensors", files / "rescued"
    before = good.read_bytes()
    rescued.mkdir()
    monkeypatch.setattr(tempfile, "mkdtemp", lambda prefix: str(rescued))
    write_bytes = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.parent == files:
            write_bytes(path, data[:100])
            raise OSError(28, "No space left on device")
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    result = run("fit", files / "session.npz", "-o", good, "--force")
    assert result.exit_code == 1
    assert f"cannot write {good}: No space left on device" in result.output
    assert f"The fitted model is saved as {rescued / 'model.safetensors'}." in result.output
    assert good.read_bytes() == before
    assert Model.load(rescued / "model.safetensors")
    assert not list(files.glob(".*"))


@pytest.mark.parametrize(
    "option", [("--train-time", "0.9-0.1"), ("--train-repeats", "x"), ("--mode", "magic")]
)
def test_invalid_option_values(files: Path, option: tuple[str, str]) -> None:
    run_refused("fit", files / "session.npz", "-o", files / "m.safetensors", *option)
    assert not (files / "m.safetensors").exists()


def test_no_output_given(files: Path) -> None:
    assert "-o" in run_refused("fit", files / "session.npz")


def test_recording_without_a_usable_channel(files: Path, session: Session) -> None:
    save_session(replace(session, neural=np.zeros_like(session.neural)), files / "dead.npz")
    output = run_refused("fit", files / "dead.npz", "-o", files / "dead.safetensors")
    assert f"none of the {N_CHANNELS} channels" in output
    assert not (files / "dead.safetensors").exists()


def test_channels_without_numbers_are_excluded_and_listed(files: Path, session: Session) -> None:
    neural = session.neural.copy()
    neural[:, [2, 7]] = np.nan
    save_session(replace(session, neural=neural), files / "nan.npz")
    result = run("fit", files / "nan.npz", "-o", files / "nan.safetensors", "--train-repeats", "0-3")
    assert result.exit_code == 0, result.output
    assert "unit2" in result.output
    assert "unit7" in result.output


def test_fewer_samples_than_frames_are_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    _warn_of_few_samples({"rate_hz": 30.0})
    assert capsys.readouterr().err == ""
    _warn_of_few_samples({"frames_per_sample": 1.935, "unsampled_frames": 0})
    assert "1.94 frames per sample. Frames" in capsys.readouterr().err
    _warn_of_few_samples({"frames_per_sample": 2.0, "unsampled_frames": 75})
    assert "2 frames per sample, and 75 frames were never sampled." in capsys.readouterr().err
