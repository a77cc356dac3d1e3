"""A small recording with a movie that can be decoded, and a model fitted on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decoders.evaluation.evaluate import EvaluateOptions, Evaluation, run_cross_validation, run_evaluation
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.model.model import Model
from stream.movie import Clip, Movie
from stream.session import Kind, Session

N_FRAMES = 60
N_BLANK = 12
N_CHANNELS = 20


def watched_session(
    seed: int = 0, *, signal: float = 1.0, n_repeats: int = 7, kind: Kind = Kind.SPIKES, rate_hz: float = 30.0
) -> Session:
    """Repeats of a two-clip movie, each after a blank, with a dead channel and a gap; ``signal`` 0 is pure noise."""
    rng = np.random.default_rng(seed)
    tuning = rng.normal(size=(N_FRAMES + 8, N_CHANNELS))
    tuning = np.stack([np.convolve(column, np.ones(5) / np.sqrt(5), "same") for column in tuning.T], 1)[4:-4]
    drive = np.vstack([tuning, np.full((1, N_CHANNELS), -1.0)]) * signal
    one_repeat = np.r_[np.full(N_BLANK, -1), np.arange(N_FRAMES)]
    frame = np.tile(one_repeat, n_repeats).astype(np.int32)
    repeat = np.repeat(np.arange(n_repeats), len(one_repeat))
    if kind is Kind.SPIKES:
        neural = rng.poisson(1.5 * np.exp(drive[frame])).astype(np.float32)
    else:
        neural = (3 * drive[frame] + rng.normal(size=(len(frame), N_CHANNELS)) + 50).astype(np.float32)
    neural[:, 3] = 0
    stamps = 10 + np.arange(len(frame)) / rate_hz
    stamps[3 * len(one_repeat) :] += 4.0
    pictures = np.cumsum(rng.integers(-3, 4, (N_FRAMES, 8, 12)), 0) + 120
    pictures[40:] += 60
    movie = Movie(
        (Clip("first", 0, 40, 30.0), Clip("second", 40, N_FRAMES - 40, 30.0)),
        np.clip(pictures, 0, 255).astype(np.uint8),
    )
    position = np.sin(frame / 10)[:, None].astype(np.float32)
    return Session(
        neural=neural,
        stamps=stamps,
        frame=frame,
        repeat=np.where(frame >= 0, repeat, -1).astype(np.int32),
        segment=(np.arange(len(frame)) >= 3 * len(one_repeat)).astype(np.int32),
        channel_names=tuple(f"unit-{i}" for i in range(N_CHANNELS)),
        kind=kind,
        rate_hz=rate_hz,
        labels={"position": position},
        movie=movie,
        name="V1",
    )


def places_session(seed: int = 0, *, n_laps: int = 12) -> Session:
    """Laps over eight places at 20 Hz, each a segment; no movie."""
    rng = np.random.default_rng(seed)
    lap = np.repeat(np.arange(8), 6)
    frame = np.tile(lap, n_laps).astype(np.int32)
    rate = np.exp(rng.normal(size=(8, 12)))
    number = np.repeat(np.arange(n_laps), len(lap))
    return Session(
        neural=rng.poisson(0.5 * rate[frame]).astype(np.float32),
        stamps=np.arange(len(frame)) / 20 + 3.0 * number,
        frame=frame,
        repeat=np.full(len(frame), -1, np.int32),
        segment=number.astype(np.int32),
        channel_names=tuple(f"cell-{i}" for i in range(12)),
        kind=Kind.SPIKES,
        rate_hz=20.0,
        labels={"position": frame[:, None].astype(np.float32) + 0.5},
    )


@pytest.fixture(scope="session")
def watched() -> Session:
    return watched_session()


@pytest.fixture(scope="session")
def model(watched: Session) -> Model:
    return fit_model(watched, FitOptions(train_repeats=(0, 1, 2, 3, 4)))


@pytest.fixture(scope="session")
def unseen(watched: Session) -> Session:
    """Repeats that the model was not trained on, with missing values."""
    test = watched.select_repeats([5, 6])
    neural = test.neural.copy()
    neural[20:24, 5] = np.nan
    neural[30] = np.nan
    return replace(test, neural=neural)


@pytest.fixture(scope="session")
def evaluation(model: Model, watched: Session) -> Evaluation:
    """The model tested on held-out repeats, with baselines and controls."""
    return run_evaluation(model, watched, EvaluateOptions(repeats=(5, 6)))


@pytest.fixture(scope="session")
def places_evaluation() -> Evaluation:
    """Places without a movie, cross-validated in three blocks of laps, with controls."""
    return run_cross_validation(places_session(), "blocks:3", FitOptions(context_s=0.25))
