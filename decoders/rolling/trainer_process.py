"""The trainer of a running engine: after each completed repeat it decides to wait, swap, refuse or roll back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
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


class RollingTrainer:
    """Compares and refits models, one repeat after the other.

    Each completed repeat is first test data, then training data:

    1. The model swapped in last, which was not trained on this repeat, is compared on it with the model before. If it is
       worse, the model before comes back (rollback).
    2. Otherwise a model fitted on the last repeats *without* this one is compared on it with the running model. If it is
       worse, the running model stays (refusal).
    3. Otherwise a model is fitted on the last repeats *with* this one and replaces the running model (swap). It is
       tested by 1. when the next repeat is complete.

    Parameters
    ----------
    model
        Running model, version 0.
    n
        Number of repeats to fit on.
    folder
        Folder for the weights.
    fit
        Fits a replacement of a model on repeats.
    compare_models
        Compares a new model with an old one on a repeat.
    archived
        Repeats that the model was trained on, oldest first: the last ones until there are enough new ones.

    Attributes
    ----------
    running
        Running model.
    version
        Its version number.
    """

    def __init__(
        self,
        model: Model,
        n: int,
        folder: Path,
        fit: Callable[[Model, Session], Model] = refit,
        compare_models: Callable[[Model, Model, Session], Comparison] = compare,
        archived: Sequence[Session] = (),
    ) -> None:
        self.running = model
        self.version = 0
        # The model before, until the running one has been tested.
        self._previous: tuple[Model, int] | None = None
        self._weights = 0  # version under which the running weights were fitted
        self._before: tuple[Model, int, tuple[Model, int] | None] = (
            model,
            0,
            None,
        )  # replaced by the newest version
        self._n = n
        self._folder = folder
        self._fit = fit
        self._compare = compare_models
        self._repeats: deque[Session] = deque(map(self._on_model_axis, archived), maxlen=n)
        self._only_archived = bool(archived)

    def add(self, repeat: Session) -> None:
        """Add a repeat to the training data without a decision, since a newer one is already complete.

        Parameters
        ----------
        repeat
            Repeat with its true frames.
        """
        self._repeats.append(self._on_model_axis(repeat))
        self._only_archived = False

    def decide(self, repeat: Session) -> Event:
        """Add the newest completed repeat and decide.

        Parameters
        ----------
        repeat
            Repeat with its true frames, of any number.

        Returns
        -------
        event
            The decision under ``do``: ``wait``, ``refuse``, ``swap`` or ``rollback``; the last two come with
            ``version`` and ``file``.
        """
        repeat = self._on_model_axis(repeat)
        # A fit on the repeats that the running model was fitted on would be the same model.
        earlier, same = list(self._repeats), self._only_archived
        self._repeats.append(repeat)
        self._only_archived = False
        rollback = self._roll_back(repeat)
        if rollback is not None:
            return rollback
        if len(earlier) < MIN_REPEATS:
            return {"do": "wait", "showings": len(self._repeats), "needed": MIN_REPEATS + 1}
        return self._refuse(repeat, earlier, same=same) or self._swap()

    def reject(self, version: int) -> None:
        """Return to the model that runs, because the engine could not load the newest version.

        Parameters
        ----------
        version
            Version that it could not load; an older one has been replaced already.
        """
        if version == self.version:
            self.running, self._weights, self._previous = self._before

    def _on_model_axis(self, repeat: Session) -> Session:
        """Use the model's movie, so that repeats of different parts of it fit together."""
        clips = self.running.clips
        return replace(repeat, movie=Movie(clips) if clips else None)

    def _roll_back(self, repeat: Session) -> Event | None:
        if self._previous is None:
            return None
        previous, weights = self._previous
        self._previous = None
        if was_trained_on(self.running, repeat) or was_trained_on(previous, repeat):
            return None
        comparison = self._compare(self.running, previous, repeat)
        if not comparison.worse:
            return None
        self._before = self.running, self._weights, (previous, weights)
        failed, self.running, self._weights = self._weights, previous, weights
        return {
            "do": "rollback",
            **self._save_version(),
            "failed": failed,
            "weights_of": weights,
            **comparison.facts(),
        }

    def _refuse(self, repeat: Session, earlier: list[Session], *, same: bool) -> Event | None:
        if was_trained_on(self.running, repeat):
            return {"do": "refuse", "reason": "the running model was trained on the newest repeat"}
        train = concatenate_repeats(earlier)
        covered = coverage(self.running, train)
        if covered < MIN_COVERAGE:
            return {
                "do": "refuse",
                "reason": f"the last {len(earlier)} repeats contain only {covered:.0%} of the model's frames",
            }
        if same:
            return None
        comparison = self._compare(self._fit(self.running, train), self.running, repeat)
        if not comparison.worse:
            return None
        return {"do": "refuse", "reason": "the refit is worse on the newest repeat", **comparison.facts()}

    def _swap(self) -> Event:
        train = list(self._repeats)
        fitted = self._fit(self.running, concatenate_repeats(train))
        self._before = self.running, self._weights, self._previous
        self._previous = (self.running, self._weights)
        self.running = fitted
        saved = self._save_version()
        self._weights = self.version
        return {
            "do": "swap",
            **saved,
            "showings": len(train),
            "train_seconds": fitted.card.get("train_seconds"),
            "agreement_r2": fitted.card.get("agreement_r2"),
            "decodes": fitted.decoder_embedding,
        }

    def _save_version(self) -> Event:
        """Save the running weights under the next version number."""
        self.version += 1
        return save_version(self.running, self._folder, self.version)


def save_version(model: Model, folder: Path, version: int) -> Event:
    """Save what decoding needs of a model.

    Parameters
    ----------
    model
        Fitted model.
    folder
        Folder for the weights.
    version
        Version number of the model.

    Returns
    -------
    saved
        ``version`` and ``file``.
    """
    path = folder / f"version-{version}.safetensors"
    without_training_data(model).save(path)
    return {"version": version, "file": str(path)}


def without_training_data(model: Model) -> Model:
    """Remove pictures and training data, which decoding does not need.

    Parameters
    ----------
    model
        Fitted model.
    """
    extra = {name: array for name, array in model.parts.extra.items() if not name.startswith("memory.")}
    return Model(replace(model.parts, pictures=None, extra=extra), model.card)
