"""``neuroreel refit``: the trainer process of ``live --rolling``, which starts it. Hidden."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neuroreel.files import INPUT, FileCommand

if TYPE_CHECKING:
    from stream.session import Session

NICE = 10
"""Niceness of the trainer, so that the engine gets the CPU first."""


@click.command(cls=FileCommand, hidden=True)
@click.argument("model", type=INPUT)
@click.option("--rolling", "n", type=click.IntRange(min=2), help="Refit on the last N repeats.")
@click.option("--explore", is_flag=True, help="MODEL describes a stream; fit an embedding without labels.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for the refitted weights.",
)
@click.option(
    "--control", is_flag=True, expose_value=False, help="Read commands from standard input (always on)."
)
def command(model: Path, n: int | None, explore: bool, folder: Path) -> None:
    """Refit MODEL on each repeat of the movie received on standard input, and report the decision on standard output.

    With ``--explore`` MODEL is a JSON file with the arguments of `decoders.rolling.explore.blank_model`, which is
    written as version 0 before ``ready``, and pieces of the recording take the place of repeats.

    Commands are ``{"do": "showing", "file": PATH}`` with the recording of one repeat, and ``{"do": "rejected",
    "version": N}`` if the weights of that version cannot be loaded; reports are ``ready``, ``wait``, ``refuse``,
    ``swap`` or ``rollback``. The process ends when its standard input is closed.
    """
    import json
    import os
    import signal
    from importlib.util import find_spec

    from threadpoolctl import threadpool_limits

    from decoders.model.model import Model
    from decoders.model.training_archive import archived_repeats
    from decoders.rolling.explore import ExploreTrainer, blank_model
    from decoders.rolling.trainer_process import RollingTrainer
    from stream.control import ControlReader
    from stream.errors import NeuroReelError
    from stream.io.session_io import load_session

    if hasattr(os, "nice"):
        os.nice(NICE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # on Ctrl-C the engine stops, and ends this process
    trainer: RollingTrainer | ExploreTrainer
    if explore:
        blank = blank_model(**json.loads(model.read_text()))
        blank.save(folder / "version-0.safetensors")
        trainer = ExploreTrainer(blank, folder)
    else:
        loaded = Model.load(model)
        trainer = RollingTrainer(loaded, n or 9, folder, archived=archived_repeats(loaded))
    commands = ControlReader()

    def report(**fields: object) -> None:
        click.echo(json.dumps(fields))

    def load_repeat(message: dict[str, Any]) -> Session:
        try:
            return load_session(message["file"])
        finally:
            Path(message["file"]).unlink(missing_ok=True)

    encoder = trainer.running.parts.contrastive is not None
    report(do="ready", **({"trains_encoder": find_spec("torch") is not None} if encoder else {}))
    waiting: list[dict[str, Any]] = []
    newest = 0
    with threadpool_limits(1):
        # Repeats that arrive during a refit are all stored; only the newest one starts another refit.
        while (message := commands.poll(0.0 if waiting else 3600.0)) is None or message["do"] != "stop":
            if message is not None:
                waiting += [message] if message["do"] == "showing" else []
                if message["do"] == "rejected":
                    trainer.reject(message["version"])
                newest = message.get("number", newest)
                continue
            try:
                while len(waiting) > 1:
                    trainer.add(load_repeat(waiting.pop(0)))
                event = trainer.decide(load_repeat(waiting.pop())) if waiting else None
            except NeuroReelError as error:
                event = {"do": "refuse", "reason": str(error)}
            if event is not None:
                report(**event, newest=newest)
