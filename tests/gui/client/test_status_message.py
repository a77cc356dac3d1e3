"""Messages of the status stream, as engines and strangers send them."""

from __future__ import annotations

import json
import math

import pytest

from gui.client.status_message import LONGEST_MESSAGE, LONGEST_SENTENCE, parse_status


def test_a_message_of_the_engine_is_read() -> None:
    sent = {
        "event": "stats",
        "state": "stale",
        "reason": "'V1' is silent",
        "clock_offset_ms": 0.5,
        "received": 3,
    }
    message = parse_status(json.dumps(sent))
    assert message is not None
    assert (message.event, message.state, message.reason) == ("stats", "stale", "'V1' is silent")
    assert message.clock_offset_ms == 0.5
    assert message.fields["received"] == 3


@pytest.mark.parametrize(
    "text",
    [
        "", "[", "[" * 200_000, '{"a":' * 50_000, "{}", "[1]", "3", '"end"', '{"event": 3}', '{"event": ["end"]}',
        json.dumps({"event": "gap", "text": "x" * LONGEST_MESSAGE}), '{"event": "x", "n": ' + "1" * 5_000 + "}",
    ],
)  # fmt: skip
def test_what_is_no_message_is_none(text: str) -> None:
    assert parse_status(text) is None


def test_fields_of_another_type_count_as_absent() -> None:
    text = '{"event": "stats", "state": [1], "reason": {}, "text": 5, "clock_offset_ms": 1' + "0" * 400 + "}"
    message = parse_status(text)
    assert message is not None
    assert (message.state, message.reason, message.text) == ("", "", "")
    assert math.isnan(message.clock_offset_ms)


def test_texts_are_one_line() -> None:
    message = parse_status(json.dumps({"event": "gap", "text": "\x1b[2J" + "a\n" * 3_000}))
    assert message is not None
    assert message.text.isprintable()
    assert len(message.text) <= 4 * LONGEST_SENTENCE
