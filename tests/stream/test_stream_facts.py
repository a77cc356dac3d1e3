"""Numbers in descriptions, which anybody may have written."""

from __future__ import annotations

import math

import pytest

from stream.errors import BadRecording
from stream.stream_facts import SETTLE_S, StreamFacts, parse_facts


def test_missing_entries_have_defaults() -> None:
    facts = parse_facts({"mode": "live", "stamp_rate": ""}, "V1")
    assert (facts.stamp_rate, facts.paced, facts.settle_s, facts.ticks) == (1.0, True, SETTLE_S, False)
    assert math.isnan(facts.recorded_rate_hz)


def test_entries_are_converted() -> None:
    written = {"stamp_rate": "2", "recorded_rate_hz": "30.0", "speed": "max", "settle_ms": "0", "ticks": "1"}
    assert parse_facts(written, "V1") == StreamFacts(2.0, 30.0, False, 0.0, True)


@pytest.mark.parametrize("key", ["stamp_rate", "recorded_rate_hz", "settle_ms"])
@pytest.mark.parametrize("value", ["abc", "nan", "inf", "-1", "1e308", "9" * 400, "<b>", "0x10"])
def test_a_number_out_of_bounds_is_refused_by_name(key: str, value: str) -> None:
    with pytest.raises(BadRecording, match=f"stream 'V1' has {key}=") as error:
        parse_facts({key: value}, "V1")
    assert len(str(error.value)) < 250


def test_a_stamp_rate_of_zero_is_refused() -> None:
    with pytest.raises(BadRecording, match="must be a number from 1e-06 to 1e\\+06"):
        parse_facts({"stamp_rate": "0"}, "V1")
