"""The example scripts run as a newcomer runs them, by path, and end by themselves."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import neuroreel
from stream.lsl.event_inlet import EventInlet
from stream.lsl.network import child_env, configuration, configure

FOLDER = Path(__file__).resolve().parents[2] / "examples"


def start(name: str, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(FOLDER / name), *arguments]
    environment = child_env() | {"PYTHONPATH": str(FOLDER.parent)} | variables
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def output(name: str, *arguments: str) -> str:
    with start(name, *arguments) as script:
        text, _ = script.communicate(timeout=120)
    assert script.returncode == 0
    return text


def test_every_example_is_short_and_says_how_to_run_it() -> None:
    scripts = sorted(FOLDER.glob("*.py"))
    assert len(scripts) == 5
    for script in scripts:
        text = script.read_text()
        assert len(text.splitlines()) <= 60, script.name
        assert f"python examples/{script.name}" in (ast.get_docstring(ast.parse(text)) or "")


@pytest.mark.live
def test_decode_file() -> None:
    text = output("decode_file.py", "--repeats", "10")
    assert "repeat 10: 900 samples, within 1 s in 100.0%" in text


@pytest.mark.slow
@pytest.mark.live
def test_fit_and_evaluate_prints_the_score_beside_baselines_and_chance() -> None:
    text = output("fit_and_evaluate.py")
    rows = {line[:24].strip(): line[24:].split() for line in text.splitlines()[2:-1]}
    assert {"model", "lda", "naive_bayes", "knn", "chance (labels shifted)"} <= set(rows)
    assert float(rows["model"][0]) > 0.8 > 0.3 > float(rows["chance (labels shifted)"][0])
    assert "verdict: above chance" in text


@pytest.mark.live
def test_plot_embedding(tmp_path: Path) -> None:
    output("plot_embedding.py", "--output", str(tmp_path / "plot.png"))
    from matplotlib import image

    pixels = image.imread(tmp_path / "plot.png")
    assert pixels.shape[:2] == (400, 900)
    assert np.std(pixels[..., :3]) > 0.1


@pytest.mark.live
def test_closed_loop_sends_a_marker_when_the_scene_begins() -> None:
    with start("closed_loop.py", "--seconds", "6") as script:
        try:
            markers = EventInlet(neuroreel.find_stream("scene", types=("Markers",), wait_s=30))
            markers.open()
            received = []
            while script.poll() is None and not received:
                received = markers.pull(0.2)[0]
            markers.close()
            text, _ = script.communicate(timeout=60)
        finally:
            script.kill()
    assert script.returncode == 0
    assert "marker" in text
    assert received == ["scene begins"]


@pytest.mark.live
def test_send_to_lsl_sends_a_stream_that_an_engine_can_decode(tmp_path: Path) -> None:
    settings = tmp_path / "lsl_api.cfg"  # the script uses pylsl alone; LSL's own file keeps it on loopback
    settings.write_text(configuration(configure()))
    with start("send_to_lsl.py", "--seconds", "6", LSLAPICFG=str(settings)) as script:
        try:
            inlet = neuroreel.Inlet(neuroreel.find_stream("V1", types=("Spikes",), wait_s=30))
            inlet.open()
            chunk = None
            while script.poll() is None and chunk is None:
                chunk = inlet.pull(0.2)
            inlet.close()
            script.communicate(timeout=60)
        finally:
            script.kill()
    assert script.returncode == 0
    assert chunk is not None
    assert chunk.samples.shape[1] == 120
    assert inlet.channel_labels[:2] == ("unit-000", "unit-001")
