"""The main job between real processes: replay, engine and this one as the listener."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from decoders.data.delays import delay_truth
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.model.model import Model
from decoders.prediction import PREDICTION_CHANNELS
from neuroreel.cli import cli
from neuroreel.subprocesses import Child, start_child
from stream.chunk import Chunk
from stream.io.session_io import save_session
from stream.lsl.inlet import Inlet
from stream.lsl.resolve import find_stream
from stream.movie import Clip, Movie
from stream.session import Kind, Session, segments_from_stamps

pytestmark = pytest.mark.live

N_FRAMES, N_CHANNELS, RATE_HZ = 60, 24, 30.0
SPEED = "4"
FRAME, SEQUENCE, CONFIDENCE, NEXT = (
    PREDICTION_CHANNELS.index(name) for name in ("frame", "sequence", "confidence", "next_frame")
)


def movie_session(n_repeats: int, seed: int) -> Session:
    """Showings of a two-second movie with blanks between, a gap of half a second inside the last blank."""
    random = np.random.default_rng(seed)
    tuning = np.random.default_rng(99).gamma(0.5, 2.0, (N_FRAMES + 1, N_CHANNELS)) + 0.05
    frame = np.r_[np.tile(np.r_[np.full(15, -1), np.arange(N_FRAMES)], n_repeats)].astype(np.int32)
    repeat = np.where(frame >= 0, np.arange(len(frame)) // (N_FRAMES + 15), -1).astype(np.int32)
    stamps = 5.0 + np.arange(len(frame)) / RATE_HZ
    stamps[(n_repeats - 1) * (N_FRAMES + 15) + 5 :] += 0.5
    return Session(
        neural=random.poisson(tuning[frame]).astype(np.float32),
        stamps=stamps,
        frame=frame,
        repeat=repeat,
        segment=segments_from_stamps(stamps, RATE_HZ),
        channel_names=tuple(f"unit{i}" for i in range(N_CHANNELS)),
        kind=Kind.SPIKES,
        rate_hz=RATE_HZ,
        labels={"running": np.sin(np.arange(len(frame)) / 40)[:, None].astype(np.float32)},
        movie=Movie((Clip("clip", 0, N_FRAMES, RATE_HZ),)),
        name="V1",
    )


@pytest.fixture(scope="module")
def model() -> Model:
    return fit_model(movie_session(6, seed=1), FitOptions())


@pytest.fixture
def running(model: Model, tmp_path: Path) -> dict[str, object]:
    """Files of a model and a test recording, and the arguments of the processes."""
    session = movie_session(3, seed=2)
    model.save(tmp_path / "model.safetensors")
    save_session(session, tmp_path / "session.npz")
    return {
        "session": session,
        "model": tmp_path / "model.safetensors",
        "recording": tmp_path / "session.npz",
    }


def collect(inlets: dict[str, Inlet], n: int) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float64]]]:
    """Everything that comes on all of them, in turn, until each has ``n`` samples or 15 quiet seconds."""
    chunks: dict[str, list[Chunk]] = {stream: [] for stream in inlets}
    last = time.monotonic()
    while time.monotonic() - last < 15 and any(inlet.n_received < n for inlet in inlets.values()):
        for stream, inlet in inlets.items():
            chunk = inlet.pull(0.01)
            if chunk is not None:
                chunks[stream].append(chunk)
                last = time.monotonic()
    return {
        stream: (np.concatenate([c.samples for c in some]), np.concatenate([c.stamps for c in some]))
        for stream, some in chunks.items()
    }


def run(files: dict[str, object], name: str, tmp_path: Path, streams: tuple[str, ...]) -> dict[str, object]:
    """Replay and decode while listening to some of the engine's streams."""
    report = tmp_path / "live.json"
    replay = start_child(["replay", str(files["recording"]), "--name", name, "--speed", SPEED], control=True)
    engine = start_child(
        [
            *("live", str(files["model"]), "--stream", name, "--await-consumer", "20", "--json", str(report)),
            *("--lag-budget-s", "0"),  # a busy computer must not make it skip
        ],
        control=True,
    )
    try:
        inlets = {}
        for stream in reversed(streams):  # the first one is what the engine waits for
            inlets[stream] = Inlet(find_stream(f"{name}-{stream}", wait_s=20))
            inlets[stream].open()
        session = files["session"]
        assert isinstance(session, Session)
        received = collect(inlets, session.n_samples)
        assert engine.wait(60) == 0
    finally:
        stop(replay, engine)
    return {"received": received, "report": json.loads(report.read_text())}


def stop(*children: Child) -> None:
    for child in children:
        child.stop()


def test_live_equals_offline_on_every_frame(model: Model, running: dict[str, object], tmp_path: Path) -> None:
    streams = ("prediction", "posterior", "embedding", "forecast", "continuous")
    result = run(running, "equal", tmp_path, streams)
    session, received = running["session"], result["received"]
    offline = model.predict(session)
    rows, stamps = received["prediction"]
    assert len(np.unique(session.segment)) == 2
    assert np.array_equal(rows[:, SEQUENCE], np.arange(session.n_samples))  # none lost, none twice
    assert np.array_equal(rows[:, FRAME], offline.frame)
    assert np.array_equal(rows[:, NEXT], offline.next_frame)
    assert np.allclose(rows[:, CONFIDENCE], offline.confidence, atol=1e-5)
    assert np.allclose(received["posterior"][0], offline.posterior, atol=1e-5)
    assert np.allclose(received["embedding"][0], offline.embedding, atol=1e-5)
    assert np.allclose(received["continuous"][0], offline.continuous, atol=1e-5)
    assert np.allclose(received["forecast"][0].reshape(offline.forecast.shape), offline.forecast, atol=1e-5)
    assert np.allclose(
        np.diff(stamps), np.diff(session.stamps) / float(SPEED), atol=5e-3
    )  # clock offset may move


def test_live_scores_against_the_stimulus_stream(
    model: Model, running: dict[str, object], tmp_path: Path
) -> None:
    report = run(running, "score", tmp_path, ("prediction",))["report"]
    session = running["session"]
    offline = model.predict(session)
    shown = session.frame >= 0
    exact = np.mean(offline.frame[shown] == session.frame[shown])
    assert report["received"] == report["announced"] == session.n_samples
    assert report["score"]["moments"] == shown.sum()
    assert report["score"]["with_playback"]["accuracy_exact"] == pytest.approx(exact)
    assert report["gaps"] == 1
    assert set(report["score"]["with_playback"]["per_repeat"]) == {"0", "1", "2"}


def test_live_lookahead_answers_about_the_moment_before(tmp_path: Path) -> None:
    late = 3
    model = fit_model(movie_session(6, seed=1), FitOptions(lookahead_frames=late))
    session = movie_session(3, seed=2)
    model.save(tmp_path / "model.safetensors")
    save_session(session, tmp_path / "session.npz")
    files: dict[str, object] = {
        "session": session,
        "model": tmp_path / "model.safetensors",
        "recording": tmp_path / "session.npz",
    }
    result = run(files, "late", tmp_path, ("prediction",))
    report, (rows, stamps) = result["report"], result["received"]["prediction"]
    offline, (moved, kept) = model.predict(session), delay_truth(session, late)
    assert np.array_equal(rows[:, SEQUENCE], np.flatnonzero(kept))  # none lost; none right after a border
    assert np.array_equal(rows[:, FRAME], offline.frame[kept])
    assert np.allclose(np.diff(stamps), np.diff(offline.stamps[kept]) / float(SPEED), atol=5e-3)
    shown = moved.frame >= 0
    exact = np.mean(offline.frame[kept][shown] == moved.frame[shown])
    assert report["score"]["moments"] == shown.sum()
    assert report["score"]["with_playback"]["accuracy_exact"] == pytest.approx(exact)
    assert report["latency_ms"]["p50"] > 1000 * late / RATE_HZ / float(SPEED)


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["--stream", "nowhere", "--wait", "0.3"], "nowhere", 1),
        (["--stream", "other", "--wait", "10"], "channels", 2),
    ],
)
def test_live_refuses_what_it_cannot_decode(
    running: dict[str, object],
    small_session: Session,
    tmp_path: Path,
    arguments: list[str],
    said: str,
    code: int,
) -> None:
    save_session(small_session, tmp_path / "other.npz")
    other = start_child(["replay", str(tmp_path / "other.npz"), "--name", "other"], control=True)
    try:
        result = CliRunner().invoke(cli, ["live", str(running["model"]), *arguments])
    finally:
        other.stop()
    assert result.exit_code == code
    assert said in result.output
    assert "Traceback" not in result.output


def test_live_refuses_a_model_that_is_not_one(tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(b"\x80" * 500)
    result = CliRunner().invoke(cli, ["live", str(path)])
    assert result.exit_code == 2
    assert "bad.safetensors" in result.output
