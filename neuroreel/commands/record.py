"""``neuroreel record``: write LSL streams to an XDF file, then verify it."""

from __future__ import annotations

import contextlib
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from neuroreel.click_types import NumberRange
from neuroreel.files import XDF_OUTPUT, FileCommand
from neuroreel.options import json_option, network_option
from neuroreel.terminal import keep_running_without_terminal

if TYPE_CHECKING:
    from neuroreel.recording.views import View
    from stream.recorder.recorder import Recorder

GRACE_S = 5.0
"""How long the stream of --until-gone must be gone before the recording stops, seconds."""

_POLL_S = 0.05


@click.command(cls=FileCommand)
@click.argument("out", type=XDF_OUTPUT)
@click.option(
    "--stream",
    "queries",
    multiple=True,
    metavar="QUERY",
    help="Record only these streams: a name or an LSL query, \"type='Spikes'\"; repeatable [default: all streams].",
)
@click.option(
    "--seconds",
    type=NumberRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Stop after this many seconds [default: on Ctrl-C].",
)
@click.option(
    "--wait",
    "wait_s",
    type=NumberRange(min=0),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Give up if no stream has appeared after this many seconds.",
)
@click.option(
    "--expect", multiple=True, hidden=True, help="Wait for this stream before recording; repeatable."
)
@click.option(
    "--until-gone",
    metavar="NAME",
    help=f"Stop when this neural stream has been gone for {GRACE_S:g} seconds.",
)
@click.option(
    "--control",
    is_flag=True,
    hidden=True,
    help="Read commands as JSON lines from standard input, write reports to standard output.",
)
@json_option
@network_option("lab")
def command(
    out: Path,
    queries: tuple[str, ...],
    seconds: float | None,
    wait_s: float,
    until_gone: str | None,
    expect: tuple[str, ...],
    control: bool,
    json_target: str | None,
    network: str,
) -> None:
    """Record LSL streams to the XDF file OUT until Ctrl-C; streams that appear later are added.

    Samples and timestamps are stored exactly as sent. An existing OUT is never overwritten, not even with --force. At
    the end the file is read back and compared with the samples received.
    """
    from neuroreel.hints import naming_streams
    from neuroreel.malloc import release_large_arrays
    from neuroreel.options import write_json
    from neuroreel.recording.views import ReportView, TerminalView, print_summary
    from stream.lsl.network import configure
    from stream.recorder.recorder import Recorder

    configure(network)
    release_large_arrays()
    keep_running_without_terminal()
    recorder = Recorder(out, queries, hold=(until_gone or "") if control else "", expected=expect)
    stop = _Stop()
    view: View = ReportView() if control else TerminalView(str(out))
    with view:
        parent = _Parent(recorder, stop) if control else None
        naming = contextlib.nullcontext() if control else naming_streams()
        with naming:
            recorder.start(
                wait_s, stopped=lambda: bool(stop.reason) or (parent is not None and not parent.poll())
            )
        view.ready(recorder)
        _watch(recorder, view, stop, parent, seconds, until_gone)
        view.event({"event": "ending", "reason": f"{stop.reason or 'stopped'}; verifying {out.name}"})
        used = view.usage() | {"ended": stop.reason}
        summary = recorder.stop() | used
        view.end(summary)
    if not control and json_target != "-":
        print_summary(summary)
    if json_target is not None:
        write_json(summary, json_target)
    if not summary["verified"] or summary["problems"]:
        raise click.exceptions.Exit(1)


class _Stop:
    """The reason to stop recording, empty until there is one; SIGINT and SIGTERM set it."""

    def __init__(self) -> None:
        import signal

        self.reason = ""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self.request("interrupted"))

    def request(self, reason: str) -> None:
        self.reason = self.reason or reason


def _watch(
    recorder: Recorder,
    view: View,
    stop: _Stop,
    parent: _Parent | None,
    seconds: float | None,
    until_gone: str | None,
) -> None:
    """Supervise the recording until there is a reason to stop.

    While the parent process runs, it decides when to stop: it may be waiting for a sender to come back. Without it the
    recording ends with the neural stream, also with one that was never found or never opened.
    """
    presence = _Presence(recorder, until_gone) if until_gone else None
    next_second = time.monotonic()
    while not stop.reason:
        for event in recorder.poll():
            view.event(event)
        if time.monotonic() >= next_second:
            next_second = max(next_second + 1.0, time.monotonic())
            view.update(recorder)
        if parent is not None and not parent.poll():
            parent = None
            if presence is None:
                stop.request("the parent process has ended")
            else:
                view.orphaned()
                presence.expect()
        if seconds is not None and recorder.elapsed_s >= seconds:
            stop.request(f"recorded for {seconds:g} s")
        if presence is not None and presence.missing_for_s() > GRACE_S and parent is None:
            stop.request(f"stream '{until_gone}' has ended")
        time.sleep(_POLL_S)


class _Presence:
    """How long the stream of --until-gone has been missing; before it was ever there, only once it is expected."""

    def __init__(self, recorder: Recorder, name: str) -> None:
        self._recorder, self._name = recorder, name
        self._last_s = math.inf

    def expect(self) -> None:
        """Count a stream that is not there as missing from now on."""
        self._last_s = min(self._last_s, time.monotonic())

    def missing_for_s(self) -> float:
        """Seconds since the stream was last there; 0 if it never was and is not expected."""
        from stream.lsl.outlet import NEURAL_TYPES

        now = time.monotonic()
        named = [
            stream
            for stream in list(self._recorder.streams)
            if stream.name == self._name and stream.type in NEURAL_TYPES
        ]
        if any(stream.present for stream in named):
            self._last_s = now
        return max(0.0, now - self._last_s, self._recorder.missing_for_s(self._name))


class _Parent:
    """The parent process, and the commands that it sends."""

    def __init__(self, recorder: Recorder, stop: _Stop) -> None:
        from stream.control import ControlReader

        self._commands, self._recorder, self._stop = ControlReader(), recorder, stop

    def poll(self) -> bool:
        """Run the commands that have arrived; False once the parent has died, and the recording continues alone."""
        while not self._commands.ended and (message := self._commands.poll()) is not None:
            if self._commands.ended or message["do"] == "go":
                self._recorder.open_held()
            elif message["do"] == "await":
                self._recorder.watch_for([str(name) for name in message.get("streams", ())])
            elif message["do"] == "stop":
                self._stop.request("stopped by the parent process")
        return not self._commands.ended
