from __future__ import annotations

import json
import pickle
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stream.io.session_io import save_session
from stream.session import Session
from tests.neuroreel.commands.conftest import N_CHANNELS
from tests.neuroreel.commands.runner import run, run_refused


def test_scores_and_verdict(files: Path) -> None:
    report = files / "report.json"
    model, recording = files / "model.safetensors", files / "session.npz"
    result = run("evaluate", model, recording, "--repeats", "4-5", "--draws", 0, "--json", report)
    assert result.exit_code == 0, result.output
    assert "verdict" in result.output
    assert json.loads(report.read_text())["with_playback"]["accuracy_exact"] > 0.5


def test_training_data_are_refused_as_test_data(files: Path) -> None:
    model, recording = files / "model.safetensors", files / "session.npz"
    assert "trained on" in run_refused("evaluate", model, recording, "--repeats", "3-5", "--draws", 0)


def test_training_data_are_recognized_under_another_name_and_at_another_time(
    files: Path, session: Session
) -> None:
    part = replace(session.select_repeats([2]), name="other", channel_names=session.channel_names)
    save_session(replace(part, stamps=part.stamps + 1000), files / "renamed.npz")
    output = run_refused("evaluate", files / "model.safetensors", files / "renamed.npz", "--draws", 0)
    assert "trained on" in output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channel_names": tuple(f"cell{i}" for i in range(N_CHANNELS))}, "cell0"),
        ({"rate_hz": 60.0}, "60 Hz"),
    ],
    ids=["channels", "rate"],
)
def test_recording_that_does_not_match_the_model(
    files: Path, session: Session, change: dict[str, object], message: str
) -> None:
    other = session.select_repeats([5])
    if "rate_hz" in change:
        other = replace(other, stamps=other.stamps / 2)
    save_session(replace(other, **change), files / "other.npz")
    output = run_refused("evaluate", files / "model.safetensors", files / "other.npz", "--draws", 0)
    assert message in output


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


@pytest.mark.parametrize("kind", hostile_files())
def test_damaged_or_hostile_model_file(files: Path, kind: str) -> None:
    path = files / "hostile.safetensors"
    path.write_bytes(hostile_files()[kind])
    output = run_refused("evaluate", path, files / "session.npz", "--repeats", "5")
    assert "hostile.safetensors" in output


def test_existing_output_is_kept(files: Path) -> None:
    existing = files / "existing"
    existing.write_text("precious")
    model, recording = files / "model.safetensors", files / "session.npz"
    output = run_refused("evaluate", model, recording, "--repeats", "5", "--json", existing)
    assert "--force" in output
    assert existing.read_text() == "precious"


@pytest.mark.slow
def test_existing_page_is_refused_before_the_work_starts(files: Path) -> None:
    page, recording = files / "page.html", files / "session.npz"
    page.write_text("mine")
    arguments = ("evaluate", recording, "--cv", "repeat", "--draws", 0, "--html", page)
    assert "--force" in run_refused(*arguments)
    assert page.read_text() == "mine"
    result = run(*arguments, "--force")
    assert result.exit_code == 0, result.output
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert "session.npz" in page.read_text()


def test_options_that_exclude_each_other(files: Path) -> None:
    model, recording = files / "model.safetensors", files / "session.npz"
    assert "2 files given" in run_refused("evaluate", model, recording, "--cv", "repeat")
    assert "1 file given" in run_refused("evaluate", recording)
    assert "--rolling" in run_refused("evaluate", recording, "--cv", "repeat", "--rolling", 2)
    assert "--agree-with" in run_refused(
        "evaluate", recording, "--cv", "repeat", "--agree-with", model, recording
    )
    assert "standard output" in run_refused(
        "evaluate", recording, "--cv", "repeat", "--html", "-", "--json", "-"
    )


@pytest.mark.slow
def test_cross_validation_without_controls_has_no_verdict(files: Path) -> None:
    result = run("evaluate", files / "session.npz", "--cv", "repeat", "--draws", 0)
    assert result.exit_code == 0, result.output
    assert "not tested" in result.output


def test_scores_are_printed_even_if_the_file_cannot_be_written(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    arguments = ["--repeats", "4-5", "--draws", 0, "--json", files / "a.json"]
    result = run("evaluate", files / "model.safetensors", files / "session.npz", *arguments)
    assert result.exit_code == 1
    assert "within 1 s" in result.output
    assert "a.json: No space left on device" in result.output
    assert not list(files.glob("a.json"))
