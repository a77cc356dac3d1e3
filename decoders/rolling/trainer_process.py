"""What the trainer of a running engine decides after each completed showing: keep, swap, refuse or roll back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from decoders.model.model import Model
from decoders.rolling.refit import (
    MIN_COVERAGE,
    MIN_REPEATS,
    Comparison,
    compare,
    concatenate_repeats,
    coverage,
    refit,
    was_trained_on,
)
from stream.movie import Movie
from stream.session import Session

Event = dict[str, Any]


class Trainer:
    """Judges and refits, one showing after the other.

    Each completed showing is first a test, then training data:

    1. The model swapped in last, which has not seen this showing, is compared on it with the model before. When it is
       worse, the model before comes back (rollback).
    2. Else a model fitted on the last showings *without* this one is compared on it with the running model. When it is
       worse, the running model stays (refusal).
    3. Else a model is fitted on the last showings *with* this one, and handed over (swap). That model is judged by 1.
       when the next showing is complete.

    Parameters
    ----------
    model
        The running one, version 0.
    n
        Showings to fit on.
    folder
        Where weights are written.
    fit
        Fits a model on showings, to answer in place of another.
    judge
        Compares a new model with an old one on a showing.
    """

    def __init__(
        self,
        model: Model,
        n: int,
        folder: Path,
        fit: Callable[[Model, Session], Model] = refit,
        judge: Callable[[Model, Model, Session], Comparison] = compare,
    ) -> None:
        self.running = model
        self.version = 0
        self._before: tuple[Model, int] | None = None
        self._weights = 0  # the version under which the running weights were made
        self._n = n
        self._folder = folder
        self._fit = fit
        self._judge = judge
        self._last: deque[Session] = deque(maxlen=n)

    def add(self, showing: Session) -> None:
        """Keep a showing to train on that nothing is decided after, because a newer one is there already.

        Parameters
        ----------
        showing
            With its truth.
        """
        self._last.append(self._on_model_axis(showing))

    def decide(self, showing: Session) -> Event:
        """Take in the newest completed showing.

        Parameters
        ----------
        showing
            With its truth; numbers of showings do not matter.

        Returns
        -------
        event
            ``do`` says what was decided: ``wait``, ``refuse``, ``swap`` or ``rollback``; the last two bring ``version``
            and ``file``.
        """
        showing = self._on_model_axis(showing)
        earlier = list(self._last)
        self._last.append(showing)
        back = self._roll_back(showing)
        if back is not None:
            return back
        if len(earlier) < MIN_REPEATS:
            return {"do": "wait", "showings": len(self._last), "needed": MIN_REPEATS + 1}
        return self._refuse(showing, earlier) or self._swap()

    def _on_model_axis(self, showing: Session) -> Session:
        """Frames counted on the model's axis, so that showings of different parts of it fit together."""
        clips = self.running.clips
        return replace(showing, movie=Movie(clips) if clips else None)

    def _roll_back(self, showing: Session) -> Event | None:
        if self._before is None:
            return None
        before, weights = self._before
        self._before = None
        if was_trained_on(self.running, showing) or was_trained_on(before, showing):
            return None
        judged = self._judge(self.running, before, showing)
        if not judged.worse:
            return None
        failed, self.running, self._weights = self._weights, before, weights
        return {
            "do": "rollback",
            **self._save_version(),
            "failed": failed,
            "weights_of": weights,
            **judged.facts(),
        }

    def _refuse(self, showing: Session, earlier: list[Session]) -> Event | None:
        if was_trained_on(self.running, showing):
            return {"do": "refuse", "reason": "the running model was trained on the newest showing"}
        train = concatenate_repeats(earlier)
        covered = coverage(self.running, train)
        if covered < MIN_COVERAGE:
            return {
                "do": "refuse",
                "reason": f"the last {len(earlier)} showings hold only {covered:.0%} of the frames that the model knows",
            }
        judged = self._judge(self._fit(self.running, train), self.running, showing)
        if not judged.worse:
            return None
        return {"do": "refuse", "reason": "the refit is worse on the newest showing", **judged.facts()}

    def _swap(self) -> Event:
        train = list(self._last)
        fitted = self._fit(self.running, concatenate_repeats(train))
        self._before = (self.running, self._weights)
        self.running = fitted
        handed = self._save_version()
        self._weights = self.version
        return {
            "do": "swap",
            **handed,
            "showings": len(train),
            "train_seconds": fitted.card.get("train_seconds"),
        }

    def _save_version(self) -> Event:
        """Write the running weights under the next version number."""
        self.version += 1
        path = self._folder / f"version-{self.version}.safetensors"
        without_training_data(self.running).save(path)
        return {"version": self.version, "file": str(path)}


def without_training_data(model: Model) -> Model:
    """The model without what decoding does not need: pictures, and its memory of the training data.

    Parameters
    ----------
    model
        Fitted.
    """
    extra = {name: array for name, array in model.parts.extra.items() if not name.startswith("memory.")}
    return Model(replace(model.parts, pictures=None, extra=extra), model.card)
