"""Contrastive fits: `fit_contrastive`, `contrastive_validation`, `embedding.checkpoint` and `readouts.contrastive`."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from decoders.embedding.agreement import agreement_r2
from decoders.embedding.encoder import Encoder
from decoders.embedding.training_run import TrainingProgress
from decoders.errors import BadSplit
from decoders.evaluation.controls import settings_from_model
from decoders.fitting.contrastive_pairs import ContrastiveOptions
from decoders.fitting.fit import fit_model
from decoders.fitting.fit_contrastive import RENEWAL_STEPS, candidate_contexts, fit_contrastive
from decoders.fitting.options import FitOptions
from decoders.model.model import Model
from decoders.model.training_archive import restore_training
from decoders.rolling.refit import refit
from stream.errors import BadRecording, BadUsage, OutputExists
from stream.session import Session
from tests.decoders.conftest import places_session, watched_session

pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(
        find_spec("torch") is None, reason="torch is not installed: pip install neuroreel[train]"
    ),
]


@pytest.fixture(scope="module")
def label_model(watched: Session) -> Model:
    with pytest.MonkeyPatch.context() as patch:
        for name, limit in (("SELECTION_STEPS", 10), ("STEPS", 100), ("CONTEXTS_S", ())):
            patch.setattr(f"decoders.fitting.fit_contrastive.{name}", limit)
        return fit_model(watched, FitOptions(mode="label", train_repeats=(0, 1, 2, 3, 4)), baselines=False)


@pytest.fixture
def short_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limit fits to one context and few steps, for tests that do not depend on the embedding's accuracy."""
    for name, limit in (("SELECTION_STEPS", 25), ("STEPS", 75), ("CONTEXTS_S", ())):
        monkeypatch.setattr(f"decoders.fitting.fit_contrastive.{name}", limit)


def test_label_mode_decodes_and_streams(label_model: Model, unseen: Session, tmp_path: Path) -> None:
    card = label_model.card["contrastive"]
    assert card["infonce_nats"] < card["infonce_chance_nats"]
    assert label_model.decoder_embedding in ("linear", "contrastive", "both")
    best = {
        "linear": card["linear_log_score_nats"],
        "contrastive": card["log_score_nats"],
        "both": card["both_log_score_nats"],
    }
    assert best[label_model.decoder_embedding] >= max(best.values()) - 0.021
    label_model.save(tmp_path / "m.safetensors")
    loaded = Model.load(tmp_path / "m.safetensors")
    ours, theirs = label_model.predict(unseen), loaded.predict(unseen)
    assert np.array_equal(ours.posterior, theirs.posterior)
    contrastive = label_model.parts.contrastive
    assert contrastive is not None
    clean = label_model.parts.preprocessor.run(np.nan_to_num(unseen.neural[:19]), np.arange(19) == 0)
    points = contrastive.encoder.transform(clean, np.arange(19) == 0)
    assert points.shape[1] == card["dimensions"]
    assert np.allclose(ours.embedding[:19], points, atol=1e-5)
    display = label_model.display_embedding
    assert display is not None
    assert display.n_dimensions == card["display_dimensions"] == 3
    shown = loaded.step(unseen.neural[0], float(unseen.stamps[0])).display
    assert shown is not None
    assert np.allclose(shown, display.transform(clean[:1], np.ones(1, bool))[0], atol=1e-5)
    assert label_model.linear.predict(unseen).embedding.shape[1] > 0


def encoder_of(model: Model) -> Encoder:
    assert model.parts.contrastive is not None
    return model.parts.contrastive.encoder


def test_a_refit_trains_the_encoder_further_and_keeps_its_place(
    watched: Session,
    label_model: Model,
    unseen: Session,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores = iter([0.0, 2.0, 1.0])  # of no step, and of more and more
    monkeypatch.setattr("decoders.fitting.fit_contrastive._Training.score", lambda *_: next(scores))
    train = watched.select_repeats([2, 3, 4, 5])
    again = refit(label_model, train)
    card = again.card["contrastive"]
    assert card["steps"] == RENEWAL_STEPS[0]
    assert not np.allclose(encoder_of(again).last, encoder_of(label_model).last)
    assert (again.card["mode"], again.n_embedding) == ("label", label_model.n_embedding)
    names = {
        "linear": "linear_log_score_nats",
        "contrastive": "log_score_nats",
        "both": "both_log_score_nats",
    }
    chosen = {name: card[score] for name, score in names.items()}
    assert chosen[again.decoder_embedding] >= max(chosen.values()) - 0.021
    # In the model before, the same samples have almost the same place; the next repeat has, too.
    assert again.card["agreement_r2"] >= 0.95
    later = watched.select_repeats([6])
    before, after = label_model.embed(later), again.embed(later)
    assert agreement_r2(after, before) >= 0.95
    again.save(tmp_path / "m.safetensors")
    loaded = Model.load(tmp_path / "m.safetensors")
    predicted = loaded.predict(unseen)
    assert np.allclose(predicted.embedding, again.predict(unseen).embedding, atol=1e-6)
    assert np.array_equal(predicted.posterior, again.predict(unseen).posterior)


def test_a_refit_on_repeats_that_the_encoder_has_seen_keeps_the_encoder(
    watched: Session, label_model: Model
) -> None:
    again = refit(label_model, watched.select_repeats([1, 2, 3, 4]))
    assert np.array_equal(encoder_of(again).last, encoder_of(label_model).last)
    assert again.decoder_embedding == label_model.decoder_embedding
    clean = watched.select_repeats([6])
    assert np.allclose(again.embed(clean), label_model.embed(clean), atol=1e-5)


def test_a_refit_follows_channels_that_die_and_return(watched: Session, label_model: Model) -> None:
    silent = watched.neural.copy()
    silent[:, 7] = 0
    without = refit(label_model, replace(watched, neural=silent).select_repeats([2, 3, 4, 5]))
    assert encoder_of(without).n_channels == encoder_of(label_model).n_channels - 1
    again = refit(without, watched.select_repeats([3, 4, 5, 6]))
    assert encoder_of(again).n_channels == encoder_of(label_model).n_channels
    assert again.n_embedding == without.n_embedding == label_model.n_embedding


def test_a_refit_without_torch_still_chooses_what_decodes(
    watched: Session, label_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("decoders.fitting.fit_contrastive.find_spec", lambda name: None)
    again = refit(label_model, watched.select_repeats([2, 3, 4, 5]))
    assert again.card["contrastive"]["steps"] == 0
    assert np.array_equal(encoder_of(again).last, encoder_of(label_model).last)


def test_a_longer_context_than_the_linear_window_streams_and_swaps(
    watched: Session, label_model: Model, unseen: Session
) -> None:
    data = restore_training(label_model)
    assert candidate_contexts(data, 6) == (6, 20, 30)
    assert candidate_contexts(data, 60) == (60,)
    short = replace(data, block=np.arange(len(data.block)) // 12)  # blocks of 12 samples
    assert candidate_contexts(short, 6) == (6, 12)
    settings = settings_from_model(label_model)
    trained = fit_contrastive(data, settings, ContrastiveOptions("label", contexts=(12,)), {})
    parts = replace(label_model.parts, contrastive=trained.contrastive)
    model, fresh = (Model(parts, {**label_model.card, "decoder_embedding": "both"}) for _ in range(2))
    clean = model.parts.preprocessor.run(np.nan_to_num(unseen.neural[:19]), np.arange(19) == 0)
    points = trained.contrastive.encoder.transform(clean, np.arange(19) == 0)
    model.reset()
    for index in range(15):
        model.step(unseen.neural[index], float(unseen.stamps[index]))
    assert fresh.take_over(model)
    for index in range(15, 19):
        after = fresh.step(unseen.neural[index], float(unseen.stamps[index]))
    assert np.allclose(after.embedding, points[18], atol=1e-5)


@pytest.mark.usefixtures("short_training")
def test_the_same_seed_gives_the_same_model(watched: Session) -> None:
    options = FitOptions(mode="label", train_repeats=(0, 1, 2))
    first, again = (fit_model(watched, options, baselines=False) for _ in range(2))
    assert again.hash == first.hash


@pytest.mark.usefixtures("short_training")
def test_three_dimensions_need_no_display(watched: Session) -> None:
    model = fit_model(
        watched, FitOptions(mode="label", dimensions=3, train_repeats=(0, 1, 2)), baselines=False
    )
    assert model.n_embedding == model.card["contrastive"]["dimensions"] == 3
    assert model.display_embedding is None


@pytest.mark.usefixtures("short_training")
@pytest.mark.parametrize("mode", ["time", "hybrid"])
def test_other_modes(watched: Session, mode: str) -> None:
    model = fit_model(watched, FitOptions(mode=mode, train_repeats=(0, 1, 2, 3)), baselines=False)
    assert model.card["mode"] == mode
    assert model.card["contrastive"]["infonce_nats"] < model.card["contrastive"]["infonce_chance_nats"]


@pytest.mark.usefixtures("short_training")
@pytest.mark.parametrize("positives", ["auto", "both", "frames"])
def test_continuous_labels(positives: str) -> None:
    model = fit_model(places_session(), FitOptions(mode="label", positives=positives), baselines=False)
    expected = "labels" if positives == "auto" else positives
    assert model.card["contrastive"]["positives"] == expected


@pytest.mark.usefixtures("short_training")
def test_resume_continues_the_training_and_refuses_other_data(watched: Session, tmp_path: Path) -> None:
    path = tmp_path / "training.safetensors"
    options = FitOptions(mode="label", train_repeats=(0, 1, 2), resume=path)

    def interrupt(progress: TrainingProgress) -> None:
        if progress.stage == "all repeats" and progress.step == 60:
            raise KeyboardInterrupt

    stopped = fit_model(watched, options, baselines=False, report=interrupt)
    assert stopped.card["contrastive"]["interrupted"]
    steps: list[TrainingProgress] = []
    finished = fit_model(watched, options, baselines=False, report=steps.append)
    unbroken = fit_model(watched, replace(options, resume=None), baselines=False)
    assert (steps[0].stage, steps[0].step) == ("all repeats", 51)
    assert finished.hash == unbroken.hash
    with pytest.raises(BadRecording, match="other data"):
        fit_model(watched, replace(options, train_repeats=(0, 1, 3)), baselines=False)
    with pytest.raises(BadRecording, match="other data"):
        fit_model(watched_session(5), options, baselines=False)
    with pytest.raises(BadRecording, match="mode label, not hybrid"):
        fit_model(watched, replace(options, mode="hybrid"), baselines=False)
    path.write_text("nonsense")
    with pytest.raises(OutputExists, match="not a training to resume"):
        fit_model(watched, options, baselines=False)


def test_bad_input(watched: Session) -> None:
    with pytest.raises(BadSplit, match="at least two repeats"):
        fit_model(watched, FitOptions(mode="label", train_repeats=(0,)))
    with pytest.raises(BadUsage, match="as many usable channels"):
        fit_model(watched, FitOptions(mode="label", dimensions=60), baselines=False)
    with pytest.raises(BadUsage, match="mode 'linear' has no dimensions"):
        FitOptions(dimensions=3)
    with pytest.raises(BadUsage, match="give 2 to 64"):
        FitOptions(mode="label", dimensions=1)
    short = replace(watched, segment=(np.arange(watched.n_samples) // 8).astype(np.int32))
    with pytest.raises(BadSplit, match="fewer than the context"):
        fit_model(short, FitOptions(mode="label", context_s=0.4), baselines=False)
    places = places_session()
    same = {"position": np.ones_like(places.labels["position"])}
    with pytest.raises(BadRecording, match="never vary"):
        fit_model(replace(places, labels=same), FitOptions(mode="label"), baselines=False)
    with pytest.raises(BadRecording, match="has none"):
        fit_model(replace(places, labels={}), FitOptions(mode="label", positives="labels"), baselines=False)
