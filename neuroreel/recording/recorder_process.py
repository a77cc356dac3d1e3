"""The recorder beside an engine: a child in a session of its own that outlives its parent."""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from neuroreel.recording.views import print_summary
from neuroreel.subprocesses import start_child
from stream.control import ControlReader
from stream.errors import refuse_existing
from stream.lsl.outlet import NEURAL_TYPES
from stream.lsl.resolve import quoted

log = logging.getLogger(__name__)

READY_S = 15.0
"""How long an engine waits for its recorder before it begins without it."""

ANSWER_S = 8.0
"""How long an engine then waits to hear that what it follows is recorded; the recorder answers within half of it."""

OUTPUTS = ("prediction", "forecast", "posterior", "embedding", "status")
"""What every engine publishes; the recorder begins when it has found them."""

_END_S = 600.0  # reading a long recording back takes a while


class RecorderChild:
    """Records a neural stream, what belongs to it and what an engine says of it.

    It reports over its standard output. When this process dies it goes on, until the neural stream has been gone
    for some seconds.

    Parameters
    ----------
    path
        The recording.
    stream, type_
        Name and LSL type of the neural stream.
    name
        What the engine's streams are called.

    Attributes
    ----------
    problem
        What is wrong with the recording, in words; empty when all is well.
    summary
        What `stream.recorder.recorder.Recorder.stop` returned, once it has ended.

    Raises
    ------
    OutputExists
        When ``path`` is there.
    """

    def __init__(self, path: Path, stream: str, type_: str, name: str) -> None:
        refuse_existing(path, recording=True)
        arguments = ["record", str(path), "--wait", "10", "--until-gone", stream]
        for query in _queries(stream, type_, name):
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
        self._said_dead = False
        self._prefixes = (f"{stream}-", f"{name}-")
        self._missing: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        return f"<RecorderChild: {'FAILING' if self.problem else 'RECORDING'} | {self.path}>"

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    def wait_ready(self) -> None:
        """Wait until it listens to all streams but the neural one, which it opens with the engine."""
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            report = self._reports.poll(0.1)
            if report is not None and report["do"] == "ready":
                return
            if self._reports.ended:
                break
        log.warning("the recorder of %s is not ready; the engine begins without it", self.path)

    def go(self, streams: Sequence[str], announce: Callable[..., None]) -> None:
        """Wait until it records what the engine follows, then let it open the neural stream together with the engine.

        Parameters
        ----------
        streams
            Names of streams that the engine has found.
        announce
            `decoders.live.engine.Engine.announce`.
        """
        names = [name for name in streams if name.startswith(self._prefixes)]
        self._child.send("await", streams=names)
        self._missing = None
        deadline = time.monotonic() + ANSWER_S
        while self._missing is None and time.monotonic() < deadline:
            report = self._reports.poll(0.02)
            if self._reports.ended:
                return  # `poll` tells
            if report is not None:
                self._hear(report, announce)
        if self._missing != ():
            what = f"does not record {', '.join(self._missing)} yet" if self._missing else "does not answer"
            reason = f"the recorder {what}; decoding begins, and the first samples may not be in {self.path}"
            announce("recorder", state="incomplete", reason=reason, file=str(self.path))
            click.secho(f"recording {self.path}: {reason}", err=True, fg="yellow")
        self._child.send("go")

    def poll(self, announce: Callable[..., None]) -> dict[str, Any]:
        """Hear what it says, and pass on what others should know.

        Parameters
        ----------
        announce
            `decoders.live.engine.Engine.announce`.

        Returns
        -------
        status
            The last ``samples`` and ``bytes``, and ``problem``.
        """
        while (report := self._reports.poll()) is not None and not self._reports.ended:
            self._hear(report, announce)
        if not self._child.running and self.summary is None and not self._said_dead:
            self._said_dead = True
            code = self._child.process.returncode
            self.problem = f"the recorder has ended with code {code}"
            announce("recorder", state="ended", reason=self.problem)
            click.echo(f"recording {self.path}: {self.problem}; decoding goes on", err=True)
        return self._status | {"problem": self.problem}

    def stop(self) -> bool:
        """End it, wait for its read-back, and print what it has recorded; True when nothing is lost."""
        self._child.send("stop")
        deadline = time.monotonic() + _END_S
        while self.summary is None and time.monotonic() < deadline and not self._reports.ended:
            report = self._reports.poll(0.1)
            if report is not None:
                self._hear(report, lambda *_, **__: None)
        code = self._child.stop()
        if self._child.process.stdout is not None:
            self._child.process.stdout.close()
        return code == 0 and self.summary is not None

    def print(self) -> None:
        """Print what was recorded, if it has said so."""
        if self.summary is not None:
            print_summary(self.summary)

    def _hear(self, report: dict[str, Any], announce: Callable[..., None]) -> None:
        """Take in one report."""
        if report["do"] == "status":
            self._status = {key: report.get(key) for key in ("samples", "bytes")}
            self.problem = str(report.get("problem") or "")
        elif report["do"] == "event" and report.get("event") == "awaited":
            self._missing = tuple(report.get("missing", ()))
        elif report["do"] == "event":
            event = {key: value for key, value in report.items() if key not in ("do", "event")}
            announce("recorder", state=report.get("event"), file=str(self.path), **event)
        elif report["do"] == "end":
            self.summary = report.get("summary")


def _queries(stream: str, type_: str, name: str) -> list[str]:
    """The neural stream; what is named after it, or after the engine, and is not another neural stream."""
    neural = " or ".join(f"type='{other}'" for other in NEURAL_TYPES)
    named = " or ".join(
        f"starts-with(name,{quoted(prefix + '-')})" for prefix in dict.fromkeys((stream, name))
    )
    return [f"name={quoted(stream)} and type={quoted(type_)}", f"({named}) and not({neural})"]
