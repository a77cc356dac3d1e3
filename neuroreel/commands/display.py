"""``neuroreel display``: open the window on a running engine, or on one that it starts."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from neuroreel.options import json_option, network_option, wait_option

if TYPE_CHECKING:
    from neuroreel.subprocesses import Child


@click.command()
@click.argument("model", type=click.Path(path_type=Path), required=False)
@click.option("--name", help="What the engine's streams are called [default: the only engine there is].")
@click.option("--screenshot", type=click.Path(path_type=Path), help="Save the window as PNG at the end.")
@click.option(
    "--seconds", type=click.FloatRange(min=0, min_open=True), help="Close this long after the first frame."
)
@click.option(
    "--fps", type=click.IntRange(5, 120), default=30, show_default=True, help="How often a second to paint."
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
    """Watch a running engine, or pick a stream and decode it with MODEL.

    MODEL is also where the movie's pictures come from; without it they are taken from the file that the engine names,
    when that is on this computer. Without a screen the window is painted in memory, for --screenshot.
    """
    from dataclasses import asdict

    from gui.app import run_display
    from neuroreel.options import write_json
    from stream.lsl.network import configure

    configure(network)
    engines = _Engines(model)
    if model is not None:
        from decoders.model.model import Model

        Model.load(model)  # a bad file is refused before a window opens
    try:
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
        click.echo(
            f"{summary.received} predictions, {summary.dropped} dropped, painted at {summary.painted_fps:.0f} fps"
            + (f", saved {screenshot}" if screenshot is not None else "")
        )


class _Engines:
    """The engine that the window started, one at a time."""

    def __init__(self, model: Path | None) -> None:
        self._model = model
        self._child: Child | None = None

    def start(self, stream: str) -> Callable[[], str]:
        """Start an engine; what is returned says what went wrong with it."""
        from neuroreel.subprocesses import start_child

        self.stop()
        said = tempfile.TemporaryFile()  # noqa: SIM115 - not a pipe, which would block the engine when nobody reads it
        self._child = start_child(["live", str(self._model), "--stream", stream], control=True, stderr=said)
        return partial(_problem, self._child, said)

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop()
            self._child = None


def _problem(child: Child, output: IO[bytes]) -> str:
    """What a child that failed said; empty while it runs."""
    if child.running or not child.process.returncode:
        return ""
    output.seek(0)
    lines = output.read().decode(errors="replace").splitlines()
    said = [line.removeprefix("neuroreel: ") for line in lines if line.startswith("neuroreel: ")]
    return " ".join(said) or f"the engine ended with exit code {child.process.returncode}"
