"""Stimulus and neural stream of two computers: time namespaces give each process a clock and a host name of its own."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from neuroreel.subprocesses import start_child
from stream.lsl.event_inlet import EventInlet
from stream.lsl.network import child_env
from stream.lsl.resolve import find_stream
from tests.live.test_faults import N_CHANNELS, RATE_HZ, movie_session

pytestmark = [pytest.mark.live, pytest.mark.slow]

SENDER = Path(__file__).parent / "paced_sender.py"
SECONDS = 9.0
FAR_AHEAD_S = 1e6


@functools.cache
def namespaces_allowed() -> bool:
    """Whether this process may give another one its own clock and host name."""
    try:
        tried = subprocess.run(elsewhere(["true"], 1.0), capture_output=True, check=False)
    except OSError:
        return False
    return tried.returncode == 0


def elsewhere(command: list[str], clock_s: float) -> list[str]:
    """The command on another computer, whose clock is ahead."""
    unshare = ["unshare", "--time", "--monotonic", f"{clock_s:g}", "--uts", "--fork", "--kill-child"]
    return [*unshare, "sh", "-c", 'hostname another-pc && exec "$@"', "sh", *command]


class Rig:
    """A neural stream and a stimulus stream, sent in step, and an engine."""

    def __init__(self, name: str, neural_clock_s: float | None, stimulus_clock_s: float | None) -> None:
        units = ",".join(f"unit{i}" for i in range(N_CHANNELS))
        self.name = name
        self.neural = self._start(name, "Spikes", units, RATE_HZ, clock_s=neural_clock_s)
        self.stimulus = self._start(
            f"{name}-stimulus", "Stimulus", "frame,repeat", 0, clock_s=stimulus_clock_s
        )
        self.ahead = {"neural": 0.0, "stimulus": 0.0}

    @staticmethod
    def _start(*arguments: object, clock_s: float | None) -> subprocess.Popen[str]:
        command = [sys.executable, str(SENDER), *map(str, arguments)]
        if clock_s is not None:
            command = elsewhere(command, clock_s)
        pipe = subprocess.PIPE
        started = subprocess.Popen(command, env=child_env(), stdin=pipe, stdout=pipe, text=True)
        assert started.stdout is not None
        assert started.stdout.readline() == "ready\n"
        return started

    @staticmethod
    def _tell(sender: subprocess.Popen[str], *values: Any) -> None:
        assert sender.stdin is not None
        sender.stdin.write(json.dumps(values) + "\n")
        sender.stdin.flush()

    def run(self, folder: Path, each: Callable[[Rig, int], None] = lambda *_: None) -> dict[str, Any]:
        """Send a session while an engine decodes; returns its summary and notices."""
        report = folder / f"{self.name}.json"
        engine = start_child(
            ["live", str(folder / "m.safetensors"), "--stream", self.name, "--json", str(report)],
            control=True,
        )
        status = EventInlet(find_stream(f"{self.name}-status", wait_s=30))
        status.open()
        events: list[dict[str, Any]] = []
        while not any(event.get("stream") == f"{self.name}-stimulus" for event in events):
            events += map(json.loads, status.pull(0.1)[0])
        session = movie_session(5, seed=2)
        begun = time.monotonic() + 0.5
        for i in range(min(session.n_samples, round(SECONDS * RATE_HZ))):
            each(self, i)
            time.sleep(max(0.0, begun + i / RATE_HZ - time.monotonic()))
            shown = session.frame[i], session.repeat[i]
            if i == 0 or shown != (session.frame[i - 1], session.repeat[i - 1]):
                self._tell(self.stimulus, self.ahead["stimulus"], *map(int, shown))
            time.sleep(max(0.0, begun + (i + 0.95) / RATE_HZ - time.monotonic()))
            self._tell(self.neural, self.ahead["neural"], *map(float, session.neural[i]))
            if self.ahead["stimulus"] == FAR_AHEAD_S:
                self.ahead["stimulus"] = self.ahead["neural"]  # one frame only
        time.sleep(1.0)
        events += map(json.loads, status.pull(0.1)[0])
        engine.stop()
        status.close()
        summary: dict[str, Any] = json.loads(report.read_text())
        return summary | {"notices": events}

    def close(self) -> None:
        for sender in (self.neural, self.stimulus):
            sender.kill()
            sender.communicate()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clocks")
    fit_model(movie_session(5, seed=1), FitOptions()).save(path / "m.safetensors")
    return path


def exact(report: dict[str, Any]) -> float:
    """Share of samples whose frame was decoded exactly."""
    assert report["score"] is not None
    assert report["score"]["moments"] > 0.6 * report["received"] * 60 / 75
    return float(report["score"]["without_playback"]["accuracy_exact"])


def notices(report: dict[str, Any], event: str) -> list[dict[str, Any]]:
    return [notice for notice in report["notices"] if notice["event"] == event]


@pytest.fixture(scope="module")
def on_one_clock(folder: Path) -> float:
    rig = Rig("oneclock", None, None)
    try:
        return exact(rig.run(folder))
    finally:
        rig.close()


@pytest.mark.skipif(not namespaces_allowed(), reason="time namespaces are not allowed here")
@pytest.mark.parametrize(("neural_s", "stimulus_s"), [(None, 3000.0), (3000.0, None)])
def test_two_computers_score_as_one(
    folder: Path, on_one_clock: float, neural_s: float | None, stimulus_s: float | None
) -> None:
    rig = Rig(f"two{neural_s is None:d}", neural_s, stimulus_s)
    try:
        report = rig.run(folder)
    finally:
        rig.close()
    assert on_one_clock > 0.3
    assert exact(report) > 0.8 * on_one_clock
    assert not report["clock_jumps"]
    following = notices(report, "following")[-1]  # again, if a busy computer lost the stimulus for a moment
    if stimulus_s is not None:
        assert following["offset_ms"] == pytest.approx(-3e6, abs=100)
        assert following["uncertainty_ms"] < 100


def test_jumps_of_one_clock_or_of_the_stimulus_alone_are_followed(folder: Path, on_one_clock: float) -> None:
    def disturb(rig: Rig, sample: int) -> None:
        if sample == 60:
            rig.ahead = {"neural": 15.0, "stimulus": 15.0}  # the clock of both
        if sample == 130:
            rig.ahead["stimulus"] = FAR_AHEAD_S
        if sample == 180:
            rig.ahead["stimulus"] = 35.0

    rig = Rig("jumps", None, None)
    try:
        report = rig.run(folder, disturb)
    finally:
        rig.close()
    assert report["clock_jumps"] == 1
    (jump,) = notices(report, "following_clock_jump")
    assert jump["seconds"] == pytest.approx(20, abs=0.1)
    assert exact(report) > 0.75 * on_one_clock


def test_the_stimulus_of_a_lost_sender_is_unknown(folder: Path) -> None:
    rig = Rig("gone", None, None)

    def kill(rig: Rig, sample: int) -> None:
        if sample == 60:
            rig.stimulus.kill()
            rig._tell = lambda sender, *values: None if sender is rig.stimulus else Rig._tell(sender, *values)  # type: ignore[method-assign]

    try:
        report = rig.run(folder, kill)
    finally:
        rig.close()
    assert notices(report, "following_lost")
    assert 20 < report["score"]["moments"] < 100
    assert np.isfinite(report["score"]["without_playback"]["accuracy_exact"])
