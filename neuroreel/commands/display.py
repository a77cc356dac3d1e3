"""``neuroreel display``: open the window on a running engine, or start one from the window."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from neuroreel.click_types import NumberRange
from neuroreel.files import INPUT, OUTPUT, FileCommand
from neuroreel.options import json_option, network_option, wait_option
from neuroreel.terminal import echo, keep_running_without_terminal

if TYPE_CHECKING:
    from neuroreel.subprocesses import Child


@click.command(cls=FileCommand)
@click.argument("model", type=INPUT, required=False)
@click.option(
    "--name",
    metavar="NAME",
    help="Engine to watch, by the prefix of its streams' names [default: the only one on the network].",
)
@click.option(
    "--screenshot",
    metavar="FILE",
    type=OUTPUT,
    help="Save a picture of the window (PNG) at the end.",
)
@click.option(
    "--seconds",
    type=NumberRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Close the window this many seconds after the first prediction [default: stay open].",
)
@click.option(
    "--fps",
    type=click.IntRange(5, 120),
    default=30,
    show_default=True,
    help="Refresh rate of the window in Hz.",
)
@wait_option
@json_option
@network_option("lab")
def command(
    model: Path | None,
    name: str | None,
    screenshot: Path | None,
    seconds: float | None,
    fps: int,
    wait_s: float,
    json_target: str | None,
    force: bool,
    network: str,
) -> None:
    """Open the window: watch a running engine, or choose a stream in the window and decode it with MODEL.

    The movie's frames are read from MODEL; without it, from the model file that the engine reports, if that is on this
    computer. Without a screen the window is drawn in memory, for --screenshot.
    """
    from dataclasses import asdict

    from gui.app import run_display
    from neuroreel.hints import naming_streams
    from neuroreel.options import write_json
    from stream.lsl.network import configure

    configure(network)
    keep_running_without_terminal()
    engines = _Engines(model)
    if model is not None:
        from decoders.model.model import Model

        Model.load(model)  # reports a bad file before the window opens
    try:
        with naming_streams():
            summary = run_display(
                name,
                model,
                screenshot=screenshot,
                seconds=seconds,
                fps=fps,
                wait_s=wait_s,
                force=force,
                start_engine=engines.start if model is not None else None,
            )
    finally:
        engines.stop()
    if json_target is not None:
        write_json(asdict(summary), json_target)
    if json_target != "-":
        echo(
            f"{summary.received} predictions received, {summary.dropped} dropped, window refreshed at "
            f"{summary.painted_fps:.0f} Hz"
            + (f", screenshot saved to {screenshot}" if screenshot is not None else "")
        )


class _Engines:
    """The engine started from the window; starting another one ends it."""

    def __init__(self, model: Path | None) -> None:
        self._model = model
        self._child: Child | None = None

    def start(self, stream: str) -> Callable[[], str]:
        """Start an engine for a stream; returns a function that gives its error message, empty while it runs."""
        from neuroreel.subprocesses import start_child

        self.stop()
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - a full pipe would block the engine, a file does not
        self._child = start_child(["live", str(self._model), "--stream", stream], control=True, stderr=errors)
        return partial(_problem, self._child, errors)

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop()
            self._child = None


def _problem(child: Child, output: IO[bytes]) -> str:
    """Error message of a child that failed; empty while it runs or when it ended well."""
    if child.running or not child.process.returncode:
        return ""
    output.seek(0)
    lines = output.read().decode(errors="replace").splitlines()
    errors = [line.removeprefix("neuroreel: ") for line in lines if line.startswith("neuroreel: ")]
    return " ".join(errors) or f"the engine ended with exit code {child.process.returncode}"
