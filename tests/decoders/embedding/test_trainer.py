"""Contrastive training in torch: `trainer` and `training_run`."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from decoders.embedding.encoder import start_encoder
from decoders.embedding.linear import class_statistics, fit_linear
from decoders.embedding.sampler import FramePositives, Sampler, window_index
from decoders.embedding.trainer import Samples, Trainer, forward
from decoders.embedding.training_run import VALIDATION_INTERVAL, TrainingProgress, TrainingRun

pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(
        find_spec("torch") is None, reason="torch is not installed: pip install neuroreel[train]"
    ),
]


def small_trainer(n_context: int = 5) -> Trainer:
    rng = np.random.default_rng(0)
    samples = rng.poisson(1.0, (120, 8)).astype(np.float32)
    state, block = np.tile(np.arange(12), 10), np.repeat(np.arange(10), 12)
    boundary = np.arange(120) % 24 == 0
    linear = fit_linear(class_statistics(np.sqrt(samples), state, 13), 0.5)
    start = start_encoder(linear, n_context, root=True, seed=0)
    index = np.arange(120)
    sampler = Sampler(index, (FramePositives(index, state, block),), 0)
    return Trainer(start, Samples(samples, boundary, state), sampler, 0.1, 0)


@pytest.mark.parametrize("n_context", [1, 5, 40])
def test_the_numpy_encoder_equals_torch(n_context: int) -> None:
    import torch

    trainer = small_trainer(n_context)
    for _ in range(10):
        trainer.step()
    encoder, samples = trainer.encoder, trainer._samples
    index, n_held = window_index(samples.boundary, np.arange(120), n_context)
    with torch.no_grad():
        points = forward(
            torch, trainer._weights, torch.from_numpy(samples.clean[index]), n_held, root=encoder.root
        )
    assert np.any(encoder.outer != 0)
    assert np.allclose(encoder.transform(samples.clean, samples.boundary), points.numpy(), atol=1e-5)


def test_training_lowers_the_loss_reproducibly() -> None:
    first, again = small_trainer(), small_trainer()
    losses = [first.step() for _ in range(40)]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    assert [again.step() for _ in range(40)] == losses


def test_a_resumed_training_equals_an_uninterrupted_one() -> None:
    uninterrupted, first, second = small_trainer(), small_trainer(), small_trainer()
    for _ in range(20):
        uninterrupted.step()
    for _ in range(10):
        first.step()
    second.restore(first.state(), 10)
    for _ in range(10):
        second.step()
    assert np.array_equal(second.encoder.projection, uninterrupted.encoder.projection)


def test_early_stopping_when_the_validation_score_no_longer_improves() -> None:
    scores = iter([0.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5])
    progress: list[TrainingProgress] = []
    run = TrainingRun("trial", small_trainer(), lambda _: next(scores), progress.append, None)
    run.advance(1000)
    assert run.best_step == VALIDATION_INTERVAL
    assert run.trainer.n_steps == 4 * VALIDATION_INTERVAL
    assert (progress[-1].stage, progress[-1].score) == ("trial", 0.5)
