from __future__ import annotations

import uuid

import pylsl
import pytest

from stream.lsl.outlet import (
    MIN_BUFFER,
    buffer_length,
    channel_labels,
    describe,
    make_outlet,
    read_facts,
    usable_labels,
)


def test_metadata_are_read_back_as_written() -> None:
    info = pylsl.StreamInfo("x", "Spikes", 2, 30, 1, "id")
    describe(info, ("u<1>", "u&2"), "count", mode="replay", speed="2.5", nothing=None, n=3)
    assert channel_labels(info) == ("u<1>", "u&2")
    assert info.get_channel_units() == ["count", "count"]
    assert read_facts(info) == {"mode": "replay", "speed": "2.5", "n": "3"}


def test_streams_without_unique_labels_get_numbered_ones() -> None:
    info = pylsl.StreamInfo("x", "Spikes", 2, 30, 1, "id")
    assert channel_labels(info) == ("ch0", "ch1")
    assert read_facts(info) == {}
    assert usable_labels(["a", "a"], 2) == ("ch0", "ch1")
    assert usable_labels(["a", ""], 2) == ("ch0", "ch1")


@pytest.mark.live
def test_the_source_id_is_the_same_every_time() -> None:
    name = uuid.uuid4().hex
    ids = {make_outlet(name, "EEG", ("a",), 10, role="rig").get_info().source_id() for _ in range(2)}
    assert ids == {f"neuroreel/{name}/EEG/rig"}


def test_buffers_hold_a_replay_at_full_speed() -> None:
    assert buffer_length(30, 120) * 30 >= MIN_BUFFER
    assert buffer_length(1000, 10) == 360
    assert buffer_length(0, 1) * 100 >= MIN_BUFFER
    assert buffer_length(30_000, 10_000) == 1
