"""Gaps, order and smoothing of timestamps: one rule for live streams, recorders and files.

While the timestamps of a regular stream are even, a step of more than `GAP_PERIODS` periods is a gap. Boards that push
samples in groups, or stamp them when they are pushed, send uneven ones: steps of nearly nothing, then of several
periods. They show themselves by a step that is too short; from there on the number of samples is compared with the time
that has passed, since only what that count lacks is lost, and the timestamps are smoothed. No later sample is used.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

GAP_PERIODS = 1.5
"""A step between even timestamps longer than this many sample periods is a gap and begins a new segment."""

SHORT_PERIODS = 0.5
"""A shorter step shows that timestamps are uneven; a spread below this shows that they are even again."""

MAX_SECONDS = 1e12
"""Largest plausible timestamp (30,000 years); beyond it, the file is damaged."""

REORDER_S = 0.25
REORDER_PERIODS = 8
REORDER_IN_A_ROW = 3
"""In an even stream, a sample at most this far behind the newest, by whole periods, is out of order. After three in a
row, or further back, the sender's clock has stepped back."""

BUCKET_S = 2.0
"""The spread of uneven timestamps is that of the last one to two times this long (and at least 20 samples)."""

_BUCKET_SAMPLES = 20
_SLEW_PERIODS = 1.4  # longest step between smoothed timestamps, below a gap
_LEAST_PERIODS = 1e-3  # shortest
_SAME_PERIODS = 1e-6  # a smoothed timestamp so close to the one that was sent is equal to it
_NEAR, _NEAR_HOLE = 0.01, 0.25  # periods: how close to its place an earlier sample of an even stream lies


class Verdict(IntEnum):
    """How a timestamp follows the ones before it."""

    FOLLOWS = 0
    """In the same segment."""
    LOST = 1
    """In the same segment; the count of samples shows that some were lost within the last seconds."""
    STEPPED = 2
    """In the same segment; the count shows that the sender's clock stepped back a little within the last seconds."""
    GAP = 3
    """Samples are missing before it."""
    BACK = 4
    """The sender's clock has stepped back, or, in an irregular stream, stands still."""
    REORDERED = 5
    """It belongs before the newest one, where one is missing or has been; the judge's state does not change."""


class StampJudge:
    """Judges the timestamps of a regular stream one by one, in order of arrival.

    Parameters
    ----------
    rate_hz
        Nominal sampling rate in Hz; 0 for irregular streams, where only steps that are not positive count.

    Attributes
    ----------
    newest
        Newest timestamp, seconds; NaN before the first.
    time
        The same, smoothed, seconds; equal to it while timestamps are even.
    uneven
        Whether timestamps are uneven at present.
    missing
        Samples missing at the last `Verdict.GAP` or `Verdict.LOST`.
    step_s
        Step of the clock at the last `Verdict.STEPPED`, seconds.
    """

    def __init__(self, rate_hz: float) -> None:
        self.newest = self.time = math.nan
        self.uneven = False
        self.missing = 0
        self.step_s = 0.0
        self._regular = rate_hz > 0
        self._period_s = period_s = 1 / rate_hz if rate_hz > 0 else 0.0
        self.shortest_s = SHORT_PERIODS * period_s
        self.longest_s = GAP_PERIODS * period_s or MAX_SECONDS
        self._back_s = max(REORDER_S, REORDER_PERIODS * period_s)
        self._bucket = max(_BUCKET_SAMPLES, round(BUCKET_S * rate_hz)) if rate_hz > 0 else _BUCKET_SAMPLES
        self._hole = math.nan, math.nan  # timestamps around the last gap
        self._n_back = 0  # out-of-order samples in a row
        # while uneven: lateness is how far a timestamp is behind a clock that begins at `_base`
        self._base, self._n = 0.0, 0
        self._low = self._high = 0.0  # of the last two buckets
        self._lows: list[float] = []  # the two lowest of this bucket
        self._lows_before: list[float] = []
        self._alone = True  # whether the newest timestamp is the first of its segment
        self._bucket_high = 0.0
        self._levels: deque[tuple[float, float]] = deque(maxlen=4)  # low and high of complete buckets
        self._spread_before_s = 0.0  # before the last gap

    @property
    def spread_s(self) -> float:
        """How much the lateness of uneven timestamps varies, seconds; 0 while they are even."""
        return max(self._high - self._low, self._spread_before_s) if self.uneven else 0.0

    def restart(self) -> None:
        """Forget everything: another sender, or another recording."""
        self.newest = self.time = math.nan
        self.uneven = False
        self._hole = math.nan, math.nan
        self._n_back = 0

    def follow(self, stamp: float) -> None:
        """Note the last of timestamps that the caller knows to be even: steps above `shortest_s`, up to `longest_s`.

        Parameters
        ----------
        stamp
            Seconds.
        """
        self.newest = self.time = stamp
        self._n_back = 0
        self._alone = False

    def begin(self, stamp: float) -> None:
        """Begin a new segment at a timestamp.

        Parameters
        ----------
        stamp
            Seconds.
        """
        self.newest = self.time = stamp
        self._n_back = 0
        self._alone = True
        if self.uneven:
            self._begin_uneven(stamp, self.spread_s)

    def judge(self, stamp: float) -> Verdict:
        """Judge the next timestamp.

        Parameters
        ----------
        stamp
            Finite, seconds.
        """
        step_s = stamp - self.newest
        if self.uneven:
            return self._judge_uneven(stamp, step_s)
        if self.shortest_s < step_s <= self.longest_s:
            self.follow(stamp)
            return Verdict.FOLLOWS
        if step_s != step_s:  # the first
            self.begin(stamp)
            return Verdict.FOLLOWS
        if step_s > self.longest_s:
            self.missing = round(step_s / self._period_s) - 1 if self._regular else 0
            self._hole = self.newest, stamp
            self.begin(stamp)
            return Verdict.GAP
        even_back = self._is_evenly_back(stamp, step_s)
        if even_back and self._n_back < REORDER_IN_A_ROW:
            self._n_back += 1
            return Verdict.REORDERED
        if even_back or step_s < -self._back_s or not self._regular:
            self.begin(stamp)
            return Verdict.BACK
        self.uneven = True
        self._levels.clear()
        self._begin_uneven(self.newest, 0.0)
        return self._judge_uneven(stamp, step_s)

    def _is_evenly_back(self, stamp: float, step_s: float) -> bool:
        """Whether an earlier timestamp is a whole number of periods back, or where one was missing at the last gap."""
        if not self._regular or not 0 < -step_s <= self._back_s:
            return False
        before, after = self._hole
        in_hole = before + self.shortest_s < stamp < after - self.shortest_s
        periods = (stamp - before if in_hole else step_s) / self._period_s
        return abs(periods - round(periods)) < (_NEAR_HOLE if in_hole else _NEAR)

    def _begin_uneven(self, stamp: float, spread_s: float) -> None:
        """Count samples from a timestamp on."""
        self._base, self._n = stamp, 0
        self._low = self._high = self._bucket_high = 0.0
        self._lows, self._lows_before = [] if self._alone else [0.0], []
        self._levels.clear()
        self._spread_before_s = spread_s

    def _judge_uneven(self, stamp: float, step_s: float) -> Verdict:
        spread_s = max(self._high - self._low, self._spread_before_s)
        late_s = stamp - (self._base + (self._n + 1) * self._period_s)
        excess_s = late_s - self._high
        if excess_s > spread_s + self.shortest_s:
            self.missing = max(1, round(excess_s / self._period_s))
            self.begin(stamp)
            return Verdict.GAP
        if step_s < -(self._back_s + spread_s):
            self.uneven = False
            self.begin(stamp)
            return Verdict.BACK
        self._n += 1
        self._alone = False
        if len(self._lows) < 2 or late_s < self._lows[-1]:
            self._lows = sorted([*self._lows, late_s])[:2]
            self._low = _second(self._lows, self._lows_before)
        self._high, self._bucket_high = max(self._high, late_s), max(self._bucket_high, late_s)
        self.newest = stamp
        least_s = self.time + max(_LEAST_PERIODS * self._period_s, 2 * math.ulp(stamp))
        most_s = self.time + _SLEW_PERIODS * self._period_s
        time = self._base + self._n * self._period_s + self._low
        if abs(time - stamp) < _SAME_PERIODS * self._period_s:
            time = stamp
        self.time = max(min(time, most_s), least_s)
        return self._end_bucket(late_s) if self._n % self._bucket == 0 else Verdict.FOLLOWS

    def _end_bucket(self, late_s: float) -> Verdict:
        """Forget the bucket before the last; see whether timestamps are even again, or their level has shifted."""
        levels = self._levels
        levels.append((self._lows[-1], self._bucket_high))
        if len(levels) > 1:
            self._low = _second(self._lows, self._lows_before)
            self._high = max(levels[-1][1], levels[-2][1])
            self._spread_before_s = 0.0
        self._lows, self._lows_before = [late_s], self._lows
        self._bucket_high = late_s
        behind_s = abs(self.time - self.newest)
        if len(levels) > 1 and max(self._high - self._low, behind_s) < self.shortest_s:
            self.uneven = False
            return Verdict.FOLLOWS
        if len(levels) < 4:
            return Verdict.FOLLOWS
        # from the last but two to the last; whatever changed between must lie in the one in the middle
        lows, highs = np.array(levels).T
        shifts = lows[3] - 3 * lows[1] + 2 * lows[0], highs[3] - 3 * highs[1] + 2 * highs[0]  # without drift
        shift_s = min(shifts, key=abs) if shifts[0] * shifts[1] > 0 else 0.0
        if abs(shift_s) <= self.shortest_s + 0.25 * (self._high - self._low):
            return Verdict.FOLLOWS
        levels.clear()
        self.missing, self.step_s = round(shift_s / self._period_s), float(shift_s)
        return Verdict.LOST if shift_s > 0 else Verdict.STEPPED


def _second(lows: list[float], lows_before: list[float]) -> float:
    """Second lowest of all if there are two, so that one wrong timestamp does no harm."""
    return sorted([*lows, *lows_before])[:2][-1]


@dataclass(frozen=True, slots=True, eq=False)
class JudgedStamps:
    """Result of `judge_stamps`.

    Attributes
    ----------
    times
        Float64 [time], timestamps, smoothed where they are uneven; increasing within a segment.
    segment
        Int32 [time], from 0; increases at every gap and step back.
    spread_s
        Largest spread of uneven timestamps, seconds; 0 if all are even.
    """

    times: NDArray[np.float64]
    segment: NDArray[np.int32]
    spread_s: float


def judge_stamps(
    stamps: NDArray[np.float64], rate_hz: float, starts: NDArray[np.intp] | None = None
) -> JudgedStamps:
    """Judge all timestamps of a recording, as `StampJudge` does one by one.

    Parameters
    ----------
    stamps
        Float64 [time], finite, seconds.
    rate_hz
        Nominal sampling rate in Hz; 0 for irregular recordings.
    starts
        Samples at which a segment is known to begin; nothing is compared across them.
    """
    judge, n = StampJudge(rate_hz), len(stamps)
    times, spread_s = np.array(stamps, np.float64), 0.0
    step = np.diff(stamps)
    boundary = np.zeros(n, np.bool_)
    given = np.zeros(n, np.bool_)
    if starts is not None:
        given[starts] = True
    uneven = ~((step > judge.shortest_s) & (step <= judge.longest_s)) | given[1:]
    suspects = np.flatnonzero(uneven) + 1
    at = judged = 0
    while (which := int(np.searchsorted(suspects, at))) < len(suspects):
        at = int(suspects[which])
        if at == 1:
            judge.begin(float(stamps[0]))
        elif at > judged:  # all since then follow each other evenly
            judge.follow(float(stamps[at - 1]))
        while at < n:
            if given[at]:
                judge.restart()
                boundary[at] = at > 0
            stamp = float(stamps[at])
            verdict = judge.judge(stamp)
            if verdict is Verdict.REORDERED:
                judge.begin(stamp)
            boundary[at] |= verdict >= Verdict.GAP
            times[at] = judge.time
            at += 1
            if not judge.uneven:
                break
            spread_s = max(spread_s, judge.spread_s)
        judged = at
    # a single wrong timestamp has no spread yet, but moves itself or those behind it
    spread_s = max(spread_s, float(np.abs(times - stamps).max(initial=0.0)))
    return JudgedStamps(times, np.cumsum(boundary).astype(np.int32), spread_s)


def warn_uneven(judged: JudgedStamps, stream: str) -> None:
    """Log what the timestamps of a recording are like if they are uneven.

    Parameters
    ----------
    judged
        Result of `judge_stamps`.
    stream
        Name of the recording or its stream.
    """
    if judged.spread_s:
        log.warning("'%s': %s", stream, uneven_text(judged.spread_s))


def warn_of_steps_back(stamps: NDArray[np.float64], segment: NDArray[np.int32], stream: str) -> None:
    """Log where a new segment begins because the timestamps of a recording step back.

    Parameters
    ----------
    stamps
        Float64 [time], seconds.
    segment
        Int32 [time], segment of each.
    stream
        Name of the recording or its stream.
    """
    steps = np.diff(stamps)
    back = np.flatnonzero((steps < 0) & (np.diff(segment) > 0))
    if len(back):
        first = int(back[0])
        log.warning(
            "'%s': timestamps step back %s; a new segment begins there. The first step is by %.6g s, from %.3f s at "
            "sample %d: the clock was set, or the timestamps before it are wrong",
            stream,
            "once" if len(back) == 1 else f"{len(back)} times",
            -steps[first],
            stamps[first],
            first,
        )


def uneven_text(spread_s: float) -> str:
    """Message about a stream whose timestamps are uneven.

    Parameters
    ----------
    spread_s
        How much its timestamps vary around an even clock, seconds.
    """
    return (
        f"timestamps are uneven by up to {spread_s * 1e3:.3g} ms, as when samples are pushed in groups or stamped late; "
        "they are smoothed, and losses are judged by the number of samples"
    )
