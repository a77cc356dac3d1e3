from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from neuroreel.cli import cli
from stream.io.session_io import save_session
from tests.decoders.conftest import watched_session


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "watched.npz"
    save_session(watched_session(n_repeats=4), path)
    return path


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    return done.exit_code, done.output


def test_fit_then_evaluate(recording: Path, tmp_path: Path) -> None:
    model, report = tmp_path / "model.safetensors", tmp_path / "report.json"
    code, text = run("fit", recording, "-o", model, "--train-repeats", "0-2", "--json", "-")
    assert code == 0, text
    code, text = run("evaluate", model, recording, "--repeats", 3, "--json", report)
    assert code == 0, text
    assert "verdict" in text
    assert json.loads(report.read_text())["with_playback"]["accuracy_exact"] > 0.5

    code, text = run("evaluate", model, recording, "--repeats", "2-3")
    assert code == 2
    assert "trained on" in text
    code, text = run("fit", recording, "-o", model)
    assert code == 2
    assert "--force" in text
    model.write_bytes(b"nonsense")
    assert run("evaluate", model, recording)[0] == 2


@pytest.mark.slow
def test_cross_validation_wants_one_file(recording: Path) -> None:
    assert run("evaluate", recording, recording, "--cv", "repeat")[0] == 2
    assert run("evaluate", recording)[0] == 2
    code, text = run("evaluate", recording, "--cv", "repeat", "--draws", 0)
    assert code == 0, text
    assert "not tested" in text


@pytest.mark.parametrize(
    "option", [("--train-time", "0.9-0.1"), ("--train-repeats", "x"), ("--mode", "magic")]
)
def test_values_that_cannot_be(recording: Path, tmp_path: Path, option: tuple[str, str]) -> None:
    code, text = run("fit", recording, "-o", tmp_path / "m.safetensors", *option)
    assert code == 2
    assert "Traceback" not in text


def test_another_movie_is_noticed(recording: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    assert run("fit", recording, "-o", model, "--train-repeats", "0-2")[0] == 0
    other = watched_session(8, n_repeats=1)
    save_session(replace(other, channel_names=tuple(f"x{i}" for i in range(20))), tmp_path / "other.npz")
    code, text = run("evaluate", model, tmp_path / "other.npz")
    assert code == 2
    assert "channel 0" in text


@pytest.mark.slow
def test_the_page_is_refused_before_the_work_begins(recording: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("mine")
    code, text = run("evaluate", recording, "--cv", "repeat", "--draws", 0, "--html", page)
    assert code == 2
    assert "--force" in text
    assert page.read_text() == "mine"
    code, text = run("evaluate", recording, "--cv", "repeat", "--draws", 0, "--html", page, "--force")
    assert code == 0, text
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert "watched.npz" in page.read_text()
    assert run("evaluate", recording, "--cv", "repeat", "--html", "-", "--json", "-")[0] == 2
