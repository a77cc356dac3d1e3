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
    """Show a progress bar for each stage of training, with loss and held-out score.

    Yields
    ------
    report
        Function to call with the progress; None where standard error is not a terminal.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    scores = TextColumn("loss {task.fields[loss]:.2f}, held-out score {task.fields[score]:.3f} nats")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        scores,
    )
    with Progress(*columns, console=live_console(err=True)) as progress:
        tasks = {}

        def report(now: TrainingProgress) -> None:
            if now.stage not in tasks:
                tasks[now.stage] = progress.add_task(now.stage, loss=now.loss, score=now.score)
            progress.update(
                tasks[now.stage], completed=now.step, total=now.n_steps, loss=now.loss, score=now.score
            )

        yield report
