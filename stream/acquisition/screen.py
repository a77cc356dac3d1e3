"""Which samples of a stream are taken, and where a new segment begins: judged as they arrive, each once.

By a counter when the stream has one, else by its stamps. `stream.recorder.continuity.Continuity` is the same without
judgement, for recordings: it drops nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream.notices import Notices
from stream.session import GAP_PERIODS

JUMP_S = 0.5
"""A step of the stamps that time does not account for is a jump of the sender's clock from so far on."""

REORDER_S = 0.25
REORDER_PERIODS = 8
REORDER_IN_A_ROW = 3
"""A sample is late when it is at most so far behind the newest; after so many in a row the clock has stepped back."""

COUNTER_BACK = 64
"""By the counter a sample is late when it is at most so many behind; from further back the counter began anew."""

SAY_EVERY_S = 1.0
"""What happens more often is said together."""


_DROPPED = {"duplicate": "came twice", "reordered": "came after a later one"}


@dataclass(slots=True)
class ScreenCounts:
    """What happened so far; ``missing`` are samples that were never received."""

    gaps: int = 0
    missing: int = 0
    duplicates: int = 0
    reordered: int = 0
    clock_jumps: int = 0


@dataclass(slots=True)
class _Unsaid:
    """Of one kind, since it was last said."""

    n: int = 0
    missing: int = 0
    seconds: float = 0.0
    stamp: float = math.nan
    said_s: float = -math.inf


class Screen:
    """Judges samples one after the other.

    A gap begins a new segment, so does a jump of the clock, and without a counter a stamp that stands still; a sample
    that came before, or comes after its successor, is dropped.

    Parameters
    ----------
    rate_hz
        Of the stamps; 0 = irregular, where nothing can be missed but by a counter.
    notices
        Told of ``gap``, ``duplicate``, ``reordered``, ``repeated_stamp`` and ``clock_jump``.
    paced
        Whether stamps advance with time; at a replay's full speed they do not, and no jump can be told from a gap.

    Attributes
    ----------
    segment
        Of the newest sample.
    counts
        What happened.
    jump
        Row and seconds of the last jump in the last chunk; None when there was none.
    """

    def __init__(self, rate_hz: float, notices: Notices, *, paced: bool = True) -> None:
        self.segment = 0
        self.counts = ScreenCounts()
        self.jump: tuple[int, float] | None = None
        self._rate_hz = rate_hz
        self._period = 1 / rate_hz if rate_hz > 0 else 0.0
        self._longest = GAP_PERIODS * self._period or math.inf
        self._reorder_s = max(REORDER_S, REORDER_PERIODS * self._period)
        self._notices = notices
        self._paced = paced
        self._last = -math.inf  # no stamp yet
        self._begun = False
        self._counter: int | None = None
        self._sample: NDArray[np.float32] | None = None
        self._n_back = 0
        self._unsaid = {event: _Unsaid() for event in ("gap", "repeated_stamp", "clock_jump", *_DROPPED)}

    def restart(self) -> None:
        """The sender was gone: a new segment begins whatever the next stamp is; its counter may go on."""
        if self._begun:
            self._begun = False
            self.segment += 1

    def new_segment(self) -> None:
        """Begin a segment here, for reasons of the receiver's own."""
        self.segment += 1

    def check(
        self,
        samples: NDArray[np.float32],
        stamps: NDArray[np.float64],
        counter: NDArray[np.int64] | None = None,
        arrival_s: float = math.nan,
        usual_s: float = math.nan,
    ) -> tuple[NDArray[np.bool_] | None, NDArray[np.int32] | int]:
        """Judge the next samples.

        Parameters
        ----------
        samples, stamps
            Float32 [n, channels]; float64 [n], seconds, as sent.
        counter
            Int64 [n], the sender's, if it has one.
        arrival_s, usual_s
            When they came, by this computer's clock, and how much later than their stamps samples usually come.

        Returns
        -------
        keep
            Bool [n], or None = all.
        segment
            Int32 [n], or one for all.
        """
        self.jump = None
        n = len(stamps)
        if n == 1 and self._begun:  # the usual case, on the engine's hot path
            stamp = float(stamps[0])
            follows = counter is None or counter[0] - 1 == self._counter
            if follows and 0 < stamp - self._last <= self._longest:
                self._last, self._sample, self._n_back = stamp, samples[0], 0
                if counter is not None:
                    self._counter = int(counter[0])
                return None, self.segment
        elif n > 1 and self._begun and self._in_order(stamps, counter):
            self._last, self._sample, self._n_back = float(stamps[-1]), samples[-1], 0
            if counter is not None:
                self._counter = int(counter[-1])
            return None, self.segment
        keep = np.ones(n, np.bool_)
        segment = np.empty(n, np.int32)
        for row in range(n):
            keep[row] = self._take(row, samples[row], float(stamps[row]), counter, arrival_s, usual_s)
            segment[row] = self.segment
        return (None if keep.all() else keep), segment

    def flush(self, now_s: float) -> None:
        """Say what has not been said yet, about once a second."""
        for event, unsaid in self._unsaid.items():
            if unsaid.n and not now_s - unsaid.said_s < SAY_EVERY_S:
                self._say(event, unsaid, now_s)

    def _in_order(self, stamps: NDArray[np.float64], counter: NDArray[np.int64] | None) -> bool:
        """Whether nothing is wrong with a chunk."""
        steps = np.diff(stamps, prepend=self._last)
        fine = bool(steps.min() > 0 and steps.max() <= self._longest)
        if fine and counter is not None:
            before = self._counter if self._counter is not None else counter[0] - 1
            fine = bool((np.diff(counter, prepend=before) == 1).all())
        return fine

    def _take(
        self,
        row: int,
        sample: NDArray[np.float32],
        stamp: float,
        counters: NDArray[np.int64] | None,
        arrival_s: float,
        usual_s: float,
    ) -> bool:
        """Judge one sample: whether it is kept."""
        count = None if counters is None else int(counters[row])
        before, self._counter = self._counter, count
        early_s = usual_s - (arrival_s - stamp)
        if not self._begun:
            self._begun = True
            if count is not None and before is not None and count > before + 1:
                self._note("gap", arrival_s, stamp, count - before - 1)
            kept = True
        elif count is not None and before is not None:
            kept = self._by_counter(row, stamp, count - before, arrival_s, early_s)
            if not kept:
                self._counter = before
        else:
            kept = self._by_stamp(row, sample, stamp, arrival_s, early_s)
        if kept:
            self._last, self._sample, self._n_back = stamp, sample, 0
        return kept

    def _by_counter(self, row: int, stamp: float, step: int, arrival_s: float, early_s: float) -> bool:
        if step == 0 or -COUNTER_BACK <= step < 0:
            self._note("reordered" if step else "duplicate", arrival_s, stamp)
            return False
        elapsed = stamp - self._last
        if step != 1:
            self.segment += 1
            self._note("gap", arrival_s, stamp, max(step - 1, 0))
        unaccounted = elapsed - step * self._period if step > 0 else elapsed
        if elapsed <= 0 or (self._rate_hz > 0 and unaccounted > JUMP_S and not early_s < JUMP_S):
            self._jumped(row, unaccounted, stamp, arrival_s, new_segment=step == 1)
        return True

    def _by_stamp(
        self, row: int, sample: NDArray[np.float32], stamp: float, arrival_s: float, early_s: float
    ) -> bool:
        step = stamp - self._last
        if 0 < step <= self._longest:
            return True
        if step > 0:
            if self._paced and early_s > JUMP_S:  # no delay makes samples come sooner after their stamps
                self._jumped(row, early_s, stamp, arrival_s)
            else:
                self.segment += 1
                self._note("gap", arrival_s, stamp, round(step * self._rate_hz) - 1)
        elif step == 0:
            if self._sample is not None and np.array_equal(sample, self._sample, equal_nan=True):
                self._note("duplicate", arrival_s, stamp)
                return False
            self.segment += 1
            self._note("repeated_stamp", arrival_s, stamp)
        elif -step <= self._reorder_s and self._n_back < REORDER_IN_A_ROW:
            self._n_back += 1
            self._note("reordered", arrival_s, stamp)
            return False
        else:
            self._jumped(row, step - self._period, stamp, arrival_s)
        return True

    def _jumped(
        self, row: int, seconds: float, stamp: float, arrival_s: float, *, new_segment: bool = True
    ) -> None:
        self.segment += new_segment
        self.jump = (row, seconds)
        self._note("clock_jump", arrival_s, stamp, seconds=seconds)

    def _note(
        self, event: str, arrival_s: float, stamp: float, missing: int = 0, seconds: float = 0.0
    ) -> None:
        """Count; say it at once, unless the same was said a moment ago."""
        counts = self.counts
        counts.gaps += event == "gap"
        counts.missing += missing
        counts.duplicates += event == "duplicate"
        counts.reordered += event == "reordered"
        counts.clock_jumps += event == "clock_jump"
        unsaid = self._unsaid[event]
        unsaid.n += 1
        unsaid.missing += missing
        unsaid.seconds += seconds
        unsaid.stamp = stamp
        if not arrival_s - unsaid.said_s < SAY_EVERY_S:
            self._say(event, unsaid, arrival_s)

    def _say(self, event: str, unsaid: _Unsaid, now_s: float) -> None:
        times = "" if unsaid.n == 1 else f"{unsaid.n} times: "
        facts: dict[str, object] = {"count": unsaid.n, "stamp": unsaid.stamp}
        if event == "gap":
            what = f"{unsaid.missing} samples are missing before stamp {unsaid.stamp:.3f}"
            facts["missing"] = unsaid.missing
        elif event == "clock_jump":
            what = f"the sender's clock has jumped by {unsaid.seconds:+.3f} s"
            facts["seconds"] = round(unsaid.seconds, 6)
        elif event in _DROPPED:
            what = f"a sample {_DROPPED[event]} and was dropped, last at stamp {unsaid.stamp:.3f}"
        else:
            what = f"two samples had one stamp, last {unsaid.stamp:.3f}"
        self._notices.add(event, times + what, **facts)
        self._unsaid[event] = _Unsaid(said_s=now_s)
