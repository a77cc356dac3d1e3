from __future__ import annotations

import uuid

import pylsl
import pytest

from stream.lsl.connection import MAX_PULL
from stream.lsl.event_inlet import EventInlet
from stream.lsl.outlet import (
    MIN_BUFFER,
    buffer_length,
    channel_labels,
    describe,
    make_outlet,
    read_facts,
    usable_labels,
)
from stream.lsl.resolve import find_stream


def test_metadata_go_round() -> None:
    info = pylsl.StreamInfo("x", "Spikes", 2, 30, 1, "id")
    describe(info, ("u<1>", "u&2"), "count", mode="replay", speed="2.5", nothing=None, n=3)
    assert channel_labels(info) == ("u<1>", "u&2")
    assert info.get_channel_units() == ["count", "count"]
    assert read_facts(info) == {"mode": "replay", "speed": "2.5", "n": "3"}


def test_streams_of_other_software_have_labels_too() -> None:
    info = pylsl.StreamInfo("x", "Spikes", 2, 30, 1, "id")
    assert channel_labels(info) == ("ch0", "ch1")
    assert read_facts(info) == {}
    assert usable_labels(["a", "a"], 2) == ("ch0", "ch1")
    assert usable_labels(["a", ""], 2) == ("ch0", "ch1")


@pytest.mark.live
def test_the_source_id_is_the_same_again() -> None:
    name = uuid.uuid4().hex
    ids = {make_outlet(name, "EEG", ("a",), 10, role="rig").get_info().source_id() for _ in range(2)}
    assert ids == {f"neuroreel/{name}/EEG/rig"}


def test_buffers_hold_a_replay_at_full_speed() -> None:
    assert buffer_length(30, 120) * 30 >= MIN_BUFFER
    assert buffer_length(1000, 10) == 360
    assert buffer_length(0, 1) * 100 >= MIN_BUFFER
    assert buffer_length(30_000, 10_000) == 1


@pytest.mark.live
def test_events_arrive_as_they_were_pushed() -> None:
    name = uuid.uuid4().hex
    text = make_outlet(f"{name}-events", "Markers", ("event",), 0, "string")
    numbers = make_outlet(f"{name}-stimulus", "Stimulus", ("frame", "repeat"), 0, "int32")
    inlets = [EventInlet(find_stream(f"{name}-{which}", wait_s=3)) for which in ("events", "stimulus")]
    for inlet in inlets:
        inlet.open()
    n_events = 2 * MAX_PULL + 5
    for index in range(n_events):
        numbers.push_sample([index, -1], 100.0 + index)
    text.push_sample(['{"event": "ü"}'], 5.5)
    assert inlets[0].pull(2.0) == (['{"event": "ü"}'], [5.5])
    rows: list[list[int]] = []
    while len(rows) < n_events:
        events, stamps = inlets[1].pull(2.0)
        assert len(events) == len(stamps) > 0
        rows += [event.tolist() for event in events]
    assert rows == [[index, -1] for index in range(n_events)]
    del numbers
    while inlets[1].state != "lost":
        inlets[1].pull(0.1)
    assert inlets[1].pull()[0] == []
