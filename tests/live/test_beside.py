"""What is sent beside a neural stream: labels at their own rates and from their own start, and markers."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.prediction import PREDICTION_CHANNELS
from neuroreel.subprocesses import start_child
from stream.chunk import Chunk
from stream.io.session_io import save_session
from stream.lsl.event_inlet import EventInlet
from stream.lsl.inlet import Inlet
from stream.lsl.outlet import make_outlet
from stream.lsl.resolve import find_stream
from stream.session import Kind, Session

pytestmark = pytest.mark.live

N_FRAMES, RATE_HZ, SPEED, LATE = 60, 30.0, 4, 70
STAMP_RAW = PREDICTION_CHANNELS.index("stamp_raw")


def movie_session(n_repeats: int, seed: int) -> Session:
    """Showings of a short movie with blanks between, and how fast somebody ran."""
    random, fixed = np.random.default_rng(seed), np.random.default_rng(99)
    tuning = fixed.gamma(0.5, 2.0, (N_FRAMES + 1, 16)) + 0.05
    frame = np.tile(np.r_[np.full(15, -1), np.arange(N_FRAMES)], n_repeats).astype(np.int32)
    return Session(
        neural=random.poisson(tuning[frame]).astype(np.float32),
        stamps=5.0 + np.arange(len(frame)) / RATE_HZ,
        frame=frame,
        repeat=np.where(frame >= 0, np.arange(len(frame)) // (N_FRAMES + 15), -1).astype(np.int32),
        segment=np.zeros(len(frame), np.int32),
        channel_names=tuple(f"unit{i}" for i in range(16)),
        kind=Kind.SPIKES,
        rate_hz=RATE_HZ,
        labels={
            "running": np.sin(np.arange(len(frame)) / 40)[:, None].astype(np.float32),
            "place": np.cos(np.arange(len(frame)) / 10)[:, None].astype(np.float32),
        },
        name="V1",
    )


def test_labels_and_markers_beside_the_neural_stream(tmp_path: Path) -> None:
    model, session = fit_model(movie_session(5, seed=1), FitOptions()), movie_session(3, seed=2)
    model.save(tmp_path / "m.safetensors")
    with_running = Session(
        **{
            name: getattr(session, name)
            for name in ("neural", "stamps", "frame", "repeat", "segment", "channel_names", "kind", "rate_hz")
        },
        labels={"running": session.labels["running"]},
        name="V1",
    )
    save_session(with_running, tmp_path / "s.npz")
    report, name = tmp_path / "live.json", "beside"
    keys = make_outlet("keys", "Markers", ("key",), 0, "string", role="rig")
    replay = start_child(
        ["replay", str(tmp_path / "s.npz"), "--name", name, "--speed", str(SPEED)], control=True
    )
    arguments = ["live", str(tmp_path / "m.safetensors"), "--stream", name, "--await-consumer", "20"]
    engine = start_child([*arguments, "--lag-budget-s", "0", "--json", str(report)], control=True)
    said: list[dict[str, Any]] = []
    pressed = False
    chunks: list[Chunk] = []
    place, sent = None, LATE
    try:
        status = EventInlet(find_stream(f"{name}-status", wait_s=20))
        status.open()
        inlet = Inlet(find_stream(f"{name}-prediction", wait_s=20))
        inlet.open()
        deadline = time.monotonic() + 60
        while not any(event["event"] == "end" for event in said) and time.monotonic() < deadline:
            chunk = inlet.pull(0.05)
            chunks += [chunk] if chunk is not None else []
            said += [json.loads(text) for text in status.pull()[0]]
            if place is None and inlet.n_received >= 1:
                place = make_outlet(f"{name}-place", "Label", ("place",), 0, role="rig")
            if place is not None and inlet.n_received >= LATE and place.have_consumers():
                first = float(chunks[0].samples[0, STAMP_RAW])
                stamps = first + (session.stamps - session.stamps[0]) / SPEED
                while sent < inlet.n_received:
                    place.push_sample(session.labels["place"][sent].tolist(), float(stamps[sent]))
                    sent += 2
            if not pressed and keys.have_consumers():
                keys.push_sample(["space"])
                pressed = True
        assert engine.wait(60) == 0
    finally:
        engine.stop()
        replay.stop()
    written = json.loads(report.read_text())
    assert written["received"] == session.n_samples
    marker = next(event for event in said if event["event"] == "marker")
    assert (marker["stream"], marker["marker"]) == ("keys", "space")
    assert written["markers"] == {"keys": 1}
    followed = {event["stream"]: event["kind"] for event in said if event["event"] == "following"}
    assert followed == {
        f"{name}-stimulus": "stimulus",
        f"{name}-events": "events",
        f"{name}-running": "label",
        f"{name}-place": "label",
        "keys": "markers",
    }
    column = model.continuous_channels.index("running")
    running = np.abs(model.predict(session).continuous[:, column] - session.labels["running"][:, 0])
    scored = written["labels"]["running"]
    assert scored["moments"] >= session.n_samples - 5
    assert scored["median_error"] == pytest.approx(np.median(running), rel=0.02)
    assert 20 < written["labels"]["place"]["moments"] <= session.n_samples - LATE
