"""The main job on the bundled recording, as a newcomer runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from stream.lsl.network import SCOPE_VARIABLE, SESSION_VARIABLE

pytestmark = pytest.mark.live


def run(*arguments: object, cwd: Path) -> dict[str, Any]:
    """Run a command in a process of its own, without the tests' network, and return what it measured."""
    report = cwd / "report.json"
    environment = {
        key: value for key, value in os.environ.items() if key not in (SCOPE_VARIABLE, SESSION_VARIABLE)
    }
    command = [sys.executable, "-P", "-m", "neuroreel", *map(str, arguments), "--json", str(report)]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    result: dict[str, Any] = json.loads(report.read_text())
    return result


def test_demo_decodes_live_and_leaves_a_picture_of_the_window(tmp_path: Path) -> None:
    result = run("demo", "--headless", "--seconds", "15", "--screenshot", "window.png", cwd=tmp_path)
    assert result["display"]["dropped"] == 0
    assert result["display"]["received"] > 200
    assert result["live"]["gaps"] == 0
    assert result["live"]["score"]["with_playback"]["accuracy_within_1s"] > 0.95
    assert result["live"]["score"]["without_playback"]["accuracy_within_1s"] > 0.8
    assert (
        abs(
            result["display"]["accuracy_within_1s"]
            - result["live"]["score"]["with_playback"]["accuracy_within_1s"]
        )
        < 0.05
    )
    picture = imread(tmp_path / "window.png")[..., :3]
    assert picture.shape[0] > 600
    rows, columns = (np.array_split(np.arange(size), 6) for size in picture.shape[:2])
    spread = [picture[np.ix_(row, column)].std() for row in rows[1:] for column in columns]
    assert min(spread) > 0.01  # something is drawn in every part of the window


def test_latency_is_measured_beside_its_floor(tmp_path: Path) -> None:
    measure = ("bench", "latency", "--seconds", "3", "--grid", "120x60,40x30", "--budget-ms", "1e6")
    result = run(*measure, "--plot", str(tmp_path / "latency.png"), cwd=tmp_path)
    assert [(cell["channels"], cell["sent"]) for cell in result["cells"]] == [(120, 180), (40, 90)]
    for cell in result["cells"]:
        assert not any(cell["lost"].values())
        stages = [cell["stages_ms"][name]["p50"] for name in ("arrived", "decoded", "published")]
        assert cell["floor_ms"]["p50"] > 0
        assert 0 < stages[0] < stages[1] < stages[2]
        assert cell["stages_ms"]["received"]["p50"] > stages[1]
        assert cell["window"]["dropped"] == 0
    assert (tmp_path / "latency.png").stat().st_size > 5_000
