"""Loss of a sender and reconnection; between processes in `tests/live/test_inlet_states.py`."""

from __future__ import annotations

import uuid

import pytest

from stream.errors import StreamLost
from stream.lsl import connection
from stream.lsl.event_inlet import EventInlet
from stream.lsl.inlet import Inlet, InletState
from stream.lsl.outlet import make_outlet
from stream.lsl.resolve import find_stream
from tests.stream.lsl.simulated import SimulatedNetwork, SimulatedOutlet
from tests.stream.lsl.streams import pull_samples, pull_until, spike_outlet

pytestmark = pytest.mark.live


def test_a_sender_that_returns_is_accepted_unless_it_differs() -> None:
    name = uuid.uuid4().hex
    outlet = spike_outlet(name)
    inlet = Inlet(find_stream(name, wait_s=60))
    inlet.open(sync_timeout_s=0)
    outlet.push_sample([1, 2])
    pull_until(inlet, InletState.LIVE)
    del outlet
    pull_until(inlet, InletState.LOST)
    assert repr(inlet) == f"<Inlet: LOST | {name} (source: neuroreel/{name}/Spikes/rig)>"
    wrong = spike_outlet(name, ("a", "b", "c"))
    pull_until(inlet, InletState.MISMATCH, "3 channels instead of 2")
    del wrong
    wrong = spike_outlet(name, rate_hz=60.0)
    pull_until(inlet, InletState.MISMATCH, "60 Hz")
    del wrong
    wrong = spike_outlet(name, ("a", "x"))
    pull_until(inlet, InletState.MISMATCH, "labels")
    assert inlet.channel_labels == ("a", "b")
    del wrong
    wrong = make_outlet(name, "Spikes", ("a", "b"), 30.0, facts={"stamp_rate": 2}, role="rig")
    pull_until(inlet, InletState.MISMATCH, "another speed")
    assert inlet.facts == {"mode": "live"}
    del wrong
    outlet = spike_outlet(name)
    pull_until(inlet, InletState.CONNECTING)
    outlet.push_sample([3, 4], 7.0)
    samples, stamps, sequence = pull_samples(inlet, 1)
    assert (samples.tolist(), stamps.tolist(), sequence.tolist()) == ([[3, 4]], [7.0], [1])
    assert inlet.state is InletState.LIVE
    inlet.close()
    assert not inlet.connected


def test_a_connection_recognises_its_present_and_former_senders() -> None:
    name = uuid.uuid4().hex
    outlet = spike_outlet(name)
    first = find_stream(name, wait_s=60)
    inlet = Inlet(first)
    assert inlet.has_seen(first.uid())
    assert not inlet.has_seen("another")
    inlet.open(sync_timeout_s=0)
    del outlet
    pull_until(inlet, InletState.LOST)
    outlet = spike_outlet(name)
    while not inlet.connected:
        inlet.try_reconnect(0.1)
    outlet.push_sample([1, 2])
    pull_until(inlet, InletState.LIVE)
    assert inlet.has_seen(first.uid())
    inlet.close()


def test_an_outlet_whose_connection_broke_is_connected_again(
    lan: SimulatedNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that breaks the connection is no end of the outlet; one that ended is listed only briefly."""
    lan.outlets = [SimulatedOutlet("a", "one")]
    inlet = EventInlet(lan.outlets[0])  # type: ignore[arg-type]
    opened: list[str] = []
    monkeypatch.setattr(inlet, "open", lambda *_, **__: opened.append(inlet.uid))
    inlet._lose()
    inlet.try_reconnect(0.0)
    assert not opened
    monkeypatch.setattr(connection, "_SAME_OUTLET_S", 0.0)
    inlet.try_reconnect(0.0)
    assert opened == ["a"]
    assert inlet.has_seen("a")
    assert [notice.event for notice in inlet.notices.take() if notice.event != "state"] == ["lost", "back"]


def test_a_stream_of_that_name_on_another_computer_is_named_while_the_sender_is_gone(
    lan: SimulatedNetwork,
) -> None:
    inlet = EventInlet(SimulatedOutlet("a", "one"))  # type: ignore[arg-type]
    lan.outlets = [SimulatedOutlet("b", "one", hostname="there")]
    inlet._lose()
    for _ in range(2):
        inlet.try_reconnect(0.0)
    assert inlet.state is InletState.LOST
    assert "not used, as they are on another computer: name='V1'" in inlet.reason
    assert [notice.event for notice in inlet.notices.take()] == ["lost", "state", "state"]
    lan.outlets.clear()
    inlet.try_reconnect(0.0)
    assert inlet.reason == "the sender of 'V1' is gone; waiting for its return"


def test_a_stream_that_does_not_answer_raises() -> None:
    name = uuid.uuid4().hex
    outlet = spike_outlet(name)
    info = find_stream(name, wait_s=60)
    del outlet
    with pytest.raises(StreamLost, match=f"'{name}' was found but does not answer"):
        Inlet(info).open(0.5)


def test_streams_of_one_sender_are_recognised() -> None:
    name = uuid.uuid4().hex
    facts = [{"sender": "one"}, {"sender": "one"}, {"sender": "two"}, {}, {}]
    roles = ["replay", "replay-other", "replay", "replay", "rig"]
    outlets = [
        make_outlet(f"{name}-{index}", "Spikes", ("a", "b"), 30.0, facts=more, role=role)
        for index, (more, role) in enumerate(zip(facts, roles, strict=True))
    ]
    inlets = [Inlet(find_stream(f"{name}-{index}", wait_s=60)) for index in range(len(outlets))]
    for inlet in inlets:
        inlet.prepare(sync_timeout_s=0)
    same = [[a.is_same_sender(b) for b in inlets] for a in inlets]
    expected = [
        [True, True, False, False, False],
        [True, True, False, False, False],
        [False, False, True, False, False],
        [False, False, False, True, False],
        [False, False, False, False, True],
    ]
    assert same == expected
    assert all(made.hostname == inlets[0].hostname for made in inlets)
