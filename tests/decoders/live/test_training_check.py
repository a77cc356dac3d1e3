"""Training data that are sent to the engine again are recognised."""

from __future__ import annotations

import numpy as np
import pytest

from decoders.data.fingerprint import RUN_LENGTH
from decoders.live.training_check import TrainingCheck
from decoders.model.model import Model
from stream.notices import Notices
from stream.session import Session


@pytest.mark.parametrize(("repeat", "trained"), [(1, True), (6, False)])
def test_only_samples_of_the_training_are_known(
    model: Model, watched: Session, repeat: int, trained: bool
) -> None:
    check, notices = TrainingCheck(), Notices()
    for index, sample in enumerate(np.asarray(watched.select_repeats([repeat]).neural, np.float32)):
        check.add(sample)
        if index % 30 == 29:
            check.check(model, notices)
    assert check.counts["checked"] >= 1
    assert (check.counts["known"] > 0) is trained
    assert [notice.event for notice in notices.take()] == ["training_data"] * trained


def test_few_samples_and_models_without_fingerprints_say_nothing(model: Model) -> None:
    check, notices = TrainingCheck(), Notices()
    check.check(model, notices)
    for _ in range(RUN_LENGTH - 1):
        check.add(np.zeros(20, np.float32))
    check.check(model, notices)
    assert check.counts == {"checked": 0, "known": 0}
