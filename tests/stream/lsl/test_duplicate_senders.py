"""On a simulated network; between processes in `tests/live/test_second_senders.py`."""

from __future__ import annotations

from stream.lsl.connection import Connection
from stream.lsl.duplicate_senders import CONFIRM_S, DuplicateSenders
from stream.notices import Notices
from tests.stream.lsl.simulated import SimulatedNetwork, SimulatedOutlet


class SimulatedConnection(Connection):
    """A connection whose sender the test takes away."""

    has_sender = True

    @property
    def connected(self) -> bool:
        return self.has_sender


def events(notices: Notices) -> list[str]:
    return [notice.event for notice in notices.take()]


def test_a_second_sender_is_reported_once_confirmed_and_when_it_stops(lan: SimulatedNetwork) -> None:
    notices = Notices()
    duplicates, used = DuplicateSenders(notices), SimulatedConnection(SimulatedOutlet("a", "one"))  # type: ignore[arg-type]
    alone = [SimulatedOutlet("a", "one"), SimulatedOutlet("x", "y", name="V2")]
    second = SimulatedOutlet("b", "two", hostname="there")
    duplicates.check([*alone, second], [used])  # type: ignore[list-item]
    assert not events(notices)
    lan.now_s += CONFIRM_S
    duplicates.check([*alone, second], [used])  # type: ignore[list-item]
    (reported,) = notices.take()
    assert reported.event == "second_sender"
    assert reported.warning
    assert reported.text == "a second sender of 'V1' (source 'two' on there) is ignored; stop one of the two"
    assert reported.facts == {"stream": "V1", "source_id": "two", "hostname": "there"}
    lan.now_s += 10
    duplicates.check([*alone, second], [used])  # type: ignore[list-item]
    assert not events(notices)
    duplicates.check(alone, [used])  # type: ignore[arg-type]
    assert events(notices) == ["second_sender_gone"]


def test_the_successor_of_a_lost_sender_is_no_second_sender(lan: SimulatedNetwork) -> None:
    notices = Notices()
    duplicates, used = DuplicateSenders(notices), SimulatedConnection(SimulatedOutlet("a", "one"))  # type: ignore[arg-type]
    both = [SimulatedOutlet("a", "one"), SimulatedOutlet("b", "one")]
    duplicates.check(both, [used])  # type: ignore[arg-type]
    used.has_sender = False
    lan.now_s += CONFIRM_S
    duplicates.check(both, [used])  # type: ignore[arg-type]
    used.has_sender = True
    duplicates.check(both, [used])  # type: ignore[arg-type]
    assert not events(notices)
