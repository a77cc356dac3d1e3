"""Two computers on one network: stimulus and neural stream on different ones, and two rigs of one name."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from stream.io.xdf_reader import XdfStream, read_xdf
from stream.lsl.network import child_env
from tests.live.computers import HOSTS, TwoComputers, why_not
from tests.live.paced_rig import Rig, exact, notices
from tests.live.recorded_sender import values
from tests.live.test_faults import movie_session

pytestmark = [
    pytest.mark.live,
    pytest.mark.slow,
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
]

APART_S = 3000.0
A, B = HOSTS


@pytest.fixture(scope="module")
def computers() -> Iterator[TwoComputers]:
    with TwoComputers(0.0, APART_S) as two:
        yield two


@pytest.fixture
def session() -> str:
    return f"lab-{uuid.uuid4().hex[:8]}"


def score(folder: Path, **where: Any) -> tuple[float, dict[str, Any]]:
    """Share of frames decoded exactly with the parts of a rig on these computers, and the engine's report."""
    rig = Rig(f"rig{uuid.uuid4().hex[:6]}", **where)
    try:
        report = rig.run(folder)
    finally:
        rig.close()
    return exact(report), report


def test_stimulus_and_neural_stream_on_two_computers_score_as_on_one(
    computers: TwoComputers, session: str, tmp_path: Path
) -> None:
    fit_model(movie_session(5, seed=1), FitOptions()).save(tmp_path / "m.safetensors")
    a, b = computers.on(A, session), computers.on(B, session)
    on_one, _ = score(tmp_path, neural=a, stimulus=a, engine=a)
    assert on_one > 0.3
    stimulus_away, report = score(tmp_path, neural=a, stimulus=b, engine=a)
    assert stimulus_away > 0.8 * on_one
    following = notices(report, "following")[-1]
    assert following["offset_ms"] == pytest.approx(-APART_S * 1e3, abs=100)
    neural_away, report = score(tmp_path, neural=b, stimulus=a, engine=a)
    assert neural_away > 0.8 * on_one
    assert not report["clock_jumps"]


class Recording:
    """``neuroreel record`` on a computer."""

    def __init__(self, at: tuple[str, ...], path: Path, query: str) -> None:
        self.path, self.report = path, path.with_suffix(".json")
        arguments = ("record", str(path), "--stream", query, "--json", str(self.report), "--wait", "60")
        command = [*at, sys.executable, "-P", "-m", "neuroreel", *arguments, "--control"]
        self._events: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            command, env=child_env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def wait(self, event: str) -> None:
        """Until the recorder reports an event."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if json.loads(line).get("event") == event:
                return
        raise AssertionError(f"no {event}")

    def stop(self) -> list[XdfStream]:
        self.process.communicate(b'{"do": "stop"}\n')
        assert self.process.returncode == 0
        return read_xdf(self.path)


@pytest.mark.parametrize("sessions", ["two sessions", "one session"])
def test_a_recorder_beside_two_rigs_of_one_name_holds_the_samples_of_one(
    computers: TwoComputers, session: str, sessions: str, tmp_path: Path, sender: Any
) -> None:
    """Also while its own sender is gone: there is nothing else that LSL's recovery compares."""
    theirs = session if sessions == "one session" else f"other-{session}"
    query = "name='rig'" + (f" and hostname='{A}'" if sessions == "one session" else "")
    ours = sender("rig", 1, prefix=computers.on(A, session))
    sender("rig", 2, prefix=computers.on(B, theirs))
    recording = Recording(computers.on(A, session), tmp_path / "r.xdf", query)
    time.sleep(2.0)
    ours.kill()
    recording.wait("lost")
    time.sleep(3.0)
    sender("rig", 1, prefix=computers.on(A, session))
    recording.wait("back")
    time.sleep(1.0)
    (only,) = recording.stop()
    assert values(only) == {1.0}
    counts = np.asarray(only.samples)[:, 1]
    assert np.sum(np.diff(counts) != 1) == 1  # where it came back


def test_two_rigs_of_one_name_are_two_streams_of_a_recording_of_both(
    computers: TwoComputers, session: str, tmp_path: Path, sender: Any
) -> None:
    ours = sender("both", 1, prefix=computers.on(A, session))
    sender("both", 2, prefix=computers.on(B, session))
    recording = Recording(computers.on(A, session), tmp_path / "r.xdf", "both")
    time.sleep(2.0)
    ours.kill()
    recording.wait("lost")
    time.sleep(2.0)
    streams = {stream.hostname: values(stream) for stream in recording.stop()}
    assert streams == {A: {1.0}, B: {2.0}}
