from __future__ import annotations

import math
import uuid
from types import SimpleNamespace

import pylsl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import ShapeMismatch
from stream.lsl.outlet import (
    MIN_BUFFER,
    buffer_length,
    channel_labels,
    check_rate,
    describe,
    make_outlet,
    nominal_rate,
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


@given(st.floats(allow_nan=True, allow_infinity=True) | st.floats(0, 1e4))
def test_a_nominal_rate_is_of_reasonable_size_or_none(rate_hz: float) -> None:
    rate = nominal_rate(SimpleNamespace(nominal_srate=lambda: rate_hz))  # type: ignore[arg-type]
    assert math.isfinite(rate)
    assert rate == (rate_hz if 1e-4 <= rate_hz <= 1e6 else 0.0)
    assert 1 <= buffer_length(rate, 2) < 2**31


@pytest.mark.parametrize("rate_hz", [1e12, 1e-9, -1.0, math.nan, math.inf])
def test_a_stream_whose_rate_cannot_be_is_refused(rate_hz: float) -> None:
    with pytest.raises(ShapeMismatch, match="nominal rate of"):
        check_rate(SimpleNamespace(nominal_srate=lambda: rate_hz))  # type: ignore[arg-type]
    check_rate(SimpleNamespace(nominal_srate=lambda: 0.0))  # type: ignore[arg-type]
