"""Outlets that cannot be opened, without LSL; with real senders in tests/live/test_recorded_senders.py."""

from __future__ import annotations

import time
from typing import Any, ClassVar

import pytest
from pylsl.util import TimeoutError as LslTimeoutError

from stream.lsl.sender import Received
from stream.recorder import connections
from stream.recorder.connections import Connections
from tests.stream.lsl.simulated import SimulatedOutlet
from tests.stream.recorder.test_successors import Link


class OpenedLink(Link):
    """Opens unless its outlet does not answer."""

    silent: ClassVar[set[str]] = set()

    def __init__(self, info: Any) -> None:
        super().__init__(info.uid())
        self.info, self.stream, self.is_open = info, None, False
        self.settled = connections.threading.Event()
        self.received = Received(self.uid)

    def describe(self) -> Any:
        if self.uid in self.silent:
            raise LslTimeoutError("no answer")
        return SimulatedOutlet(self.uid, "one", as_xml="<info/>")

    def open(self) -> None:
        self.is_open = True

    def measure_clock(self) -> None:
        """Find no offset."""

    def close(self) -> None:
        self.closed.set()


class Writer:
    """Keeps the ids of the headers."""

    def __init__(self) -> None:
        self.headers: list[int] = []

    def header(self, stream_id: int, *_: object) -> None:
        self.headers.append(stream_id)


def test_an_outlet_that_does_not_answer_is_reported_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SenderLink", OpenedLink)
    monkeypatch.setattr(OpenedLink, "silent", {"b"})
    events: list[tuple[str, str]] = []
    writer: Any = Writer()
    made = Connections(writer, "", lambda event, name, _: events.append((event, name)))
    outlets: Any = {"a": SimulatedOutlet("a", "one"), "b": SimulatedOutlet("b", "two", name="V2")}
    made.start(list(outlets.values()))
    assert sorted(events) == [("failed", "V2"), ("recording", "V1")]
    assert [stream.name for stream in made.streams] == ["V1"]
    assert made.problems(outlets) == []  # it may just have ended
    made.update(outlets, time.monotonic() + 3)
    deadline = time.monotonic() + 60
    while not made.problems(outlets):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert made.problems(outlets) == ["'V2' was found but cannot be recorded: no answer"]
    assert made.problems(set()) == []
    OpenedLink.silent.clear()
    made.update(outlets, time.monotonic())
    assert len(made.streams) == 1
    made.update(outlets, time.monotonic() + 6)
    assert made.streams[1].link.settled.wait(10)
    made.stop(set())
    made.join()
    assert made.problems(outlets) == []
    assert [stream.name for stream in made.streams] == ["V1", "V2"]
    assert writer.headers == [1, 4]
    assert events[-1] == ("recording", "V2")
