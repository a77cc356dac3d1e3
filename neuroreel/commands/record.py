"""``neuroreel record``: any streams into one file, nothing lost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from neuroreel.options import json_option, network_option

if TYPE_CHECKING:
    from neuroreel.recording.views import View
    from stream.control import ControlReader
    from stream.recorder.recorder import Recorder

GRACE_S = 5.0
"""With --until-gone: a neural stream that has been gone for so long does not come back."""

_SLICE_S = 0.1


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--stream",
    "queries",
    multiple=True,
    help="Which streams: a name, or \"type='Spikes'\"; may be given several times [default: all].",
)
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Stop after this long.")
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for a first stream.",
)
@click.option("--expect", multiple=True, hidden=True, help="Wait for this stream before beginning.")
@click.option("--until-gone", metavar="NAME", help="Stop when this neural stream has been gone for 5 s.")
@click.option(
    "--control", is_flag=True, hidden=True, help="Be steered over standard input, report on output."
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
    """Record streams into OUT, an XDF file, until stopped (Ctrl-C); those that appear later are added.

    Every sample is written as it was sent. OUT is never overwritten, with --force or without. At the end the file is
    read back and compared with what was received.
    """
    from neuroreel.malloc import give_back_large_arrays
    from neuroreel.options import write_json
    from neuroreel.recording.views import ReportView, TerminalView, print_summary
    from stream.control import ControlReader
    from stream.errors import BadUsage
    from stream.lsl.network import configure
    from stream.recorder.recorder import Recorder

    if out.suffix.lower() != ".xdf":
        raise BadUsage(f"{out} must end in .xdf: recordings are XDF files.")
    configure(network)
    give_back_large_arrays()
    recorder = Recorder(out, queries, hold=(until_gone or "") if control else "", expected=expect)
    stop = _Stop()
    view: View = ReportView() if control else TerminalView(str(out))
    with view:
        recorder.start(wait_s, stopped=lambda: bool(stop.reason))
        view.ready(recorder)
        commands = ControlReader() if control else None
        _watch(recorder, view, stop, commands, seconds, until_gone)
        view.event({"event": "ending", "reason": f"{stop.reason or 'stopped'}; reading {out.name} back"})
        used = view.usage() | {"ended": stop.reason}
        summary = recorder.stop() | used
        view.end(summary)
    if json_target is not None:
        write_json(summary, json_target)
    if not control and json_target != "-":
        print_summary(summary)
    if not summary["verified"] or summary["problems"]:
        raise click.exceptions.Exit(1)


class _Stop:
    """Why to stop, once there is a reason; the signals that end a recording set it."""

    def __init__(self) -> None:
        import signal

        self.reason = ""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self.ask("interrupted"))

    def ask(self, reason: str) -> None:
        self.reason = self.reason or reason


def _watch(
    recorder: Recorder,
    view: View,
    stop: _Stop,
    commands: ControlReader | None,
    seconds: float | None,
    until_gone: str | None,
) -> None:
    """Look after the recording until there is a reason to stop.

    While a parent is there it decides, for it may be waiting for a sender to come back.
    """
    import time

    next_second = time.monotonic()
    while not stop.reason:
        for event in recorder.poll():
            view.event(event)
        if time.monotonic() >= next_second:
            next_second = max(next_second + 1.0, time.monotonic())
            view.second(recorder)
        if commands is not None and not _obey(commands, recorder, stop):
            view.orphaned()
            commands = None
        if seconds is not None and recorder.elapsed_s >= seconds:
            stop.ask(f"{seconds:g} s are over")
        if until_gone and commands is None and recorder.missing_for_s(until_gone) > GRACE_S:
            stop.ask(f"'{until_gone}' is gone")
        time.sleep(_SLICE_S)


def _obey(commands: ControlReader, recorder: Recorder, stop: _Stop) -> bool:
    """Follow the parent's commands; False when it has died, and the recording goes on without it."""
    while (order := commands.poll()) is not None:
        if commands.ended:
            recorder.open_held()
            return False
        if order["do"] == "go":
            recorder.open_held()
        elif order["do"] == "await":
            recorder.watch_for([str(name) for name in order.get("streams", ())])
        elif order["do"] == "stop":
            stop.ask("stopped by its parent")
    return True
