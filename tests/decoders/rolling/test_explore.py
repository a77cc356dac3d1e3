"""Embeddings without labels: structure found or not, renewed in their place, from a blank model on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from decoders.embedding.agreement import agreement_r2, time_infonce
from decoders.model.model import Model
from decoders.rolling.explore import MIN_Z, ExploreTrainer, blank_model
from stream.session import Kind, Session

RATE_HZ, N_CHANNELS, PIECE = 20.0, 24, 400


def piece(number: int, rates: NDArray[np.float64], seed: int, kind: Kind = Kind.SPIKES) -> Session:
    """One piece of a recording: 20 seconds of spike counts, or of noisy rates."""
    rng = np.random.default_rng([seed, number])
    part = rates[number * PIECE : (number + 1) * PIECE]
    neural = rng.poisson(part) if kind is Kind.SPIKES else part + rng.normal(size=part.shape)
    return Session(
        neural=neural.astype(np.float32),
        stamps=(np.arange(PIECE) + number * PIECE) / RATE_HZ,
        frame=np.full(PIECE, -1, np.int32),
        repeat=np.full(PIECE, -1, np.int32),
        segment=np.zeros(PIECE, np.int32),
        channel_names=tuple(f"unit{i}" for i in range(N_CHANNELS)),
        kind=kind,
        rate_hz=RATE_HZ,
    )


def wandering(n_pieces: int) -> NDArray[np.float64]:
    """Rates that depend on an angle which turns once in ten seconds."""
    angle = 2 * np.pi * np.arange(n_pieces * PIECE) / (10 * RATE_HZ)
    preferred = np.linspace(0, 2 * np.pi, N_CHANNELS, endpoint=False)
    return np.asarray(np.exp(np.cos(angle[:, None] - preferred)), np.float64)


@pytest.mark.parametrize("kind", [Kind.SPIKES, Kind.EEG])
def test_structure_is_found_and_the_embedding_keeps_its_place(kind: Kind, tmp_path: Path) -> None:
    rates = wandering(6)
    blank = blank_model(piece(0, rates, 1).channel_names, str(kind), RATE_HZ)
    blank.save(tmp_path / "version-0.safetensors")
    assert Model.load(tmp_path / "version-0.safetensors").explores
    assert np.all(blank.embed(piece(0, rates, 1, kind)) == 0)  # nothing until there are data
    trainer = ExploreTrainer(blank, tmp_path)
    events = [trainer.decide(piece(number, rates, 1, kind)) for number in range(5)]
    assert [event["do"] for event in events] == ["wait", "wait", "swap", "swap", "swap"]
    assert [event["seconds"] for event in events] == [20, 40, 60, 80, 100]
    assert all(event["structure"] for event in events[2:])
    assert events[4]["infonce_nats"] < events[4]["infonce_chance_nats"]
    assert events[4]["agreement_r2"] >= 0.95
    first, last = (Model.load(events[index]["file"]) for index in (2, 4))
    unseen = piece(5, rates, 1, kind)
    assert agreement_r2(last.embed(unseen), first.embed(unseen)) > 0.8
    assert np.allclose(last.embed(unseen), last.predict(unseen).embedding, atol=1e-5)
    # Two dimensions of the embedding are the angle.
    points = last.embed(unseen) - last.embed(unseen).mean(0)
    component = np.linalg.svd(points, full_matrices=False)[0][:, :2]
    target = np.stack(
        [np.cos(2 * np.pi * np.arange(PIECE) / 200), np.sin(2 * np.pi * np.arange(PIECE) / 200)], 1
    )
    explained = component @ (component.T @ target)
    assert 1 - ((target - explained) ** 2).sum() / (target**2).sum() > 0.7


@pytest.mark.parametrize("seed", range(8))
def test_noise_has_no_structure(seed: int, tmp_path: Path) -> None:
    rates = np.tile(np.random.default_rng(seed).gamma(1.0, 1.0, N_CHANNELS), (5 * PIECE, 1))
    trainer = ExploreTrainer(blank_model(piece(0, rates, seed).channel_names, "spikes", RATE_HZ), tmp_path)
    events = [trainer.decide(piece(number, rates, seed)) for number in range(5)]
    assert [event.get("structure") for event in events] == [None, None, False, False, False]


def test_old_pieces_are_forgotten_and_a_rejected_version_is_not_the_running_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("decoders.rolling.explore.MEMORY_S", 60.0)
    rates = wandering(6)
    trainer = ExploreTrainer(blank_model(piece(0, rates, 1).channel_names, "spikes", RATE_HZ), tmp_path)
    trainer.add(piece(0, rates, 1))
    trainer.add(piece(1, rates, 1))
    first = trainer.decide(piece(2, rates, 1))
    before = trainer.running
    second = trainer.decide(piece(3, rates, 1))
    assert (first["seconds"], second["seconds"], second["version"]) == (60, 60, 2)
    trainer.reject(1)
    assert trainer.running is not before
    trainer.reject(2)
    assert trainer.running is before


def test_windows_that_share_samples_are_no_structure() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(4000, 10))
    smooth = np.stack([np.convolve(column, np.ones(8), "full")[:4000] for column in noise.T], 1)
    points = (smooth / np.linalg.norm(smooth, axis=1, keepdims=True)).astype(np.float32)
    segment = np.zeros(4000, np.int32)
    apart, overlapping = (time_infonce(points, segment, n_window) for n_window in (8, 2))
    assert apart is not None
    assert overlapping is not None
    assert abs(apart[2]) < MIN_Z < overlapping[2]
    assert time_infonce(points[:100], segment[:100], 8) is None  # too few
