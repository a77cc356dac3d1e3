"""A neural stream and a stimulus stream, sent in step, and an engine: each where a test wants it to run."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stream.lsl.network import child_env
from tests.live.test_faults import N_CHANNELS, RATE_HZ, movie_session

SECONDS = 9.0
FAR_AHEAD_S = 1e6
READY_S = 90.0

_HERE = Path(__file__).parent


class Rig:
    """A neural stream and a stimulus stream, sent in step, and an engine.

    Parameters
    ----------
    name
        Name of the neural stream.
    neural, stimulus, engine
        What their commands begin with, such as a computer (`tests.live.computers`) to run on.
    """

    def __init__(
        self,
        name: str,
        *,
        neural: Sequence[str] = (),
        stimulus: Sequence[str] = (),
        engine: Sequence[str] = (),
    ) -> None:
        units = ",".join(f"unit{i}" for i in range(N_CHANNELS))
        self.name = name
        self.ahead = {"neural": 0.0, "stimulus": 0.0}
        self._engine_at = engine
        self._started: list[subprocess.Popen[str]] = []
        self.neural = self._sender(neural, name, "Spikes", units, RATE_HZ)
        self.stimulus = self._sender(stimulus, f"{name}-stimulus", "Stimulus", "frame,repeat", 0)

    def run(self, folder: Path, each: Callable[[Rig, int], None] = lambda *_: None) -> dict[str, Any]:
        """Send a session while an engine decodes; returns its summary and notices."""
        report = folder / f"{self.name}.json"
        model = str(folder / "m.safetensors")
        arguments = ["live", model, "--stream", self.name, "--json", str(report)]
        engine = self._start(
            self._engine_at, "-P", "-m", "neuroreel", *arguments, "--await-consumer", "60", "--control"
        )
        status = self._start(self._engine_at, _HERE / "print_status.py", self.name)
        events: list[dict[str, Any]] = []
        threading.Thread(target=self._read, args=(status, events), daemon=True).start()
        deadline = time.monotonic() + READY_S
        while not any(event.get("stream") == f"{self.name}-stimulus" for event in list(events)):
            assert engine.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
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
        engine.communicate()  # its input ends: so does it
        status.kill()
        summary: dict[str, Any] = json.loads(report.read_text())
        return summary | {"notices": list(events)}

    def close(self) -> None:
        """End all processes."""
        for process in self._started:
            process.kill()
            process.communicate()

    def _sender(self, at: Sequence[str], *arguments: object) -> subprocess.Popen[str]:
        sender = self._start(at, _HERE / "paced_sender.py", *arguments)
        assert sender.stdout is not None
        assert sender.stdout.readline() == "ready\n"
        return sender

    def _start(self, at: Sequence[str], *arguments: object) -> subprocess.Popen[str]:
        command = [*at, sys.executable, *map(str, arguments)]
        pipe = subprocess.PIPE
        self._started.append(subprocess.Popen(command, env=child_env(), stdin=pipe, stdout=pipe, text=True))
        return self._started[-1]

    @staticmethod
    def _read(status: subprocess.Popen[str], events: list[dict[str, Any]]) -> None:
        assert status.stdout is not None
        for line in status.stdout:
            events.append(json.loads(line))

    @staticmethod
    def _tell(sender: subprocess.Popen[str], *values: Any) -> None:
        assert sender.stdin is not None
        sender.stdin.write(json.dumps(values) + "\n")
        sender.stdin.flush()


def exact(report: dict[str, Any]) -> float:
    """Share of samples whose frame was decoded exactly."""
    assert report["score"] is not None
    assert report["score"]["moments"] > 0.6 * report["received"] * 60 / 75
    return float(report["score"]["without_playback"]["accuracy_exact"])


def notices(report: dict[str, Any], event: str) -> list[dict[str, Any]]:
    """Notices of one kind."""
    return [notice for notice in report["notices"] if notice["event"] == event]
