from __future__ import annotations

import resource
import uuid
from pathlib import Path

import pytest

from stream.lsl.connection import MAX_PULL
from stream.lsl.event_inlet import EventInlet
from stream.lsl.outlet import make_outlet
from stream.lsl.resolve import find_stream


@pytest.mark.live
def test_events_arrive_exactly_as_they_were_sent() -> None:
    name = uuid.uuid4().hex
    text = make_outlet(f"{name}-events", "Markers", ("event",), 0, "string")
    numbers = make_outlet(f"{name}-stimulus", "Stimulus", ("frame", "repeat"), 0, "int32")
    inlets = [EventInlet(find_stream(f"{name}-{which}", wait_s=60)) for which in ("events", "stimulus")]
    for inlet in inlets:
        inlet.open()
    n_events = 2 * MAX_PULL + 5
    for index in range(n_events):
        numbers.push_sample([index, -1], 100.0 + index)
    text.push_sample(['{"event": "ü"}'], 5.5)
    assert inlets[0].pull(2.0) == (['{"event": "ü"}'], [5.5])
    text.push_sample([b"\xff\x00z"], 6.5)  # no UTF-8
    assert inlets[0].pull(2.0) == (["\ufffd\0z"], [6.5])
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
    for inlet in inlets:
        inlet.close()


@pytest.mark.live
@pytest.mark.slow
def test_large_markers_take_no_memory_once_they_are_read() -> None:
    """LSL keeps events for reuse: 128 of each stream by default, at both ends."""
    name = uuid.uuid4().hex
    outlet = make_outlet(name, "Markers", ("event",), 0, "string")
    inlet = EventInlet(find_stream(name, wait_s=60))
    inlet.open()

    def send_and_read(n_markers: int) -> int:
        for _ in range(n_markers):
            outlet.push_sample(["x" * 1_000_000])
            while not inlet.pull(2.0)[0]:
                pass
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() // 1_000_000

    before_mb = send_and_read(10)
    assert send_and_read(90) < before_mb + 50
    inlet.close()
