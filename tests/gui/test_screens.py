"""The window on a real X server (Xvfb), in each of its states, at every size of screen and in both themes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.gui.gallery import STATES

pytestmark = [pytest.mark.gui, pytest.mark.slow, pytest.mark.live]

SMALLEST_TEXT = 0.018
"""Height of the badge's text, relative to the screen's."""

SAYS = {
    "live": ("● live", "LIVE", "LDA 93%, held out in training"),
    "no-stimulus": ("no stimulus · decoded",),
    "unsure": ("unsure · below 50%",),
    "no-evidence": ("no evidence · no channel has a valid value", "now: no evidence"),
    "stale": ("● stale", "not current: 5.6 s old, stale", "last decoded", "last forecast"),
    "clock-jump": ("the clock of V1 jumped by +3.000 s",),
    "simulated": ("SIMULATED · 1×",),
    "model-of-simulated-data": ("REPLAY · 2×", "MODEL OF SIMULATED DATA"),
    "training-data": ("TRAINING DATA: no score",),
    "ambiguous": ("● ambiguous", "2 streams are called V1-prediction", "Watch"),
    "bold": ("decoded 7.5 s ago", "forecast +1 s, 6.5 s ago", "0.4 of 0.4 Hz"),
    "categories": ("another category", "scrambled"),
    "position": ("Position", "cloud: posterior", "bars: 80 % interval of each axis", "off the truth"),
    "movie-with-position": ("Movie and position", "exact", "0.141 off the truth"),
    "eeg": ("EEG", "uV", "1 without a valid value"),
    "explore": ("first 3 principal of 24 dimensions", "without labels: nothing is decoded"),
    "sphere": ("3 dimensions, as they are",),
    "picker": ("● searching", "Streams"),
    "keys": ("maximise the movie panel, or show all panels",),
    "latency": ("Latency from the timestamp, ms",),
}
"""What each state must say."""

SCREENS = {"1280x720": 1, "1920x1080": 1, "3840x2160": 1, "3840x2160 at scale 2": 2}


def find_xvfb() -> str:
    path = shutil.which("Xvfb")
    if path is None:
        pytest.skip("Xvfb is not installed (on Debian or Ubuntu: apt install xvfb)")
    return path


@pytest.fixture(scope="module", params=SCREENS)
def gallery(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """Open the window in every state on a screen of its own; what the run reports, with the screen's name."""
    xvfb, out = find_xvfb(), tmp_path_factory.mktemp("screens")
    size = request.param.partition(" ")[0]
    read, write = os.pipe()
    server = subprocess.Popen(
        [xvfb, "-displayfd", str(write), "-screen", "0", f"{size}x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    try:
        with os.fdopen(read) as answer:
            display = answer.readline().strip()
        if not display:
            pytest.skip("Xvfb does not start here")
        env = {name: value for name, value in os.environ.items() if name != "QT_QPA_PLATFORM"}
        env |= {"DISPLAY": f":{display}", "QT_SCALE_FACTOR": str(SCREENS[request.param])}
        run = subprocess.run(
            [sys.executable, "-m", "tests.gui.gallery", str(out)],
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
        )
        if "Qt cannot open a window" in run.stderr:
            pytest.skip("Qt lacks a system library for X (see 'neuroreel doctor')")
        assert run.returncode == 0, run.stderr[-2_000:]
        yield {**json.loads(run.stdout.splitlines()[-1]), "screen": request.param, "out": out}
    finally:
        server.terminate()
        server.wait()


def test_every_state_is_whole_on_every_screen(gallery: dict[str, Any]) -> None:
    assert gallery["platform"] == "xcb"
    assert len(gallery["states"]) == 2 * len(STATES)
    faults = {name: row["faults"] for name, row in gallery["states"].items() if row["faults"]}
    assert not faults
    assert all(row["text"] >= SMALLEST_TEXT * gallery["height"] for row in gallery["states"].values())
    assert all((gallery["out"] / f"{name}.png").stat().st_size > 5_000 for name in gallery["states"])


def test_every_state_says_what_it_is(gallery: dict[str, Any]) -> None:
    assert SAYS.keys() == STATES.keys()
    for name, row in gallery["states"].items():
        for text in SAYS[name.rpartition("-")[0]]:
            assert text in row["says"], name
    simulated = [name for name, row in gallery["states"].items() if "MODEL OF SIMULATED DATA" in row["says"]]
    assert simulated == ["model-of-simulated-data-dark", "model-of-simulated-data-light"]
