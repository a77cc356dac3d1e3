"""Settings are chosen on moments like those that are scored: shown, spread over each fold, in any order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decoders.data.training_set import TrainingSet, training_set
from decoders.evaluation.evaluate import EvaluateOptions, evaluate
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.fitting.settings import cross_validation_folds
from decoders.fitting.validation_sequences import moment_weights, validation_facts, validation_sequences
from decoders.model.model import Model
from stream.movie import Clip, Movie
from stream.session import Kind, Session


def movie_after_gray(gray_s: float, n_frames: int, *, rate_hz: float = 30.0, n_repeats: int = 3) -> Session:
    """Repeats of a movie at the sampling rate, each after gray; counts carry no information."""
    one = np.r_[np.full(round(gray_s * rate_hz), -1), np.arange(n_frames)].astype(np.int32)
    frame = np.tile(one, n_repeats)
    repeat = np.repeat(np.arange(n_repeats), len(one))
    return Session(
        neural=np.random.default_rng(0).poisson(1.0, (len(frame), 2)).astype(np.float32),
        stamps=(np.arange(len(frame)) + 1) / rate_hz,
        frame=frame,
        repeat=np.where(frame >= 0, repeat, -1).astype(np.int32),
        segment=repeat.astype(np.int32),
        channel_names=("a", "b"),
        kind=Kind.SPIKES,
        rate_hz=rate_hz,
        movie=Movie((Clip("movie", 0, n_frames, rate_hz),)),
    )


def bins(seed: int, *, shuffled: bool = False, n_repeats: int = 12, n_units: int = 15) -> Session:
    """Twelve one-second bins in fixed order; the response to each outlasts it, so that two bins tell more in order."""
    rng = np.random.default_rng(seed)
    rate = np.random.default_rng(99).gamma(1.0, 1.5, (12, n_units))
    rate *= np.exp(0.5 * np.random.default_rng(98).normal(size=rate.shape))
    order = [rng.permutation(12) if shuffled else np.arange(12) for _ in range(n_repeats)]
    frame = np.concatenate(order).astype(np.int32)
    repeat = np.repeat(np.arange(n_repeats), 12).astype(np.int32)
    gain = rng.gamma(4.0, 0.25, (len(frame), 1))
    return Session(
        neural=rng.poisson(0.35 * gain * rate[frame]).astype(np.float32),
        stamps=np.arange(len(frame)) + 100.0 * repeat,
        frame=frame,
        repeat=repeat,
        segment=repeat,
        channel_names=tuple(f"unit {i}" for i in range(n_units)),
        kind=Kind.SPIKES,
        rate_hz=1.0,
    )


@pytest.mark.parametrize(("gray_s", "n_frames"), [(10.0, 900), (5.0, 3600), (0.0, 1800)])
def test_held_out_moments_are_shown_and_spread_over_the_movie(gray_s: float, n_frames: int) -> None:
    data = training_set(movie_after_gray(gray_s, n_frames), n_frames, 0.3)
    for _, test in cross_validation_folds(data):
        for sequence in validation_sequences(data, test, np.random.default_rng(0)):
            assert np.mean(sequence.state < n_frames) > 0.7
        for sequence in validation_sequences(data, test, np.random.default_rng(0), alone=True):
            shown = sequence.state[sequence.state < n_frames]
            assert len(shown) > 0.7 * len(sequence.state)
            assert np.all(np.bincount(shown * 3 // n_frames) > 0.2 * len(shown))
            assert np.any(sequence.state == n_frames) == (gray_s > 0)


def test_a_long_rest_does_not_decide() -> None:
    state = np.r_[np.full(90, 6), np.arange(6)]
    weight = moment_weights(state, 6)
    assert weight.sum() == pytest.approx(1)
    assert weight[:90].sum() == pytest.approx(1 / 7)
    assert moment_weights(np.full(4, 6), 6).tolist() == [0.25] * 4
    assert moment_weights(np.arange(4), 6).tolist() == [0.25] * 4


def in_fixed_order() -> TrainingSet:
    return training_set(bins(0), 12, 2.0)


def test_bins_of_a_second_are_scenes_for_decoders_alone() -> None:
    data = in_fixed_order()
    assert data.fixed_order
    (sequence,) = validation_sequences(data, data.fold == 0, np.random.default_rng(0), alone=True)
    assert not sequence.in_order
    assert np.mean(np.diff(sequence.index) == 1) < 0.3
    (sequence,) = validation_sequences(data, data.fold == 0, np.random.default_rng(0))
    assert sequence.in_order


def test_a_known_order_is_not_shuffled_for_decoders_alone() -> None:
    data = replace(in_fixed_order(), fixed_order=False)
    (sequence,) = validation_sequences(data, data.fold == 0, np.random.default_rng(0), alone=True)
    assert sequence.in_order


@pytest.fixture(scope="module", params=["any", "known"])
def model(request: pytest.FixtureRequest) -> Model:
    return fit_model(bins(1), FitOptions(order=request.param))


def test_the_window_is_no_longer_than_a_bin_unless_the_order_is_known(model: Model) -> None:
    known = model.card["fixed_order"] is False
    assert (model.card["context_ms"] > 1000) == known
    assert {settings["n_window"] > 1 for settings in model.card["baselines"].values()} <= {False, known}
    assert model.card["validation"]["order"] == ("in order" if known else "shuffled")
    assert model.card["validation"]["frames"] == model.card["validation"]["of_frames"] == 12


def test_the_report_says_what_the_order_adds(model: Model) -> None:
    report = evaluate(model, bins(2, n_repeats=6), EvaluateOptions(draws=0))
    if model.card["fixed_order"]:
        alone = report["order"]["alone_shuffled"]
        assert (
            alone["accuracy_exact"] == report["without_playback"]["accuracy_exact"]
        )  # one bin decodes itself
        added = report["with_playback"]["accuracy_exact"] - alone["accuracy_exact"]
        assert report["order"]["added"]["accuracy_exact"] == pytest.approx(added)
    else:
        assert report["order"] == {}


def test_nothing_held_out_is_said() -> None:
    once = movie_after_gray(2.0, 300, n_repeats=1)
    facts = validation_facts(training_set(once, 300, 0.3), 0)
    assert facts == {"moments": 0, "frames": 0, "of_frames": 300, "repeats": 0, "order": ""}
