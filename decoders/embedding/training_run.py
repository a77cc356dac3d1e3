"""Runs of contrastive training, with validation, early stopping and checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from math import inf, nan
from typing import Any

from decoders.embedding.checkpoint import Checkpoint
from decoders.embedding.encoder import Encoder
from decoders.embedding.trainer import Trainer
from decoders.serialization import Arrays

VALIDATION_INTERVAL = 25
"""Steps between two validations on the held-out repeats."""

PATIENCE = 3
"""Validations without improvement after which a run stops."""


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """Progress of a training run.

    Attributes
    ----------
    stage
        Name of the run.
    step, n_steps
        Steps done, and the largest number of steps.
    loss
        Training loss of the last step, in nats.
    score
        Score of the last validation on held-out repeats, in nats; NaN without held-out repeats.
    """

    stage: str
    step: int
    n_steps: int
    loss: float
    score: float


ProgressCallback = Callable[[TrainingProgress], None]
ValidationScore = Callable[[Encoder], float]


class TrainingRun:
    """A training run with early stopping, which resumes from its checkpoint.

    Parameters
    ----------
    stage
        Name of the run in progress reports and in the checkpoint.
    trainer
        Trainer before its first step.
    score
        Function that scores an encoder on held-out repeats, higher is better; None without held-out repeats.
    report
        Callback that receives the progress after every step, or None.
    checkpoint
        File that stores the run, or None; a run stored there is resumed.
    """

    def __init__(
        self,
        stage: str,
        trainer: Trainer,
        score: ValidationScore | None,
        report: ProgressCallback | None,
        checkpoint: Checkpoint | None,
    ) -> None:
        self.stage, self.trainer = stage, trainer
        self._score, self._report, self._checkpoint = score, report, checkpoint
        self.best = trainer.encoder
        self.best_score, self.best_step = -inf, 0
        self._last_score = nan
        if checkpoint is not None and stage in checkpoint.notes:
            self._restore(checkpoint)
        elif score is not None:
            self._validate()

    def advance(self, n_steps: int) -> None:
        """Train until step ``n_steps``, or until the validation score has stopped improving."""
        while self.trainer.n_steps < n_steps and not self._out_of_patience:
            loss = self.trainer.step()
            step = self.trainer.n_steps
            if step % VALIDATION_INTERVAL == 0 or step == n_steps:
                self._validate()
            if self._report is not None:
                self._report(TrainingProgress(self.stage, step, n_steps, loss, self._last_score))

    @property
    def _out_of_patience(self) -> bool:
        if self._score is None:
            return False
        return self.trainer.n_steps >= self.best_step + PATIENCE * VALIDATION_INTERVAL

    def _validate(self) -> None:
        if self._score is None:
            self.best, self.best_step = self.trainer.encoder, self.trainer.n_steps
        else:
            encoder = self.trainer.encoder
            self._last_score = self._score(encoder)
            if self._last_score > self.best_score:
                self.best, self.best_score = encoder, self._last_score
                self.best_step = self.trainer.n_steps
        if self._checkpoint is not None and self.trainer.n_steps:
            self._checkpoint.save(self.stage, self._notes(), self._arrays())

    def _notes(self) -> dict[str, Any]:
        return {
            "n_steps": self.trainer.n_steps,
            "best_step": self.best_step,
            "best_score": self.best_score if self._score is not None else None,
        }

    def _arrays(self) -> Arrays:
        return {**self.trainer.state(), **{f"best.{name}": getattr(self.best, name) for name in _weights()}}

    def _restore(self, checkpoint: Checkpoint) -> None:
        notes, arrays = checkpoint.notes[self.stage], checkpoint.arrays(self.stage)
        self.trainer.restore(arrays, int(notes["n_steps"]))
        weights: dict[str, Any] = {name: arrays[f"best.{name}"] for name in _weights()}
        self.best = replace(self.best, **weights)
        self.best_step = int(notes["best_step"])
        self.best_score = -inf if notes["best_score"] is None else float(notes["best_score"])


def _weights() -> list[str]:
    return [f.name for f in fields(Encoder) if f.name != "root"]
