"""``neuroreel refit``: the trainer beside a running engine. Hidden; ``live --rolling`` starts it."""

from __future__ import annotations

from pathlib import Path

import click

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

    from decoders.model import Model
    from decoders.rolling_trainer import Trainer
    from stream.control import ControlReader
    from stream.errors import NeuroReelError
    from stream.files import load_session

    if hasattr(os, "nice"):
        os.nice(NICE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the engine, which then ends this one
    trainer = Trainer(Model.load(model), n, folder)
    commands = ControlReader()

    def say(**facts: object) -> None:
        click.echo(json.dumps(facts))

    say(do="ready")
    with threadpool_limits(1):
        while (asked := commands.poll(3600.0)) is None or asked["do"] != "stop":
            if asked is None or asked["do"] != "showing":
                continue
            path = Path(asked["file"])
            try:
                event = trainer.take(load_session(path))
            except NeuroReelError as error:
                event = {"do": "refuse", "reason": str(error)}
            path.unlink(missing_ok=True)
            say(**event)
