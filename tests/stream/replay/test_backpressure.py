"""The wait for a slow engine, on stand-ins; a replay waits for one in tests/live/test_stream_replay.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from stream.errors import StreamLost
from stream.lsl.inlet import InletState
from stream.replay import backpressure as module
from stream.replay.backpressure import MAX_LEAD, STALL_TIMEOUT_S, Backpressure

RATE_HZ = 30.0
LABELS = ("frame", "stamp_raw", "lag_ms")


class Engine:
    """An engine that predicts so many samples per second, on a clock that only sleeping advances."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, per_second: float, *, found: bool = True) -> None:
        self.now_s, self.per_second, self.found = 0.0, per_second, found
        self.state, self.opens, self.closed = InletState.LIVE, True, False
        self.query = ""
        self.predicted_before = 0.0
        monkeypatch.setattr(module, "time", self)
        monkeypatch.setattr(module, "Inlet", lambda info: self)
        monkeypatch.setattr(module.pylsl, "ContinuousResolver", self.resolve)

    def resolve(self, pred: str) -> SimpleNamespace:
        self.query = pred
        return SimpleNamespace(results=lambda: ["stream"] if self.found else [])

    channel_labels = LABELS

    def open(self, **timeouts: float) -> None:
        if not self.opens:
            raise StreamLost("gone")

    def close(self) -> None:
        self.closed = True

    def pull(self, timeout_s: float) -> Any:
        predicted = self.now_s * self.per_second
        if predicted <= self.predicted_before:
            return None
        self.predicted_before = predicted
        rows = np.zeros((2, len(LABELS)))
        rows[:, 1] = (predicted - 1) / RATE_HZ, predicted / RATE_HZ
        return SimpleNamespace(samples=rows)

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        assert self.now_s < 1e4, "it waits for ever"


def wait(engine: Engine, backpressure: Backpressure, n_sent: int, stop_at_s: float = np.inf) -> float:
    """How long it waits after so many samples, in seconds."""
    begun = engine.now_s
    backpressure.wait(n_sent / RATE_HZ, lambda: engine.now_s >= stop_at_s)
    return engine.now_s - begun


def test_a_slow_engine_is_at_most_so_many_samples_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(monkeypatch, per_second=500)
    backpressure = Backpressure("V1", RATE_HZ)
    engine.sleep(0.01)
    for n_sent in range(0, 20_000, 20):
        wait(engine, backpressure, n_sent)
        assert n_sent - engine.now_s * 500 <= MAX_LEAD + 10
    assert engine.now_s == pytest.approx((20_000 - MAX_LEAD) / 500, abs=0.2)


def test_a_fast_engine_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(monkeypatch, per_second=1e6)
    backpressure = Backpressure("V1", RATE_HZ)
    engine.sleep(0.01)
    assert wait(engine, backpressure, MAX_LEAD) == 0
    assert backpressure.lag(MAX_LEAD / RATE_HZ) == pytest.approx(MAX_LEAD - 10_000)


@pytest.mark.parametrize("missing", ["found", "opens"])
def test_without_an_engine_it_never_waits_until_there_is_one(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    engine = Engine(monkeypatch, per_second=500)
    setattr(engine, missing, False)
    backpressure = Backpressure("V1", RATE_HZ)
    engine.sleep(0.01)
    assert wait(engine, backpressure, 10**6) == 0
    setattr(engine, missing, True)
    assert wait(engine, backpressure, MAX_LEAD + 505) == pytest.approx(1.0, abs=0.05)


def test_an_engine_that_has_not_predicted_yet_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(monkeypatch, per_second=0)
    assert wait(engine, Backpressure("V1", RATE_HZ), 10**6) == 0


def test_an_engine_that_makes_no_progress_is_waited_for_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(monkeypatch, per_second=500)
    backpressure = Backpressure("V1", RATE_HZ)
    engine.sleep(0.01)
    backpressure.lag(0.0)
    engine.per_second = 0
    assert wait(engine, backpressure, 10**6) == pytest.approx(STALL_TIMEOUT_S, abs=0.1)


def test_an_engine_that_is_lost_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(monkeypatch, per_second=500)
    backpressure = Backpressure("V1", RATE_HZ)
    engine.sleep(0.01)
    backpressure.lag(0.0)
    engine.state, engine.per_second = InletState.LOST, 0
    assert wait(engine, backpressure, 10**6) == 0


def test_a_stop_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(monkeypatch, per_second=1)
    backpressure = Backpressure("V1", RATE_HZ)
    engine.sleep(0.01)
    assert wait(engine, backpressure, 10**6, stop_at_s=3.0) == pytest.approx(3.0, abs=0.05)


def test_timestamps_of_irregular_streams_tell_no_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(monkeypatch, per_second=1)
    backpressure = Backpressure("V1", 0.0)
    engine.sleep(0.01)
    assert wait(engine, backpressure, 10**6) == 0


def test_the_engine_is_found_by_the_stream_that_it_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(monkeypatch, per_second=500)
    backpressure = Backpressure("A'1", RATE_HZ)
    assert engine.query == "type='Prediction' and desc/neuroreel/source_stream=\"A'1\""
    backpressure.close()
    assert not engine.closed  # it was not open
    engine.sleep(0.01)
    backpressure.lag(0.0)
    backpressure.close()
    assert engine.closed
