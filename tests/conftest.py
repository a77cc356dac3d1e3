"""What all tests share: an LSL network of their own, the real recordings beside the project, a tiny recording."""

from __future__ import annotations

import os
import socket
import subprocess
import uuid
from pathlib import Path
from typing import NoReturn

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import pylsl
import pytest
from hypothesis import settings

from stream.lsl.network import SCOPE_VARIABLE, SESSION_VARIABLE, Network, configure
from stream.movie import Clip, Movie
from stream.session import Kind, Session, segments_from_stamps

settings.register_profile("unhurried", deadline=None)  # waiting for a busy disk is no failure
settings.register_profile("quick", deadline=None, max_examples=15)  # of `make quick`
settings.load_profile("unhurried")


@pytest.fixture(scope="session", autouse=True)
def network() -> Network:
    """Loopback only, in a session that nobody else uses; processes that tests start inherit it."""
    settled = configure("loopback", f"test-{uuid.uuid4().hex}")
    os.environ[SCOPE_VARIABLE], os.environ[SESSION_VARIABLE] = settled.scope, settled.session_id
    return settled


@pytest.fixture(autouse=True)
def only_live_tests_reach_out(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test without the marker ``live`` that starts a process, opens a socket or uses an LSL stream."""
    if request.node.get_closest_marker("live"):
        return

    def refuse(*args: object, **kwargs: object) -> NoReturn:
        pytest.fail("mark this test 'live': it starts a process, opens a socket or uses an LSL stream")

    for thing in (
        subprocess.Popen,
        socket.socket,
        pylsl.StreamInlet,
        pylsl.StreamOutlet,
        pylsl.ContinuousResolver,
    ):
        monkeypatch.setattr(thing, "__init__", refuse)
    for name in ("resolve_streams", "resolve_byprop", "resolve_bypred"):
        monkeypatch.setattr(pylsl, name, refuse)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings beside the project."""
    folder = (Path(__file__).parents[1] / "../shared/data").resolve()
    if not folder.is_dir():
        pytest.skip(f"the folder of real recordings is not there: {folder}")
    return folder


@pytest.fixture
def small_session() -> Session:
    """Three repeats of a movie of 20 frames at 30 Hz to 6 channels, blanks around them, one gap, one label."""
    showing = np.r_[np.full(5, -1), np.arange(20)]
    frame = np.r_[np.tile(showing, 3), np.full(5, -1)].astype(np.int32)
    repeat = np.where(frame >= 0, np.r_[np.repeat(np.arange(3), 25), np.full(5, -1)], -1).astype(np.int32)
    n_samples = len(frame)
    random = np.random.default_rng(7)
    stamps = 100 + np.arange(n_samples) / 30 + np.where(np.arange(n_samples) >= 40, 2.0, 0.0)
    return Session(
        neural=random.poisson(1.5, (n_samples, 6)).astype(np.float32),
        stamps=stamps,
        frame=frame,
        repeat=repeat,
        segment=segments_from_stamps(stamps, 30.0),
        channel_names=tuple(f"unit{index}" for index in range(6)),
        kind=Kind.SPIKES,
        rate_hz=30.0,
        labels={"position": random.normal(size=(n_samples, 2)).astype(np.float32)},
        movie=Movie((Clip("scenes", 0, 20, 30.0, "ab" * 32),)),
        name="V1",
    )
