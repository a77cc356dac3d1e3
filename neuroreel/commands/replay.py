"""``neuroreel replay``: send a recording as live streams."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neuroreel.click_types import REPEATS, NumberRange
from neuroreel.files import INPUT, FileCommand
from neuroreel.options import json_option, network_option
from neuroreel.terminal import echo_live

if TYPE_CHECKING:
    from stream.replay.player import Replay, ReplayReport
    from stream.session import Session

_LONG_PAUSE_S = 30.0  # a longer pause in the recording looks as if the replay hangs


@click.command(cls=FileCommand)
@click.argument("session", type=INPUT)
@click.option("--name", metavar="NAME", help="Name of the neural stream [default: as in the recording].")
@click.option(
    "--speed",
    default="1",
    metavar="X",
    show_default=True,
    help="Playback speed as a multiple of real time, or 'max' for as fast as possible.",
)
@click.option("--loop", is_flag=True, help="Start again from the beginning at the end.")
@click.option(
    "--start",
    "start_s",
    type=NumberRange(min=0),
    default=0.0,
    show_default=True,
    metavar="SECONDS",
    help="Start this many seconds into the recording.",
)
@click.option(
    "--seconds",
    type=NumberRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Send only this many seconds of the recording [default: all].",
)
@click.option(
    "--repeats",
    type=REPEATS,
    help="Send only these repeats of the movie, each with the blank before it [default: all].",
)
@click.option(
    "--stream",
    metavar="NAME",
    help="Neural stream to send, if the file contains several: a name or, for XDF, a query such as "
    "\"name='EEG' and hostname='pc-b'\".",
)
@click.option("--no-wait", is_flag=True, help="Start at once instead of waiting for the first consumer.")
@click.option(
    "--faults",
    metavar="SPEC",
    help="Inject faults, such as 'drop@2+1,nan@5+0.5,jitter=3ms'; 'list' prints all of them.",
)
@click.option(
    "--as-events", is_flag=True, help="Send spike counts as a SpikeEvents stream, one event per spike."
)
@click.option("--control", is_flag=True, hidden=True, help="Read commands as JSON lines from standard input.")
@json_option
@network_option("lab")
def command(
    session: Path,
    name: str | None,
    speed: str,
    loop: bool,
    start_s: float,
    seconds: float | None,
    repeats: tuple[int, ...] | None,
    stream: str | None,
    no_wait: bool,
    faults: str | None,
    as_events: bool,
    control: bool,
    json_target: str | None,
    network: str,
) -> None:
    """Send the recording SESSION as live LSL streams: neural data, stimulus frames and labels.

    The replay starts when the first consumer connects, and announces its end on the stream NAME-events.
    """
    import signal
    from dataclasses import asdict

    from neuroreel.options import write_json
    from stream.control import ControlReader
    from stream.errors import BadUsage
    from stream.io.session_io import load_session
    from stream.lsl.network import configure
    from stream.replay.event_replay import EventReplay
    from stream.replay.faults import fault_grammar, parse_faults
    from stream.replay.faulty_replay import FaultyReplay
    from stream.replay.player import Replay

    if faults == "list":
        click.echo(fault_grammar())
        return
    if faults is not None and as_events:
        raise BadUsage("--faults and --as-events cannot be combined; give one of them.")
    injected = parse_faults(faults) if faults is not None else None
    configure(network)
    recording = load_session(session, stream=stream)
    if repeats is not None:
        recording = recording.select_repeats(repeats)
    options: dict[str, Any] = {
        "name": name,
        "speed": _speed(speed),
        "loop": loop,
        "start_s": start_s,
        "seconds": seconds,
        "shorten_gaps": repeats is not None,
        "wait": not no_wait,
        "recording": session.name,
        "control": ControlReader() if control else None,
    }
    if injected is not None:
        replay: Replay = FaultyReplay(recording, injected, **options)
    else:
        replay = (EventReplay if as_events else Replay)(recording, **options)
    for number in (signal.SIGTERM, signal.SIGHUP):  # the replay announces its end, as on Ctrl-C
        if signal.getsignal(number) != signal.SIG_IGN:  # under nohup
            signal.signal(number, signal.default_int_handler)
    _print_start(replay, recording, speed, waiting=not no_wait)
    report = replay.run()
    _print_report(report)
    if json_target is not None:
        write_json({"name": replay.name, **asdict(report)}, json_target)


def _print_start(replay: Replay, recording: Session, speed: str, *, waiting: bool) -> None:
    """Print what is sent."""
    rate = f"{recording.rate_hz:g} Hz" if recording.rate_hz else "irregular"
    state = "; waiting for the first consumer" if waiting else ""
    echo_live(
        f"sending '{replay.name}': {recording.n_channels} channels, {rate}, speed {speed}{state}", err=True
    )
    if replay.longest_pause_s > _LONG_PAUSE_S:
        echo_live(f"the recording has a gap of {replay.longest_pause_s:.0f} s without samples", err=True)


def _print_report(report: ReplayReport) -> None:
    """Print what was sent, and how late; lateness is NaN at full speed."""
    late = f", late by {report.late_p50_ms:.2f} ms (p50), {report.late_p99_ms:.2f} ms (p99)"
    echo_live(
        f"{report.samples} samples sent{late if report.late_p50_ms == report.late_p50_ms else ''}"
        f"{'; stopped' if report.stopped else ''}",
        err=True,
    )


MAX_SPEED = 1000.0
"""Largest ``--speed``: LSL reserves memory for the rate of a stream."""


def _speed(text: str) -> float:
    """Parse --speed; 'max' is infinity."""
    import math

    from stream.errors import BadUsage

    try:
        speed = math.inf if text == "max" else float(text)
    except ValueError:
        speed = math.nan
    if not 0 < speed <= MAX_SPEED and text != "max":
        raise BadUsage(f"--speed is {text!r}; give a positive number up to {MAX_SPEED:g}, or 'max'.")
    return speed
