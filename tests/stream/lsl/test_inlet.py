from __future__ import annotations

import math
import time
import uuid

import numpy as np
import pytest

from stream.errors import BadUsage
from stream.lsl.inlet import Inlet, InletState, stale_after_s
from stream.lsl.outlet import make_outlet
from stream.lsl.resolve import find_stream
from tests.stream.lsl.streams import pull_samples, pull_until, spike_outlet


@pytest.mark.live
def test_samples_arrive_exactly_as_they_were_sent() -> None:
    name = uuid.uuid4().hex
    outlet = spike_outlet(name)
    inlet = Inlet(find_stream(name, wait_s=60))
    assert inlet.state is InletState.CONNECTING
    inlet.open()
    assert (inlet.channel_labels, inlet.facts, inlet.rate_hz) == (("a", "b"), {"mode": "live"}, 30.0)
    assert abs(inlet.time_correction_s) < 0.01
    assert inlet.pull(0.0) is None
    random = np.random.default_rng(0)
    samples = random.normal(size=(5000, 2)).astype(np.float32)
    stamps = 1e5 + np.cumsum(random.exponential(1 / 30, 5000))
    outlet.push_chunk(samples, stamps.tolist())
    got_samples, got_stamps, sequence = pull_samples(inlet, 5000)
    assert got_samples.tobytes() == samples.tobytes()
    assert got_stamps.tobytes() == stamps.tobytes()
    np.testing.assert_array_equal(sequence, np.arange(5000))
    assert inlet.state is InletState.LIVE
    assert inlet.n_received == 5000
    inlet.close()


@pytest.mark.live
def test_the_channel_that_counts_samples_is_separated() -> None:
    name = uuid.uuid4().hex
    outlet = spike_outlet(name, ("a", "sequence", "b"))
    inlet = Inlet(find_stream(name, wait_s=60))
    inlet.open(sync_timeout_s=0)
    assert inlet.channel_labels == ("a", "b")
    outlet.push_sample([1, 77, 2])
    chunk = inlet.pull(2.0)
    assert chunk is not None
    assert chunk.counter is not None
    assert (chunk.samples.tolist(), chunk.counter.tolist()) == ([[1, 2]], [77])
    inlet.close()


@pytest.mark.live
def test_a_pull_returns_as_soon_as_a_sample_arrives() -> None:
    name = uuid.uuid4().hex
    outlet = spike_outlet(name)
    inlet = Inlet(find_stream(name, wait_s=60))
    inlet.open(sync_timeout_s=0)
    assert math.isnan(inlet.time_correction_s)
    outlet.push_sample([1, 2])
    begin = time.perf_counter()
    assert inlet.pull(20.0) is not None
    assert time.perf_counter() - begin < 10.0  # not the whole timeout
    inlet.close()


@pytest.mark.live
def test_a_silent_stream_becomes_stale() -> None:
    name = uuid.uuid4().hex
    outlet = spike_outlet(name)
    inlet = Inlet(find_stream(name, wait_s=60))
    inlet.stale_after_s = 0.2
    inlet.open(sync_timeout_s=0)
    pull_until(inlet, InletState.STALE, "has sent nothing for 0.", 2.0)
    outlet.push_sample([1, 2])
    pull_until(inlet, InletState.LIVE)
    inlet.close()


@pytest.mark.live
def test_bursts_are_reported_once_but_a_long_silence_every_time() -> None:
    name = uuid.uuid4().hex
    outlet = spike_outlet(name, rate_hz=100.0)
    inlet = Inlet(find_stream(name, wait_s=60))
    inlet.open(sync_timeout_s=0)

    def send(n_bursts: int, period_s: float) -> list[str]:
        begun = time.monotonic()
        for burst in range(n_bursts):
            while time.monotonic() < begun + burst * period_s:
                inlet.pull(0.02)
            outlet.push_chunk(np.zeros((round(100 * period_s), 2), np.float32))
        until = time.monotonic() + 0.1
        while time.monotonic() < until:
            inlet.pull(0.02)
        return [notice.facts.get("state", notice.event) for notice in inlet.notices.take()]

    events = send(9, 0.5)
    assert events.count("bursts") == 1
    assert events.count("stale") <= 1
    assert send(2, 2.5) == ["stale", "live"]  # the sender stood still
    inlet.close()


@pytest.mark.live
def test_what_was_not_read_before_the_sender_ended_is_counted() -> None:
    """LSL gives out no more of it; a sender that ends while everything is read loses nothing."""
    name = uuid.uuid4().hex
    outlet = spike_outlet(name)
    inlet = Inlet(find_stream(name, wait_s=60))
    inlet.open(sync_timeout_s=0)
    outlet.push_sample([1, 2])
    pull_samples(inlet, 1)
    del outlet
    pull_until(inlet, InletState.LOST)
    assert inlet.n_unread == 0
    outlet = spike_outlet(name)
    pull_until(inlet, InletState.CONNECTING)
    inlet.notices.take()
    outlet.push_chunk(np.zeros((50, 2), np.float32))
    time.sleep(0.5)
    del outlet
    time.sleep(0.5)
    pull_until(inlet, InletState.LOST)
    (lost,) = (notice for notice in inlet.notices.take() if notice.event == "lost")
    assert inlet.n_unread == lost.facts["unread"] == 50
    assert lost.text.endswith("50 samples that had arrived were not read before it ended, and are lost")
    inlet.close()


@pytest.mark.live
def test_a_stream_of_text_is_refused() -> None:
    name = uuid.uuid4().hex
    outlet = make_outlet(name, "Markers", ("a",), 0, "string")
    with pytest.raises(BadUsage, match=f"'{name}' carries text"):
        Inlet(find_stream(name, wait_s=60))
    del outlet


def test_irregular_streams_never_become_stale() -> None:
    assert stale_after_s(0.0) == math.inf
    assert stale_after_s(0.5) == 6.0
    assert stale_after_s(120.0) == 0.25
