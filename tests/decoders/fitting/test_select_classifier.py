"""Selection of the frame decoder, and the scores of its candidates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decoders.data.training_set import TrainingSet, training_set
from decoders.fitting.candidate_scorer import CandidateScorer
from decoders.fitting.score_candidates import best_prototypes, score_blend, score_secondary
from decoders.fitting.select_classifier import DECODERS, DEFAULT_INVERSE_TEMPERATURE, select_classifier
from decoders.fitting.settings import DEFAULT_SHRINKAGE, ReadoutSettings, cross_validation_folds
from stream.errors import BadUsage
from stream.session import Kind, Session
from tests.decoders.conftest import N_FRAMES, places_session, watched_session


@pytest.fixture(scope="module")
def data(watched: Session) -> TrainingSet:
    return training_set(watched, N_FRAMES, 0.3)


@pytest.fixture(scope="module")
def scorer(data: TrainingSet) -> CandidateScorer:
    return CandidateScorer.for_window(data, base(), list(cross_validation_folds(data)), 0)


def base() -> ReadoutSettings:
    return ReadoutSettings(4, DEFAULT_SHRINKAGE, True, 1.0, 0.0)


def test_calibration_does_not_depend_on_the_scale_of_the_logits(scorer: CandidateScorer) -> None:
    logits = np.random.default_rng(0).normal(size=(len(scorer.truth), N_FRAMES + 1)).astype(np.float32)
    logits[np.arange(len(logits)), scorer.truth] += 2
    scale, once = scorer.calibrate(base(), logits)
    scale_of_twice, twice = scorer.calibrate(base(), 2 * logits)
    assert scale == pytest.approx(2 * scale_of_twice, rel=0.05)
    assert once.settings.log_score == pytest.approx(twice.settings.log_score, abs=1e-3)
    assert once.settings.log_score < 0


def test_blends_score_no_worse_than_uninformative_logits(scorer: CandidateScorer) -> None:
    (best,) = best_prototypes(scorer, base(), (True,))
    secondary = next(score_secondary(scorer, best.settings))
    blend = score_blend(scorer, best, secondary, 0.5)
    assert blend.settings.decoder == "cosine + naive_bayes"
    assert blend.settings.log_score > -np.log(N_FRAMES + 1)


def test_confidence_is_calibrated_on_held_out_data(scorer: CandidateScorer) -> None:
    """Logits that are too flat get a higher inverse temperature, overconfident ones a lower one."""
    rng = np.random.default_rng(0)
    wrong = rng.uniform(size=len(scorer.truth)) < 0.1
    decoded = np.where(wrong, rng.integers(0, N_FRAMES, len(scorer.truth)), scorer.truth)
    _, candidate = scorer.calibrate(base(), np.eye(N_FRAMES + 1, dtype=np.float32)[decoded])
    flat, overconfident = (replace(candidate, logits=candidate.logits * scale) for scale in (0.5, 2.0))
    assert scorer.calibrate_confidence(flat).inverse_temperature > 1
    assert scorer.calibrate_confidence(overconfident).inverse_temperature < 1


def test_the_best_window_comes_first(data: TrainingSet) -> None:
    settings = select_classifier(data, [1, 4], DECODERS["cosine"], 0)
    scores = [each.log_score for each in settings]
    assert scores == sorted(scores, reverse=True)
    assert {each.n_window for each in settings} == {1, 4}
    assert all(each.decoder == "cosine" for each in settings)


def test_without_held_out_data_defaults_are_used(watched: Session) -> None:
    single = training_set(watched.select_repeats([0]), N_FRAMES, 0.3)
    (prototypes,) = select_classifier(single, [4, 8], DECODERS["auto"], 0)
    assert np.isnan(prototypes.log_score)
    assert (prototypes.n_window, prototypes.inverse_temperature) == (4, DEFAULT_INVERSE_TEMPERATURE)
    (blend,) = select_classifier(single, [4], DECODERS["blend"], 0)
    assert blend.decoder == "cosine + naive_bayes"


def test_places_have_a_prior_weight(watched: Session) -> None:
    places = training_set(places_session(), 8, 0.3)
    assert select_classifier(places, [4], DECODERS["cosine"], 0)[0].prior_weight >= 0
    movie = training_set(watched, N_FRAMES, 0.3)
    assert select_classifier(movie, [4], DECODERS["cosine"], 0)[0].prior_weight == 0


def test_blends_need_spike_counts() -> None:
    fluorescence = training_set(watched_session(kind=Kind.FLUORESCENCE, n_repeats=3), N_FRAMES, 0.3)
    with pytest.raises(BadUsage, match=r"needs spike counts.*'fluorescence'"):
        select_classifier(fluorescence, [4], DECODERS["blend"], 0)
    assert "naive_bayes" not in select_classifier(fluorescence, [4], DECODERS["auto"], 0)[0].decoder
