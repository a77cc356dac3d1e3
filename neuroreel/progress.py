"""The progress bar of contrastive training."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from neuroreel.terminal import live_console

if TYPE_CHECKING:
    from decoders.embedding.training_run import ProgressCallback, TrainingProgress


@contextmanager
def training_bar() -> Iterator[ProgressCallback | None]:
    """Show a progress bar for each stage of training, with the loss.

    Yields
    ------
    report
        Function to call with the progress; None where standard error is not a terminal.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    loss = TextColumn("loss {task.fields[loss]:.2f} nats")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        loss,
    )
    with Progress(*columns, console=live_console(err=True)) as progress:
        tasks = {}

        def report(now: TrainingProgress) -> None:
            if now.stage not in tasks:
                tasks[now.stage] = progress.add_task(now.stage, loss=now.loss)
            progress.update(tasks[now.stage], completed=now.step, total=now.n_steps, loss=now.loss)

        yield report
