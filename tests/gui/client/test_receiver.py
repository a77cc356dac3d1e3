"""The receiver and the whole display on real streams, made in this process."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pylsl
import pytest
from PyQt5.QtGui import QPixmap

from decoders.prediction import PREDICTION_CHANNELS
from gui.app import run_display
from gui.state.snapshot import Snapshot, State
from stream.errors import AmbiguousStream, NoStream, OutputExists
from stream.lsl.outlet import make_outlet
from tests.gui.client.conftest import wait_for

pytestmark = [pytest.mark.live, pytest.mark.gui]

RATE_HZ = 60.0
N_FRAMES = 120
AT_MOST_S = 20.0
"""Closes a window that waits in vain: a time limit that raises would be lost in Qt's loop."""

FACTS = {
    "mode": "simulated",
    "speed": "1",
    "stamp_rate": "1",
    "recorded_rate_hz": str(RATE_HZ),
    "n_frames": str(N_FRAMES),
    "movie_rate_hz": str(RATE_HZ),
    "tolerance_frames": "60",
}


class FakeEngine:
    """All streams of a rig and of an engine, until stopped."""

    def __init__(self, name: str, *, truth: bool = True, labels: Sequence[str] = ()) -> None:
        facts = FACTS | {"source_stream": name}

        def outlet(role: str, type_: str, channels: int, rate_hz: float = RATE_HZ, fmt: str = "float32"):
            labels = [f"{role}{index}" for index in range(channels)]
            full = f"{name}-{role}" if role else name
            return make_outlet(full, type_, labels, rate_hz, fmt, facts=facts, role="test")

        self._neural = outlet("", "Spikes", 16)
        self._stimulus = outlet("stimulus", "Stimulus", 2, 0.0, "int32") if truth else None
        self._prediction = outlet("prediction", "Prediction", len(PREDICTION_CHANNELS), fmt="double64")
        self._posterior = outlet("posterior", "Posterior", N_FRAMES + 1)
        self._forecast = outlet("forecast", "Forecast", 44)
        self._embedding = outlet("embedding", "Embedding", 3)
        self._status = outlet("status", "Markers", 1, 0.0, "string")
        self._continuous, self._labels = None, []
        if labels:
            columns = (
                [f"{label}_{axis}" for label in labels for axis in range(2)] if len(labels) == 1 else labels
            )
            self._continuous = make_outlet(
                f"{name}-continuous", "Continuous", columns, RATE_HZ, facts=facts, role="test"
            )
            k = 2 // len(labels)
            self._labels = [outlet(label, "Label", k) for label in labels]
        self._stopping = threading.Event()
        self.sent = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self) -> None:
        """Announce the end, as an engine does."""
        self._stopping.set()
        self._thread.join()
        self.send_status(event="end", reason="the replay has ended")

    def send_status(self, **message: str) -> None:
        """Send a message on the status stream."""
        self._status.push_sample([json.dumps(message)])

    def close(self) -> None:
        """Go away without a word."""
        self._stopping.set()
        self._thread.join()
        self.__dict__.clear()

    def _run(self) -> None:
        begun = pylsl.local_clock()
        while not self._stopping.is_set():
            stamp = begun + self.sent / RATE_HZ
            time.sleep(max(0.0, stamp - pylsl.local_clock()))
            frame = self.sent % N_FRAMES
            if self._stimulus is not None:
                self._stimulus.push_sample([frame, 0], stamp - 1 / RATE_HZ)
            self._neural.push_sample(np.arange(16, dtype=np.float32), stamp)
            lag_ms = (pylsl.local_clock() - stamp) * 1e3
            row = [
                frame,
                0.9,
                (frame + 60) % N_FRAMES,
                0.5,
                1.0,
                0.1,
                self.sent,
                stamp,
                lag_ms,
                lag_ms,
                0.2,
                1,
            ]
            self._prediction.push_sample(np.array(row, float), stamp)
            posterior = np.zeros(N_FRAMES + 1, np.float32)
            posterior[frame] = 1
            self._posterior.push_sample(posterior, stamp)
            ahead = [
                [(frame + 15 * (h + 1)) % N_FRAMES, -1, -1, -1, -1, 0.9, 0, 0, 0, 0, 1] for h in range(4)
            ]
            self._forecast.push_sample(np.array(ahead, np.float32).ravel(), stamp)
            angle = 2 * np.pi * frame / N_FRAMES
            self._embedding.push_sample(np.array([np.cos(angle), np.sin(angle), 0.2], np.float32), stamp)
            where = np.array([np.cos(angle), np.sin(angle)], np.float32)
            for index, label in enumerate(self._labels):
                label.push_sample(where[index : index + 1] if len(self._labels) > 1 else where, stamp)
            if self._continuous is not None:
                self._continuous.push_sample(where + np.float32([0.3, 0.4]), stamp)
            self.sent += 1


@pytest.fixture
def engine(name: str) -> Iterator[Callable[..., FakeEngine]]:
    engines: list[FakeEngine] = []

    def start(**options) -> FakeEngine:
        engines.append(FakeEngine(options.pop("name", name), **options))
        return engines[-1]

    yield start
    for one in engines:
        if one.__dict__:
            one.close()


def test_everything_arrives(engine, receive) -> None:
    engine()
    snapshot = wait_for(receive(), lambda s: s.score is not None and s.score.n > 30)
    assert snapshot.state is State.LIVE
    assert snapshot.source.mode == "simulated"
    assert snapshot.source.n_frames == N_FRAMES
    assert snapshot.score is not None
    assert snapshot.score.exact == 1.0
    for part in (snapshot.posterior, snapshot.forecast, snapshot.neural, snapshot.trail, snapshot.trace):
        assert part is not None
    assert snapshot.neural_type == "Spikes"
    assert snapshot.neural_n_channels == 16
    assert snapshot.counts.dropped == 0
    assert "not on this computer" in snapshot.pictures_note


def test_a_stream_that_goes_away_is_lost_and_found_again(engine, receive) -> None:
    first = engine()
    store = receive()
    wait_for(store, lambda s: s.counts.received > 20)
    first.close()
    lost = wait_for(store, lambda s: s.state is State.LOST)
    assert "is gone" in lost.reason
    before = lost.counts.received
    engine()
    found = wait_for(store, lambda s: s.state is State.LIVE and s.counts.received > before + 20)
    assert found.counts.dropped == 0


def test_a_sender_that_falls_silent_is_stale_then_the_end_is_told(engine, receive) -> None:
    sender = engine()
    store = receive()
    wait_for(store, lambda s: s.counts.received > 20)
    sender._stopping.set()
    assert "has sent nothing" in wait_for(store, lambda s: s.state is State.STALE).reason
    sender.end()
    assert wait_for(store, lambda s: s.state is State.ENDED).reason == "the replay has ended"


def test_what_the_engine_says_of_its_input_is_shown(engine, receive) -> None:
    sender = engine()
    store = receive()
    wait_for(store, lambda s: s.counts.received > 20)
    for state in (State.STALE, State.LOST, State.MISMATCH):
        sender.send_status(event="state", state=str(state), reason=f"the rig is {state}")
        assert wait_for(store, lambda s, state=state: s.state is state).reason == f"the rig is {state}"
    sender.send_status(event="gap", text="3 samples are missing")
    assert wait_for(store, lambda s: bool(s.notice)).notice == "3 samples are missing"
    sender.send_status(event="stats", state="live", reason="")
    wait_for(store, lambda s: s.state is State.LIVE)


def test_decisions_of_the_trainer_are_shown_whatever_they_hold(engine, receive) -> None:
    sender = engine()
    store = receive()
    wait_for(store, lambda s: s.counts.received > 10)
    sender.send_status(event="rolling", state="wait", seconds=40, needed=60)
    assert wait_for(store, lambda s: bool(s.trainer)).trainer == "trainer: wait: 40 of 60 s"
    for wrong in ({}, {"version": 1, "structure": "x", "tested_s": 3}, {"version": [], "agreement_r2": {}}):
        sender.send_status(event="swap", **wrong)
    sender.send_status(event="refusal", reason="it is " + 1000 * "worse ")
    snapshot = wait_for(store, lambda s: s.trainer.startswith("refit refused"))
    assert len(snapshot.trainer) <= 301
    assert snapshot.counts.unusable == 3


def test_the_age_of_a_silent_input_goes_on(engine, receive, name: str) -> None:
    sender = engine()
    store = receive()
    wait_for(store, lambda s: s.counts.received > 20)
    sender._stopping.set()
    sender.send_status(event="state", state="stale", reason=f"'{name}' has sent nothing for 0.27 s")
    snapshot = wait_for(store, lambda s: "nothing for 1.5 s" in s.reason)
    assert snapshot.state is State.STALE
    assert snapshot.reason == f"{name} has sent nothing for 1.5 s"
    assert snapshot.idle_s > 1.4


def test_without_a_name_the_only_engine_is_watched(engine, tmp_path: Path, name: str) -> None:
    sender = engine(truth=False)
    ticks: list[Snapshot] = []
    closed: list[bool] = []
    picture = tmp_path / "window.png"
    summary = run_display(
        screenshot=picture,
        seconds=5,
        offscreen=True,
        on_tick=ticks.append,
        on_close=lambda: closed.append(True),
    )
    assert sender.sent >= summary.received > 60
    assert summary.dropped == 0
    assert summary.scored == 0
    assert np.isnan(summary.accuracy_within_1s)
    assert np.isfinite(summary.first_prediction_s)
    assert summary.painted > 20
    assert ticks[-1].source.name == name
    assert closed == [True]
    image = QPixmap(str(picture))
    assert (image.width(), image.height()) == (1667, 990)


def test_the_end_of_a_replay_closes_a_window_that_saves_a_screenshot(
    engine, tmp_path: Path, name: str
) -> None:
    sender = engine()

    def end_once_scored(snapshot: Snapshot) -> None:
        if snapshot.score is not None and snapshot.score.n > 30 and not sender._stopping.is_set():
            sender.end()

    summary = run_display(
        name,
        screenshot=tmp_path / "window.png",
        offscreen=True,
        seconds=AT_MOST_S,
        on_tick=end_once_scored,
    )
    assert summary.accuracy_within_1s == 1.0
    assert 0 < summary.chance <= 1
    assert (tmp_path / "window.png").exists()


def test_several_engines_must_be_told_apart(engine, name: str) -> None:
    engine()
    engine(name=f"{name}b")
    with pytest.raises(AmbiguousStream, match=f"{name}b on"):
        run_display(offscreen=True, seconds=AT_MOST_S)


def test_no_engine_is_an_error_after_the_wait(name: str) -> None:
    with pytest.raises(NoStream, match=r"within 1 s: waiting for .*-prediction"):
        run_display(name, offscreen=True, wait_s=1.0)


def test_a_screenshot_is_not_overwritten_unasked(tmp_path: Path) -> None:
    there = tmp_path / "window.png"
    there.write_bytes(b"kept")
    with pytest.raises(OutputExists, match="--force"):
        run_display(screenshot=there, offscreen=True)
    assert there.read_bytes() == b"kept"


@pytest.mark.parametrize("labels", [("position",), ("x", "y")])
def test_a_position_comes_with_its_truth(
    engine: Callable[..., FakeEngine], receive, labels: tuple[str, ...]
) -> None:
    engine(labels=labels)
    snapshot = wait_for(
        receive(), lambda s: s.position is not None and bool(np.isfinite(s.position.distances).sum() > 30)
    )
    assert snapshot.position is not None
    distances = snapshot.position.distances[-10:]
    np.testing.assert_allclose(distances[np.isfinite(distances)], 0.5, atol=1e-5)
    assert snapshot.position.names == (
        ("position_0", "position_1") if labels == ("position",) else ("x", "y")
    )
    assert snapshot.counts.unusable == 0
    assert not snapshot.refused


def test_without_a_position_nothing_waits_for_one(engine: Callable[..., FakeEngine], receive) -> None:
    engine()
    snapshot = wait_for(receive(), lambda s: s.counts.received > 10)
    assert snapshot.position is None
    assert not snapshot.refused
