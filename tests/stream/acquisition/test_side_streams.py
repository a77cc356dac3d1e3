"""With outlets of the same process; with senders that fail in `tests/live/test_second_senders.py`."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from stream.acquisition.side_streams import MAX_MARKERS_PER_S, SideStreams
from stream.lsl.outlet import make_outlet

pytestmark = pytest.mark.live


@pytest.fixture
def name() -> str:
    return f"side-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def side(name: str) -> Iterator[SideStreams]:
    made = SideStreams(name, offset_s=0.05)
    yield made
    made.close()


def poll_until(side: SideStreams, done: Callable[[], bool], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < deadline, side
        side.poll()
        time.sleep(0.01)


def test_stimulus_and_labels_are_stored_with_their_times(name: str, side: SideStreams) -> None:
    stimulus = make_outlet(f"{name}-stimulus", "Stimulus", ("frame", "repeat"), 0, "int32", role="rig")
    label = make_outlet(f"{name}-position", "Label", ("x", "y"), 30, role="rig")
    poll_until(side, lambda: len(side.following) == 2 and not side._opening)
    stimulus.push_sample([7, 2], 100.0)
    stimulus.push_sample([8, 2], 100.1)
    label.push_sample([1.5, 2.5], 100.0)
    poll_until(side, lambda: len(side.track) == 2 and "position" in side.labels.tracks)
    assert side.track.at(100.1, 0.0) == (7, 2)  # frame 8 appeared at 100.15, after the latency of the monitor
    assert side.track.at(100.2, 0.0) == (8, 2)
    np.testing.assert_array_equal(side.labels.at([("position", 2)], 100.0, 30.0), [1.5, 2.5])
    kinds = {notice.facts["stream"]: notice.facts["kind"] for notice in side.notices.take()}
    assert kinds == {f"{name}-stimulus": "stimulus", f"{name}-position": "label"}


def test_markers_of_other_programs_are_reported_up_to_a_limit(name: str, side: SideStreams) -> None:
    theirs = make_outlet(f"{name}-buttons", "Markers", ("marker",), 0, "string", role="rig")
    own = make_outlet(f"{name}-status", "Markers", ("status",), 0, "string", role="engine")
    poll_until(side, lambda: bool(side.following) and not side._opening)
    for index in range(3 * MAX_MARKERS_PER_S):
        theirs.push_sample([f"press {index}"])
        own.push_sample(["{}"])
    poll_until(side, lambda: side.markers.get(f"{name}-buttons") == 3 * MAX_MARKERS_PER_S)
    assert list(side.markers) == [f"{name}-buttons"]
    markers = [notice for notice in side.notices.take() if notice.event == "marker"]
    assert MAX_MARKERS_PER_S <= len(markers) <= 2 * MAX_MARKERS_PER_S  # the burst may touch two seconds
    assert markers[0].facts["marker"] == "press 0"


def test_the_end_of_a_replay_is_detected_among_other_events(name: str, side: SideStreams) -> None:
    events = make_outlet(f"{name}-events", "Markers", ("event",), 0, "string", role="replay")
    poll_until(side, lambda: bool(side.following) and not side._opening)
    events.push_sample(["not JSON"])
    events.push_sample([json.dumps({"event": "pause"})])
    events.push_sample([json.dumps({"event": "end", "samples": 42})])
    poll_until(side, lambda: side.ended)
    assert side.announced == 42
