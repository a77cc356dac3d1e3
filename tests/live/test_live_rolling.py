"""Refits while an engine runs, between real processes: replay, engine, trainer and this one as the listener."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.prediction import PREDICTION_CHANNELS
from neuroreel.subprocesses import start_child
from stream.io.session_io import save_session
from stream.lsl.event_inlet import EventInlet
from stream.lsl.inlet import Inlet
from stream.lsl.resolve import find_stream
from stream.movie import Clip, Movie
from stream.session import Kind, Session

pytestmark = [pytest.mark.live, pytest.mark.slow]

N_FRAMES, N_CHANNELS, RATE_HZ, SPEED = 90, 24, 30.0, "4"
N_SHOWINGS, CHANGE, REST = (
    20,
    8,
    14,
)  # the replay rests within one, until the trainer has answered on those before
N_SAMPLES = N_FRAMES + 20  # of a showing and the blank before it
NEVER_SKIP = ("--lag-budget-s", "0")  # as it may when the computer is busy
SEQUENCE, VERSION = PREDICTION_CHANNELS.index("sequence"), PREDICTION_CHANNELS.index("model_version")


def changing_session(n_showings: int, change: int, seed: int) -> Session:
    """Showings of a three-second movie; from one of them on half of the units respond to other frames."""
    random, fixed = np.random.default_rng(seed), np.random.default_rng(99)
    tuning = fixed.gamma(0.5, 2.0, (N_FRAMES + 1, N_CHANNELS)) + 0.05
    changed = tuning.copy()
    half = N_CHANNELS // 2
    changed[:-1, :half] = np.roll(tuning[:-1, :half], N_FRAMES // 2, axis=0)
    frame = np.tile(np.r_[np.full(20, -1), np.arange(N_FRAMES)], n_showings).astype(np.int32)
    showing = np.arange(len(frame)) // N_SAMPLES
    rates = np.where((showing >= change)[:, None], changed[frame], tuning[frame])
    return Session(
        neural=random.poisson(rates).astype(np.float32),
        stamps=5.0 + np.arange(len(frame)) / RATE_HZ,
        frame=frame,
        repeat=np.where(frame >= 0, showing, -1).astype(np.int32),
        segment=np.zeros(len(frame), np.int32),
        channel_names=tuple(f"unit{i}" for i in range(N_CHANNELS)),
        kind=Kind.SPIKES,
        rate_hz=RATE_HZ,
        movie=Movie((Clip("clip", 0, N_FRAMES, RATE_HZ),)),
        name="V1",
    )


def decode(
    folder: Path, name: str, *options: str, speed: str = SPEED, rest: int | None = None
) -> tuple[NDArray[np.float32], list[dict[str, Any]], dict[str, Any]]:
    """Everything on the prediction stream, every status, and the engine's report."""
    report = folder / f"{name}.json"
    replay = start_child(["replay", str(folder / "s.npz"), "--name", name, "--speed", speed], control=True)
    engine = start_child(
        ["live", str(folder / "m.safetensors"), "--stream", name, "--await-consumer", "20", "--json", str(report),
         *NEVER_SKIP, *options],
        control=True,
    )  # fmt: skip
    rows, events = [], []
    try:
        status = EventInlet(find_stream(f"{name}-status", wait_s=20))
        status.open()
        predictions = Inlet(find_stream(f"{name}-prediction", wait_s=20))
        predictions.open()
        last = time.monotonic()
        resting = False
        while engine.running and time.monotonic() - last < (120 if resting else 60):
            chunk = predictions.pull(0.05)
            if chunk is not None:
                rows.append(chunk.samples)
                last = time.monotonic()
            events += [json.loads(text) for text in status.pull()[0]]
            if rest is not None and not resting and sum(map(len, rows)) > rest * N_SAMPLES + 40:
                resting = replay.send("pause")
            elif rest is not None and resting and any(event.get("newest", 0) >= rest for event in events):
                replay.send("resume")
                rest, resting = None, False
        assert engine.wait(60) == 0
    finally:
        replay.stop()
        engine.stop()
    return np.concatenate(rows), events, json.loads(report.read_text())


def test_rolling_recovers_from_a_change_that_a_fixed_model_does_not(tmp_path: Path) -> None:
    session = changing_session(N_SHOWINGS, CHANGE, seed=2)
    save_session(session, tmp_path / "s.npz")
    fit_model(changing_session(6, 6, seed=1), FitOptions(context_s=0.2)).save(tmp_path / "m.safetensors")
    rows, events, rolled = decode(tmp_path, "rolled", "--rolling", "4", rest=REST)
    fixed_rows, _, fixed = decode(tmp_path, "fixed", speed="max")  # nothing is refitted meanwhile

    for received in (rows, fixed_rows):
        assert np.array_equal(received[:, SEQUENCE], np.arange(session.n_samples))  # none lost, none twice
    versions = rows[:, VERSION]
    swaps = [event for event in events if event["event"] in ("swap", "rollback")]
    assert len(swaps) >= 2
    assert np.all(np.diff(versions) >= 0)
    seen = np.unique(versions).tolist()
    announced = [0, *(event["version"] for event in swaps)]
    assert set(seen) <= set(announced)
    assert len(announced) <= len(seen) + 3  # some come while the replay rests, and one after the last frame
    assert all(event["state_carried"] for event in swaps)
    assert rolled["model_version"] == announced[-1] == len(swaps)
    assert np.all(fixed_rows[:, VERSION] == 0)

    late = [str(number) for number in range(N_SHOWINGS - 4, N_SHOWINGS)]
    early = [str(number) for number in range(CHANGE)]
    rolled_late, fixed_late, fixed_early = (
        np.mean([score["per_repeat"][number]["accuracy_within_1s"] for number in numbers])
        for score, numbers in (
            (rolled["score"]["without_playback"], late),
            (fixed["score"]["without_playback"], late),
            (fixed["score"]["without_playback"], early),
        )
    )
    assert fixed_late < fixed_early - 0.05
    assert rolled_late > fixed_late + 0.5 * (fixed_early - fixed_late), events


def test_adaptation_is_switched_on_and_said_live(tmp_path: Path) -> None:
    save_session(changing_session(3, 9, seed=3), tmp_path / "s.npz")
    fit_model(changing_session(6, 6, seed=1), FitOptions(context_s=0.2)).save(tmp_path / "m.safetensors")
    _, events, report = decode(tmp_path, "adapted", "--adapt")
    said = [event["adaptation"] for event in events if event["event"] == "stats"]
    assert said
    assert all(0.5 <= row["gain_least"] <= row["gain_median"] <= row["gain_most"] <= 2 for row in said)
    assert report["adaptation"]["gain_median"] == pytest.approx(1, abs=0.1)
