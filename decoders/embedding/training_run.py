"""A contrastive training that reports its progress, and resumes from its checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from decoders.embedding.checkpoint import Checkpoint
from decoders.embedding.trainer import Trainer

SAVING_INTERVAL = 50
"""Steps between two savings."""


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """Progress of a training.

    Attributes
    ----------
    stage
        Name of the training.
    step, n_steps
        Steps done, and their number in the end.
    loss
        Training loss of the last step, in nats.
    """

    stage: str
    step: int
    n_steps: int
    loss: float


ProgressCallback = Callable[[TrainingProgress], None]


def run_training(
    stage: str,
    trainer: Trainer,
    n_steps: int,
    report: ProgressCallback | None = None,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train until step ``n_steps``.

    Parameters
    ----------
    stage
        Name of the training in progress reports and in the checkpoint.
    trainer
        Trainer before its first step.
    n_steps
        Number of steps in the end.
    report
        Receives the progress after every step.
    checkpoint
        File that stores the training; one stored there is resumed.
    """
    if checkpoint is not None and stage in checkpoint.notes:
        trainer.restore(checkpoint.arrays(stage), int(checkpoint.notes[stage]["step"]))
    while trainer.step_number < n_steps:
        loss = trainer.step()
        step = trainer.step_number
        if checkpoint is not None and (step % SAVING_INTERVAL == 0 or step == n_steps):
            checkpoint.save(stage, {"step": step}, trainer.state())
        if report is not None:
            report(TrainingProgress(stage, step, n_steps, loss))
