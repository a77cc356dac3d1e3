"""Scores of a report, and its verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decoders.evaluation.evaluate import Evaluation, without_controls
from decoders.evaluation.predictions import pool_folds
from decoders.evaluation.summary import build_report


def test_the_verdict_compares_with_refits_on_shifted_labels(evaluation: Evaluation) -> None:
    predictions, model = evaluation.predictions, evaluation.model
    assert build_report(without_controls(predictions), model, 0)["verdict"] == "not tested"
    truth = predictions.test.frame.astype(np.int64)
    as_good = replace(predictions, shifted=[(truth, truth)] * 20)
    assert build_report(as_good, model, 0)["verdict"] == "at chance"
    unrelated = replace(predictions, shifted=[(np.zeros_like(truth), np.zeros_like(truth))] * 20)
    assert build_report(unrelated, model, 0)["verdict"] == "above chance"


def test_a_prediction_without_evidence_is_no_hit(evaluation: Evaluation) -> None:
    predictions, model = without_controls(evaluation.predictions), evaluation.model
    assert predictions.evidence.all()
    before = build_report(predictions, model, 0)["with_playback"]["accuracy_within_1s"]
    none = replace(predictions, evidence=np.zeros_like(predictions.evidence))
    assert before > 0
    assert build_report(none, model, 0)["with_playback"]["accuracy_within_1s"] == 0


def test_intervals_are_scored_by_their_coverage(evaluation: Evaluation) -> None:
    predictions = evaluation.predictions
    truth = predictions.test.labels["position"]
    estimate = truth + np.where(np.arange(len(truth)) % 4 == 0, 2.0, 0.0)[:, None].astype(np.float32)
    changed = replace(
        predictions,
        continuous={"model": {"position": estimate}},
        half_width={"position": np.ones_like(truth)},
    )
    scores = build_report(changed, evaluation.model, 0)["continuous"]["position"]["interval_80"]
    assert scores["coverage"] == pytest.approx(0.75, abs=0.01)
    assert scores["median_half_width"] == 1.0


def test_pooled_folds_are_scored_over_all_their_samples(evaluation: Evaluation) -> None:
    predictions = evaluation.predictions
    twice = build_report(pool_folds([predictions, predictions]), evaluation.model, 0)
    once = evaluation.report
    assert twice["n_moments"] == 2 * once["n_moments"]
    assert twice["with_playback"]["accuracy_exact"] == pytest.approx(once["with_playback"]["accuracy_exact"])
