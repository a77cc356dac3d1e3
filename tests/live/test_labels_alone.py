"""A recording with labels alone, from its files to the window: fit, evaluate, replay, engine and window as processes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from decoders.model.model import Model
from neuroreel.subprocesses import start_child
from stream.io.session_io import load_session
from stream.session import Session
from tests.decoders.test_labels_alone import walk

pytestmark = pytest.mark.live

SPEED = "4"


def write(session: Session, path: Path) -> Path:
    """Write the recording as somebody would who has no frames."""
    arrays = {f"label_{name}": label for name, label in session.labels.items()}
    np.savez(path, neural=session.neural, stamps=session.stamps, kind="spikes", rate_hz=20.0, **arrays)
    return path


def finished(*arguments: str) -> None:
    child = start_child(list(arguments))
    assert child.wait(300) == 0


def test_from_the_files_to_the_window(tmp_path: Path) -> None:
    session = walk()
    train = write(session.select_time(0, 0.75), tmp_path / "train.npz")
    test = write(session.select_time(0.75, 1), tmp_path / "test.npz")
    fitted, scores, live, shown = (
        tmp_path / name for name in ("m.safetensors", "e.json", "l.json", "d.json")
    )
    finished("fit", str(train), "-o", str(fitted), "--context-s", "0.5")
    finished("evaluate", str(fitted), str(test), "--draws", "0", "--json", str(scores))
    offline = json.loads(scores.read_text())
    name = f"square-{tmp_path.name[-6:]}"
    replay = start_child(["replay", str(test), "--name", name, "--speed", SPEED], control=True)
    engine = start_child(
        [
            "live",
            str(fitted),
            "--stream",
            name,
            "--await-consumer",
            "60",
            "--lag-budget-s",
            "0",
            "--json",
            str(live),
        ],
        control=True,
    )
    picture = tmp_path / "window.png"
    window = start_child(
        ["display", "--name", name, "--wait", "60", "--screenshot", str(picture), "--json", str(shown)]
    )
    try:
        assert engine.wait(180) == 0
        assert window.wait(60) == 0
    finally:
        for child in (window, engine, replay):
            child.stop()
    model, recorded = Model.load(fitted), load_session(test)
    predictions = model.predict(recorded, forecasts=False)
    exact = np.mean(model.states.of_session(recorded) == model.states.states(predictions.frame))
    report, display = json.loads(live.read_text()), json.loads(shown.read_text())
    assert report["received"] == recorded.n_samples
    assert report["score"]["moments"] >= recorded.n_samples - 2  # after the last label nothing is known
    assert report["score"]["with_playback"]["accuracy_exact"] == pytest.approx(exact, abs=0.005)
    for label in ("position", "quarter"):
        before = offline["continuous"][label]["median_error"]
        assert report["labels"][label]["median_error"] == pytest.approx(before, abs=0.02)
    assert display["scored"] > 0.5 * recorded.n_samples
    assert display["accuracy_within_1s"] == pytest.approx(exact, abs=0.1)
    assert picture.stat().st_size > 10_000
