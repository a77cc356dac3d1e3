"""Decisions about outlets of a known sender; with real senders in tests/live/test_recorded_senders.py."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from stream.lsl.sender import described_difference, difference, is_return
from stream.recorder import successors
from stream.recorder.successors import changed_sender, decide, has_ended, lost_reason
from tests.stream.lsl.simulated import SimulatedOutlet


class Link:
    """Replaces a `stream.recorder.sender_link.SenderLink`."""

    def __init__(
        self, uid: str, source_id: str = "one", labels: tuple[str, ...] = ("a",), **fields: Any
    ) -> None:
        self.info: Any = SimulatedOutlet(uid, source_id, **fields)
        self.uid, self.labels, self.facts = uid, labels, dict[str, str]()
        self.closed, self.is_open = threading.Event(), True
        self.since_s = time.monotonic()
        self.recovers, self.n_unknown = bool(source_id), 0

    def difference(self, other: Any) -> str:
        return difference(self.info, other.info) or described_difference(
            self.labels, self.facts, other.labels, other.facts
        )


class Stream:
    """Replaces a `stream.recorder.recorded_stream.RecordedStream`."""

    def __init__(self, link: Link, age_s: float = 0.1) -> None:
        self.link, self.age_s, self.present = link, age_s, True
        self.name, self.type, self.uid = link.info.name(), link.info.type(), link.uid

    def may_continue_with(self, info: Any) -> bool:
        return is_return(self.link.info, info) and not difference(self.link.info, info)


@pytest.fixture
def first() -> Any:
    return Stream(Link("first"))


def test_an_outlet_is_undecided_while_the_first_one_is_listed_and_then_a_second_sender(
    first: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    link: Any = Link("again")
    assert decide(link, [first], {"first", "again"}) == (False, None)
    assert decide(link, [first], {"again"}) == (False, None)  # still sends
    later = time.monotonic() + 2 * successors.LOST_AFTER_S
    monkeypatch.setattr(time, "monotonic", lambda: later + 0.1)
    assert decide(link, [first], {"first", "again"}) == (True, None)


def test_an_outlet_continues_the_stream_whose_sender_is_gone(first: Any) -> None:
    link: Any = Link("again")
    silent: Any = Stream(Link("first"), age_s=3.0)
    assert decide(link, [silent], {"again"}) == (True, silent)
    first.link.closed.set()
    older: Any = Stream(Link("older"), age_s=9.0)
    older.link.closed.set()
    assert decide(link, [older, first], {"again", "first"}) == (True, first)


def test_at_the_end_everything_is_decided(first: Any) -> None:
    link: Any = Link("again")
    first.age_s = -1.0
    assert decide(link, [first], {"first", "again"}, final=True) == (True, None)
    first.age_s = 1.0
    assert decide(link, [first], {"first", "again"}, final=True) == (True, first)


def test_other_labels_are_a_new_stream_at_once(first: Any) -> None:
    assert decide(Link("again", labels=("b",)), [first], {"first"}) == (True, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("link", "present", "what"),
    [
        (Link("b"), True, "a second sender of 'V1'"),
        (Link("b", labels=("b",)), False, "the same sender with other channel labels of 'V1'"),
        (Link("b", nominal_srate=30.0), False, "the same sender with 30 Hz instead of 60 Hz of 'V1'"),
        (Link("b", hostname="there"), False, "another sender of 'V1'"),
    ],
)
def test_a_change_of_sender_is_named(first: Any, link: Any, present: bool, what: str) -> None:
    first.present = present
    notice = changed_sender(Stream(link), [first])  # type: ignore[arg-type]
    assert notice.startswith(f"{what} is recorded as a new stream of the file: name='V1'")
    assert changed_sender(first, []) == ""


def test_a_sender_has_ended_when_its_computer_answers_without_it(first: Any) -> None:
    first.present, first.age_s, first.hostname = False, 11.0, "here"
    beside: Any = {"b": SimulatedOutlet("b", "two", name="V2")}
    there: Any = {"b": SimulatedOutlet("b", "two", hostname="there")}
    assert has_ended(first, beside)
    assert not has_ended(first, there)  # the network is down: what it could not deliver may still come
    assert not has_ended(first, beside | {first.uid: first.link.info})
    first.age_s = 9.0
    assert not has_ended(first, beside)


def test_what_may_be_missing_is_said_with_the_loss() -> None:
    stream: Any = Stream(Link("a", source_id=""))
    stream.link.n_unknown = 3
    reason = lost_reason(stream)
    assert "no source id, so samples of its last milliseconds may be missing" in reason
    assert "3 samples that may be of another sender are left out" in reason
