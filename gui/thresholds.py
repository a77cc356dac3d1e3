"""Thresholds of the status bar: from when a figure is coloured, and the window says ``late``."""

from __future__ import annotations

from enum import IntEnum
from math import isfinite

from gui.state.snapshot import Counts, Source


class Level(IntEnum):
    """How far a figure is from what it should be."""

    FINE = 0
    WARN = 1
    ALARM = 2


AGE_MS = (250.0, 1_000.0)
AGE_PERIODS = (4.0, 12.0)
"""The age of what is painted warns and alarms beyond this many milliseconds and this many sample periods, whichever is
longer, after the delay that the model itself has."""

LATENCY_MS = (50.0, 250.0)
LATENCY_PERIODS = (1.0, 5.0)
"""The same for the 99th percentile of the latency until a prediction is published; one below -1 ms alarms too, because
it means that the clocks disagree."""

RATE_SHARE = (0.05, 0.25)
"""Deviation of the input rate from the nominal one, as a share."""

DROPPED_SHARE = (0.0, 0.01)
"""Share of predictions that are missing from their sequence."""


def levels(counts: Counts, source: Source) -> dict[str, Level]:
    """The level of each figure of the status bar that has thresholds.

    Parameters
    ----------
    counts
        Figures to judge.
    source
        The engine's description: its rate and its delay.
    """
    rate_hz = source.rate_hz * source.stamp_rate
    period_ms = 1e3 / rate_hz if rate_hz > 0 else 0.0
    delay_ms = source.delay_s * 1e3
    age = [max(ms, n * period_ms) for ms, n in zip(AGE_MS, AGE_PERIODS, strict=True)]
    latency = [max(ms, n * period_ms) for ms, n in zip(LATENCY_MS, LATENCY_PERIODS, strict=True)]
    result = {
        "age": _level(counts.age_ms - delay_ms, *age),
        "latency": _level(counts.latency_p99_ms - delay_ms, *latency),
        "dropped": _level(counts.dropped / max(counts.received, 1), *DROPPED_SHARE),
        "unusable": Level.ALARM if counts.unusable else Level.FINE,
    }
    if counts.latency_p50_ms < -1 or counts.age_ms < -1:
        result["latency"] = Level.ALARM
    if rate_hz > 0 and source.speed != "max":
        result["input"] = _level(abs(counts.input_hz / rate_hz - 1), *RATE_SHARE)
    return result


def _level(value: float, warn: float, alarm: float) -> Level:
    if not isfinite(value) or value <= warn:
        return Level.FINE
    return Level.WARN if value <= alarm else Level.ALARM
