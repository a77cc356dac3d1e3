from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decoders.embedding.linear import unit_length
from decoders.embedding.windows import window_sums
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.model.model import Model
from decoders.model.parts import Emission, ModelParts
from decoders.model.streaming import StreamingReadout
from decoders.numerics import fast_max, softmax
from decoders.readouts.classifiers import UNOBSERVED_LOGIT, Scaling
from decoders.readouts.secondary_classifier import SecondaryClassifier
from stream.session import Session


@pytest.fixture(scope="session")
def blend_model(watched: Session) -> Model:
    """A model with a single window."""
    return fit_model(watched, FitOptions(decoder="blend", train_repeats=(0, 1, 2, 3, 4)), baselines=False)


def with_parts(model: Model, kind: str, n_recent: int, seed: int) -> ModelParts:
    """The model's parts with a secondary classifier of one kind and an emission with its own readout."""
    rng = np.random.default_rng(seed)
    parts = model.parts
    n, n_states = parts.preprocessor.n_used, model.n_frames + 1

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(-2, 1, shape).astype(np.float32)

    bias = normal(n_states)
    bias[5] = UNOBSERVED_LOGIT
    rank = 4 if kind == "low rank" else 0
    secondary = SecondaryClassifier(normal(n, rank), normal(rank or n, n_states), bias, 0.2)
    emission = Emission(kind != "none", normal(n, n_states), bias, n_recent, kind == "root", 0.3, 0.01, 0.01)
    return replace(
        parts, secondary=None if kind == "none" else secondary, emission=emission, inverse_temperature=3.0
    )


@pytest.mark.parametrize("kind", ["none", "counts", "low rank", "root"])
@pytest.mark.parametrize("n_recent", [1, 3, 15])
def test_sample_by_sample_equals_window_by_window(
    blend_model: Model, unseen: Session, kind: str, n_recent: int
) -> None:
    parts = with_parts(blend_model, kind, n_recent, seed=n_recent)
    boundary = np.zeros(unseen.n_samples, bool)
    boundary[[0, 40, 43]] = True
    clean = parts.preprocessor.run(unseen.neural, boundary)
    readout = StreamingReadout(parts)
    sums, fullness = window_sums(clean, boundary, parts.scaling.n_window)
    directions = unit_length(parts.embedding.project(parts.scaling.features(sums)))
    similarity = parts.prototypes.similarity(directions)
    logits = similarity * parts.inverse_temperature
    if parts.secondary is not None:
        logits = logits + parts.secondary.logits(sums)
    logits = logits * fullness[:, None]
    evidence = parts.emission.evidence_weight * logits
    if parts.emission.own_readout:
        recent, filled = window_sums(clean, boundary, n_recent)
        features = Scaling(n_recent, parts.emission.root).features(recent)
        evidence = parts.emission.evidence_weight * filled[:, None] * parts.emission.similarity(features)
    for index, sample in enumerate(clean):
        if boundary[index]:
            readout.reset()
        readout.push(sample)
        direction, got, typicality = readout.decode()
        np.testing.assert_allclose(direction, directions[index], atol=1e-5)
        np.testing.assert_allclose(softmax(got), softmax(logits[index]), atol=1e-4)
        np.testing.assert_allclose(softmax(readout.evidence(got)), softmax(evidence[index]), atol=1e-4)
        assert typicality == np.searchsorted(parts.typicality, fast_max(similarity[index])) / len(
            parts.typicality
        )


@pytest.mark.parametrize("kind", ["none", "low rank", "root"])
def test_take_over_continues_from_the_other_ones_samples(
    blend_model: Model, unseen: Session, kind: str
) -> None:
    parts = with_parts(blend_model, kind, 15, seed=3)
    old, new = StreamingReadout(parts), StreamingReadout(parts)
    clean = parts.preprocessor.run(unseen.neural, np.zeros(unseen.n_samples, bool))
    for n_before in (1, 4, 60):
        old.reset()
        for sample in clean[:n_before]:
            old.push(sample)
        new.take_over(old)
        for sample in clean[n_before : n_before + 20]:
            old.push(sample)
            new.push(sample)
            for mine, theirs in zip(new.decode(), old.decode(), strict=True):
                np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-3)
            np.testing.assert_allclose(
                new.evidence(new.decode()[1]), old.evidence(old.decode()[1]), atol=1e-3
            )


def test_later_steps_do_not_change_earlier_predictions(model: Model, watched: Session) -> None:
    model.reset()
    names = ("posterior", "posterior_without_playback", "embedding", "forecast", "continuous")
    rows = [model.step(sample, index / 30) for index, sample in enumerate(watched.neural[12:30])]
    copies = [[getattr(row, name).copy() for name in names] for row in rows]
    for index, sample in enumerate(watched.neural[30:60]):
        model.step(sample, 2 + index / 30)
    for row, copied in zip(rows, copies, strict=True):
        for name, kept in zip(names, copied, strict=True):
            np.testing.assert_array_equal(getattr(row, name), kept)
    model.reset()
