"""A movie of 30 frames per second, sampled at any rate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from decoders.evaluation.evaluate import EvaluateOptions, evaluate
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.model.model import Model
from stream.movie import Clip, Movie
from stream.session import Kind, Session

N_FRAMES, FRAME_HZ, N_UNITS, N_REPEATS = 150, 30.0, 30, 7
TRAIN, TEST = (0, 1, 2, 3, 4), (5, 6)


def recording(rate_hz: float, phases: list[float], seed: int = 0) -> Session:
    """Spike counts that a movie evokes during each sample, after a second of gray; phases of the repeats in frames."""
    rng = np.random.default_rng(seed)
    kernel = np.exp(-0.5 * (np.arange(-15, 16) / 5) ** 2)
    drive = np.stack([np.convolve(x, kernel, "valid") for x in rng.normal(size=(N_UNITS, N_FRAMES + 30))], 1)
    expected = np.vstack([4 * np.exp(drive / drive.std()), np.full((1, N_UNITS), 3.0)])
    n_gray, frame, repeat, neural = round(rate_hz), [], [], []
    for number, phase in enumerate(phases):
        position = np.arange(-n_gray, int(N_FRAMES / FRAME_HZ * rate_hz)) * FRAME_HZ / rate_hz + phase
        within = np.floor(position[:, None] - np.arange(8) / 8 * FRAME_HZ / rate_hz + 1e-6).astype(int)
        shown = np.where((within >= 0) & (within < N_FRAMES), within, N_FRAMES)
        neural.append(rng.poisson(expected[shown].mean(1) / rate_hz))
        frame.append(np.where(shown[:, 0] < N_FRAMES, shown[:, 0], -1))
        repeat.append(np.where(frame[-1] >= 0, number, -1))
    frames = np.concatenate(frame)
    return Session(
        neural=np.concatenate(neural).astype(np.float32),
        stamps=10 + np.arange(len(frames)) / rate_hz,
        frame=frames.astype(np.int32),
        repeat=np.concatenate(repeat).astype(np.int32),
        segment=np.zeros(len(frames), np.int32),
        channel_names=tuple(f"unit-{i}" for i in range(N_UNITS)),
        kind=Kind.SPIKES,
        rate_hz=rate_hz,
        movie=Movie((Clip("movie", 0, N_FRAMES, FRAME_HZ),), None),
    )


def scored(session: Session) -> tuple[Model, dict[str, Any]]:
    model = fit_model(session, FitOptions(train_repeats=TRAIN, decoder="lda"))
    return model, evaluate(model, session, EvaluateOptions(repeats=TEST, draws=0))


@pytest.mark.slow
@pytest.mark.parametrize("rate_hz", [10.0, 15.0, 15.5, 20.0, 29.97, 60.0])
def test_no_worse_than_lda_and_its_forecasts_no_worse_than_simple_ones(rate_hz: float) -> None:
    phases = np.random.default_rng(1).random(N_REPEATS) * FRAME_HZ / rate_hz
    model, report = scored(recording(rate_hz, phases.tolist()))
    alone, lda = report["without_playback"], report["baselines"]["lda"]["without_playback"]
    assert alone["log_score_bits"] > lda["log_score_bits"] - 0.1
    assert alone["accuracy_within_1s"] > lda["accuracy_within_1s"] - 0.03
    assert report["with_playback"]["log_score_bits"] > alone["log_score_bits"]
    for horizon in report["forecast"].values():
        for simple in ("persistence", "advance"):
            assert horizon["log_score_bits"] > horizon[simple]["log_score_bits"] - 0.02
    assert model.card.get("frames_per_sample", 1) == pytest.approx(max(1, 30 / rate_hz), abs=0.01)


@pytest.mark.slow
def test_frames_that_training_never_sampled_are_decoded_from_their_neighbours() -> None:
    even, odd = [0.0] * len(TRAIN), [1.0] * len(TEST)
    model, report = scored(recording(15.0, even + odd))
    assert model.card["unsampled_frames"] == N_FRAMES // 2
    assert report["without_playback"]["log_score_bits"] > 1
    assert report["baselines"]["lda"]["without_playback"]["log_score_bits"] < -5
    assert report["with_playback"]["accuracy_exact"] > 0.4


@pytest.mark.slow
def test_frames_that_no_repeat_samples_are_improbable() -> None:
    model, report = scored(recording(15.0, [0.0] * N_REPEATS))
    assert model.parts.prior is not None
    lda = report["baselines"]["lda"]["without_playback"]
    assert report["without_playback"]["accuracy_exact"] > lda["accuracy_exact"] - 0.05
    assert report["without_playback"]["log_score_bits"] > lda["log_score_bits"] - 0.4
