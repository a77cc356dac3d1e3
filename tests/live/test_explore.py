"""``live --explore`` between real processes: no model, no labels, an embedding after a minute of data."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from decoders.prediction import PREDICTION_CHANNELS
from neuroreel.subprocesses import start_child
from stream.io.session_io import save_session
from stream.lsl.event_inlet import EventInlet
from stream.lsl.inlet import Inlet
from stream.lsl.resolve import find_stream
from tests.decoders.rolling.test_explore import piece, wandering

pytestmark = [pytest.mark.live, pytest.mark.slow]

N_PIECES, SPEED = 5, 8
COLUMNS = ("neural", "stamps", "frame", "repeat", "segment")


def test_an_embedding_appears_after_a_minute_of_data_and_is_renewed(tmp_path: Path) -> None:
    pieces = [piece(number, wandering(N_PIECES), 1) for number in range(N_PIECES)]
    joined = {name: np.concatenate([getattr(part, name) for part in pieces]) for name in COLUMNS}
    whole = replace(pieces[0], **joined)
    save_session(whole, tmp_path / "s.npz")
    report = tmp_path / "report.json"
    replay = start_child(
        ["replay", str(tmp_path / "s.npz"), "--name", "E", "--speed", str(SPEED)], control=True
    )
    engine = start_child(
        ["live", "--explore", "--stream", "E", "--await-consumer", "30", "--lag-budget-s", "0",
         "--json", str(report)],
        control=True,
    )  # fmt: skip
    events, points, rows = [], [], []
    try:
        status = EventInlet(find_stream("E-status", wait_s=60))
        status.open()
        embedding = Inlet(find_stream("E-embedding", wait_s=20))
        embedding.open()
        predictions = Inlet(find_stream("E-prediction", wait_s=20))
        predictions.open()
        deadline = time.monotonic() + 120
        while engine.running and time.monotonic() < deadline:
            for inlet, into in ((embedding, points), (predictions, rows)):
                chunk = inlet.pull(0.02)
                if chunk is not None:
                    into.append(chunk.samples)
            events += [json.loads(text) for text in status.pull()[0]]
        assert engine.wait(30) == 0
    finally:
        replay.stop()
        engine.stop()
    summary = json.loads(report.read_text())
    assert summary["received"] == whole.n_samples
    assert summary["score"] is None
    waiting = [event["seconds"] for event in events if event["event"] == "rolling" and "seconds" in event]
    assert waiting == [20, 40]
    swaps = [event for event in events if event["event"] == "swap"]
    assert [swap["version"] for swap in swaps] == list(range(1, len(swaps) + 1))
    assert len(swaps) >= 2  # the last one may come after the end
    assert all(swap["structure"] and swap["state_carried"] for swap in swaps)
    received, length = np.concatenate(rows), np.linalg.norm(np.concatenate(points), axis=1)
    version = received[:, PREDICTION_CHANNELS.index("model_version")]
    assert np.all(received[:, PREDICTION_CHANNELS.index("frame")] == -1)  # nothing is decoded
    assert np.all(length[: np.sum(version == 0) - 10] == 0)
    assert np.allclose(length[-100:], 1, atol=1e-3)
