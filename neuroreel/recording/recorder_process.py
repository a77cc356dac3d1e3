"""The recorder of ``live --record``: a child process that survives a crash of the engine."""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from neuroreel.recording.views import print_summary
from neuroreel.subprocesses import start_child
from neuroreel.terminal import echo_live
from stream.control import ControlReader
from stream.lsl.connection import Connection
from stream.lsl.outlet import NEURAL_TYPES
from stream.lsl.resolve import begins_with, equals
from stream.output_files import check_output
from stream.recorder.comparison import compare_received, describe_differences

log = logging.getLogger(__name__)

READY_S = 15.0
"""How long the engine waits until the recorder is ready before it starts without it, seconds."""

CONFIRM_S = 8.0
"""How long the engine then waits for the confirmation that its streams are recorded, seconds; the recorder confirms
within half of it."""

OPEN_S = 4.0
"""How long the engine then waits until the neural stream is recorded, before it opens the stream itself, seconds."""

OUTPUTS = ("prediction", "forecast", "posterior", "embedding", "status")
"""Output streams of every engine; the recording starts when the recorder has found them."""

_END_S = 600.0  # verifying a long recording takes minutes


class RecorderChild:
    """A child process that records a neural stream, its side streams and the outputs of an engine.

    It reports over its standard output. If this process dies, the child continues until the neural stream has been
    gone for a few seconds.

    Parameters
    ----------
    path
        File to record to (.xdf).
    stream, type_
        Name and LSL type of the neural stream.
    name
        Prefix of the engine's stream names.
    hostname
        Computer of the neural stream's sender; a stream of that name on another computer is another rig's. Empty for
        any.

    Attributes
    ----------
    problem
        Current problem of the recording, as a message; empty when there is none.
    summary
        Result of `stream.recorder.recorder.Recorder.stop`; None until the recording has ended.

    Raises
    ------
    OutputExists
        When ``path`` exists.
    CannotWrite
        When it cannot be written.
    """

    def __init__(self, path: Path, stream: str, type_: str, name: str, hostname: str = "") -> None:
        check_output(path, recording=True)
        arguments = ["record", str(path), "--wait", "10", "--until-gone", stream]
        for query in _queries(stream, type_, name, hostname):
            arguments += ["--stream", query]
        for role in OUTPUTS:
            arguments += ["--expect", f"{name}-{role}"]
        self.path = path
        self.problem = ""
        self.summary: dict[str, Any] | None = None
        self._child = start_child(arguments, control=True, stdout=subprocess.PIPE, start_new_session=True)
        assert self._child.process.stdout is not None
        self._reports = ControlReader(self._child.process.stdout.fileno())
        self._status: dict[str, Any] = {}
        self._reported_end = False
        self._prefixes = (f"{stream}-", f"{name}-")
        self._awaited: list[tuple[str, ...]] = []  # streams that are missing, per answer
        self._stream = stream
        self._records_neural = False

    def __repr__(self) -> str:
        return f"<RecorderChild: {'FAILING' if self.problem else 'RECORDING'} | {self.path}>"

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    def wait_ready(self) -> None:
        """Wait until all streams but the neural one are open; that one is opened together with the engine's inlet."""
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            report = self._reports.poll(0.1)
            if report is not None and report["do"] == "ready":
                return
            if self._reports.ended:
                break
        log.warning(
            "the recorder of %s is not ready; the engine starts without it, so the first samples may be missing",
            self.path,
        )

    def open_neural(self, streams: Sequence[str], announce: Callable[..., None]) -> None:
        """Wait until the engine's streams are recorded, let the child open the neural stream, and wait until it has.

        So the recorder is the first consumer, and every sample that the engine receives is recorded.

        Parameters
        ----------
        streams
            Names of the streams that the engine has found.
        announce
            `decoders.live.engine.Engine.announce`.
        """
        names = [name for name in streams if name.startswith(self._prefixes)]
        self._child.send("await", streams=names)
        self._awaited.clear()
        self._process_until(lambda: bool(self._awaited), CONFIRM_S, announce)
        if not self._awaited:
            self._report_incomplete("does not respond", announce)
        elif self._awaited[0]:
            self._report_incomplete(f"does not record {', '.join(self._awaited[0])} yet", announce)
        self._child.send("go")
        if self._awaited:
            self._process_until(lambda: self._records_neural, OPEN_S, announce)
            if not self._records_neural:
                self._report_incomplete(f"has not opened {self._stream} yet", announce)

    def poll(self, announce: Callable[..., None]) -> dict[str, Any]:
        """Process the child's reports and forward its events to the engine.

        Parameters
        ----------
        announce
            `decoders.live.engine.Engine.announce`.

        Returns
        -------
        status
            The last ``samples`` and ``bytes`` reported, and ``problem``.
        """
        while (report := self._reports.poll()) is not None and not self._reports.ended:
            self._process(report, announce)
        if not self._child.running and self.summary is None and not self._reported_end:
            self._reported_end = True
            code = self._child.process.returncode
            self.problem = f"the recorder ended with exit code {code}"
            announce("recorder", state="ended", reason=self.problem)
            echo_live(f"recording {self.path}: {self.problem}; decoding continues", err=True)
        return self._status | {"problem": self.problem}

    def stop(self) -> bool:
        """End the recording and wait for its verification; True when nothing was lost."""
        self._child.send("stop")
        deadline = time.monotonic() + _END_S
        while self.summary is None and time.monotonic() < deadline and not self._reports.ended:
            report = self._reports.poll(0.1)
            if report is not None:
                self._process(report, lambda *_, **__: None)
        code = self._child.stop()
        if self._child.process.stdout is not None:
            self._child.process.stdout.close()
        return code == 0 and self.summary is not None

    def compare(self, inlet: Connection) -> bool:
        """Add to the summary what recorder and engine have not both received of the neural stream.

        Parameters
        ----------
        inlet
            The engine's connection to it.

        Returns
        -------
        recorded
            False if the engine has received samples and the recording has none of them.
        """
        if self.summary is None:
            return False
        rows = [
            row for row in self.summary["streams"] if (row["name"], row["type"]) == (inlet.name, inlet.type)
        ]
        senders = [sender for row in rows for sender in row["senders"]]
        rate_hz = rows[0]["nominal_rate_hz"] if rows else 0.0
        compared = compare_received(inlet.received, senders, rate_hz)
        self.summary |= {
            "compared": compared,
            "differences": describe_differences(inlet.name, compared),
        }
        if senders or not any(row["engine_samples"] for row in compared):
            return True
        self.summary["problems"].append(f"'{inlet.name}' was decoded but is not in the recording")
        return False

    def print(self) -> None:
        """Print the summary, if the child has reported it."""
        if self.summary is not None:
            print_summary(self.summary)

    def _process_until(
        self, condition: Callable[[], bool], timeout_s: float, announce: Callable[..., None]
    ) -> None:
        """Process the child's reports until a condition holds, or the child ends."""
        deadline = time.monotonic() + timeout_s
        while not condition() and not self._reports.ended and time.monotonic() < deadline:
            report = self._reports.poll(0.02)
            if report is not None and not self._reports.ended:
                self._process(report, announce)

    def _report_incomplete(self, state: str, announce: Callable[..., None]) -> None:
        """Report that the recording may lack the first samples, unless the child has ended, which `poll` reports."""
        if self._reports.ended:
            return
        reason = f"the recorder {state}; decoding starts, and {self.path} may lack the first samples"
        announce("recorder", state="incomplete", reason=reason, file=str(self.path))
        echo_live(f"recording {self.path}: {reason}", err=True, fg="yellow")

    def _process(self, report: dict[str, Any], announce: Callable[..., None]) -> None:
        """Process one report of the child."""
        if report["do"] == "status":
            self._status = {key: report.get(key) for key in ("samples", "bytes")}
            self.problem = str(report.get("problem") or "")
        elif report["do"] == "event" and report.get("event") == "awaited":
            self._awaited.append(tuple(report.get("missing", ())))
        elif report["do"] == "event":
            event = {key: value for key, value in report.items() if key not in ("do", "event")}
            self._records_neural |= report["event"] == "recording" and report.get("stream") == self._stream
            announce("recorder", state=report.get("event"), file=str(self.path), **event)
        elif report["do"] == "end":
            self.summary = report.get("summary")


def _queries(stream: str, type_: str, name: str, hostname: str) -> list[str]:
    """LSL queries for the neural stream, and for the streams named after it or after the engine that are not neural."""
    neural = " or ".join(f"type='{other}'" for other in NEURAL_TYPES)
    named = " or ".join(begins_with("name", f"{prefix}-") for prefix in dict.fromkeys((stream, name)))
    on = f" and {equals('hostname', hostname)}" if hostname else ""
    return [f"{equals('name', stream)} and {equals('type', type_)}{on}", f"({named}) and not({neural})"]
