"""Timing of incoming samples: which are kept, their segment, their time on the local clock, and how late they arrive.

Order is judged by the sender's sample counter if the stream has one, otherwise by timestamps (`stream.timestamps`). For
recordings, `stream.recorder.continuity.Continuity` finds the same faults but drops nothing.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stream.acquisition.rate_meter import RateMeter
from stream.acquisition.timed_samples import TimedSamples
from stream.acquisition.timing_notices import TimingCounts, TimingNotices
from stream.chunk import Chunk
from stream.notices import Notices
from stream.sample_counter import COUNTER_BACK, UNCOUNTED_IN_A_ROW, CounterTrust
from stream.timestamps import MAX_SECONDS, REORDER_IN_A_ROW, REORDER_S, StampJudge, Verdict, uneven_text

CLOCK_JUMP_S = 0.5
"""A step between timestamps that exceeds the elapsed time by more than this is a jump of the sender's clock."""

DELAY_WINDOW_S = 10.0
"""The least delay of the last one to two windows is the usual one."""

FOREIGN_CLOCK_S = 10.0
"""Corrected timestamps further than this from the local clock come from a clock that cannot be compared with it."""

_UNEVEN_TICKS = 3  # seconds for which timestamps must be uneven to be reported

OFFSET_JUMP_S = 0.5
"""A clock offset that changes by more than this already contains the jumps of the sender's clock."""


class SampleTiming:
    """Screens samples for timing faults and estimates delay, rate and clock offset.

    A gap or a jump of the sender's clock begins a new segment. Duplicates, samples that arrive after their successor
    and those without a valid timestamp are dropped. Uneven timestamps are smoothed unless there is a counter.

    Parameters
    ----------
    rate_hz
        Sampling rate of the timestamps in Hz; 0 for irregular streams, where only a counter reveals losses.
    notices
        Receives ``gap``, ``duplicate``, ``reordered``, ``repeated_stamp``, ``invalid_stamp``, ``clock_jump``,
        ``uneven_stamps``, ``rate_off``, ``counter_ignored``, ``foreign_clock`` and ``clock_known``.
    nominal_hz
        Rate that the stream announces, which the measured rate is compared with; None for ``rate_hz``.
    paced
        Whether timestamps advance in real time. In a replay at full speed they do not: delays, rates and clocks
        are not judged, and every step forwards is a gap.

    Attributes
    ----------
    segment
        Segment of the newest sample.
    lag_s
        Delay of the newest sample in excess of the usual delay, seconds.
    foreign_clock
        Whether timestamps come from a clock that cannot be compared with the local one; the time of arrival then
        stands for them.
    """

    def __init__(
        self, rate_hz: float, notices: Notices, *, nominal_hz: float | None = None, paced: bool = True
    ) -> None:
        self.segment = 0
        self.lag_s = 0.0
        self.foreign_clock = False
        self._rate_hz = rate_hz
        self._period_s = 1 / rate_hz if rate_hz > 0 else 0.0
        self._stamps = StampJudge(
            rate_hz
        )  # its newest timestamp lags behind while the hot path needs no judgement
        self._shortest_s, self._longest_s = self._stamps.shortest_s, self._stamps.longest_s
        self._uneven_ticks = 0
        self._paced = paced
        self._notices = notices
        self._faults = TimingNotices(notices)
        self._rate = RateMeter(rate_hz if nominal_hz is None else nominal_hz, notices, paced=paced)
        # the newest sample that was kept
        self._begun = False
        self._stamp = -math.inf
        self._counter: int | None = None
        self._trust = CounterTrust()
        self._sample: NDArray[np.float32] | None = None
        self._follows = True  # whether all samples of the chunk that is being screened follow without a fault
        self._segments = np.zeros(1, np.int32)  # of the last chunk, reused while nothing changes
        self._n_back = 0  # out-of-order samples in a row, of an irregular stream
        # delay and clock
        self._n_received = 0
        self._arrival_s = -math.inf
        self._offset_s = 0.0
        self._shift_s = 0.0  # undoes jumps of the sender's clock until a newly measured offset contains them
        self._least_s = self._least_before_s = math.inf  # delay, in this window and the last
        self._window_end_s = -math.inf

    def __repr__(self) -> str:
        return f"<SampleTiming: segment {self.segment} | lag {self.lag_s * 1e3:.1f} ms, {self.counts}>"

    @property
    def counts(self) -> TimingCounts:
        """Timing faults so far."""
        return self._faults.counts

    @property
    def measured_hz(self) -> float:
        """Rate at which samples arrive in Hz; NaN until it has been measured."""
        return self._rate.measured_hz

    @property
    def correction_s(self) -> float:
        """Seconds to add to a timestamp to get local time: clock offset and jumps of the sender's clock."""
        return self._offset_s + self._shift_s

    @property
    def shift_s(self) -> float:
        """Part of `correction_s` that undoes jumps of the sender's clock, seconds."""
        return self._shift_s

    @property
    def offset_s(self) -> float:
        """Part of `correction_s` that was measured, seconds."""
        return self._offset_s

    @property
    def spread_s(self) -> float:
        """How much timestamps vary around an even clock at present, seconds; 0 while they are even."""
        return self._stamps.spread_s

    @property
    def paced(self) -> bool:
        """Whether timestamps advance in real time."""
        return self._paced

    @property
    def usual_delay_s(self) -> float:
        """Least recent difference between arrival and timestamp, seconds, in two clocks; NaN before a sample."""
        least_s = min(self._least_s, self._least_before_s)
        return least_s if math.isfinite(least_s) else math.nan

    def restart(self) -> None:
        """Begin a new segment after a reconnection: clock and rate begin anew, the counter may continue."""
        if self._begun:
            self._begun = False
            self.segment += 1
        self._shift_s = 0.0
        self.foreign_clock = False
        self._trust = CounterTrust()
        self._uneven_ticks = 0
        self._rate.restart()
        self.accept_lag()

    def begin_segment(self) -> None:
        """Begin a new segment because the receiver skipped samples."""
        self.segment += 1
        self._rate.interrupt(self._arrival_s)

    def accept_lag(self) -> None:
        """Treat the current delay as the usual one from here on."""
        self._least_s = self._least_before_s = math.inf
        self._window_end_s = -math.inf
        self.lag_s = 0.0

    def accept(self, chunk: Chunk, arrival_s: float) -> TimedSamples | None:
        """Screen the next chunk.

        Parameters
        ----------
        chunk
            Samples as they arrived.
        arrival_s
            Time of arrival, seconds, local clock.

        Returns
        -------
        timed
            The samples that are kept; None if none is.
        """
        stamps, counter, keep = chunk.stamps, None if self._trust.lost else chunk.counter, None
        times = stamps
        if self._begun and not self._stamps.uneven and self._in_order(stamps, counter):
            self._stamp, self._sample, self._n_back = float(stamps[-1]), chunk.samples[-1], 0
            self._counter = None
            if counter is not None:
                self._counter = int(counter[-1])
                self._trust.follow(self._counter)
            local = stamps + (self._offset_s + self._shift_s)
            if self.segment != self._segments[0] or len(stamps) != len(self._segments):
                self._segments = np.full(len(stamps), self.segment, np.int32)
            segment = self._segments
        else:
            keep, times, local, segment = self._screen(chunk, arrival_s)
            if not keep.any():
                return None
        timed = TimedSamples(chunk.samples, stamps, times, local, segment, chunk.sequence)
        if keep is not None and not keep.all():
            timed = timed.part(keep)
        self._note_arrival(float(timed.stamps[-1]), len(chunk), arrival_s)
        if self.foreign_clock:
            timed.local = np.full(len(timed), arrival_s)
        return timed

    def correct_clock(self, offset_s: float) -> None:
        """Use a newly measured clock offset.

        Parameters
        ----------
        offset_s
            Seconds to add to a timestamp to get local time; NaN if unknown, then 0 is used.
        """
        offset_s = offset_s if math.isfinite(offset_s) else 0.0
        if abs(offset_s - self._offset_s) > OFFSET_JUMP_S:
            self._shift_s = 0.0
        self._offset_s = offset_s
        usual_s = self.usual_delay_s
        if math.isfinite(usual_s):
            self._judge_clock(usual_s)

    def tick(self, now_s: float) -> None:
        """Measure the rate and report pending faults; call it about once a second.

        Parameters
        ----------
        now_s
            Local clock, seconds.
        """
        if self._n_received:
            n_gaps = (
                self.counts.gaps if self._counter is None else 0
            )  # a counter tells loss from another rate
            self._rate.tick(self._n_received, self._arrival_s, self._stamps.spread_s, n_gaps)
        self._uneven_ticks += self._stamps.uneven
        if self._stamps.uneven and self._uneven_ticks == _UNEVEN_TICKS:
            spread_s = self._stamps.spread_s
            self._notices.add("uneven_stamps", uneven_text(spread_s), spread_ms=round(spread_s * 1e3, 3))
        self._faults.flush(now_s)

    def _in_order(self, stamps: NDArray[np.float64], counter: NDArray[np.int64] | None) -> bool:
        """Whether a chunk follows the newest sample without any fault."""
        if len(stamps) == 1:  # the usual case, on the engine's hot path
            if counter is not None and counter[0] - 1 != self._counter:
                return False
            return self._shortest_s < float(stamps[0]) - self._stamp <= self._longest_s
        steps = np.diff(stamps, prepend=self._stamp)
        fine = bool(steps.min() > self._shortest_s and steps.max() <= self._longest_s)
        if fine and counter is not None:
            before = self._counter if self._counter is not None else counter[0] - 1
            fine = bool((np.diff(counter, prepend=before) == 1).all())
        return fine

    def _screen(
        self, chunk: Chunk, arrival_s: float
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64], NDArray[np.int32]]:
        """Judge the samples of a chunk one by one: whether each is kept, its time, local time and segment."""
        n = len(chunk)
        keep, times = np.empty(n, np.bool_), np.array(chunk.stamps)
        local, segment = np.empty(n), np.empty(n, np.int32)
        usual_s, shift_s = self.usual_delay_s, self._shift_s
        self._follows = True
        if self._begun and not self._stamps.uneven and self._stamp != self._stamps.newest:
            self._stamps.follow(self._stamp)
        for row in range(n):
            stamp = float(chunk.stamps[row])
            count = self._count(chunk, row)
            delay_s = arrival_s - (stamp + (self._shift_s - shift_s))
            keep[row] = self._judge(chunk.samples[row], stamp, count, arrival_s, usual_s - delay_s)
            if count is None and keep[row]:
                times[row] = self._stamps.time
            local[row] = times[row] + self.correction_s
            segment[row] = self.segment
        if self._shift_s != shift_s:
            self.accept_lag()
        if not self._follows:
            self._rate.interrupt(self._arrival_s)
        return keep, times, local, segment

    def _count(self, chunk: Chunk, row: int) -> int | None:
        """Number of a sample by the sender's counter; None if it has none, or one that does not count."""
        if chunk.counter is None or self._trust.lost:
            return None
        count = int(chunk.counter[row])
        if not self._trust.judge(count):
            return count
        self._notices.add(
            "counter_ignored",
            f"{UNCOUNTED_IN_A_ROW} samples in a row are not numbered one by one, so the channel that should count the "
            "samples is no counter (32-bit floats count to 16,777,216); timestamps decide from here on",
            number=count,
        )
        return None

    def _judge(
        self, sample: NDArray[np.float32], stamp: float, count: int | None, arrival_s: float, early_s: float
    ) -> bool:
        """Judge one sample: whether it is kept.

        ``early_s`` is how much sooner than usual it arrived after its timestamp; NaN if the usual delay is unknown.
        """
        if not abs(stamp) < MAX_SECONDS:
            self._follows = False
            self._faults.add("invalid_stamp", arrival_s, stamp)
            return False
        before, self._counter = self._counter, count
        if not self._begun:
            self._begun = kept = True
            self._stamps.restart()
            self._stamps.judge(stamp)
            if count is not None and before is not None and count > before + 1:
                self._faults.add("gap", arrival_s, stamp, missing=count - before - 1)
        elif count is not None and before is not None:
            kept = self._judge_by_counter(stamp, count - before, arrival_s, early_s)
            if not kept:
                self._counter = before
        else:
            kept = self._judge_by_stamp(sample, stamp, arrival_s, early_s)
        if kept:
            self._stamp, self._sample, self._n_back = stamp, sample, 0
        return kept

    def _judge_by_counter(self, stamp: float, step: int, arrival_s: float, early_s: float) -> bool:
        self._follows &= step == 1
        if step == 0 or -COUNTER_BACK <= step < 0:
            self._faults.add("reordered" if step else "duplicate", arrival_s, stamp)
            return False
        elapsed_s = stamp - self._stamp
        if step != 1:
            self.segment += 1
            self._faults.add("gap", arrival_s, stamp, missing=max(step - 1, 0))
        unexplained_s = elapsed_s - step * self._period_s if step > 0 else elapsed_s
        jumped_forwards = self._rate_hz > 0 and unexplained_s > CLOCK_JUMP_S and not early_s < CLOCK_JUMP_S
        if elapsed_s <= 0 or jumped_forwards:
            self.segment += step == 1
            self._undo_jump(unexplained_s, stamp, arrival_s)
        return True

    def _judge_by_stamp(
        self, sample: NDArray[np.float32], stamp: float, arrival_s: float, early_s: float
    ) -> bool:
        judge, step_s = self._stamps, stamp - self._stamp
        if step_s == 0 and not judge.uneven and np.array_equal(sample, self._sample, equal_nan=True):  # type: ignore[arg-type]
            self._follows = False
            self._faults.add("duplicate", arrival_s, stamp)
            return False
        if self._rate_hz <= 0 and 0 < -step_s <= REORDER_S and self._n_back < REORDER_IN_A_ROW:
            self._n_back += 1
            self._faults.add("reordered", arrival_s, stamp)
            return False
        verdict = judge.judge(stamp)
        if verdict is Verdict.FOLLOWS:
            return True
        self._follows = False
        if verdict is Verdict.REORDERED:
            self._faults.add("reordered", arrival_s, stamp)
            return False
        self.segment += verdict >= Verdict.GAP
        early = (
            self._paced and early_s > CLOCK_JUMP_S
        )  # no delay makes samples arrive sooner after their timestamps
        if verdict is Verdict.STEPPED:
            self._undo_jump(judge.step_s, stamp, arrival_s)
        elif verdict is Verdict.BACK and step_s == 0:
            self._faults.add("repeated_stamp", arrival_s, stamp)
        elif verdict is Verdict.BACK:
            self._undo_jump(step_s - self._period_s, stamp, arrival_s)
        elif verdict is Verdict.GAP and early:
            self._undo_jump(early_s, stamp, arrival_s)
        else:
            self._faults.add("gap", arrival_s, stamp, missing=judge.missing)
        return True

    def _undo_jump(self, seconds: float, stamp: float, arrival_s: float) -> None:
        """Shift local times back by a jump of the sender's clock, so that they continue as if it had not jumped."""
        self._shift_s -= seconds
        self._faults.add("clock_jump", arrival_s, stamp, seconds=seconds)

    def _note_arrival(self, stamp: float, n: int, arrival_s: float) -> None:
        """Update lag and usual delay by the newest sample of a chunk of ``n``."""
        delay_s = arrival_s - stamp
        if arrival_s > self._window_end_s:
            self._least_before_s, self._least_s = self._least_s, delay_s
            self._window_end_s = arrival_s + DELAY_WINDOW_S
            if not math.isfinite(self._least_before_s):
                self._judge_clock(delay_s)
        elif delay_s < self._least_s:
            self._least_s = delay_s
        self.lag_s = delay_s - min(self._least_s, self._least_before_s)
        self._n_received += n
        self._arrival_s = arrival_s

    def _judge_clock(self, delay_s: float) -> None:
        """Decide whether timestamps can be compared with the local clock at all."""
        off_s = delay_s - self.correction_s
        foreign = self._paced and abs(off_s) > FOREIGN_CLOCK_S
        if foreign and not self.foreign_clock:
            self._notices.add(
                "foreign_clock",
                f"timestamps are {off_s:.1f} s off the local clock, so they come from another clock; "
                "times of arrival are used instead until its offset is known",
                seconds=round(off_s, 3),
            )
        elif self.foreign_clock and not foreign:
            self._notices.add("clock_known", "the clock offset is known now; timestamps are used again")
        self.foreign_clock = foreign
