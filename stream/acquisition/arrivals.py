"""When samples come, against what their stamps say: lag, rate, and clocks that are not to be trusted."""

from __future__ import annotations

import math
from collections import deque

from stream.notices import Notices

WINDOW_S = 10.0
"""Over how long the rate is measured, and the least delay is remembered."""

RATE_OFF = 0.01
"""A rate that differs from the nominal one by more than this share is said."""

FOREIGN_S = 10.0
"""Stamps that are so far from this computer's clock, though corrected, come from another clock."""

JUMP_OF_OFFSET_S = 0.5
"""A clock offset that moves by more was measured after the sender's clock had jumped."""

_SURE_S = 5.0  # the shortest time that a rate is judged by
_SURE_SHIFT_S = 0.1  # what a busy computer may shift an arrival by


class Arrivals:
    """Follows the delay between stamp and arrival.

    Parameters
    ----------
    rate_hz
        Nominal, of the stamps; 0 = irregular.
    notices
        Told of ``rate_off`` and ``foreign_clock``.
    paced
        Whether stamps advance with time; else nothing here means anything.

    Attributes
    ----------
    lag_s
        How much later than usual the newest sample came.
    measured_hz
        Samples a second over the last `WINDOW_S`; NaN until there are any.
    shift_s
        To be added to stamps beside the clock offset, for jumps of the sender's clock.
    foreign
        Whether the stamps come from a clock that cannot be compared with ours.
    """

    def __init__(self, rate_hz: float, notices: Notices, *, paced: bool = True) -> None:
        self.lag_s = 0.0
        self.measured_hz = math.nan
        self.shift_s = 0.0
        self.foreign = False
        self._rate_hz = rate_hz
        self._notices = notices
        self._paced = paced
        self._correction_s = 0.0
        self._n = 0
        self._newest = math.nan  # arrival
        self._off_before = self._said_off = False
        self._ticks: deque[tuple[float, int]] = deque(maxlen=round(WINDOW_S) + 1)
        self._steady_from = -math.inf
        self._least = self._least_before = math.inf
        self._bucket_until = -math.inf

    @property
    def usual_s(self) -> float:
        """The least delay between stamp and arrival lately, in two clocks; NaN before the first sample."""
        least = min(self._least, self._least_before)
        return least if math.isfinite(least) else math.nan

    def restart(self) -> None:
        """The sender, or its clock, begins anew."""
        self.shift_s = 0.0
        self.foreign = self._said_off = False
        self._ticks.clear()
        self._forget_delay()

    def interrupted(self) -> None:
        """Samples were missed: the rate is measured from here on."""
        self._steady_from = self._newest if self._n else -math.inf
        self._off_before = False

    def rebase(self, seconds: float) -> None:
        """The sender's clock has jumped: figures go on as if it had not.

        Parameters
        ----------
        seconds
            By how much, forwards.
        """
        self.shift_s -= seconds
        self._forget_delay()

    def accept_lag(self) -> None:
        """What samples are late by now is usual from here on."""
        self._forget_delay()

    def note(self, stamp: float, n: int, arrival_s: float) -> None:
        """Take in that samples have come.

        Parameters
        ----------
        stamp
            Of the newest.
        n
            How many.
        arrival_s
            When, by this computer's clock.
        """
        delay = arrival_s - stamp
        if arrival_s > self._bucket_until:
            self._least_before, self._least = self._least, delay
            self._bucket_until = arrival_s + WINDOW_S
            if not math.isfinite(self._least_before):
                self._judge_clock(delay)
        elif delay < self._least:
            self._least = delay
        self.lag_s = delay - min(self._least, self._least_before)
        self._n += n
        self._newest = arrival_s

    def correct(self, correction_s: float) -> None:
        """Take in a newly measured clock offset.

        Parameters
        ----------
        correction_s
            NaN when there is none; then stamps are taken as they are.
        """
        correction_s = correction_s if math.isfinite(correction_s) else 0.0
        if abs(correction_s - self._correction_s) > JUMP_OF_OFFSET_S:
            self.shift_s = 0.0  # the jump is in the offset now
        self._correction_s = correction_s
        if math.isfinite(self.usual_s):
            self._judge_clock(self.usual_s)

    @property
    def correction_s(self) -> float:
        """What a stamp needs to be in this computer's clock."""
        return self._correction_s + self.shift_s

    def tick(self) -> None:
        """Measure the rate; call it about once a second."""
        if not self._n:
            return
        if not self._ticks or self._newest > self._ticks[-1][0]:
            self._ticks.append((self._newest, self._n))
        self.measured_hz, _ = self._rate(-math.inf)
        rate_hz, span_s = self._rate(self._steady_from)
        if not (self._paced and self._rate_hz > 0 and span_s >= _SURE_S):
            return
        share = rate_hz / self._rate_hz - 1
        off = abs(share) > RATE_OFF and abs(share) * span_s > _SURE_SHIFT_S
        if off and self._off_before and not self._said_off:
            self._said_off = True
            self._notices.add(
                "rate_off",
                f"{rate_hz:.2f} samples a second come, not {self._rate_hz:g}: {share:+.1%}",
                measured_hz=round(rate_hz, 3),
                nominal_hz=self._rate_hz,
                off_percent=round(100 * share, 2),
            )
        self._off_before = off

    def _rate(self, since_s: float) -> tuple[float, float]:
        """Samples a second since a moment, and over how long they were counted."""
        ticks = [tick for tick in self._ticks if tick[0] >= since_s]
        if len(ticks) < 2 or ticks[-1][0] - ticks[0][0] <= 0:
            return math.nan, 0.0
        span_s = ticks[-1][0] - ticks[0][0]
        return (ticks[-1][1] - ticks[0][1]) / span_s, span_s

    def _judge_clock(self, delay_s: float) -> None:
        """Decide whether stamps can be compared with this computer's clock at all."""
        off_s = delay_s - self._correction_s - self.shift_s
        foreign = self._paced and abs(off_s) > FOREIGN_S
        if foreign and not self.foreign:
            self._notices.add(
                "foreign_clock",
                f"stamps are {off_s:.1f} s from this computer's clock: they come from another one, and the time of "
                "arrival is used where time matters",
                seconds=round(off_s, 3),
            )
        elif self.foreign and not foreign:
            self._notices.add("clock_known", "the clock offset is known now, and stamps are used again")
        self.foreign = foreign

    def _forget_delay(self) -> None:
        self._least = self._least_before = math.inf
        self._bucket_until = -math.inf
        self.lag_s = 0.0
