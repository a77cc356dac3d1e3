from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from stream.lsl.sender import Received, described_difference, difference, is_return
from tests.stream.lsl.simulated import SimulatedOutlet


def outlet(uid: str = "b", source_id: str = "one", **fields: Any) -> Any:
    return SimulatedOutlet(uid, source_id, **fields)


BEFORE = outlet("a")


def test_a_restarted_sender_has_the_same_name_source_computer_and_session() -> None:
    assert is_return(BEFORE, outlet())
    assert not is_return(BEFORE, outlet(source_id="two"))
    for other in ({"name": "V2"}, {"hostname": "there"}, {"session_id": "theirs"}, {"type": "EEG"}):
        assert not is_return(BEFORE, outlet(**other)), other


def test_without_source_id_only_the_outlet_itself_is_recognised() -> None:
    assert not is_return(outlet("a", ""), outlet("b", ""))
    assert is_return(outlet("a", ""), outlet("a", ""))


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({}, ""),
        ({"channel_count": 3}, "3 channels instead of 4"),
        ({"nominal_srate": 30.0}, "30 Hz instead of 60 Hz"),
        ({"channel_format": 2}, "double64 instead of float32 samples"),
    ],
)
def test_a_difference_in_shape_is_named(changed: dict[str, Any], text: str) -> None:
    assert difference(BEFORE, outlet(**changed)) == text


def test_a_difference_in_the_description_is_named() -> None:
    labels, facts = ("a", "b"), {"speed": "1", "recording": "x"}
    assert described_difference(labels, facts, labels, facts | {"recording": "y"}) == ""
    assert described_difference(labels, facts, ("b", "a"), facts) == "other channel labels"
    assert described_difference(labels, facts, labels, {"speed": "2"}) == "timestamps of another speed"
    assert described_difference(labels, facts, labels, {"speed": "max"}) == "timestamps of another speed"
    assert described_difference(labels, facts, labels, {"stamp_rate": "1.0"}) == ""
    assert described_difference(labels, facts, labels, {}) == ""


def test_received_samples_are_counted() -> None:
    received = Received("a")
    assert math.isnan(received.first_stamp)
    received.add(np.array([1.0, 2.0]))
    received.add(np.array([3.0]))
    assert received == Received("a", 3, 1.0, 3.0)
