"""Accuracy against number of units and window length."""

from __future__ import annotations

import pytest

from decoders.evaluation.evaluate import Evaluation
from decoders.model.model import Model
from decoders.report.accuracy_curves import accuracy_curves


def test_refits_with_all_units_score_as_the_model(evaluation: Evaluation, model: Model) -> None:
    by_units, by_window = accuracy_curves(model, evaluation.predictions.test, budget_s=20, seed=0)
    assert by_units.complete
    n_used = model.parts.preprocessor.n_used
    own = round(model.card["context_ms"] / 1000, 4)
    accuracy = evaluation.report["without_playback"]["accuracy_within_1s"]
    assert by_units.scores["model"][n_used] == pytest.approx([accuracy], abs=0.02)
    assert by_window.scores["model"][own] == pytest.approx([accuracy], abs=0.02)
    again, _ = accuracy_curves(model, evaluation.predictions.test, budget_s=20, seed=0)
    assert again.scores == by_units.scores
    assert by_units.scores["model"][1][0] < accuracy
    cut, _ = accuracy_curves(model, evaluation.predictions.test, budget_s=0, seed=0)
    assert not cut.complete
