"""Tests of `live --record`: the recording decodes to the same predictions, and the recorder outlives the engine."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pylsl
import pytest

from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.model.model import Model
from neuroreel.recording.recorder_process import RecorderChild
from neuroreel.subprocesses import Child, start_child
from stream.io.session_io import load_session, save_session
from stream.io.xdf_reader import XdfStream, read_xdf
from stream.io.xdf_stats import read_xdf_stats
from stream.lsl.event_inlet import EventInlet
from stream.lsl.outlet import make_outlet
from stream.lsl.resolve import find_stream
from tests.live.test_engine import movie_session

pytestmark = pytest.mark.live

SPEED = "4"
NEVER_SKIP = ("--lag-budget-s", "0")  # a busy computer would skip samples
OUTPUTS = ("prediction", "forecast", "posterior", "embedding", "continuous", "status")


@pytest.fixture(scope="module")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    fit_model(movie_session(6, seed=1), FitOptions()).save(path)
    return path


@pytest.fixture
def start() -> Iterator[Callable[..., Child]]:
    started: list[Child] = []

    def start_one(*arguments: object, **more: Any) -> Child:
        started.append(start_child([str(each) for each in arguments], stderr=subprocess.PIPE, **more))
        return started[-1]

    yield start_one
    for child in started:
        child.stop()
        assert child.process.stderr is not None
        child.process.stderr.close()


def record(start: Callable[..., Child], recording: Path, model: Path, folder: Path) -> dict[str, XdfStream]:
    """Replay a recording, decode and record it, and return the recorded streams."""
    out = folder / "out.xdf"
    folder.mkdir()
    start("replay", recording, "--speed", SPEED, control=True)
    engine = start("live", model, "--record", out, "--json", folder / "out.json", *NEVER_SKIP)
    code = engine.wait(60)
    assert engine.process.stderr is not None
    print(engine.process.stderr.read().decode())  # shown when the test fails
    assert code == 0
    summary = json.loads((folder / "out.json").read_text())
    assert summary["recording"]["verified"]
    assert not summary["recording"]["problems"]
    assert all(row["lost"] == 0 and row["clock_offsets"] > 0 for row in summary["recording"]["streams"])
    return {stream.name: stream for stream in read_xdf(out)}


def test_a_recording_replays_to_the_same_predictions(
    start: Callable[..., Child], model_path: Path, tmp_path: Path
) -> None:
    session = replace(movie_session(2, seed=2), simulated=True)
    save_session(session, tmp_path / "session.npz")
    first = record(start, tmp_path / "session.npz", model_path, tmp_path / "first")
    inputs = ("V1", "V1-stimulus", "V1-running", "V1-events")
    assert set(first) == {*inputs, *(f"V1-{role}" for role in OUTPUTS)}
    recorded = load_session(tmp_path / "first" / "out.xdf")
    assert recorded.simulated
    assert all(first[f"V1-{role}"].facts["mode"] == "simulated" for role in OUTPUTS)
    assert recorded.neural.tobytes() == session.neural.tobytes()
    np.testing.assert_array_equal(recorded.frame, session.frame)
    np.testing.assert_array_equal(recorded.repeat, session.repeat)
    np.testing.assert_array_equal(recorded.segment, session.segment)
    assert recorded.labels["running"].tobytes() == session.labels["running"].tobytes()
    np.testing.assert_allclose(np.diff(recorded.stamps), np.diff(session.stamps), rtol=0, atol=1e-8)
    predictions = np.asarray(first["V1-prediction"].samples)
    assert predictions[:, 6].tolist() == list(range(session.n_samples))
    assert (
        predictions[:, 7].tobytes() == first["V1"].stamps.tobytes()
    )  # timestamps as the engine received them
    predicted = Model.load(model_path).predict(recorded)
    np.testing.assert_array_equal(predictions[:, 0], predicted.frame)
    np.testing.assert_allclose(first["V1-posterior"].samples, predicted.posterior, rtol=0, atol=1e-6)

    again = record(start, tmp_path / "first" / "out.xdf", model_path, tmp_path / "again")
    assert again["V1"].samples.tobytes() == first["V1"].samples.tobytes()
    np.testing.assert_array_equal(np.asarray(again["V1-prediction"].samples)[:, 0], predictions[:, 0])
    for role in ("posterior", "forecast", "embedding"):
        repeated, original = again[f"V1-{role}"].samples, first[f"V1-{role}"].samples
        np.testing.assert_allclose(repeated, original, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_samples_pushed_in_groups_decode_live_as_in_their_recording(
    start: Callable[..., Child], model_path: Path, tmp_path: Path
) -> None:
    session, name, group = movie_session(3, seed=2), f"pushed{uuid.uuid4().hex[:6]}", 4
    outlet = make_outlet(
        name, "Spikes", session.channel_names, session.rate_hz, facts={"mode": "live"}, role="rig"
    )
    out, report = tmp_path / "out.xdf", tmp_path / "out.json"
    engine = start(
        "live", model_path, "--stream", name, "--record", out, "--json", report, *NEVER_SKIP, control=True
    )
    status = EventInlet(find_stream(f"{name}-status", wait_s=30))
    status.open()
    assert outlet.wait_for_consumers(60)
    time.sleep(5.0)  # both the engine and its recorder
    begun = pylsl.local_clock()
    due_s = session.stamps - session.stamps[0]
    for first in range(0, session.n_samples, group):
        rows = session.neural[first : first + group]
        pushed_s = begun + float(due_s[first : first + group].max())
        time.sleep(max(0.0, pushed_s - pylsl.local_clock()))
        outlet.push_chunk(rows, (pushed_s + np.arange(len(rows)) * 2e-5).tolist())
    time.sleep(1.5)
    events = [json.loads(text)["event"] for text in status.pull(0.1)[0]]
    engine.stop(timeout_s=30)
    status.close()
    summary = json.loads(report.read_text())
    assert summary["received"] == session.n_samples
    assert (summary["reordered"], summary["duplicates"]) == (0, 0)
    assert summary["gaps"] <= 1  # of half a second
    assert events.count("uneven_stamps") == 1
    recorded = load_session(out, stream=name)
    assert recorded.neural.tobytes() == session.neural.tobytes()
    assert recorded.segment[-1] == events.count("segment") == 1
    streams = {stream.name: stream for stream in read_xdf(out)}
    predicted = Model.load(model_path).predict(recorded)
    np.testing.assert_allclose(streams[f"{name}-posterior"].samples, predicted.posterior, rtol=0, atol=1e-5)


def test_a_replay_starts_once_the_recorder_has_opened_all_streams(tmp_path: Path) -> None:
    """Also late streams and with a frozen recorder; a missing stream is reported and does not stop decoding."""
    name, events = "letgo", []
    outlets = [
        make_outlet(f"{name}-{role}", "Markers", ("x",), 0, "string", role="engine") for role in OUTPUTS
    ]
    outlets.append(make_outlet(name, "Spikes", ("x",), 30.0, role="rig"))
    recorder = RecorderChild(tmp_path / "a.xdf", name, "Spikes", name)
    try:
        recorder.wait_ready()
        late = [make_outlet(f"{name}-{label}", "Label", ("x",), 0, role="rig") for label in ("one", "two")]
        process = psutil.Process(recorder.pid)
        process.suspend()
        begun = time.monotonic()
        threading.Timer(1.0, process.resume).start()
        recorder.open_neural([f"{name}-one", f"{name}-two", "keys"], lambda *_, **facts: events.append(facts))
        assert time.monotonic() - begun > 0.9
        assert all(outlet.have_consumers() for outlet in late)
        until(outlets[-1].have_consumers)
        recorder.open_neural([f"{name}-never"], lambda *_, **facts: events.append(facts))
        assert events[-1]["state"] == "incomplete"
        assert f"{name}-never" in events[-1]["reason"]
        assert [event["state"] for event in events].count("incomplete") == 1
    finally:
        recorder.stop()


@pytest.mark.slow
def test_the_recorder_continues_after_the_engine_is_killed(
    start: Callable[..., Child], model_path: Path, tmp_path: Path
) -> None:
    session, name = (
        movie_session(4, seed=2),
        f"killed-{uuid.uuid4().hex[:8]}",
    )  # LSL resumes one in any session
    save_session(session, tmp_path / "session.npz")
    out = tmp_path / "out.xdf"
    replay = start("replay", tmp_path / "session.npz", "--name", name, "--speed", "2", control=True)
    engine = start("live", model_path, "--stream", name, "--record", out)
    until(lambda: sum(stats.n_samples for stats in read_xdf_stats(out)[0].values()) > 100)
    replay.send("pause")  # so that samples are left for the recorder alone
    engine.process.kill()
    engine.wait(60)
    replay.send("resume")
    assert engine.process.stderr is not None
    until(lambda: b"the engine has ended" in engine.process.stderr.readline())  # type: ignore[union-attr]
    until(lambda: (stats := read_xdf_stats(out)[0]) and all(stream.ended for stream in stats.values()))
    recorded = {stream.name: stream for stream in read_xdf(out)}
    assert recorded[name].samples.tobytes() == session.neural.tobytes()
    predicted = len(recorded[f"{name}-prediction"].stamps)
    assert 0 < predicted < session.n_samples
    assert load_session(out).n_samples == session.n_samples


def test_what_only_the_engine_received_is_reported(
    start: Callable[..., Child], model_path: Path, tmp_path: Path
) -> None:
    """The recorder stands still while the sender restarts, so the engine is connected before it."""
    session = movie_session(4, seed=2)
    save_session(session, tmp_path / "session.npz")
    out, name = tmp_path / "out.xdf", f"differs-{uuid.uuid4().hex[:8]}"
    start("replay", tmp_path / "session.npz", "--name", name, "--faults", "restart@3+0.5", control=True)
    engine = start(
        "live", model_path, "--stream", name, "--record", out, "--json", tmp_path / "out.json", *NEVER_SKIP
    )
    status = EventInlet(find_stream(f"{name}-status", wait_s=60))
    status.open()
    events: list[dict[str, Any]] = []

    def reported(event: str) -> bool:
        events.extend(map(json.loads, status.pull()[0]))
        return any(one["event"] == event for one in events)

    until(lambda: reported("lost"))
    (recorder,) = psutil.Process(engine.pid).children()
    recorder.suspend()
    until(lambda: reported("back"))
    time.sleep(1.0)
    recorder.resume()
    status.close()
    assert engine.process.stderr is not None
    assert engine.wait(60) == 0, engine.process.stderr.read()
    summary = json.loads((tmp_path / "out.json").read_text())
    first, again = summary["recording"]["compared"]
    assert (first["only_engine"], first["only_recorder"], first["where"]) == (0, 0, [])
    assert again["only_engine"] > 15
    assert again["where"] == ["beginning"]
    assert first["engine_samples"] + again["engine_samples"] == summary["received"]
    (neural,) = (stream for stream in read_xdf(out) if stream.name == name)
    assert first["recorder_samples"] + again["recorder_samples"] == len(neural.stamps)
    assert len(neural.stamps) + again["only_engine"] == summary["received"]
    (text,) = summary["recording"]["differences"]
    assert text.startswith(
        f"{again['only_engine']} samples of '{name}' were decoded but are not in the recording"
    )
    assert text in engine.process.stderr.read().decode()


def test_decoding_continues_if_the_recorder_cannot_start_or_crashes(
    start: Callable[..., Child], model_path: Path, tmp_path: Path
) -> None:
    session = movie_session(3, seed=2)
    save_session(session, tmp_path / "session.npz")
    replay = start("replay", tmp_path / "session.npz", "--speed", "2", control=True)
    nowhere = start(
        "live", model_path, "--name", "A", "--record", tmp_path / "none" / "a.xdf", "--seconds", "0.1"
    )
    assert nowhere.wait(60) == 2
    assert nowhere.process.stderr is not None
    assert b"does not exist. Create it first" in nowhere.process.stderr.read()
    assert replay.stop() == 0

    start("replay", tmp_path / "session.npz", "--speed", "2", control=True)
    out = tmp_path / "out.xdf"
    engine = start("live", model_path, "--record", out, "--json", tmp_path / "out.json", *NEVER_SKIP)
    status = EventInlet(find_stream("V1-status", wait_s=30))
    status.open()
    until(lambda: sum(stats.n_samples for stats in read_xdf_stats(out)[0].values()) > 20)
    (recorder,) = psutil.Process(engine.pid).children()
    recorder.kill()
    events: list[dict[str, Any]] = []
    until(lambda: (events.extend(map(json.loads, status.pull()[0])), engine.wait(0.05))[1] is not None)
    status.close()
    assert engine.wait(0) == 1
    assert engine.process.stderr is not None
    output = engine.process.stderr.read().decode()
    assert "decoding continues" in output
    assert "Traceback" not in output
    assert {"event": "recorder", "state": "ended", "reason": "the recorder ended with exit code -9"} in events
    assert json.loads((tmp_path / "out.json").read_text())["received"] == session.n_samples
    assert {stream.name for stream in read_xdf(out)} >= {"V1", "V1-prediction"}


def test_an_existing_recording_is_refused_before_anything_starts(
    start: Callable[..., Child], model_path: Path, tmp_path: Path
) -> None:
    existing = tmp_path / "a.xdf"
    existing.write_bytes(b"mine")
    engine = start("live", model_path, "--record", existing)
    assert engine.wait(20) == 2
    assert existing.read_bytes() == b"mine"


def until(condition: Callable[[], Any], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
