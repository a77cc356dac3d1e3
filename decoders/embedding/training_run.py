"""Runs of contrastive training: evaluated now and then, stopped early, kept in a file, and interruptible."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from math import inf, nan
from typing import Any

from decoders.embedding.checkpoint import Checkpoint
from decoders.embedding.encoder import Encoder
from decoders.embedding.trainer import Trainer
from decoders.serialization import Arrays

EVERY = 25
"""Steps between two looks at the held-out showings."""

PATIENCE = 3
"""Looks without a better score after which a run ends."""


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """Where a training stands.

    Attributes
    ----------
    stage
        What is being trained.
    step, n_steps
        Done in this stage, and the most there will be.
    loss
        Of the last step, nats.
    score
        Of the last look at held-out showings, in nats; NaN where none are held out.
    """

    stage: str
    step: int
    n_steps: int
    loss: float
    score: float


ProgressCallback = Callable[[TrainingProgress], None]
ValidationScore = Callable[[Encoder], float]


class TrainingRun:
    """One training run.

    Parameters
    ----------
    stage
        Its name, in reports and in the checkpoint.
    trainer
        At its start.
    score
        Of an encoder on held-out showings, higher is better; None = nothing is held out.
    report
        Told of every step, or None.
    checkpoint
        Where the run is kept, or None; what is there already is taken up.
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
        self._last = nan
        if checkpoint is not None and stage in checkpoint.notes:
            self._restore(checkpoint)
        elif score is not None:
            self._look()

    def advance(self, n_steps: int) -> None:
        """Train until so many steps are done in all, or held-out showings say that it is enough."""
        while self.trainer.n_steps < n_steps and not self._stale:
            loss = self.trainer.step()
            now = self.trainer.n_steps
            if now % EVERY == 0 or now == n_steps:
                self._look()
            if self._report is not None:
                self._report(TrainingProgress(self.stage, now, n_steps, loss, self._last))

    @property
    def _stale(self) -> bool:
        return self._score is not None and self.trainer.n_steps >= self.best_step + PATIENCE * EVERY

    def _look(self) -> None:
        if self._score is None:
            self.best, self.best_step = self.trainer.encoder, self.trainer.n_steps
        else:
            encoder = self.trainer.encoder
            self._last = self._score(encoder)
            if self._last > self.best_score:
                self.best, self.best_score, self.best_step = encoder, self._last, self.trainer.n_steps
        if self._checkpoint is not None and self.trainer.n_steps:
            self._checkpoint.keep(self.stage, self._notes(), self._arrays())

    def _notes(self) -> dict[str, Any]:
        finite = self._score is not None
        return {
            "n_steps": self.trainer.n_steps,
            "best_step": self.best_step,
            "best_score": self.best_score if finite else None,
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
