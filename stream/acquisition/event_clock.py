"""Times of events on the local clock: each stream beside the neural one by its own clock, whose jumps are followed."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

CLOCK_JUMP_S = 0.5
"""An event whose delay differs from the usual one by more than this is held back until others show why."""

FOREIGN_CLOCK_S = 10.0
"""Without a usual delay, an event stamped further than this from its arrival is held back."""

AGREE_S = 0.25
AGREE_N = 3
AGREE_OVER_S = 0.3
"""So many events over at least so long, whose delays differ by less, show that the clock has jumped."""

_MAX_HELD = 1000
_RECENT = 31  # events that the usual delay is the median of

Events = tuple[list[Any], list[float]]


class EventClock:
    """Converts the timestamps of one stream to the local clock.

    An event stamped far ahead or behind is held back: if the next ones are as usual, it is dropped (ahead) or merely
    late (behind); if they agree with it, the sender's clock has jumped or was corrected, which is undone. While the
    neural stream shares the clock, a jump found there counts at once.

    Attributes
    ----------
    shift_s
        Seconds that undo the jumps of the sender's clock.
    dropped
        Events without a valid timestamp.
    jumped_s
        Sum of the jumps found since `take_jump`, seconds.
    """

    def __init__(self) -> None:
        self.shift_s = 0.0
        self.dropped = 0
        self.jumped_s = 0.0
        self._delays: deque[float] = deque(maxlen=_RECENT)
        self._usual_s = math.nan
        self._neural_shift_s = 0.0
        self._held: list[tuple[Any, float, float]] = []  # row, timestamp, arrival

    @property
    def holds(self) -> bool:
        """Whether events are held back."""
        return bool(self._held)

    def take_jump(self) -> float:
        """Jump found since the last call, seconds; 0 for none."""
        jumped_s, self.jumped_s = self.jumped_s, 0.0
        return jumped_s

    def convert(
        self,
        rows: list[Any] | NDArray[Any],
        stamps: NDArray[np.float64],
        arrival_s: float,
        offset_s: float,
        neural_shift_s: float = 0.0,
    ) -> Events:
        """Convert new events, and those held back that have been decided.

        Parameters
        ----------
        rows, stamps
            Events and their timestamps, as sent; may be empty.
        arrival_s
            Local clock, seconds.
        offset_s
            Measured clock offset in seconds, to be added to a timestamp.
        neural_shift_s
            Seconds that undo the jumps of the neural stream's clock, if that is the same clock.

        Returns
        -------
        rows, times
            Events, and their times on the local clock.
        """
        delays = arrival_s - (stamps + (offset_s + self.shift_s))
        if not self._held and len(delays) and self._are_usual(delays):
            self._note(delays)
            return list(rows), (stamps + (offset_s + self.shift_s)).tolist()
        done: Events = ([], [])
        for row, stamp in zip(rows, stamps.tolist(), strict=True):
            if math.isfinite(stamp):
                self._judge(row, stamp, arrival_s, offset_s, neural_shift_s, done)
            else:
                self.dropped += 1
        if self._held and not len(stamps):
            self._resolve(arrival_s, offset_s, neural_shift_s, done)
        return done

    def _are_usual(self, delays: NDArray[np.float64]) -> bool:
        """Whether all delays are like those before; NaN is not."""
        if math.isnan(self._usual_s):
            return bool(np.all(np.abs(delays) <= FOREIGN_CLOCK_S) and np.ptp(delays) <= CLOCK_JUMP_S)
        return bool(np.all(np.abs(delays - self._usual_s) <= CLOCK_JUMP_S))

    def _note(self, delays: NDArray[np.float64]) -> None:
        self._delays.extend(delays[-_RECENT:].tolist())
        self._usual_s = float(np.median(self._delays))

    def _judge(
        self, row: Any, stamp: float, arrival_s: float, offset_s: float, neural_shift_s: float, done: Events
    ) -> None:
        """Accept one event, or hold it back."""
        for shift_s in (self.shift_s, neural_shift_s):
            delay_s = arrival_s - (stamp + offset_s + shift_s)
            if self._are_usual(np.array([delay_s])):
                self._shift_to(shift_s, neural_shift_s)
                self._release(offset_s, done)
                self._note(np.array([delay_s]))
                _append(done, row, stamp + offset_s + shift_s)
                return
        self._held.append((row, stamp, arrival_s))
        del self._held[:-_MAX_HELD]
        self._resolve(arrival_s, offset_s, neural_shift_s, done)

    def _resolve(self, arrival_s: float, offset_s: float, neural_shift_s: float, done: Events) -> None:
        """Follow a jump of the clock if the neural stream or the events held back show one."""
        arrivals = np.array([arrival for _, _, arrival in self._held])
        delays = arrivals - np.array([stamp for _, stamp, _ in self._held]) - (offset_s + self.shift_s)
        others = np.flatnonzero(np.abs(delays - delays[-1]) > AGREE_S)
        first = int(others[-1]) + 1 if len(others) else 0  # of those that agree with the newest
        delays, arrivals = delays[first:], arrivals[first:]
        changed_s = neural_shift_s - self.shift_s
        known = changed_s != 0 and self._are_usual(delays - changed_s)
        if not known and (len(delays) < AGREE_N or arrivals[-1] - arrivals[0] < AGREE_OVER_S):
            return
        usual_s = 0.0 if math.isnan(self._usual_s) else self._usual_s
        found_s = self.shift_s + float(np.median(delays)) - usual_s
        self._shift_to(neural_shift_s if known else found_s, neural_shift_s)
        self._release(offset_s, done)

    def _shift_to(self, shift_s: float, neural_shift_s: float) -> None:
        """Change the correction; count it as a jump unless the neural stream has just shown the same one."""
        if shift_s != neural_shift_s or neural_shift_s == self._neural_shift_s:
            self.jumped_s -= shift_s - self.shift_s
        self.shift_s, self._neural_shift_s = shift_s, neural_shift_s

    def _release(self, offset_s: float, done: Events) -> None:
        """Pass on the events held back that fit now: those of usual delay, and late ones."""
        for row, stamp, arrival_s in self._held:
            time_s = stamp + offset_s + self.shift_s
            usual_s = 0.0 if math.isnan(self._usual_s) else self._usual_s
            late_s = arrival_s - time_s - usual_s
            if -CLOCK_JUMP_S <= late_s <= FOREIGN_CLOCK_S:
                _append(done, row, time_s)
        self._held.clear()


def _append(done: Events, row: Any, time_s: float) -> None:
    done[0].append(row)
    done[1].append(time_s)
