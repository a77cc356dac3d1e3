"""Baselines: settings in the model's card, and refits from its archived training data."""

from __future__ import annotations

import pytest

from decoders.errors import BadModel
from decoders.fitting.baselines import NAMES, refit_baselines
from decoders.model.model import Model
from decoders.model.training_archive import restore_training


def test_every_baseline_is_refitted_with_the_settings_of_the_card(model: Model) -> None:
    baselines = list(refit_baselines(model.card, restore_training(model)))
    assert [baseline.settings.name for baseline in baselines] == list(NAMES)
    for baseline in baselines:
        assert baseline.settings.n_window == model.parts.scaling.n_window
        assert baseline.settings.factor == model.card["baselines"][baseline.settings.name]["factor"]


def test_their_accuracy_on_held_out_data_is_on_the_card(model: Model) -> None:
    shares = model.card["baseline_accuracy"]
    assert shares.keys() == model.card["baselines"].keys()
    assert all(0.3 < share <= 1 for share in shares.values())  # chance is below
    assert model.stored_baseline == max(shares.items(), key=lambda item: item[1])


@pytest.mark.parametrize("damaged", [{}, {"lda": {"name": "lda", "colour": 3}}])
def test_a_card_without_usable_settings_is_refused(model: Model, damaged: dict) -> None:
    with pytest.raises(BadModel, match="no usable settings of baseline"):
        list(refit_baselines({**model.card, "baselines": damaged}, restore_training(model)))
