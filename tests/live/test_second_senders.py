"""Senders that come while another sends, or that hardly answer: both are told, and neither delays a prediction."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from neuroreel.subprocesses import Child, start_child
from stream.acquisition.side_streams import SideStreams
from stream.lsl.connection import Connection
from stream.lsl.event_inlet import EventInlet
from stream.lsl.inlet import Inlet
from stream.lsl.network import child_env
from stream.lsl.resolve import find_stream
from tests.live.test_faults import N_CHANNELS, RATE_HZ, movie_session

pytestmark = [pytest.mark.live, pytest.mark.slow]

HERE = Path(__file__).parent
FROZEN_S = 2.4
"""How long a process that hardly answers stands still: what waits for it waits so long."""
LONGEST_GAP_S = FROZEN_S / 2
"""Upper bound of the time between two predictions, and of a poll; the machine may be busy."""


class Rig:
    """An engine, its senders, and what it says."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.senders: list[subprocess.Popen[bytes]] = []
        self.said: list[dict[str, Any]] = []
        self.heard_at: list[float] = []
        self.engine: Child | None = None
        self._inlets: list[Any] = []

    def send(self, source_id: str) -> subprocess.Popen[bytes]:
        """Start a sender of the neural stream."""
        return self._start("rig.py", source_id, N_CHANNELS, RATE_HZ)

    def show(self) -> subprocess.Popen[bytes]:
        """Start a stimulus program, ready to begin at `begin`."""
        started = self._start("stimulus.py")
        assert started.stdout is not None
        assert started.stdout.readline() == b"ready\n"
        return started

    def _start(self, script: str, *arguments: object) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(HERE / script), self.name, *map(str, arguments)]
        pipe = subprocess.PIPE
        self.senders.append(subprocess.Popen(command, env=child_env(), stdin=pipe, stdout=pipe))
        return self.senders[-1]

    def decode(self, model: Path) -> None:
        """Start the engine, and listen to it."""
        find_stream(self.name, wait_s=20)
        self.engine = start_child(["live", str(model), "--stream", self.name], control=True)
        self.status = EventInlet(find_stream(f"{self.name}-status", wait_s=30))
        self.prediction = Inlet(find_stream(f"{self.name}-prediction", wait_s=30))
        self._inlets = [self.status, self.prediction]
        for inlet in self._inlets:
            inlet.open()

    def listen(self, seconds: float) -> None:
        """Take in what comes for so long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.prediction.pull(0.02) is not None:
                self.heard_at.append(time.monotonic())
            self.said += map(json.loads, self.status.pull()[0])

    def hear(self, event: str, **facts: Any) -> dict[str, Any]:
        """Wait for what the engine says, and return the newest of it."""
        deadline = time.monotonic() + 60
        while not (found := self.all_of(event, **facts)):
            assert time.monotonic() < deadline, (event, facts, self.said)
            self.listen(0.1)
        return found[-1]

    def hear_of_following(self, stream: str) -> None:
        """Wait until the engine follows a stream; it may have begun before anybody listened."""
        deadline = time.monotonic() + 60
        while not any(stream in said["following"] for said in self.all_of("stats")):
            assert time.monotonic() < deadline, (stream, self.said)
            self.listen(0.1)

    def all_of(self, event: str, **facts: Any) -> list[dict[str, Any]]:
        """What was said of an event."""
        return [said for said in self.said if said["event"] == event and facts.items() <= said.items()]

    def close(self) -> None:
        """End everything."""
        for inlet in self._inlets:
            inlet.close()
        if self.engine is not None:
            self.engine.stop()
        for sender in self.senders:
            sender.kill()
            sender.communicate()


def begin(program: subprocess.Popen[bytes]) -> None:
    """Let a stimulus program make its stream."""
    assert program.stdin is not None
    program.stdin.write(b"\n")
    program.stdin.flush()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    fit_model(movie_session(5, seed=1), FitOptions()).save(path)
    return path


@pytest.fixture
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    made = Rig(f"rig{abs(hash(request.node.name)) % 10_000}")
    yield made
    made.close()


@contextlib.contextmanager
def hardly_answering(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """A process that stands still, but for 30 ms in between."""
    over = threading.Event()

    def toggle() -> None:
        while not over.wait(0.03):
            process.send_signal(signal.SIGSTOP)
            over.wait(FROZEN_S)
            process.send_signal(signal.SIGCONT)

    thread = threading.Thread(target=toggle)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        process.send_signal(signal.SIGCONT)


def test_a_stimulus_that_hardly_answers_delays_no_prediction(rig: Rig, model: Path) -> None:
    stimulus, followed = rig.show(), {"stream": f"{rig.name}-stimulus"}
    begin(stimulus)
    rig.send("one")
    rig.decode(model)
    rig.hear_of_following(followed["stream"])
    again = rig.show()
    rig.listen(0.5)
    rig.heard_at.clear()
    stimulus.kill()
    rig.hear("following_lost", **followed)
    begin(again)
    with hardly_answering(again):
        rig.listen(3 * FROZEN_S)
    rig.hear("following_back", **followed)
    longest_s = float(np.diff(rig.heard_at).max())
    print(f"stimulus killed, back, hardly answering: longest time between predictions {longest_s:.3f} s")
    assert longest_s < LONGEST_GAP_S


def test_a_return_that_takes_long_holds_up_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    stimulus = rig.show()
    begin(stimulus)
    find_stream(f"{rig.name}-stimulus", wait_s=20)
    follower = SideStreams(rig.name)
    longest_s, events = 0.0, []

    def follow_until(event: str) -> None:
        nonlocal longest_s
        deadline = time.monotonic() + 60
        while event not in events:
            begun = time.monotonic()
            assert begun < deadline, events
            follower.poll()
            longest_s = max(longest_s, time.monotonic() - begun)
            events.extend(notice.event for notice in follower.notices.take())
            time.sleep(0.02)

    def takes_long(inlet: Connection, *arguments: Any, **options: Any) -> Any:
        time.sleep(FROZEN_S)
        return prepare(inlet, *arguments, **options)

    prepare = Connection.prepare
    monkeypatch.setattr(Connection, "prepare", takes_long)
    try:
        follow_until("following")
        again = rig.show()
        stimulus.kill()
        follow_until("following_lost")
        begin(again)
        follow_until("following_back")
    finally:
        follower.close()
    assert longest_s < LONGEST_GAP_S


def test_a_second_sender_is_told_once_and_so_is_its_end(rig: Rig, model: Path) -> None:
    first, stimulus = rig.send("one"), f"{rig.name}-stimulus"
    begin(rig.show())
    rig.decode(model)
    rig.hear_of_following(stimulus)
    rig.listen(2.0)
    assert not rig.all_of("second_sender")  # nor is the first one taken for it
    second = rig.send("two")
    begin(rig.show())
    said = rig.hear("second_sender", stream=rig.name, source_id="two")
    assert said["hostname"] in said["text"]
    rig.hear("second_sender", stream=stimulus)
    second.kill()
    rig.hear("second_sender_gone", source_id="two")
    assert len(rig.all_of("second_sender")) == 2
    assert not rig.all_of("lost")
    first.kill()
    rig.send("one")
    rig.hear("back", same_source=True)
    rig.listen(2.5)
    assert len(rig.all_of("second_sender", stream=rig.name)) == 1  # a return is none
