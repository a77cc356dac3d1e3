"""With outlets of the same process; decoded live in `tests/live/test_spike_events.py`."""

from __future__ import annotations

import uuid

import numpy as np
import pylsl
import pytest

from stream.acquisition.spike_event_inlet import SPIKE_EVENTS, SpikeEventInlet
from stream.chunk import Chunk
from stream.errors import BadRecording, BadUsage, ShapeMismatch
from stream.lsl.inlet import InletState
from stream.lsl.outlet import make_outlet
from stream.lsl.resolve import find_stream


@pytest.mark.live
def test_empty_bins_close_by_the_local_clock_until_the_sender_may_be_frozen() -> None:
    outlet = make_outlet("sorter", SPIKE_EVENTS, ("unit",), 0, "int32", role="rig")
    inlet = SpikeEventInlet(find_stream("sorter"), 20.0, units=("a", "b", "c"))
    inlet.open()
    assert inlet.channel_labels == ("a", "b", "c")
    assert inlet.rate_hz == 20.0
    assert inlet.pull(0.05) is None
    start = pylsl.local_clock()
    outlet.push_chunk(np.array([[0], [2], [2]], np.int32), [start, start + 0.001, start + 0.002])
    parts: list[Chunk] = []
    while inlet.state is not InletState.STALE:
        assert pylsl.local_clock() - start < 10
        parts += filter(None, [inlet.pull(0.1)])
    counts = np.concatenate([part.samples for part in parts])
    stamps = np.concatenate([part.stamps for part in parts])
    np.testing.assert_array_equal(counts[0], [1, 0, 2])
    assert not counts[1:].any()
    np.testing.assert_allclose(stamps, start + np.arange(1, len(stamps) + 1) / 20)
    assert 0.5 < stamps[-1] - start <= 2.0
    outlet.push_chunk(np.array([[1], [1], [9]], np.int32), [stamps[-1] + 0.06, start, stamps[-1] + 0.12])
    while (chunk := inlet.pull(0.1)) is None:
        assert pylsl.local_clock() - start < 15
    assert chunk.samples[1].tolist() == [0, 1, 0]
    assert inlet.late == 1
    notices = {notice.event: notice for notice in inlet.notices.take()}
    assert "late_events" in notices
    assert notices["unknown_events"].facts == {"n": 1}  # unit 9 of 3
    assert notices["unknown_events"].warning
    inlet.close()


@pytest.mark.live
def test_a_stream_with_one_channel_per_unit_carries_counts() -> None:
    facts = {"ticks": 1, "settle_ms": 0}
    outlet = make_outlet("wide", SPIKE_EVENTS, ("u1", "u2"), 0, "int16", role="rig", facts=facts)
    inlet = SpikeEventInlet(find_stream("wide"), 10.0)
    inlet.open()
    assert inlet.channel_labels == ("u1", "u2")
    now = pylsl.local_clock()
    outlet.push_chunk(np.array([[0, 0], [2, 1], [0, 0]], np.int16), [now, now + 0.05, now + 0.2])
    while (chunk := inlet.pull(0.1)) is None:
        assert pylsl.local_clock() - now < 10
    np.testing.assert_array_equal(chunk.samples, [[2, 1], [0, 0]])
    inlet.close()


@pytest.mark.live
@pytest.mark.parametrize("units", ["not JSON", "[]", '{"a": 1}'])
def test_units_in_the_description_must_be_a_list_of_labels(units: str) -> None:
    outlet = make_outlet(
        "unlabelled", SPIKE_EVENTS, ("unit",), 0, "int32", role="rig", facts={"units": units}
    )
    with pytest.raises(ShapeMismatch, match="must be a JSON list of labels, got"):
        SpikeEventInlet(find_stream("unlabelled"), 20.0).open()
    del outlet


@pytest.mark.live
def test_a_stream_of_text_is_refused() -> None:
    outlet = make_outlet("words", SPIKE_EVENTS, ("unit",), 0, "string", role="rig")
    with pytest.raises(BadUsage, match="carries text"):
        SpikeEventInlet(find_stream("words"), 20.0)
    del outlet


@pytest.mark.live
@pytest.mark.parametrize(
    ("key", "value"), [("stamp_rate", "abc"), ("settle_ms", "-1"), ("stamp_rate", "nan")]
)
def test_a_description_without_sense_is_refused(key: str, value: str) -> None:
    name = f"wrong-{uuid.uuid4().hex[:8]}"
    outlet = make_outlet(name, SPIKE_EVENTS, ("unit",), 0, "int32", role="rig", facts={key: value})
    with pytest.raises(BadRecording, match=f"'{name}' has {key}='{value}'"):
        SpikeEventInlet(find_stream(name), 20.0, units=("a", "b")).open()
    del outlet
