"""Which stream goes on for one that is lost, and which counts as a second sender: with a network that is made up."""

from __future__ import annotations

import pylsl
import pytest

import stream.lsl.duplicate_senders
import stream.lsl.reconnect
from stream.lsl.connection import Connection
from stream.lsl.duplicate_senders import DuplicateSenders
from stream.lsl.reconnect import Reconnector
from stream.notices import Notices

GRACE_S, CONFIRM_S = 0.5, 0.3


class Outlet:
    """What is known of an outlet from afar."""

    def __init__(self, uid: str, source_id: str, hostname: str = "here", name: str = "V1") -> None:
        self._facts = {"uid": uid, "source_id": source_id, "hostname": hostname, "name": name}

    def __getattr__(self, fact: str) -> object:
        usual = {"type": "Spikes", "channel_count": 4, "nominal_srate": 60.0, "channel_format": 1}
        return lambda: {**usual, **self._facts}[fact]


class Network:
    """Outlets that are there, and the time."""

    def __init__(self) -> None:
        self.outlets: list[Outlet] = []
        self.now_s = 100.0

    def results(self) -> list[Outlet]:
        return self.outlets

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    made = Network()
    monkeypatch.setattr(pylsl, "ContinuousResolver", lambda **_: made)
    monkeypatch.setattr(stream.lsl.reconnect, "time", made)
    monkeypatch.setattr(stream.lsl.duplicate_senders, "time", made)
    return made


def searching() -> Reconnector:
    return Reconnector(Outlet("gone", "one"), GRACE_S, CONFIRM_S)  # type: ignore[arg-type]


def taken(search: Reconnector) -> str | None:
    info = search.search({"gone"})
    return None if info is None else str(info.uid())


def test_the_same_source_is_taken_at_once_and_before_another(network: Network) -> None:
    search = searching()
    network.outlets = [Outlet("gone", "one"), Outlet("b", "two"), Outlet("a", "one")]
    assert taken(search) == "a"


def test_another_source_waits_until_the_grace_is_over(network: Network) -> None:
    search = searching()
    network.outlets = [Outlet("b", "two")]
    for now_s, expected in ((100.0, None), (100.45, None), (100.5, "b")):
        network.now_s = now_s
        assert taken(search) == expected


def test_another_source_that_comes_late_must_have_been_seen_but_waits_for_no_second_grace(
    network: Network,
) -> None:
    search = searching()
    assert taken(search) is None
    network.now_s = 110.0
    network.outlets = [Outlet("b", "two")]
    for now_s, expected in ((110.0, None), (110.25, None), (110.31, "b")):
        network.now_s = now_s
        assert taken(search) == expected


def test_a_third_begins_the_wait_anew_and_then_there_is_no_choice(network: Network) -> None:
    search = searching()
    network.outlets = [Outlet("b", "two")]
    assert taken(search) is None
    network.now_s = 100.6
    network.outlets = [Outlet("b", "two"), Outlet("c", "three"), Outlet("d", "two", hostname="there")]
    assert taken(search) is None
    assert not search.ambiguous
    network.now_s = 101.0
    assert taken(search) is None
    assert len(search.ambiguous) == 2  # that of another computer is none of them


class Used(Connection):
    """A connection that stands, or does not."""

    stands = True

    @property
    def connected(self) -> bool:
        return self.stands


def events(notices: Notices) -> list[str]:
    return [notice.event for notice in notices.take()]


def test_a_second_sender_is_told_when_it_has_stayed_and_when_it_goes(network: Network) -> None:
    notices = Notices()
    duplicates, used = DuplicateSenders(notices), Used(Outlet("a", "one"))  # type: ignore[arg-type]
    here = [Outlet("a", "one"), Outlet("x", "y", name="V2")]
    second = Outlet("b", "two", hostname="there")
    duplicates.check([*here, second], [used])  # type: ignore[list-item]
    assert not events(notices)
    network.now_s += stream.lsl.duplicate_senders.CONFIRM_S
    duplicates.check([*here, second], [used])  # type: ignore[list-item]
    (told,) = notices.take()
    assert told.event == "second_sender"
    assert told.warning
    assert told.facts == {"stream": "V1", "source_id": "two", "hostname": "there"}
    network.now_s += 10
    duplicates.check([*here, second], [used])  # type: ignore[list-item]
    assert not events(notices)
    duplicates.check(here, [used])  # type: ignore[arg-type]
    assert events(notices) == ["second_sender_gone"]


def test_one_that_stands_in_for_a_lost_sender_is_no_second(network: Network) -> None:
    notices = Notices()
    duplicates, used = DuplicateSenders(notices), Used(Outlet("a", "one"))  # type: ignore[arg-type]
    both = [Outlet("a", "one"), Outlet("b", "one")]
    duplicates.check(both, [used])  # type: ignore[arg-type]
    used.stands = False
    network.now_s += stream.lsl.duplicate_senders.CONFIRM_S
    duplicates.check(both, [used])  # type: ignore[arg-type]
    used.stands = True
    duplicates.check(both, [used])  # type: ignore[arg-type]
    assert not events(notices)
