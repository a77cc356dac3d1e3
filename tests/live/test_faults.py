"""What goes wrong at a rig, done on purpose between real processes: each is said on the status stream and got over."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pylsl
import pytest

from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.live.engine import Engine
from decoders.live.engine_options import LiveOptions
from decoders.model.model import Model
from decoders.prediction import PREDICTION_CHANNELS
from neuroreel.subprocesses import Child, start_child
from stream.chunk import Chunk
from stream.io.session_io import save_session
from stream.lsl.event_inlet import EventInlet
from stream.lsl.inlet import Inlet
from stream.lsl.outlet import make_outlet
from stream.lsl.resolve import find_stream
from stream.notices import Notice
from stream.session import Kind, Session

pytestmark = [pytest.mark.live, pytest.mark.slow]

N_FRAMES, N_CHANNELS, RATE_HZ = 60, 16, 30.0
SEQUENCE, LAG_MS = PREDICTION_CHANNELS.index("sequence"), PREDICTION_CHANNELS.index("lag_ms")
WITHIN_S = 60.0
"""Upper bound of every wait; the machine may be busy."""


def movie_session(n_repeats: int, seed: int) -> Session:
    """Showings of a two-second movie with blanks between."""
    random, fixed = np.random.default_rng(seed), np.random.default_rng(99)
    tuning = fixed.gamma(0.5, 2.0, (N_FRAMES + 1, N_CHANNELS)) + 0.3
    frame = np.tile(np.r_[np.full(15, -1), np.arange(N_FRAMES)], n_repeats).astype(np.int32)
    return Session(
        neural=random.poisson(tuning[frame]).astype(np.float32),
        stamps=5.0 + np.arange(len(frame)) / RATE_HZ,
        frame=frame,
        repeat=np.where(frame >= 0, np.arange(len(frame)) // (N_FRAMES + 15), -1).astype(np.int32),
        segment=np.zeros(len(frame), np.int32),
        channel_names=tuple(f"unit{i}" for i in range(N_CHANNELS)),
        kind=Kind.SPIKES,
        rate_hz=RATE_HZ,
        name="V1",
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and a recording of 30 s."""
    path = tmp_path_factory.mktemp("faults")
    fit_model(movie_session(5, seed=1), FitOptions()).save(path / "m.safetensors")
    save_session(movie_session(12, seed=2), path / "s.npz")
    return path


@dataclass
class Rig:
    """An engine, what it and a replay say, and the processes; everything with the moment it was heard."""

    folder: Path
    name: str
    children: list[Child] = field(default_factory=list)
    inlets: dict[str, Any] = field(default_factory=dict)
    status: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    events: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    predictions: list[tuple[float, int, float]] = field(default_factory=list)

    def start(self, *arguments: str) -> Child:
        """Start a process that ends with the test."""
        self.children.append(start_child(list(arguments), control=arguments[0] != "display"))
        return self.children[-1]

    def replay(self, *more: str) -> Child:
        """Start a sender."""
        return self.start("replay", str(self.folder / "s.npz"), "--name", self.name, *more)

    def engine(self, lag_budget_s: float) -> Child:
        """Start an engine, and listen to it."""
        report = str(self.folder / f"{self.name}.json")
        engine = self.start(
            "live", str(self.folder / "m.safetensors"), "--stream", self.name, "--await-consumer", "30",
            "--json", report, "--lag-budget-s", str(lag_budget_s),
        )  # fmt: skip
        self.inlets["status"] = EventInlet(find_stream(f"{self.name}-status", wait_s=30))
        self.inlets["events"] = EventInlet(find_stream(f"{self.name}-events", wait_s=30))
        self.inlets["prediction"] = Inlet(find_stream(f"{self.name}-prediction", wait_s=30))
        for inlet in self.inlets.values():
            inlet.open()
        return engine

    def listen(self) -> None:
        """Take in what was said since."""
        chunk = self.inlets["prediction"].pull(0.02)
        now = time.monotonic()
        if chunk is not None:
            self.predictions += [(now, int(row[SEQUENCE]), float(row[LAG_MS])) for row in chunk.samples]
        for which, heard in (("status", self.status), ("events", self.events)):
            heard += [(now, json.loads(text)) for text in self.inlets[which].pull()[0]]

    def listen_for(self, seconds: float) -> None:
        """Take in what is said for so long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.listen()

    def heard(self, event: str, since: float, timeout_s: float, **facts: Any) -> tuple[float, dict[str, Any]]:
        """Wait for a status event; returns when it was heard, and all of it."""
        deadline = time.monotonic() + timeout_s
        while True:
            for at, said in self.status:
                if at >= since and said["event"] == event and facts.items() <= said.items():
                    return at, said
            seen = [said["event"] for at, said in self.status if at >= since and said["event"] != "stats"]
            assert time.monotonic() < deadline, f"no {event} {facts} among {seen}"
            self.listen()

    def decodes_after(self, moment: float, timeout_s: float = WITHIN_S) -> float:
        """Wait for a prediction after a moment; returns how long it took."""
        while not self.predictions or self.predictions[-1][0] < moment:
            assert time.monotonic() < moment + timeout_s, "nothing is decoded any more"
            self.listen()
        return min(at for at, *_ in self.predictions if at >= moment) - moment

    def lag_p95_ms(self, begin: float, end: float) -> float:
        """How late predictions were."""
        return float(np.quantile([lag for at, _, lag in self.predictions if begin <= at < end], 0.95))


@pytest.fixture
def rig(folder: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[str], Rig]]:
    made: list[Rig] = []

    def make(name: str) -> Rig:
        made.append(Rig(folder, name))
        return made[-1]

    yield make
    for each in made:
        for child in each.children:
            if child.running:
                os.kill(child.pid, signal.SIGCONT)
            child.stop(timeout_s=1.0)
        for inlet in each.inlets.values():
            inlet.close()


FAULTS = {  # how each is injected, and what the engine reports
    "drop@1+1": ("gap", {}),
    "nan@2.5+0.3": ("nan", {"n_channels": N_CHANNELS}),
    "dead@3+4.5:unit5": ("channel_dead", {"channels": ["unit5"]}),
    "clock@4+30": ("clock_jump", {}),
    "dup@4.5+0.2": ("duplicate", {}),
    "swap@5+0.2": ("reordered", {}),
    "restart@6.2+0.7": ("back", {"same_source": True}),
    "restart-other@8.2+0.7": ("back", {"same_source": False}),
    "restart-channels@10.2+0.7": ("mismatch", {}),
}


def test_faults_of_the_sender(rig: Callable[[str], Rig]) -> None:
    one = rig("sender")
    one.replay("--seconds", "12", "--faults", ",".join(FAULTS))
    engine = one.engine(0)  # skips nothing
    deadline = time.monotonic() + WITHIN_S
    while not any(said["event"] == "end" for _, said in one.status):
        assert time.monotonic() < deadline
        one.listen()
    assert engine.wait(WITHIN_S) == 0
    injected = {said["fault"]: (at, said) for at, said in one.events if said["event"] == "fault"}
    assert len(injected) == len(FAULTS)
    for written, (event, facts) in FAULTS.items():
        begun, fault = injected[written.split("@")[0]]
        said_at, _ = one.heard(event, begun - 1.0, 0, **facts)  # two streams: the answer may be read first
        if event != "mismatch":
            silent_s = fault["length_s"] if fault["fault"] == "drop" or "restart" in fault["fault"] else 0.0
            recovered_s = one.decodes_after(begun + silent_s)
            print(
                f"{written:<26} said after {said_at - begun:5.2f} s, decoded {recovered_s:5.2f} s after its end"
            )
    one.heard("channel_back", 0.0, 0, channels=["unit5"])
    one.heard("state", injected["restart-channels"][0], 0, state="mismatch")
    report = json.loads((one.folder / "sender.json").read_text())
    assert report["received"] == len({sequence for _, sequence, _ in one.predictions})
    for count, least in (
        ("gaps", 1),
        ("duplicates", 6),
        ("reordered", 2),
        ("clock_jumps", 1),
        ("nan_samples", 9),
    ):
        assert report[count] >= least, count


class Sender(threading.Thread):
    """Sends noise from this process, as another source of the same stream."""

    def __init__(self, name: str, source: str) -> None:
        super().__init__()
        labels = [f"unit{i}" for i in range(N_CHANNELS)]
        self._outlet: pylsl.StreamOutlet | None = make_outlet(name, "Spikes", labels, RATE_HZ, role=source)
        self._ended = threading.Event()
        self.start()

    def run(self) -> None:
        random = np.random.default_rng(0)
        assert self._outlet is not None
        begun, n_sent = time.monotonic(), 0
        while not self._ended.wait(1 / RATE_HZ):
            n_due = int((time.monotonic() - begun) * RATE_HZ) - n_sent  # several if this thread was held up
            if n_due:
                self._outlet.push_chunk(random.poisson(1.0, (n_due, N_CHANNELS)).astype(np.float32))
            n_sent += n_due

    def end(self) -> None:
        """Stop, and close the stream."""
        self._ended.set()
        self.join()
        self._outlet = None


class HeldUp(Inlet):
    """Its process stands still during a pull, once; the wait was over meanwhile, and the pull yields nothing."""

    n_pulls = 0

    def pull(self, timeout_s: float = 0.1) -> Chunk | None:
        self.n_pulls += 1
        if self.n_pulls != 60:
            return super().pull(timeout_s)
        time.sleep(1.6)
        return None


def test_a_stall_within_a_pull_is_told(folder: Path, tmp_path: Path) -> None:
    sender = Sender("heldup", "one")
    try:
        options = LiveOptions(name="heldup", seconds=5.0)
        engine = Engine(
            Model.load(folder / "m.safetensors"), HeldUp(find_stream("heldup", wait_s=60)), options
        )
        notices: list[Notice] = []
        engine.run(on_notice=notices.append)
        engine.close()
    finally:
        sender.end()
    skipped = [notice.facts for notice in notices if notice.event == "skipped"]
    said = max(skipped, key=lambda facts: facts["away_s"])  # a busy machine may add shorter ones
    assert said["away_s"] > 1.5
    assert said["samples"] == pytest.approx(RATE_HZ * (said["away_s"] - 0.25), abs=6)


def test_frozen_killed_and_doubled_processes(rig: Callable[[str], Rig]) -> None:
    one = rig("process")
    replay = one.replay("--loop", "--faults", "rate=1.02")
    engine = one.engine(2)
    window = one.start("display", str(one.folder / "m.safetensors"), "--name", one.name)
    begun = time.monotonic()
    one.decodes_after(begun)
    one.listen_for(2)  # until the window paints
    assert window.running
    before = time.monotonic()
    one.listen_for(2)
    os.kill(window.pid, signal.SIGSTOP)
    frozen = time.monotonic()
    one.listen_for(5)
    thawed = time.monotonic()
    os.kill(window.pid, signal.SIGCONT)
    window.stop(timeout_s=1.0)
    sequence = [number for at, number, _ in one.predictions if before <= at < thawed]
    assert sequence == list(range(sequence[0], sequence[0] + len(sequence)))
    usual_ms, meanwhile_ms = one.lag_p95_ms(before, frozen), one.lag_p95_ms(frozen, thawed)
    print(
        f"window frozen 5 s: no frame of {len(sequence)} lost, lag p95 {usual_ms:.2f} ms, then {meanwhile_ms:.2f} ms"
    )
    assert meanwhile_ms < 5 * usual_ms + 500  # were it held up, it would be seconds; the computer may be busy
    at, said = one.heard("rate_off", begun, WITHIN_S)
    assert said["off_percent"] == pytest.approx(2, abs=0.9)
    print(f"rate off by 2 %: said to be {said['off_percent']} %, {at - begun:.1f} s after the first sample")

    os.kill(replay.pid, signal.SIGSTOP)
    frozen = time.monotonic()
    one.listen_for(4)
    os.kill(replay.pid, signal.SIGCONT)
    thawed = time.monotonic()
    stale, _ = one.heard("state", frozen, 0, state="stale")
    live, _ = one.heard("state", thawed, WITHIN_S, state="live")
    assert stale < thawed
    recovered_s = one.decodes_after(thawed)
    print(
        f"sender frozen 4 s: stale after {stale - frozen:.2f} s, live {live - thawed:.2f} s, decoded {recovered_s:.2f} s"
    )

    one.listen_for(0.5)
    stopped = time.monotonic()
    os.kill(engine.pid, signal.SIGSTOP)
    one.listen_for(4)
    os.kill(engine.pid, signal.SIGCONT)
    thawed = time.monotonic()
    _, said = one.heard("skipped", thawed, WITHIN_S)
    assert said["away_s"] == pytest.approx(thawed - stopped, abs=1)
    recovered_s = one.decodes_after(thawed)
    print(f"engine stalled 4 s: {said['samples']} samples skipped, decoded {recovered_s:.2f} s after")

    replay.process.kill()
    killed = time.monotonic()
    lost, _ = one.heard("lost", killed, WITHIN_S)
    one.heard("following_lost", killed, WITHIN_S, stream=f"{one.name}-stimulus")
    replay = one.replay("--loop")
    back, said = one.heard("back", killed, WITHIN_S, same_source=True)
    recovered_s = one.decodes_after(back)
    print(f"sender killed: lost after {lost - killed:.2f} s; back; decoded {recovered_s:.2f} s after that")

    replay.process.kill()
    killed = time.monotonic()
    one.heard("lost", killed, WITHIN_S)
    two = [Sender(one.name, source) for source in ("left", "right")]
    try:
        at, said = one.heard("ambiguous", killed, WITHIN_S)
        assert len(said["streams"]) == 2
        count = len(one.predictions)
        one.listen_for(0.3)
        assert len(one.predictions) == count  # neither is taken
        two[0].end()
        ended = time.monotonic()
        one.heard("back", ended - 0.5, WITHIN_S, same_source=False)
        recovered_s = one.decodes_after(ended)
        print(
            f"two streams of one name: said after {at - killed:.2f} s; one goes: decoded {recovered_s:.2f} s after"
        )
    finally:
        for sender in two:
            sender.end()
    assert engine.running
