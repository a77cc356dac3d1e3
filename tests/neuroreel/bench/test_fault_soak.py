"""The soak with random faults: what it draws, what it calls a disagreement, and half a minute of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from neuroreel.bench.fault_soak import (
    _disagreements,
    _incomplete,
    _up_to_closings,
    counted_session,
    random_disturbances,
)
from neuroreel.subprocesses import start_child
from stream.replay.faults import parse_faults, plan_faults
from stream.session import Session

CHANNELS = ("unit0", "unit1")
SECONDS = 600.0


@pytest.mark.parametrize("seed", range(20))
def test_faults_come_every_few_seconds_and_fit_the_replay(seed: int) -> None:
    drawn = random_disturbances(SECONDS, CHANNELS, seed)
    assert drawn == random_disturbances(SECONDS, CHANNELS, seed)
    assert drawn != random_disturbances(SECONDS, CHANNELS, seed + 1)
    faults = parse_faults(drawn.faults)
    times = [fault.at_s for fault in faults.scheduled]
    assert np.diff(times).max() < 9
    assert times[0] >= 4
    assert times[-1] <= SECONDS - 5
    assert len(faults.kinds()) == 9
    assert {process for _, process, _ in drawn.freezes} == {"engine", "recorder", "window"}
    plan_faults(faults, np.arange(round(SECONDS * 30)) / 30, CHANNELS)


def test_the_recording_is_repeated_and_counted(small_session: Session) -> None:
    session = counted_session(small_session, 10.0)
    assert session.n_samples == 300
    assert session.channel_names[-1] == "sequence"
    np.testing.assert_array_equal(session.neural[:, -1], np.arange(300))
    np.testing.assert_array_equal(session.neural[80:90, :-1], small_session.neural[:10])


def test_each_count_that_does_not_fit_is_said() -> None:
    counts = {"lost": 5, "not_received": 5, "unexplained": 0, "received": 95}
    good = {
        "sender": {"pushes": 100, "planned_pushes": 100},
        "engine": {**counts, "decoded": 95, "duplicates": 2, "reordered": 1, "skipped": 0},
        "recorder": counts,
        "window": {"lost": 5, "received": 95, "dropped": 3},
    }
    assert _disagreements(good) == []
    for name, key in (
        ("sender", "pushes"),
        ("engine", "lost"),
        ("engine", "decoded"),
        ("recorder", "unexplained"),
        ("window", "lost"),
        ("window", "received"),
        ("window", "dropped"),
    ):
        wrong = good | {name: good[name] | {key: good[name][key] + 1}}
        assert len(_disagreements(wrong)) >= 1, (name, key)


def test_segments_beside_a_prediction_that_was_not_recorded_are_incomplete() -> None:
    assert _incomplete([0, 0, 1, 1]) == []
    assert _incomplete([None, 0, 0, 1]) == [0]
    assert _incomplete([0, None, None, 1, 2]) == [0, 1]
    assert _incomplete([0, 1, None]) == [1]


def test_only_what_was_received_last_can_have_been_unread_when_the_sender_closed() -> None:
    plan = plan_faults(parse_faults("restart@2+1"), np.arange(60) / 10, CHANNELS)
    received = np.ones(60, np.bool_)
    received[[8, 9, 15, 16, 17, 18, 19, 40]] = False
    assert np.flatnonzero(_up_to_closings(plan, received)).tolist() == [15, 16, 17, 18, 19]


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_sender_engine_recorder_and_window_agree_on_every_loss(tmp_path: Path) -> None:
    target = tmp_path / "soak.json"
    child = start_child(["bench", "soak", "--minutes", "0.45", "--faults", "2", "--json", str(target)])
    code = child.wait(240)
    result = json.loads(target.read_text())
    assert result["problems"] == []
    assert code == 0
    losses = result["losses"]
    assert losses["agree"]
    assert losses["sender"]["withheld"] > 10
    for name in ("engine", "recorder"):
        assert losses[name]["lost"] == losses[name]["not_received"] >= losses[name]["withheld"] > 10
    assert losses["window"]["lost"] == losses["engine"]["lost"]
    assert result["live_vs_offline"]["frames_that_differ"] == 0
    assert result["recorder"]["verified"]
