"""Evaluation of refits, compared with the fixed model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decoders.errors import TrainedOnTestData
from decoders.evaluation.evaluate import EvaluateOptions
from decoders.evaluation.evaluate_rolling import evaluate_rolling
from decoders.model.model import Model
from stream.errors import BadUsage
from stream.session import Session


@pytest.mark.slow
def test_evaluation_gives_fixed_and_rolling_side_by_side(model: Model, watched: Session) -> None:
    report = evaluate_rolling(model, watched, 3, EvaluateOptions(repeats=(5, 6), draws=0))
    rows = report["rolling"]["per_showing"]
    assert {number: row["trained_on"] for number, row in rows.items()} == {"5": [2, 3, 4], "6": [3, 4, 5]}
    for number, row in rows.items():
        assert row["fixed"]["with_playback"] == report["with_playback"]["per_repeat"][number]
        assert row["rolling"]["without_playback"]["accuracy_within_1s"] > 0.5
    assert "lda" in report["rolling"]["baselines"]
    with pytest.raises(BadUsage, match="--repeats"):
        evaluate_rolling(model, watched, 3, EvaluateOptions(time=(0.5, 1.0), draws=0))


@pytest.mark.slow
def test_training_data_are_refused_as_test_data(model: Model, watched: Session) -> None:
    with pytest.raises(TrainedOnTestData):
        evaluate_rolling(model, watched, 3, EvaluateOptions(repeats=(4, 5), draws=0))
    again = watched.neural.copy()
    shown = [np.flatnonzero(watched.repeat == number) for number in (5, 6)]
    n = min(map(len, shown))
    again[shown[1][:n]] = again[shown[0][:n]]  # a recording that contains a repeat twice
    with pytest.raises(TrainedOnTestData, match="earlier repeat"):
        evaluate_rolling(model, replace(watched, neural=again), 3, EvaluateOptions(repeats=(5, 6), draws=0))
