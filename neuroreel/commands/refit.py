"""``neuroreel refit``: the trainer beside a running engine. Hidden; ``live --rolling`` starts it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from stream.session import Session

NICE = 10
"""How far the trainer steps back when the engine wants the processor."""


@click.command(hidden=True)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--rolling", "n", type=click.IntRange(min=2), required=True, help="Showings to fit on.")
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="Where weights are written.")
@click.option("--control", is_flag=True, expose_value=False, help="Always on.")
def command(model: Path, n: int, folder: Path) -> None:
    """Refit MODEL on each showing that is named on standard input, and say on standard output what was decided.

    Commands are ``{"do": "showing", "file": PATH}``; answers say ``ready``, ``wait``, ``refuse``, ``swap`` or
    ``rollback``. It ends with its input.
    """
    import json
    import os
    import signal

    from threadpoolctl import threadpool_limits

    from decoders.model.model import Model
    from decoders.rolling.trainer_process import Trainer
    from stream.control import ControlReader
    from stream.errors import NeuroReelError
    from stream.io.session_io import load_session

    if hasattr(os, "nice"):
        os.nice(NICE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the engine, which then ends this one
    trainer = Trainer(Model.load(model), n, folder)
    commands = ControlReader()

    def say(**facts: object) -> None:
        click.echo(json.dumps(facts))

    def taken(showing: dict[str, Any]) -> Session:
        try:
            return load_session(showing["file"])
        finally:
            Path(showing["file"]).unlink(missing_ok=True)

    say(do="ready")
    waiting: list[dict[str, Any]] = []
    newest = 0
    with threadpool_limits(1):
        # Showings that came while it was busy are kept; only the newest is decided on.
        while (asked := commands.poll(0.0 if waiting else 3600.0)) is None or asked["do"] != "stop":
            if asked is not None:
                waiting += [asked] if asked["do"] == "showing" else []
                newest = asked.get("number", newest)
                continue
            try:
                while len(waiting) > 1:
                    trainer.add(taken(waiting.pop(0)))
                event = trainer.decide(taken(waiting.pop())) if waiting else None
            except NeuroReelError as error:
                event = {"do": "refuse", "reason": str(error)}
            if event is not None:
                say(**event, newest=newest)
