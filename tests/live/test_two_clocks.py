"""Stimulus and neural stream of two computers: time namespaces give each process a clock and a host name of its own."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

import numpy as np
import pytest

from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from tests.live.paced_rig import FAR_AHEAD_S, Rig, exact, notices
from tests.live.test_faults import movie_session

pytestmark = [pytest.mark.live, pytest.mark.slow]


@functools.cache
def namespaces_allowed() -> bool:
    """Whether this process may give another one its own clock and host name."""
    try:
        tried = subprocess.run([*elsewhere(1.0), "true"], capture_output=True, check=False)
    except OSError:
        return False
    return tried.returncode == 0


def elsewhere(clock_s: float | None) -> list[str]:
    """What a command begins with to run on another computer, whose clock is ahead; empty for this one."""
    if clock_s is None:
        return []
    unshare = ["unshare", "--time", "--monotonic", f"{clock_s:g}", "--uts", "--fork", "--kill-child"]
    return [*unshare, "sh", "-c", 'hostname another-pc && exec "$@"', "sh"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clocks")
    fit_model(movie_session(5, seed=1), FitOptions()).save(path / "m.safetensors")
    return path


@pytest.fixture(scope="module")
def on_one_clock(folder: Path) -> float:
    rig = Rig("oneclock")
    try:
        return exact(rig.run(folder))
    finally:
        rig.close()


@pytest.mark.skipif(not namespaces_allowed(), reason="time namespaces are not allowed here")
@pytest.mark.parametrize(("neural_s", "stimulus_s"), [(None, 3000.0), (3000.0, None)])
def test_two_computers_score_as_one(
    folder: Path, on_one_clock: float, neural_s: float | None, stimulus_s: float | None
) -> None:
    rig = Rig(f"two{neural_s is None:d}", neural=elsewhere(neural_s), stimulus=elsewhere(stimulus_s))
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

    rig = Rig("jumps")
    try:
        report = rig.run(folder, disturb)
    finally:
        rig.close()
    assert report["clock_jumps"] == 1
    (jump,) = notices(report, "following_clock_jump")
    assert jump["seconds"] == pytest.approx(20, abs=0.1)
    assert exact(report) > 0.75 * on_one_clock


def test_the_stimulus_of_a_lost_sender_is_unknown(folder: Path) -> None:
    rig = Rig("gone")

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
