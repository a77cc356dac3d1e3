"""Evaluation of models, and cross-validation of fit options."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from decoders.errors import BadSplit, TrainedOnTestData
from decoders.evaluation.evaluate import (
    EvaluateOptions,
    Evaluation,
    cross_validate,
    evaluate,
    select_test_part,
    split_folds,
)
from decoders.evaluation.predictions import collect_predictions
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.metrics import likeliest
from decoders.model.model import Model
from stream.errors import BadUsage
from stream.movie import Clip, Movie
from stream.session import Session
from tests.decoders.conftest import places_session, watched_session


@pytest.fixture(scope="module")
def result(evaluation: Evaluation) -> dict:
    return evaluation.report


def test_the_report_has_every_part(result: dict) -> None:
    json.dumps(result)
    for block in (
        result,
        *result["baselines"].values(),
        *(result["controls"][c] for c in ("counter", "onset_clock", "neural_shuffled")),
    ):
        for name in ("with_playback", "without_playback"):
            assert set(block[name]) >= {
                "accuracy_within_1s",
                "accuracy_exact",
                "median_frame_error",
                "mean_frame_error",
                "log_score_bits",
                "ece",
                "per_repeat",
            }
    assert set(result["baselines"]) == {"linear", "lda", "naive_bayes", "knn"}
    assert set(result["controls"]) == {"counter", "onset_clock", "labels_shifted", "neural_shuffled"}
    assert {"mean", "p95", "draws"} <= set(result["controls"]["labels_shifted"])
    assert set(result["forecast"]) == {"0.25", "0.5", "0.75", "1.0", "1.5", "2.0"}
    assert {"persistence", "advance", "pixcorr", "skill_over_persistence"} <= set(result["forecast"]["1.0"])
    parts = {"r2", "median_error", "mean_error", "interval_80", "baselines", "controls"}
    assert set(result["continuous"]["position"]) == parts
    assert {"lookahead_ms", "context_ms", "lag_ms", "train_seconds", "step_us", "verdict"} <= set(result)


def test_a_decodable_recording_is_above_chance(result: dict) -> None:
    assert result["verdict"] == "above chance"
    assert result["with_playback"]["accuracy_exact"] > 0.8
    assert result["with_playback"]["accuracy_exact"] > result["without_playback"]["accuracy_exact"]
    assert result["controls"]["labels_shifted"]["draws"] == 20
    assert result["controls"]["onset_clock"]["without_playback"]["accuracy_exact"] < 0.1
    assert set(result["with_playback"]["per_repeat"]) == {"5", "6"}


@pytest.mark.slow
def test_noise_is_at_chance() -> None:
    noise = watched_session(5, signal=0.0)
    model = fit_model(noise, FitOptions(train_repeats=(0, 1, 2, 3)))
    result = evaluate(model, noise, EvaluateOptions(repeats=(4, 5, 6)))
    assert result["verdict"] == "at chance"
    assert result["without_playback"]["accuracy_exact"] < 0.15
    for name in ("onset_clock", "neural_shuffled"):
        assert result["controls"][name]["without_playback"]["within_null"]


def test_training_data_are_refused_also_when_cut_and_moved(model: Model, watched: Session) -> None:
    with pytest.raises(TrainedOnTestData, match="repeats"):
        evaluate(model, watched, EvaluateOptions(repeats=(4, 5)))
    with pytest.raises(TrainedOnTestData):
        evaluate(model, watched)
    cut = watched.take((np.arange(watched.n_samples) > 17) & (np.arange(watched.n_samples) < 60))
    moved = replace(cut, stamps=cut.stamps + 5, repeat=np.where(cut.frame >= 0, 50, -1).astype(np.int32))
    with pytest.raises(TrainedOnTestData):
        evaluate(model, moved)


def test_a_repeat_that_ends_early_is_another_movie_only_by_its_hash(model: Model, unseen: Session) -> None:
    early = unseen.take(unseen.frame < 50)
    by_rate, by_hash = (Movie((Clip("movie", 0, 50, 30.0, sha256),)) for sha256 in ("", "ab"))
    kept = select_test_part(model, replace(early, movie=by_rate), EvaluateOptions())
    assert kept.n_samples == early.n_samples
    with pytest.raises(BadSplit, match="Is it another movie"):
        evaluate(model, replace(early, movie=by_hash))


def test_labels_that_the_model_does_not_decode_are_not_scored(model: Model, unseen: Session) -> None:
    position = unseen.labels["position"]
    labels = {"speed": position, "position": np.full_like(position, np.nan)}
    report = evaluate(model, replace(unseen, labels=labels), EvaluateOptions(draws=0))
    assert set(report["continuous"]) == {"position"}
    assert np.isnan(report["continuous"]["position"]["median_error"])
    other = replace(unseen, labels={"position": np.hstack([position, position])})
    assert evaluate(model, other, EvaluateOptions(draws=0))["continuous"] == {}


def test_invalid_options_are_refused() -> None:
    with pytest.raises(BadSplit):
        EvaluateOptions(repeats=(1,), time=(0, 0.5))
    with pytest.raises(BadUsage, match="5 draws"):
        EvaluateOptions(draws=5)


def test_folds_keep_segments_whole() -> None:
    session = places_session()
    folds = list(split_folds(session, "blocks:4", None, 0.5))
    assert len(folds) == 4
    assert sum(test.n_samples for _, test in folds) == session.n_samples
    for train, test in folds:
        assert train.n_samples + test.n_samples == session.n_samples
        assert not np.isin(np.round(test.stamps, 6), np.round(train.stamps, 6)).any()
        assert len(np.unique(test.segment)) == 3


def test_a_gap_separates_training_and_test_data_within_a_segment() -> None:
    session = places_session()
    one = replace(session, segment=np.zeros_like(session.segment), stamps=np.arange(session.n_samples) / 20)
    for train, test in split_folds(one, "blocks:3", None, 0.5):
        gap = np.min(np.abs(train.stamps[:, None] - test.stamps[[0, -1]][None]))
        assert gap > 0.5
    for train, test in split_folds(one, "blocks:3", 1.5, 0.5):
        assert np.min(np.abs(train.stamps[:, None] - test.stamps[[0, -1]][None])) > 1.5


@pytest.mark.parametrize("cv", ["blocks", "blocks:1", "block:3", "5", "repeats"])
def test_unknown_cross_validations_are_refused(cv: str, watched: Session) -> None:
    with pytest.raises(BadUsage, match="cross-validation"):
        list(split_folds(watched, cv, None, 0.3))


def test_cross_validation_pools_its_folds(places_evaluation: Evaluation) -> None:
    result = places_evaluation.report
    n_samples = places_session().n_samples
    assert len(result["folds"]) == 3
    assert result["n_moments"] == sum(fold["n_moments"] for fold in result["folds"]) == n_samples
    assert result["verdict"] == "above chance"
    assert "lda_mean" in result["continuous"]["position"]["baselines"]


@pytest.mark.slow
def test_cross_validation_by_repeat(watched: Session) -> None:
    options = FitOptions(decoder="cosine", context_s=0.2)
    result = cross_validate(watched.select_repeats([0, 1, 2]), "repeat", options, draws=0)
    assert set(result["with_playback"]["per_repeat"]) == {"0", "1", "2"}
    assert result["verdict"] == "not tested"


def test_test_data_shorter_than_the_delay_are_refused(model: Model, unseen: Session) -> None:
    slow = Model(model.parts, {**model.card, "lookahead_ms": 50_000.0})
    with pytest.raises(BadSplit, match="refer to 1500 samples earlier"):
        evaluate(slow, unseen, EvaluateOptions(draws=0))


def test_posteriors_are_kept_only_where_asked_for(evaluation: Evaluation) -> None:
    predictions, model = evaluation.predictions, evaluation.model
    assert not predictions.posteriors
    kept = collect_predictions(model, predictions.test, 0, 0, posteriors=True)
    assert set(kept.posteriors) == set(kept.decoders)
    for name, both in kept.posteriors.items():
        for posterior, decoded in zip(both, predictions.decoders[name], strict=True):
            assert posterior.shape == (predictions.test.n_samples, model.n_frames + 1)
            np.testing.assert_array_equal(likeliest(posterior), decoded.frame)
    for part in (*predictions.decoders.values(), *predictions.controls.values()):
        assert all(each.ndim == 1 for decoded in part for each in (decoded.frame, decoded.at_truth))
