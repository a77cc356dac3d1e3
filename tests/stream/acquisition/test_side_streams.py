"""With outlets of the same process; with senders that fail in `tests/live/test_second_senders.py`."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator

import numpy as np
import pylsl
import pytest

from stream.acquisition.side_streams import MAX_MARKER_LENGTH, MAX_MARKERS_PER_S, SideStreams
from stream.lsl.inlet import Inlet
from stream.lsl.outlet import make_outlet
from stream.lsl.resolve import find_stream
from stream.session import NO_FRAME

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
        assert time.monotonic() < deadline, (side, side.ended, side.markers, side.notices.take())
        side.poll()
        time.sleep(0.01)


def connected(*outlets: pylsl.StreamOutlet) -> None:
    """Wait until the outlets know of their consumer; before, they send nothing."""
    assert all(outlet.wait_for_consumers(10) for outlet in outlets)


def test_stimulus_and_labels_are_stored_with_their_times(name: str, side: SideStreams) -> None:
    stimulus = make_outlet(f"{name}-stimulus", "Stimulus", ("frame", "repeat"), 0, "int32", role="rig")
    label = make_outlet(f"{name}-position", "Label", ("x", "y"), 30, role="rig")
    poll_until(side, lambda: len(side.following) == 2 and not side._opening)
    connected(stimulus, label)
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
    connected(theirs)
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
    connected(events)
    events.push_sample(["not JSON"])
    events.push_sample([json.dumps({"event": "pause"})])
    events.push_sample([json.dumps({"event": "end", "samples": 42})])
    poll_until(side, lambda: side.ended)
    assert side.announced == 42


@pytest.fixture
def beside(name: str) -> Iterator[Callable[..., SideStreams]]:
    """Makes the side streams of a neural stream with the given facts."""
    made: list[SideStreams] = []
    kept: list[object] = []

    def make(role: str, **facts: object) -> SideStreams:
        outlet = make_outlet(name, "Spikes", ("a", "b"), 30, facts=facts, role=role)
        inlet = Inlet(find_stream(name, wait_s=60))
        inlet.prepare(sync_timeout_s=0)
        kept.extend([outlet, inlet])
        made.append(SideStreams(name, neural=inlet))
        return made[-1]

    yield make
    for each in made:
        each.close()


def announce_end(side: SideStreams, events: pylsl.StreamOutlet, marker: pylsl.StreamOutlet) -> None:
    """Send the end, and wait for a marker that was sent after it."""
    poll_until(side, lambda: len(side.following) == 2 and not side._opening)
    connected(events, marker)
    events.push_sample([json.dumps({"event": "end", "samples": 42})])
    time.sleep(0.1)
    marker.push_sample(["after it"])
    poll_until(side, lambda: side.markers.get(f"{side._name}.button", 0) == 1)
    side.poll()


@pytest.mark.parametrize(("role", "sender"), [("replay", "one"), ("rig", None)])
def test_the_end_counts_from_the_sender_of_the_neural_stream(
    name: str, beside: Callable[..., SideStreams], role: str, sender: str | None
) -> None:
    side = beside(role, sender=sender)
    marker = make_outlet(f"{name}.button", "Markers", ("marker",), 0, "string", role="rig")
    events = make_outlet(
        f"{name}-events", "Markers", ("event",), 0, "string", facts={"sender": sender}, role=role
    )
    announce_end(side, events, marker)
    assert side.ended
    assert side.announced == 42


def test_a_strangers_end_is_a_marker(name: str, beside: Callable[..., SideStreams]) -> None:
    side = beside("replay", sender="one")
    marker = make_outlet(f"{name}.button", "Markers", ("marker",), 0, "string", role="rig")
    events = pylsl.StreamOutlet(pylsl.StreamInfo(f"{name}-events", "Markers", 1, 0, "string", "stranger/7"))
    announce_end(side, events, marker)
    assert not side.ended
    assert side.markers[f"{name}-events"] == 1
    own = make_outlet(
        f"{name}-events", "Markers", ("event",), 0, "string", facts={"sender": "one"}, role="replay"
    )
    poll_until(side, lambda: len(side.following) == 3 and not side._opening)  # beside the stranger's
    connected(own)
    own.push_sample([json.dumps({"event": "end", "samples": "many"})])
    poll_until(side, lambda: side.ended)
    assert side.announced is None


def test_another_replay_of_the_same_name_cannot_end_this_one(
    name: str, beside: Callable[..., SideStreams]
) -> None:
    side = beside("replay", sender="one")
    other = make_outlet(
        f"{name}-events", "Markers", ("event",), 0, "string", facts={"sender": "two"}, role="replay"
    )
    marker = make_outlet(f"{name}.button", "Markers", ("marker",), 0, "string", role="rig")
    poll_until(side, lambda: f"{name}.button" in side.following and not side._opening)
    connected(marker)
    other.push_sample([json.dumps({"event": "end"})])
    marker.push_sample(["after it"])
    poll_until(side, lambda: side.markers.get(f"{side._name}.button", 0) == 1)
    assert not side.ended
    assert f"{name}-events" not in side.following


def test_streams_of_an_unusable_shape_are_dropped_by_name(name: str, side: SideStreams) -> None:
    text = make_outlet(f"{name}-stimulus", "Stimulus", ("frame",), 0, "string", role="rig")
    words = make_outlet(f"{name}-word", "Label", ("x", "y"), 0, "string", role="rig")
    wide = make_outlet(f"{name}-video", "Label", [f"p{i}" for i in range(10_000)], 30, role="rig")
    usable = make_outlet(f"{name}-position", "Label", ("x", "y"), 30, role="rig")
    poll_until(side, lambda: side.following == (f"{name}-position",) and not side._opening)
    time.sleep(1.2)
    for _ in range(3):
        text.push_sample(["frame 12"])
        words.push_sample(["left", "right"])
        wide.push_sample(np.zeros(10_000, np.float32))
        usable.push_sample([1.0, 2.0])
        side.poll()
    poll_until(side, lambda: "position" in side.labels.tracks)
    dropped = {
        notice.facts["stream"]: notice for notice in side.notices.take() if notice.event != "following"
    }
    assert set(dropped) == {f"{name}-stimulus", f"{name}-word", f"{name}-video"}  # once each
    assert all(notice.event == "following_dropped" and notice.warning for notice in dropped.values())
    assert "frame, repeat" in dropped[f"{name}-stimulus"].text


@pytest.mark.parametrize("fmt", ["double64", "int64", "float32"])
def test_numbers_that_can_be_no_frames_are_reported_once_and_said_at_the_end(
    name: str, side: SideStreams, fmt: str
) -> None:
    assert side.no_truth == "there was no stimulus stream to compare with"
    stimulus = make_outlet(f"{name}-stimulus", "Stimulus", ("frame", "repeat"), 0, fmt, role="rig")
    poll_until(side, lambda: side.following == (f"{name}-stimulus",) and not side._opening)
    assert side.no_truth == f"'{name}-stimulus' sent nothing"
    connected(stimulus)
    for count in range(3):
        stimulus.push_sample([2**40, 0], 100.0 + count)
    poll_until(side, lambda: len(side.track) == 3)
    (notice,) = (notice for notice in side.notices.take() if notice.event == "invalid_frame")
    assert notice.warning
    assert side.no_truth == notice.text
    assert notice.text.startswith(f"'{name}-stimulus' sends 1099511627776 as a frame, but frames are at most")
    assert side.track.at(101.0, 0.0) == (NO_FRAME, 0)
    stimulus.push_sample([4, 0], 104.0)
    poll_until(side, lambda: len(side.track) == 4)
    assert side.track.at(105.0, 0.0) == (4, 0)
    assert side.no_truth.startswith(f"'{name}-stimulus' sent 1 frames, but none at the time")


def test_an_error_drops_one_stream_and_nothing_else(
    name: str, side: SideStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = make_outlet(f"{name}-stimulus", "Stimulus", ("frame", "repeat"), 0, "int32", role="rig")
    good = make_outlet(f"{name}.button", "Markers", ("marker",), 0, "string", role="rig")
    poll_until(side, lambda: len(side.following) == 2 and not side._opening)
    monkeypatch.setattr(side.track, "add", lambda *_: 1 / 0)
    connected(bad, good)
    bad.push_sample([1, 0])
    poll_until(side, lambda: side.following == (f"{name}.button",))
    good.push_sample(["still here"])
    poll_until(side, lambda: side.markers.get(f"{side._name}.button", 0) == 1)
    (dropped,) = (notice for notice in side.notices.take() if notice.event == "following_dropped")
    assert dropped.facts == {
        "stream": f"{name}-stimulus",
        "reason": "ZeroDivisionError: division by zero",
    }
    side._n_frames = 0
    assert side.no_truth == f"'{name}-stimulus' was not followed: ZeroDivisionError: division by zero"


def test_markers_that_are_no_text_or_json_or_very_long_do_no_harm(name: str, side: SideStreams) -> None:
    theirs = make_outlet(f"{name}.button", "Markers", ("marker",), 0, "string", role="rig")
    numbers = make_outlet(f"{name}.trigger", "Markers", ("code",), 0, "int32", role="rig")
    events = make_outlet(f"{name}-events", "Markers", ("event",), 0, "string", role="replay")
    poll_until(side, lambda: len(side.following) == 3 and not side._opening)
    connected(numbers, theirs, events)
    numbers.push_sample([7])
    theirs.push_sample([b"gr\xfcn \xff"])
    theirs.push_sample(["y" * 1_000_000])
    events.push_sample(["[" * 5_000])
    events.push_sample(["[" * 200_000])
    events.push_sample([b"\xff\xfe"])
    events.push_sample(['"end"'])
    events.push_sample(['{"event": "end"}'])
    poll_until(side, lambda: side.ended and side.markers == {f"{name}.button": 2, f"{name}.trigger": 1})
    markers = [notice.facts["marker"] for notice in side.notices.take() if notice.event == "marker"]
    assert {"7", "gr\ufffdn \ufffd", "y" * MAX_MARKER_LENGTH + " ..."} == set(markers)


def test_a_blank_may_be_a_number_that_is_none(name: str, side: SideStreams) -> None:
    stimulus = make_outlet(f"{name}-stimulus", "Stimulus", ("frame",), 0, "float32", role="rig")
    poll_until(side, lambda: len(side.following) == 1 and not side._opening)
    connected(stimulus)
    for index, frame in enumerate([3.0, np.nan, np.inf, 1e30]):
        stimulus.push_sample([frame], 100.0 + index)
    poll_until(side, lambda: len(side.track) == 4)
    frames = [side.track.at(100.5 + index, 0.0)[0] for index in range(4)]
    assert frames == [3, -1, -1, -1]  # the last is reported
