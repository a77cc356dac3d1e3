"""Numbers and marks in a stream's description: anybody may have written them, so they are parsed in this one place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from stream.errors import BadRecording
from stream.session import MAX_RATE_HZ

SETTLE_S = 0.01
"""Time for which a bin waits for late spike events, unless the description gives another (``settle_ms``)."""

MAX_STAMP_RATE = 1e6
"""Fastest plausible replay, in recorded seconds per second; the slowest one is its reciprocal."""

_MAX_SETTLE_MS = 10_000.0
_SHOWN = 40  # characters of an invalid value in a message


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """Entries of a stream's description about its samples.

    Attributes
    ----------
    stamp_rate
        Recorded seconds per second of the timestamps; 1 except in a replay at another speed.
    recorded_rate_hz
        Sampling rate of the recording in Hz, 0 if irregular; NaN if the description has none.
    paced
        Whether timestamps advance in real time; in a replay at full speed they do not.
    settle_s
        Seconds for which a bin waits for late spike events.
    ticks
        Whether a stream of spike events reports how far its time has come.
    """

    stamp_rate: float = 1.0
    recorded_rate_hz: float = math.nan
    paced: bool = True
    settle_s: float = SETTLE_S
    ticks: bool = False


def parse_facts(facts: Mapping[str, str], stream: str) -> StreamFacts:
    """Check the entries of a description and convert them; entries that are missing or empty get their defaults.

    Parameters
    ----------
    facts
        Entries under ``<neuroreel>``, see `stream.lsl.outlet.read_facts`.
    stream
        Name of the stream, for the message.

    Raises
    ------
    BadRecording
        If a number is none or out of its bounds.
    """
    settle_ms = number_fact(facts, "settle_ms", SETTLE_S * 1e3, 0.0, _MAX_SETTLE_MS, stream)
    return StreamFacts(
        stamp_rate=number_fact(facts, "stamp_rate", 1.0, 1 / MAX_STAMP_RATE, MAX_STAMP_RATE, stream),
        recorded_rate_hz=number_fact(facts, "recorded_rate_hz", math.nan, 0.0, MAX_RATE_HZ, stream),
        paced=facts.get("speed") != "max",
        settle_s=settle_ms / 1e3,
        ticks=facts.get("ticks") == "1",
    )


def number_fact(
    facts: Mapping[str, str], key: str, default: float, least: float, most: float, stream: str
) -> float:
    """One number of a description.

    Parameters
    ----------
    facts, stream
        See `parse_facts`.
    key
        Name of the entry.
    default
        Value if the description does not have it.
    least, most
        Bounds of a valid value.

    Raises
    ------
    BadRecording
        If the entry is no number within the bounds.
    """
    text = facts.get(key, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        shown = text if len(text) <= _SHOWN else text[:_SHOWN] + " ..."
        raise BadRecording(
            f"the description of stream '{stream}' has {key}={shown!r}; it must be a number from {least:g} to "
            f"{most:g}. Correct or remove the entry in its sender."
        )
    return value
