"""Contrastive training in torch: `trainer` and `training_run`."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from decoders.embedding.encoder import start_encoder
from decoders.embedding.linear import class_statistics, fit_linear
from decoders.embedding.sampler import FramePositives, Sampler
from decoders.embedding.trainer import Samples, Trainer, first_layer, shared_layers
from decoders.embedding.training_run import TrainingProgress, run_training
from decoders.embedding.windows import window_sums
from stream.errors import BadUsage

pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(
        find_spec("torch") is None, reason="torch is not installed: pip install neuroreel[train]"
    ),
]


N_STEPS = 60


def small_trainer(n_context: int = 5, n_steps: int = N_STEPS, **options: Any) -> Trainer:
    rng = np.random.default_rng(0)
    rates = np.exp(rng.normal(size=(12, 8)))
    state, block = np.tile(np.arange(12), 10), np.repeat(np.arange(10), 12)
    samples = rng.poisson(rates[state]).astype(np.float32)
    boundary = np.arange(120) % 24 == 0
    sums, _ = window_sums(samples, boundary, n_context)
    linear = fit_linear(class_statistics(np.sqrt(sums), state, 13), 0.5)
    start = start_encoder(linear, (n_context,), 4, root=True, seed=0)
    index = np.arange(120)
    sampler = Sampler(index, (FramePositives(index, state, block),), 0)
    inputs = start.inputs(samples, boundary)
    return Trainer([start], Samples((inputs,), state), sampler, n_steps=n_steps, **options)


@pytest.mark.parametrize("n_context", [1, 5, 40])
def test_the_numpy_encoder_equals_torch(n_context: int) -> None:
    import torch

    trainer = small_trainer(n_context)
    for _ in range(10):
        trainer.step()
    encoder, inputs = trainer.encoder, trainer._inputs[0]
    with torch.no_grad():
        points = shared_layers(torch, trainer._weights, *first_layer(torch, trainer._weights, 0, inputs))
    assert np.any(encoder.last != 0)
    assert np.allclose(encoder.project(inputs.numpy()), points.numpy(), atol=1e-5)


def test_training_lowers_the_loss_reproducibly() -> None:
    first, again = small_trainer(), small_trainer()
    losses = [first.step() for _ in range(N_STEPS)]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    assert [again.step() for _ in range(N_STEPS)] == losses


def test_only_the_input_layer_is_trained_when_asked() -> None:
    trainer = small_trainer(trained=[0])
    start = trainer.encoder
    for _ in range(5):
        trainer.step()
    assert np.array_equal(trainer.encoder.hidden, start.hidden)
    assert not np.array_equal(trainer.encoder.skip, start.skip)


def test_an_unknown_device_is_named() -> None:
    with pytest.raises(BadUsage, match="torch cannot use the device 'abacus'"):
        small_trainer(device="abacus")


def test_recordings_share_all_but_the_input_layer() -> None:
    rng = np.random.default_rng(1)
    one = small_trainer().encoder
    state = np.tile(np.arange(12), 10)
    session = np.repeat([0, 1], 60)
    inputs = tuple(rng.normal(size=(60, 8)).astype(np.float32) for _ in range(2))
    index = np.arange(120)
    sampler = Sampler(index, (FramePositives(index, state, session),), 0, np.array([60, 120]))
    trainer = Trainer([one, one], Samples(inputs, state), sampler, n_steps=5)
    for _ in range(5):
        trainer.step()
    first, second = trainer.encoders
    assert np.array_equal(first.hidden, second.hidden)
    assert np.array_equal(first.last, second.last)
    assert not np.array_equal(first.skip, second.skip)


def test_a_resumed_training_equals_an_uninterrupted_one() -> None:
    uninterrupted, first, second = small_trainer(), small_trainer(), small_trainer()
    for _ in range(20):
        uninterrupted.step()
    for _ in range(10):
        first.step()
    second.restore(first.state(), 10)
    for _ in range(10):
        second.step()
    assert np.array_equal(second.encoder.first, uninterrupted.encoder.first)


def test_progress_is_reported_after_every_step() -> None:
    progress: list[TrainingProgress] = []
    run_training("trial", small_trainer(), 3, progress.append)
    assert [(p.stage, p.step, p.n_steps) for p in progress] == [("trial", step, 3) for step in (1, 2, 3)]
