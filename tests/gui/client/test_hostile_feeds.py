"""Streams that lie, in text, in shape and in number: none of them ends the receiver or hides in the window."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pylsl
import pytest

from decoders.prediction import PREDICTION_CHANNELS
from gui.app import run_display
from gui.client.receiver import Receiver
from gui.state.snapshot import State
from gui.state.store import Store
from stream.errors import AmbiguousStream
from stream.lsl.outlet import make_outlet
from tests.gui.client.conftest import wait_for

pytestmark = [pytest.mark.live, pytest.mark.gui]

RATE_HZ = 60.0
FACTS = {"mode": "live", "n_frames": "900", "movie_rate_hz": "30", "recorded_rate_hz": str(RATE_HZ)}
GOOD = {"frame": 5.0, "confidence": 0.5, "next_frame": 9.0, "next_confidence": 0.5, "entropy_bits": 3.0}


class Stranger:
    """Opens streams and sends to all of them until closed.

    Parameters
    ----------
    name
        Name of the engine that it pretends to be.
    """

    def __init__(self, name: str, role: str = "engine", **facts: str) -> None:
        self.name, self.role = name, role
        self.facts = {**FACTS, "source_stream": name, **facts}
        self.senders: list[Callable[[int], None]] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def outlet(self, role: str, type_: str, n: int, fmt: str = "float32", rate_hz: float = RATE_HZ):
        labels = PREDICTION_CHANNELS if n == len(PREDICTION_CHANNELS) else [f"c{i}" for i in range(n)]
        return make_outlet(
            f"{self.name}-{role}", type_, labels, rate_hz, fmt, facts=self.facts, role=self.role
        )

    def predict(self, stamp: Callable[[], float] = pylsl.local_clock, **values: float) -> Stranger:
        """Send predictions; every tenth has these values."""
        out = self.outlet("prediction", "Prediction", 12, "double64")

        def send(i: int) -> None:
            now = pylsl.local_clock()
            row = dict.fromkeys(PREDICTION_CHANNELS, 0.0) | GOOD | {"sequence": i, "stamp_raw": now}
            bad = i % 10 == 5
            row |= values if bad else {}
            out.push_sample(np.array(list(row.values())), stamp() if bad else now)

        self.senders.append(send)
        return self

    def send(
        self, role: str, type_: str, sample: list, fmt: str = "float32", rate_hz: float = RATE_HZ
    ) -> Stranger:
        """Send the same sample over and over."""
        out = self.outlet(role, type_, len(sample), fmt, rate_hz)
        self.senders.append(lambda _: out.push_sample(sample))
        return self

    def start(self) -> Stranger:
        self._thread.start()
        return self

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self.senders.clear()

    def _run(self) -> None:
        i = 0
        while not self._stopping.is_set():
            for send in self.senders:
                send(i)
            i += 1
            time.sleep(1 / RATE_HZ)


@pytest.fixture
def stranger(name: str) -> Iterator[Callable[..., Stranger]]:
    opened: list[Stranger] = []

    def make(role: str = "engine", **facts: str) -> Stranger:
        opened.append(Stranger(name, role, **facts))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.mark.parametrize(
    "values",
    [dict.fromkeys(PREDICTION_CHANNELS, np.nan), dict.fromkeys(PREDICTION_CHANNELS, 1e300),
     {"frame": -5.0, "confidence": 7.0}, {"next_frame": 2.0**40}, {"sequence": np.nan}],
    ids=["nan", "1e300", "negative", "far", "sequence"],
)  # fmt: skip
def test_predictions_out_of_bounds_are_left_out_and_counted(stranger, receive, values: dict) -> None:
    stranger().predict(**values).start()
    snapshot = wait_for(receive(), lambda s: s.counts.unusable >= 3 and s.counts.received > 30)
    assert snapshot.state is State.LIVE
    assert snapshot.newest is not None
    assert snapshot.newest.frame == 5
    assert snapshot.newest.confidence == 0.5


def test_a_stream_of_unusable_predictions_says_so(stranger, receive, name: str) -> None:
    stranger().send("prediction", "Prediction", [float("nan")] * 12, "double64").start()
    snapshot = wait_for(receive(), lambda s: s.state is State.MISMATCH)
    assert snapshot.reason.startswith(f"{name}-prediction has sent ")
    assert snapshot.reason.endswith(
        "samples, all with timestamps or values that are not finite or out of bounds"
    )


@pytest.mark.parametrize("stamp", [float("nan"), float("inf"), 1e300])
def test_timestamps_that_are_none_are_left_out_and_counted(stranger, receive, stamp: float) -> None:
    stranger().predict(stamp=lambda: stamp).start()
    snapshot = wait_for(receive(), lambda s: s.counts.unusable >= 3 and s.counts.received > 30)
    assert snapshot.state is State.LIVE
    assert 0 <= snapshot.counts.age_ms < 2_000


@pytest.mark.parametrize(
    ("n", "fmt", "problem"),
    [(3, "double64", "3 channels instead of 12"), (12, "string", "text instead of numbers")],
)
def test_a_prediction_stream_of_another_shape_is_refused(
    stranger, receive, name: str, n: int, fmt: str, problem: str
) -> None:
    stranger().send("prediction", "Prediction", ["x"] * n if fmt == "string" else [0.5] * n, fmt).start()
    snapshot = wait_for(receive(), lambda s: s.state is State.MISMATCH)
    assert (
        snapshot.reason == f"{name}-prediction is not used: it sends {problem}" or problem in snapshot.reason
    )


@pytest.mark.parametrize(
    ("role", "type_", "sample", "fmt"),
    [("posterior", "Posterior", [0.1] * 10_000, "float32"), ("posterior", "Posterior", ["z", "z"], "string"),
     ("posterior", "Posterior", [0.1], "float32"), ("forecast", "Forecast", [0.1] * 7, "float32"),
     ("embedding", "Embedding", ["z"], "string"), ("stimulus", "Stimulus", ["z"], "string"),
     ("status", "Markers", [1.0], "float32")],
)  # fmt: skip
def test_a_side_stream_of_another_shape_is_refused_by_name_and_the_rest_goes_on(
    stranger, receive, name: str, role: str, type_: str, sample: list, fmt: str
) -> None:
    stranger().predict().send(role, type_, sample, fmt).start()
    store = receive()
    snapshot = wait_for(store, lambda s: role in s.refused and s.counts.received > 30)
    assert snapshot.refused[role].startswith(f"{name}-{role} is not used: it")
    assert snapshot.state is State.LIVE


def test_an_exception_from_a_side_stream_drops_that_stream_by_name(
    stranger, receive, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OverflowError("as large as can be")

    monkeypatch.setattr(Store, "add_truth", fail)
    stranger().predict().send("stimulus", "Stimulus", [3, 0], "int32", 0.0).start()
    snapshot = wait_for(receive(), lambda s: "stimulus" in s.refused and s.counts.received > 30)
    assert (
        snapshot.refused["stimulus"] == f"{name}-stimulus is not used: it cannot be read (as large as can be)"
    )
    assert snapshot.notice == snapshot.refused["stimulus"]
    assert snapshot.state is State.LIVE


def test_a_score_that_fails_does_not_end_the_rest(stranger, receive, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise IndexError("frame 46")

    monkeypatch.setattr(Store, "settle", fail)
    stranger().predict().start()
    snapshot = wait_for(receive(), lambda s: s.counts.received > 60)
    assert snapshot.notice == "there is no score any more: it cannot be computed (frame 46)"
    assert snapshot.state is State.LIVE


@pytest.mark.parametrize(
    "message",
    ["[" * 200_000, '{"event": "x", "clock_offset_ms": 1' + "0" * 400 + "}", "x" * 300_000, "\ud83d", "{}",
     json.dumps({"event": "stats", "state": [1], "latency_ms": {"p50": 10**400}, "arrival_ms": "x"})],
    ids=["nested", "bigint", "long", "surrogate", "empty", "stats"],
)  # fmt: skip
def test_no_message_ends_the_receiver(stranger, receive, message: str) -> None:
    one = stranger().predict()
    out = one.outlet("status", "Markers", 1, "string", 0.0)
    text = message.encode("utf-8", "replace").decode()
    one.senders.append(lambda i: out.push_sample([text]) if i % 10 == 0 else None)
    one.start()
    store = receive()
    wait_for(store, lambda s: s.counts.received > 30)
    time.sleep(0.5)
    assert store.snapshot().state is State.LIVE


def test_facts_out_of_bounds_are_named(stranger, receive, name: str) -> None:
    one = stranger(n_frames="1e300", movie_rate_hz="1e308", stamp_rate="-1", tolerance_frames="x")
    one.predict().send("stimulus", "Stimulus", [0, 0], "int32", 0.0).start()
    snapshot = wait_for(receive(), lambda s: s.truth_known and s.counts.received > 200)
    assert f"the description of stream '{name}-prediction' has stamp_rate='-1'" in snapshot.notice
    assert "n_frames='1e300'" in snapshot.notice
    assert snapshot.state is State.LIVE
    assert snapshot.source.n_frames == 0


def test_a_model_path_to_something_else_leaves_numbers(stranger, receive, tmp_path) -> None:
    other = tmp_path / "secret.safetensors"
    other.write_bytes(b"\xff" * 500)
    stranger(model_path=str(other)).predict().start()
    snapshot = wait_for(receive(), lambda s: s.counts.received > 30)
    assert snapshot.movie_pictures is None
    assert "secret.safetensors" in snapshot.pictures_note


def test_two_engines_of_one_name_are_shown_and_none_is_chosen(stranger, receive, name: str) -> None:
    stranger().predict().start()
    stranger("stranger").predict().start()
    store = receive()
    snapshot = wait_for(store, lambda s: s.state is State.AMBIGUOUS)
    assert f"2 streams are called {name}-prediction" in snapshot.reason
    time.sleep(1.0)
    assert store.snapshot().counts.received == 0
    engines = [c for c in snapshot.candidates if c.name == f"{name}-prediction"]
    assert len({c.uid for c in engines}) == 2


def test_a_second_engine_of_that_name_is_shown_and_the_first_stays(stranger, receive, name: str) -> None:
    stranger().predict().start()
    store = receive()
    wait_for(store, lambda s: s.counts.received > 30)
    second = stranger("stranger").predict(frame=7.0).start()
    snapshot = wait_for(store, lambda s: bool(s.notice))
    assert snapshot.notice.startswith(f"another {name}-prediction is on the network, from ")
    assert snapshot.state is State.LIVE
    second.close()
    wait_for(store, lambda s: not s.notice)


def test_the_other_engine_does_not_take_over_when_the_first_is_gone(stranger, receive) -> None:
    first = stranger().predict().start()
    store = receive()
    wait_for(store, lambda s: s.counts.received > 30)
    stranger("stranger").predict().start()
    wait_for(store, lambda s: bool(s.notice))
    first.close()
    received = wait_for(store, lambda s: s.state is State.LOST).counts.received
    time.sleep(1.0)
    assert store.snapshot().counts.received == received


def test_the_picked_one_of_two_engines_is_watched(stranger, name: str) -> None:
    stranger().predict().start()
    stranger("stranger").predict().start()
    store = Store(pylsl.local_clock)
    receiver = Receiver(store, name)
    receiver.start()
    try:
        snapshot = wait_for(store, lambda s: s.state is State.AMBIGUOUS)
        engine = next(c for c in snapshot.candidates if c.name == f"{name}-prediction")
        receiver.choose(name, engine.uid)
        wait_for(store, lambda s: s.state is State.LIVE and s.counts.received > 30)
    finally:
        receiver.stop()


def test_offscreen_two_engines_of_one_name_are_an_error_that_lists_them(stranger, name: str) -> None:
    stranger().predict().start()
    stranger("stranger").predict().start()
    with pytest.raises(AmbiguousStream, match=rf"2 streams are called {name}-prediction: .*stranger"):
        run_display(name, offscreen=True, seconds=20)


def test_a_second_posterior_is_not_mixed_with_that_of_the_engine(stranger, receive) -> None:
    stranger().predict().send("posterior", "Posterior", [0.0] * 900 + [1.0]).start()
    stranger("stranger").send("posterior", "Posterior", [1.0] + [0.0] * 900).start()
    snapshot = wait_for(receive(), lambda s: s.posterior is not None and s.counts.received > 30)
    assert snapshot.posterior is not None
    assert snapshot.posterior.newest[0] == 0
