from __future__ import annotations

import math
import time
import uuid

import numpy as np
import pylsl
import pytest

from stream.chunk import Chunk
from stream.errors import BadUsage, StreamLost
from stream.lsl.inlet import Inlet, InletState
from stream.lsl.outlet import make_outlet
from stream.lsl.resolve import find_stream

pytestmark = pytest.mark.live


def _pull(inlet: Inlet, n_samples: int, within_s: float = 5.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    chunks: list[Chunk] = []
    deadline = time.monotonic() + within_s
    while sum(map(len, chunks)) < n_samples and time.monotonic() < deadline:
        chunk = inlet.pull(0.1)
        if chunk is not None:
            chunks.append(chunk)
    parts = ("samples", "stamps", "sequence")
    samples, stamps, sequence = (np.concatenate([getattr(chunk, part) for chunk in chunks]) for part in parts)
    return samples, stamps, sequence


def _until(inlet: Inlet, state: InletState, within_s: float = 5.0) -> None:
    deadline = time.monotonic() + within_s
    while inlet.state is not state:
        assert time.monotonic() < deadline, f"{inlet} did not become {state}: {inlet.reason}"
        inlet.pull(0.05)


def _outlet(
    name: str, labels: tuple[str, ...] = ("a", "b"), rate_hz: float = 30.0, **more: str
) -> pylsl.StreamOutlet:
    return make_outlet(name, "Spikes", labels, rate_hz, facts={"mode": "live"}, role="rig", **more)


def test_everything_arrives_as_it_was_sent() -> None:
    name = uuid.uuid4().hex
    outlet = _outlet(name)
    inlet = Inlet(find_stream(name, wait_s=3))
    assert inlet.state is InletState.CONNECTING
    inlet.open()
    assert (inlet.channel_labels, inlet.facts, inlet.rate_hz) == (("a", "b"), {"mode": "live"}, 30.0)
    assert abs(inlet.time_correction_s) < 0.01
    assert inlet.pull(0.0) is None
    random = np.random.default_rng(0)
    samples = random.normal(size=(5000, 2)).astype(np.float32)
    stamps = 1e5 + np.cumsum(random.exponential(1 / 30, 5000))
    outlet.push_chunk(samples, stamps.tolist())
    got_samples, got_stamps, sequence = _pull(inlet, 5000)
    assert got_samples.tobytes() == samples.tobytes()
    assert got_stamps.tobytes() == stamps.tobytes()
    np.testing.assert_array_equal(sequence, np.arange(5000))
    assert inlet.state is InletState.LIVE
    assert inlet.n_received == 5000
    inlet.close()


def test_a_pull_returns_as_soon_as_there_is_a_sample() -> None:
    name = uuid.uuid4().hex
    outlet = _outlet(name)
    inlet = Inlet(find_stream(name, wait_s=3))
    inlet.open(sync_timeout_s=0)
    assert math.isnan(inlet.time_correction_s)
    outlet.push_sample([1, 2])
    begin = time.perf_counter()
    assert inlet.pull(2.0) is not None
    assert time.perf_counter() - begin < 0.5


def test_silence_is_stale() -> None:
    name = uuid.uuid4().hex
    outlet = _outlet(name)
    inlet = Inlet(find_stream(name, wait_s=3))
    inlet.stale_after_s = 0.2
    inlet.open(sync_timeout_s=0)
    _until(inlet, InletState.STALE, 2.0)
    assert "has sent nothing for 0." in inlet.reason
    outlet.push_sample([1, 2])
    _until(inlet, InletState.LIVE, 2.0)


def test_a_sender_that_comes_back_is_taken_back() -> None:
    name = uuid.uuid4().hex
    outlet = _outlet(name)
    inlet = Inlet(find_stream(name, wait_s=3))
    inlet.open(sync_timeout_s=0)
    outlet.push_sample([1, 2])
    _until(inlet, InletState.LIVE)
    del outlet
    _until(inlet, InletState.LOST)
    assert "LOST" in repr(inlet)
    wrong = _outlet(name, ("a", "b", "c"))
    _until(inlet, InletState.MISMATCH)
    assert "3 channels instead of 2" in inlet.reason
    del wrong
    wrong = _outlet(name, rate_hz=60.0)
    deadline = time.monotonic() + 5
    while "60 Hz" not in inlet.reason:
        assert time.monotonic() < deadline, inlet.reason
        inlet.pull(0.05)
    del wrong
    wrong = _outlet(name, ("a", "x"))
    while "labels" not in inlet.reason:
        assert time.monotonic() < deadline + 5, inlet.reason
        inlet.pull(0.05)
    assert inlet.channel_labels == ("a", "b")
    del wrong
    outlet = _outlet(name)
    _until(inlet, InletState.CONNECTING)
    outlet.push_sample([3, 4], 7.0)
    samples, stamps, sequence = _pull(inlet, 1)
    assert (samples.tolist(), stamps.tolist(), sequence.tolist()) == ([[3, 4]], [7.0], [1])
    assert inlet.state is InletState.LIVE


def test_what_cannot_be_opened_is_said() -> None:
    name = uuid.uuid4().hex
    outlet = make_outlet(name, "Markers", ("a",), 0, "string")
    with pytest.raises(BadUsage, match="carries text"):
        Inlet(find_stream(name, wait_s=3))
    outlet = _outlet(name)
    info = find_stream(f"name='{name}' and type='Spikes'", wait_s=3)
    del outlet
    with pytest.raises(StreamLost, match="does not answer"):
        Inlet(info).open(0.5)
