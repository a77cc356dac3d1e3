"""Which samples of a recorded stream count, and their segments: those that live decoding keeps, by the same code."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.acquisition.sample_timing import SampleTiming
from stream.chunk import Chunk
from stream.notices import Notices
from stream.timestamps import uneven_text, warn_of_steps_back

log = logging.getLogger(__name__)

_BLOCK = 1024


class _Unreported(Notices):
    """Forgets the notices: gaps of a recording are its segments."""

    def add(self, event: str, text: str, **facts: Any) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Screened:
    """Result of `screen`.

    Attributes
    ----------
    kept
        Indices of the samples that count, int64 [n]: neither sent twice nor out of order.
    times
        Their timestamps, smoothed where they are uneven, float64 [n], seconds.
    segment
        Their segments, int32 [n], from 0.
    """

    kept: NDArray[np.int64]
    times: NDArray[np.float64]
    segment: NDArray[np.int32]


def screen(
    samples: NDArray[np.generic],
    stamps: NDArray[np.float64],
    counts: NDArray[np.generic] | None,
    rate_hz: float,
    name: str,
) -> Screened:
    """Screen a recorded stream as `stream.acquisition.intake.Intake` does when its samples arrive.

    Parameters
    ----------
    samples
        [time, channels], without the counter.
    stamps
        Timestamps, float64 [time], finite, seconds.
    counts
        The sender's counter [time], NaN where unknown; None if it has none.
    rate_hz
        Sampling rate of the timestamps in Hz; 0 for irregular streams.
    name
        Name of the stream, for the log.
    """
    timing = SampleTiming(rate_hz, _Unreported(), paced=False)
    n, spread_s = len(stamps), 0.0
    kept, times, segment = [np.zeros(0, np.int64)], [np.zeros(0)], [np.zeros(0, np.int32)]
    counted = np.zeros(n, np.bool_) if counts is None else np.isfinite(np.asarray(counts, np.float64))
    ends = np.flatnonzero(np.diff(counted)) + 1  # a block is counted, or not
    starts = np.union1d(np.arange(0, n, _BLOCK), ends).tolist()
    for begin, end in zip(starts, [*starts[1:], n], strict=True):
        counter = None
        if counts is not None and counted[begin]:
            counter = np.asarray(counts[begin:end]).astype(np.int64)
        chunk = Chunk(
            np.asarray(samples[begin:end], np.float32), stamps[begin:end], np.arange(begin, end), counter
        )
        timed = timing.accept(chunk, math.nan)
        spread_s = max(spread_s, timing.spread_s)
        if timed is not None:
            kept.append(timed.sequence)
            times.append(timed.times)
            segment.append(timed.segment)
    found = timing.counts
    if found.duplicates or found.reordered:
        log.warning(
            "'%s': %d samples that came twice and %d that came after a later one are left out, as in live decoding",
            name,
            found.duplicates,
            found.reordered,
        )
    indices, smoothed = np.concatenate(kept), np.concatenate(times)
    # one wrong timestamp moves those behind it, and all may be even again at the end of the block
    spread_s = max(spread_s, float(np.abs(smoothed - stamps[indices]).max(initial=0.0)))
    if spread_s:
        log.warning("'%s': %s", name, uneven_text(spread_s))
    numbers = np.concatenate(segment)
    warn_of_steps_back(stamps[indices], numbers, name)
    return Screened(indices, smoothed, numbers - (numbers[0] if len(numbers) else 0))
