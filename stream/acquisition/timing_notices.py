"""Timing faults of a stream: counted one by one, reported at most once a second per kind."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stream.notices import Notices
from stream.timestamps import MAX_SECONDS

REPORT_EVERY_S = 1.0
"""Faults of one kind that follow sooner than this are reported together."""

MANY_JUMPS = 5
"""Clock jumps within one report that show that the timestamps are no seconds."""

_EVENTS = ("gap", "repeated_stamp", "invalid_stamp", "clock_jump", "duplicate", "reordered")


@dataclass(slots=True)
class TimingCounts:
    """Timing faults so far; ``missing`` counts the samples lost in gaps."""

    gaps: int = 0
    missing: int = 0
    duplicates: int = 0
    reordered: int = 0
    clock_jumps: int = 0


@dataclass(slots=True)
class _Pending:
    """Faults of one kind since the last report."""

    n: int = 0
    missing: int = 0
    seconds: float = 0.0
    stamp: float = math.nan
    reported_s: float = -math.inf


class TimingNotices:
    """Counts timing faults and turns them into notices.

    Parameters
    ----------
    notices
        Receives ``gap``, ``duplicate``, ``reordered``, ``repeated_stamp``, ``invalid_stamp`` and ``clock_jump``.

    Attributes
    ----------
    counts
        Faults so far.
    """

    def __init__(self, notices: Notices) -> None:
        self.counts = TimingCounts()
        self._notices = notices
        self._pending = {event: _Pending() for event in _EVENTS}

    def add(
        self, event: str, arrival_s: float, stamp: float, *, missing: int = 0, seconds: float = 0.0
    ) -> None:
        """Count a fault; report it at once unless one of its kind was reported less than a second ago.

        Parameters
        ----------
        event
            Kind of fault, one of those above.
        arrival_s
            Time of arrival, seconds, local clock.
        stamp
            Timestamp of the sample, seconds.
        missing
            Samples lost in a gap.
        seconds
            Size of a clock jump.
        """
        counts = self.counts
        counts.gaps += event == "gap"
        counts.missing += missing
        counts.duplicates += event == "duplicate"
        counts.reordered += event == "reordered"
        counts.clock_jumps += event == "clock_jump"
        pending = self._pending[event]
        pending.n += 1
        pending.missing += missing
        pending.seconds += seconds
        pending.stamp = stamp
        if not arrival_s - pending.reported_s < REPORT_EVERY_S:
            self._report(event, pending, arrival_s)

    def flush(self, now_s: float) -> None:
        """Report faults that are still pending; call it about once a second.

        Parameters
        ----------
        now_s
            Local clock, seconds.
        """
        for event, pending in self._pending.items():
            if pending.n and not now_s - pending.reported_s < REPORT_EVERY_S:
                self._report(event, pending, now_s)

    def _report(self, event: str, pending: _Pending, now_s: float) -> None:
        times = "" if pending.n == 1 else f"{pending.n} times: "
        last = "" if pending.n == 1 else "last "
        facts: dict[str, object] = {"count": pending.n, "stamp": pending.stamp}
        if event == "gap":
            text = f"{pending.missing} samples missing, {last}before timestamp {pending.stamp:.3f}"
            facts["missing"] = pending.missing
        elif event == "clock_jump":
            text = f"the sender's clock jumped by {pending.seconds:+.3f} s"
            if pending.n >= MANY_JUMPS:
                text += "; no clock does that: are the timestamps in seconds, as LSL wants them, in ms, or descending?"
            facts["seconds"] = round(pending.seconds, 6)
        elif event == "repeated_stamp":
            text = f"two different samples carry the same timestamp, {last}{pending.stamp:.3f}"
        elif event == "invalid_stamp":
            text = f"sample dropped because its timestamp is {pending.stamp}"
            if MAX_SECONDS <= abs(pending.stamp) < math.inf:
                text += ", which is no time in seconds; is it in ms?"
            del facts["stamp"]  # JSON has no NaN
        else:
            kind = "duplicate" if event == "duplicate" else "out-of-order"
            text = f"{kind} sample dropped, {last}at timestamp {pending.stamp:.3f}"
        self._notices.add(event, times + text, **facts)
        self._pending[event] = _Pending(reported_s=now_s)
