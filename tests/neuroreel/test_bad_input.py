"""What a user gets wrong with models and recordings: a clear message, exit code 2, nothing written."""

from __future__ import annotations

import json
import pickle
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.model.model import Model
from neuroreel.cli import cli
from stream.io.session_io import save_session
from stream.movie import Clip, Movie
from stream.session import Kind, Session, segments_from_stamps

N_REPEATS, N_FRAMES, N_CHANNELS, RATE_HZ = 6, 30, 12, 30.0


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert "Traceback" not in result.output
    return result


@pytest.fixture(scope="module")
def session() -> Session:
    random = np.random.default_rng(3)
    tuning = random.gamma(0.5, 2.0, (N_FRAMES + 1, N_CHANNELS)) + 0.05
    frame = np.tile(np.r_[np.full(15, -1), np.arange(N_FRAMES)], N_REPEATS).astype(np.int32)
    stamps = np.arange(len(frame)) / RATE_HZ
    return Session(
        neural=random.poisson(tuning[frame]).astype(np.float32),
        stamps=stamps,
        frame=frame,
        repeat=np.where(frame >= 0, np.arange(len(frame)) // (N_FRAMES + 15), -1).astype(np.int32),
        segment=segments_from_stamps(stamps, RATE_HZ),
        channel_names=tuple(f"unit{i}" for i in range(N_CHANNELS)),
        kind=Kind.SPIKES,
        rate_hz=RATE_HZ,
        movie=Movie((Clip("clip", 0, N_FRAMES, RATE_HZ),)),
        name="V1",
    )


@pytest.fixture(scope="module")
def model(session: Session) -> Model:
    return fit_model(session, FitOptions(train_repeats=(0, 1, 2, 3)))


@pytest.fixture
def files(session: Session, model: Model, tmp_path: Path) -> Path:
    save_session(session, tmp_path / "session.npz")
    model.save(tmp_path / "model.safetensors")
    return tmp_path


def test_trained_on_test_data_is_refused(files: Path) -> None:
    result = run(
        "evaluate", files / "model.safetensors", files / "session.npz", "--repeats", "3-5", "--draws", "0"
    )
    assert result.exit_code == 2
    assert "trained" in result.output
    result = run(
        "evaluate", files / "model.safetensors", files / "session.npz", "--repeats", "4-5", "--draws", "0"
    )
    assert result.exit_code == 0, result.output


def test_trained_data_are_known_under_another_name_and_cut(files: Path, session: Session) -> None:
    part = replace(session.select_repeats([2]), name="other", channel_names=session.channel_names)
    save_session(replace(part, stamps=part.stamps + 1000), files / "renamed.npz")
    result = run("evaluate", files / "model.safetensors", files / "renamed.npz", "--draws", "0")
    assert result.exit_code == 2
    assert "trained" in result.output


def test_no_valid_channel(files: Path, session: Session) -> None:
    save_session(replace(session, neural=np.zeros_like(session.neural)), files / "dead.npz")
    result = run("fit", files / "dead.npz", "-o", files / "dead.safetensors")
    assert result.exit_code == 2
    assert f"none of the {N_CHANNELS} channels" in result.output
    assert not (files / "dead.safetensors").exists()


def test_nan_channels_are_masked_with_a_warning(files: Path, session: Session) -> None:
    neural = session.neural.copy()
    neural[:, [2, 7]] = np.nan
    save_session(replace(session, neural=neural), files / "nan.npz")
    result = run("fit", files / "nan.npz", "-o", files / "nan.safetensors", "--train-repeats", "0-3")
    assert result.exit_code == 0, result.output
    assert "unit2" in result.output
    assert "unit7" in result.output


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"channel_names": tuple(f"cell{i}" for i in range(N_CHANNELS))}, "cell0"),
        ({"rate_hz": 60.0}, "60 Hz"),
    ],
    ids=["channels", "rate"],
)
def test_a_model_for_other_data(files: Path, session: Session, change: dict[str, object], said: str) -> None:
    other = session.select_repeats([5])
    if "rate_hz" in change:
        other = replace(other, stamps=other.stamps / 2)
    save_session(replace(other, **change), files / "other.npz")
    result = run("evaluate", files / "model.safetensors", files / "other.npz", "--draws", "0")
    assert result.exit_code == 2
    assert said in result.output


def hostile_files() -> dict[str, bytes]:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (pytest.fail, ("code in a model file was run",))

    header = json.dumps({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}).encode()
    return {
        "empty": b"",
        "pickle": pickle.dumps(Bomb()),
        "noise": np.random.default_rng(0).bytes(4096),
        "huge header": struct.pack("<Q", 1 << 62) + b"{}",
        "huge tensor": struct.pack("<Q", len(header)) + header,
    }


@pytest.mark.parametrize("which", hostile_files())
def test_hostile_models(files: Path, which: str) -> None:
    path = files / "hostile.safetensors"
    path.write_bytes(hostile_files()[which])
    result = run("evaluate", path, files / "session.npz", "--repeats", "5")
    assert result.exit_code == 2
    assert "hostile.safetensors" in result.output


@pytest.mark.parametrize("command", ["fit", "evaluate"])
def test_an_output_that_exists_is_left_alone(files: Path, command: str) -> None:
    existing = files / "existing"
    existing.write_text("precious")
    model, recording = files / "model.safetensors", files / "session.npz"
    arguments = {
        "fit": ("fit", recording, "-o", existing),
        "evaluate": ("evaluate", model, recording, "--repeats", "5", "--json", existing),
    }[command]
    result = run(*arguments)
    assert result.exit_code == 2
    assert "--force" in result.output
    assert existing.read_text() == "precious"


def test_a_truncated_recording_is_read_to_the_cut(
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
