"""A small recording with a decodable movie, and a model fitted on its first repeats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.model.model import Model
from stream.io.session_io import save_session
from stream.movie import Clip, Movie
from stream.session import Kind, Session, segments_from_stamps

N_REPEATS, N_FRAMES, N_CHANNELS, RATE_HZ = 6, 30, 12, 30.0
TRAIN_REPEATS = (0, 1, 2, 3)


@pytest.fixture(scope="session")
def session() -> Session:
    random = np.random.default_rng(3)
    tuning = random.gamma(0.5, 2.0, (N_FRAMES + 1, N_CHANNELS)) + 0.05
    frame = np.tile(np.r_[np.full(15, -1), np.arange(N_FRAMES)], N_REPEATS).astype(np.int32)
    stamps = np.arange(len(frame)) / RATE_HZ
    return Session(
        neural=random.poisson(tuning[frame]).astype(np.float32),
        stamps=stamps,
        frame=frame,
        repeat=np.where(frame >= 0, np.arange(len(frame)) // (N_FRAMES + 15), -1).astype(np.int32),
        segment=segments_from_stamps(stamps, RATE_HZ),
        channel_names=tuple(f"unit{i}" for i in range(N_CHANNELS)),
        kind=Kind.SPIKES,
        rate_hz=RATE_HZ,
        movie=Movie((Clip("clip", 0, N_FRAMES, RATE_HZ),)),
        name="V1",
    )


@pytest.fixture(scope="session")
def model(session: Session) -> Model:
    return fit_model(session, FitOptions(train_repeats=TRAIN_REPEATS))


@pytest.fixture
def files(session: Session, model: Model, tmp_path: Path) -> Path:
    """Folder with ``session.npz`` and ``model.safetensors``."""
    save_session(session, tmp_path / "session.npz")
    model.save(tmp_path / "model.safetensors")
    return tmp_path
