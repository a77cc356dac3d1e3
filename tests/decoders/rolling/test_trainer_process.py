"""Decisions of the trainer: when it waits, swaps, refuses and rolls back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from decoders.model.model import Model
from decoders.model.training_archive import archived_repeats
from decoders.rolling.refit import Comparison, repeats_in_order
from decoders.rolling.trainer_process import RollingTrainer
from stream.session import Session
from tests.decoders.conftest import watched_session


class Scripted:
    """A trainer with scripted comparisons: each gives the accuracy of the new and the old model."""

    def __init__(
        self,
        model: Model,
        folder: Path,
        n: int,
        accuracies: list[tuple[float, float]],
        archived: Sequence[Session] = (),
    ) -> None:
        self.fitted_on: list[int] = []
        self.compared: list[tuple[Model, Model]] = []
        self._accuracies = iter(accuracies)

        def fit(model: Model, session: Session) -> Model:
            self.fitted_on.append(len(repeats_in_order(session)))
            return Model(model.parts, {**model.card, "seed": len(self.fitted_on)})

        def compare(new: Model, old: Model, repeat: Session) -> Comparison:
            self.compared.append((new, old))
            return Comparison(*next(self._accuracies), 0.01)

        self.trainer = RollingTrainer(model, n, folder, fit, compare, archived)


def new_repeats(n: int) -> list[Session]:
    """Repeats of the fixture's movie that no model was trained on."""
    session = watched_session(seed=31, n_repeats=n)
    return [session.select_repeats([number]) for number in repeats_in_order(session)]


def test_the_trainer_waits_then_swaps_then_refuses(model: Model, tmp_path: Path) -> None:
    scripted = Scripted(model, tmp_path, 3, [(0.9, 0.9), (0.9, 0.8), (0.7, 0.8)])
    events = [scripted.trainer.decide(repeat) for repeat in new_repeats(4)]
    assert [event["do"] for event in events] == ["wait", "wait", "swap", "refuse"]
    # Compared without the newest repeat, swapped in with it; the next repeat tests the swapped model.
    assert scripted.fitted_on == [2, 3, 3]
    assert events[2]["version"] == 1
    assert Model.load(events[2]["file"]).n_frames == model.n_frames
    assert scripted.compared[1] == (scripted.trainer.running, model)
    assert scripted.trainer.version == 1
    assert events[3]["new"] == 0.7


def test_a_refit_that_is_worse_on_the_next_repeat_is_rolled_back(model: Model, tmp_path: Path) -> None:
    scripted = Scripted(model, tmp_path, 3, [(0.9, 0.9), (0.5, 0.8), (0.9, 0.9), (0.9, 0.9)])
    events = [scripted.trainer.decide(repeat) for repeat in new_repeats(5)]
    assert [event["do"] for event in events] == ["wait", "wait", "swap", "rollback", "swap"]
    assert (events[3]["failed"], events[3]["weights_of"], events[3]["version"]) == (1, 0, 2)
    assert Model.load(events[3]["file"]).card["seed"] == model.card["seed"]
    assert events[4]["version"] == 3


def test_a_version_that_the_engine_cannot_load_is_not_the_running_one(model: Model, tmp_path: Path) -> None:
    swapped_again = [(0.9, 0.9), (0.9, 0.9)]  # nothing is tested against the version that never ran
    scripted = Scripted(model, tmp_path, 3, swapped_again)
    parts = new_repeats(4)
    assert [scripted.trainer.decide(repeat)["do"] for repeat in parts[:3]] == ["wait", "wait", "swap"]
    scripted.trainer.reject(0)
    assert scripted.trainer.running is not model
    scripted.trainer.reject(1)
    assert scripted.trainer.running is model
    assert scripted.trainer.decide(parts[3])["version"] == 2
    assert all(old is model for _, old in scripted.compared)


def test_a_rollback_that_the_engine_cannot_load_is_tried_again(model: Model, tmp_path: Path) -> None:
    scripted = Scripted(model, tmp_path, 3, [(0.9, 0.9), (0.5, 0.8), (0.5, 0.8)])
    parts = new_repeats(5)
    events = [scripted.trainer.decide(repeat) for repeat in parts[:4]]
    assert [event["do"] for event in events] == ["wait", "wait", "swap", "rollback"]
    scripted.trainer.reject(2)
    again = scripted.trainer.decide(parts[4])
    assert (again["do"], again["failed"], again["weights_of"]) == ("rollback", 1, 0)


def test_a_trainer_that_lags_behind_decides_on_the_newest_repeat_alone(model: Model, tmp_path: Path) -> None:
    scripted = Scripted(model, tmp_path, 3, [(0.9, 0.9)])
    parts = new_repeats(4)
    for repeat in parts[:3]:
        scripted.trainer.add(repeat)
    assert scripted.trainer.decide(parts[3])["do"] == "swap"
    assert scripted.fitted_on == [3, 3]


def test_the_repeats_that_the_model_was_trained_on_are_the_first(model: Model, tmp_path: Path) -> None:
    scripted = Scripted(model, tmp_path, 3, [(0.9, 0.9), (0.9, 0.8)], archived_repeats(model))
    events = [scripted.trainer.decide(repeat) for repeat in new_repeats(2)]
    assert [event["do"] for event in events] == ["swap", "swap"]
    # The first swap needs no check: a fit without the new repeat would be the model that runs.
    assert scripted.fitted_on == [3, 3, 3]
    assert len(scripted.compared) == 2


def test_a_refit_without_independent_test_data_or_with_too_few_frames_is_refused(
    model: Model, watched: Session, tmp_path: Path
) -> None:
    scripted = Scripted(model, tmp_path, 3, [])
    known = [watched.select_repeats([number]) for number in (0, 1, 2)]  # the model was trained on these
    assert [scripted.trainer.decide(repeat)["do"] for repeat in known] == ["wait", "wait", "refuse"]
    scripted = Scripted(model, tmp_path, 3, [])
    halves = [repeat.take(repeat.frame < model.n_frames // 2) for repeat in new_repeats(3)]
    event = [scripted.trainer.decide(repeat) for repeat in halves][-1]
    assert event["do"] == "refuse"
    assert "%" in event["reason"]
    assert scripted.fitted_on == []
