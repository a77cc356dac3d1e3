from __future__ import annotations

from stream.lsl.reconnect import Reconnector
from tests.stream.lsl.simulated import SimulatedNetwork, SimulatedOutlet

GRACE_S, CONFIRM_S = 0.5, 0.3


def reconnector() -> Reconnector:
    return Reconnector(SimulatedOutlet("gone", "one"), GRACE_S, CONFIRM_S)  # type: ignore[arg-type]


def found(search: Reconnector) -> str | None:
    info = search.search({"gone"})
    return None if info is None else str(info.uid())


def test_the_same_source_is_accepted_at_once_and_before_another(lan: SimulatedNetwork) -> None:
    search = reconnector()
    lan.outlets = [SimulatedOutlet("gone", "one"), SimulatedOutlet("b", "two"), SimulatedOutlet("a", "one")]
    assert found(search) == "a"


def test_another_source_is_accepted_after_the_grace_period(lan: SimulatedNetwork) -> None:
    search = reconnector()
    lan.outlets = [SimulatedOutlet("b", "two")]
    for now_s, expected in ((100.0, None), (100.45, None), (100.5, "b")):
        lan.now_s = now_s
        assert found(search) == expected


def test_another_source_that_appears_late_is_accepted_once_confirmed(lan: SimulatedNetwork) -> None:
    search = reconnector()
    assert found(search) is None
    lan.now_s = 110.0
    lan.outlets = [SimulatedOutlet("b", "two")]
    for now_s, expected in ((110.0, None), (110.25, None), (110.31, "b")):
        lan.now_s = now_s
        assert found(search) == expected


def test_a_third_source_must_be_confirmed_too_and_makes_the_choice_ambiguous(lan: SimulatedNetwork) -> None:
    search = reconnector()
    lan.outlets = [SimulatedOutlet("b", "two")]
    assert found(search) is None
    lan.now_s = 100.6
    elsewhere = SimulatedOutlet("d", "two", hostname="there")
    lan.outlets = [SimulatedOutlet("b", "two"), SimulatedOutlet("c", "three"), elsewhere]
    assert found(search) is None
    assert not search.ambiguous
    lan.now_s = 101.0
    assert found(search) is None
    assert len(search.ambiguous) == 2  # a stream of another computer is no candidate


def test_the_same_source_on_another_computer_or_in_another_session_is_not_accepted(
    lan: SimulatedNetwork,
) -> None:
    search = reconnector()
    lan.outlets = [SimulatedOutlet("a", "one", hostname="there")]
    assert found(search) is None
    lan.now_s = 110.0
    assert found(search) is None
    lan.outlets.append(SimulatedOutlet("b", "one"))
    assert found(search) == "b"


def test_another_source_is_not_accepted_while_the_lost_outlet_still_answers(lan: SimulatedNetwork) -> None:
    search = reconnector()
    lan.outlets = [SimulatedOutlet("gone", "one"), SimulatedOutlet("b", "two")]
    assert found(search) is None
    lan.now_s = 110.0
    assert found(search) is None
    lan.outlets.pop(0)
    assert found(search) == "b"
