"""Identity of a stream's sender, and what was received from it; every inlet and the recorder use these."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pylsl
from numpy.typing import NDArray

from stream.lsl.outlet import FORMATS, nominal_rate


def is_return(before: pylsl.StreamInfo, now: pylsl.StreamInfo) -> bool:
    """Whether an outlet is the one that was connected, or that sender's own after a restart.

    A restarted sender has the same name, type, source id, computer and session. (LSL's recovery ignores the last two,
    and would continue with another set-up.) Without a source id a restart cannot be recognised.

    Parameters
    ----------
    before
        Outlet that was connected.
    now
        Outlet to compare with it.
    """
    if before.uid() == now.uid():
        return True
    return bool(before.source_id()) and _identity(before) == _identity(now)


def difference(before: pylsl.StreamInfo, now: pylsl.StreamInfo) -> str:
    """Difference between two outlets in channel count, rate or format, as text; empty if there is none.

    Parameters
    ----------
    before
        Outlet that was connected.
    now
        Outlet to compare with it.
    """
    if before.channel_count() != now.channel_count():
        return f"{now.channel_count()} channels instead of {before.channel_count()}"
    if abs(nominal_rate(before) - nominal_rate(now)) > 1e-6 * nominal_rate(before):
        return f"{nominal_rate(now):g} Hz instead of {nominal_rate(before):g} Hz"
    if before.channel_format() != now.channel_format():
        return (
            f"{FORMATS[now.channel_format() - 1]} instead of {FORMATS[before.channel_format() - 1]} samples"
        )
    return ""


def described_difference(
    labels: Sequence[str],
    facts: Mapping[str, str],
    labels_now: Sequence[str],
    facts_now: Mapping[str, str],
) -> str:
    """Difference between two descriptions of a stream, as text; empty if there is none.

    Parameters
    ----------
    labels, facts
        Channel labels and NeuroReel's own entries before.
    labels_now, facts_now
        The same of the outlet to compare.
    """
    if tuple(labels_now) != tuple(labels):
        return "other channel labels"
    if _pace(facts_now) != _pace(facts):
        return "timestamps of another speed"
    return ""


def _pace(facts: Mapping[str, str]) -> list[str]:
    """Speed of a sender's timestamps, 1 unless described: with another, they count other seconds."""
    pace = [facts.get(key) or "1" for key in ("stamp_rate", "speed")]
    for index, text in enumerate(pace):
        with contextlib.suppress(ValueError):
            pace[index] = repr(float(text))
    return pace


@dataclass(slots=True)
class Received:
    """Samples received from one outlet.

    Attributes
    ----------
    uid
        LSL's unique id of the outlet.
    samples
        Number of samples.
    first_stamp, last_stamp
        First and last timestamp as sent, seconds; NaN if there is none.
    """

    uid: str
    samples: int = 0
    first_stamp: float = math.nan
    last_stamp: float = math.nan

    def add(self, stamps: NDArray[np.float64]) -> None:
        """Count samples.

        Parameters
        ----------
        stamps
            Their timestamps as sent, at least one, seconds.
        """
        if not self.samples:
            self.first_stamp = float(stamps[0])
        self.samples += len(stamps)
        self.last_stamp = float(stamps[-1])


def _identity(info: pylsl.StreamInfo) -> tuple[str, ...]:
    return info.name(), info.type(), info.source_id(), info.hostname(), info.session_id()
