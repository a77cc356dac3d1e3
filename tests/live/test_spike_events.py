"""Tests of `stream.replay.event_replay` and the spike event inlet: spike events between processes, binned on arrival."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.prediction import PREDICTION_CHANNELS
from neuroreel.subprocesses import start_child
from stream.chunk import Chunk
from stream.io.session_io import save_session
from stream.lsl.inlet import Inlet
from stream.lsl.resolve import find_stream
from stream.session import Kind, Session

pytestmark = pytest.mark.live

FRAME, SEQUENCE, CONFIDENCE = (
    PREDICTION_CHANNELS.index(name) for name in ("frame", "sequence", "confidence")
)
N_FRAMES, RATE_HZ = 60, 30.0


def movie_session(n_repeats: int, seed: int) -> Session:
    """Showings of a short movie with blanks between and a gap."""
    random, fixed = np.random.default_rng(seed), np.random.default_rng(99)
    tuning = fixed.gamma(0.5, 2.0, (N_FRAMES + 1, 12)) + 0.05
    frame = np.tile(np.r_[np.full(15, -1), np.arange(N_FRAMES)], n_repeats).astype(np.int32)
    stamps = 5.0 + np.arange(len(frame)) / RATE_HZ + np.where(np.arange(len(frame)) >= 73, 0.51, 0.0)
    return Session(
        neural=random.poisson(tuning[frame]).astype(np.float32),
        stamps=stamps,
        frame=frame,
        repeat=np.where(frame >= 0, np.arange(len(frame)) // (N_FRAMES + 15), -1).astype(np.int32),
        segment=(np.arange(len(frame)) >= 73).astype(np.int32),
        channel_names=tuple(f"unit{i}" for i in range(12)),
        kind=Kind.SPIKES,
        rate_hz=RATE_HZ,
        name="V1",
    )


def test_events_are_decoded_as_their_counts_are(tmp_path: Path) -> None:
    model, session = fit_model(movie_session(5, seed=1), FitOptions()), movie_session(3, seed=2)
    model.save(tmp_path / "m.safetensors")
    save_session(session, tmp_path / "s.npz")
    name = "events"
    report = tmp_path / "live.json"
    replay = start_child(
        ["replay", str(tmp_path / "s.npz"), "--name", name, "--speed", "max", "--as-events"], control=True
    )
    arguments = ["live", str(tmp_path / "m.safetensors"), "--stream", name, "--await-consumer", "20"]
    engine = start_child([*arguments, "--lag-budget-s", "0", "--json", str(report)], control=True)
    try:
        inlet = Inlet(find_stream(f"{name}-prediction", wait_s=20))
        inlet.open()
        chunks: list[Chunk] = []
        quiet = time.monotonic()
        while inlet.n_received < session.n_samples and time.monotonic() - quiet < 60:
            if (chunk := inlet.pull(0.1)) is not None:
                chunks.append(chunk)
                quiet = time.monotonic()
        assert engine.wait(60) == 0
    finally:
        engine.stop()
        replay.stop()
        inlet.close()
    rows = np.concatenate([chunk.samples for chunk in chunks])
    offline = model.predict(session)
    np.testing.assert_array_equal(rows[:, SEQUENCE], np.arange(session.n_samples))
    np.testing.assert_array_equal(rows[:, FRAME], offline.frame)
    np.testing.assert_allclose(rows[:, CONFIDENCE], offline.confidence, atol=1e-5)
    written = json.loads(report.read_text())
    assert written["received"] == written["announced"] == session.n_samples
    assert written["score"]["moments"] == np.sum(session.frame >= 0)
