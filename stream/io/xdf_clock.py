"""Brings the timestamps of two streams of a file onto one clock, by the clock offsets measured while recording.

Each computer's clock differs from the recorder's by an offset that drifts slowly and may jump when a clock is set or its
computer restarts. A single measurement may be wrong by seconds, so the offsets are smoothed by a running median.
"""

from __future__ import annotations

import itertools
import logging
from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream.io.xdf_reader import XdfStream

log = logging.getLogger(__name__)

_WINDOW = 9  # measurements of the running median: up to four wrong ones in a row do no harm
_STEP_S = 0.02  # larger steps of the smoothed offset are jumps of a clock, not its drift
_MIN_NOISE_S = 0.001
_MAX_DROPPED = 0.1  # share of values out of order that are wrong one by one; above it, a clock was reset


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """Offsets of a clock between two jumps: times and offsets, float64 [k], in seconds."""

    times: NDArray[np.float64]
    offsets: NDArray[np.float64]


def on_one_clock(neural: XdfStream, other: XdfStream) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the timestamps of two streams on one clock.

    Parameters
    ----------
    neural, other
        Streams of the same file.

    Returns
    -------
    neural_stamps, other_stamps
        As recorded if both streams have the same clock or the file does not say how the clocks differ; else on the
        recorder's clock. Float64, in seconds.
    """
    same_host = neural.hostname == other.hostname
    if not len(neural.clock_times) or not len(other.clock_times):
        if not same_host:
            log.warning(
                "'%s' and '%s' come from two computers, but the file holds no clock offsets for both: their "
                "timestamps are compared as recorded",
                neural.name,
                other.name,
            )
        return neural.stamps, other.stamps
    neural_recorder, neural_noise = _on_recorder_clock(neural)
    other_recorder, other_noise = _on_recorder_clock(other)
    if neural_recorder is None or other_recorder is None:
        return neural.stamps, other.stamps
    if same_host:  # several streams of one computer: their offsets differ by measurement noise only
        differences = [
            _median(stamps - stream.stamps)
            for stamps, stream in ((neural_recorder, neural), (other_recorder, other))
        ]
        if not abs(differences[0] - differences[1]) > 5 * max(neural_noise, other_noise, _MIN_NOISE_S):
            return neural.stamps, other.stamps
        log.warning(
            "'%s' and '%s' give the same host name (%r), but their clocks differ by %.6g s: they are aligned by the "
            "measured offsets",
            neural.name,
            other.name,
            neural.hostname,
            differences[1] - differences[0],
        )
    return neural_recorder, other_recorder


def in_order(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Find the values that break an order that does not decrease: those outside its longest such subsequence.

    Parameters
    ----------
    values
        Float64 [n].

    Returns
    -------
    keep
        Bool [n]; all True if the order is unbroken.
    """
    keep = np.ones(len(values), bool)
    if len(values) < 2 or np.all(np.diff(values) >= 0):
        return keep
    ends: list[float] = []  # smallest last value of a subsequence, by length
    last: list[int] = []
    before = np.full(len(values), -1)
    for index, value in enumerate(values.tolist()):
        length = bisect_right(ends, value)
        before[index] = last[length - 1] if length else -1
        ends[length : length + 1], last[length : length + 1] = [value], [index]
    keep[:] = False
    index = last[-1]
    while index >= 0:
        keep[index] = True
        index = int(before[index])
    return keep


def few_dropped(keep: NDArray[np.bool_]) -> bool:
    """Return whether so few values are out of order that each of them is wrong, rather than the clock.

    Parameters
    ----------
    keep
        Result of `in_order`.
    """
    return int(np.sum(~keep)) <= max(1, int(_MAX_DROPPED * len(keep)))


def _on_recorder_clock(stream: XdfStream) -> tuple[NDArray[np.float64] | None, float]:
    """Return the timestamps on the recorder's clock, and the noise of the offsets in seconds; None if it is unknown."""
    if stream.parts:
        parts = [_on_recorder_clock(part) for part in stream.parts]
        known = [stamps for stamps, _ in parts if stamps is not None]
        noise = max(noise for _, noise in parts)
        if len(known) < len(parts):
            return None, noise
        offset = np.concatenate(known) - np.concatenate([part.stamps for part in stream.parts])
        return stream.stamps + offset, noise  # the stream's own timestamps may have been smoothed
    if not len(stream.clock_times):
        return None, _MIN_NOISE_S
    times, offsets = stream.clock_times, stream.clock_offsets
    if len(times) == 2 and abs(offsets[1] - offsets[0]) > _STEP_S:
        log.warning(
            "the only two clock offsets of '%s' differ by %.3g s; one is wrong, and their mean is used",
            stream.name,
            abs(offsets[1] - offsets[0]),
        )
    keep = in_order(times)
    if few_dropped(keep):
        runs, stamp_runs = [(times[keep], offsets[keep])], [stream.stamps]
    else:
        runs = [
            (times[part], offsets[part])
            for part in np.split(np.arange(len(times)), np.flatnonzero(np.diff(times) < 0) + 1)
        ]
        stamp_runs = _runs_of(stream.stamps, len(runs))
        if len(stamp_runs) != len(runs):
            log.warning(
                "the clock of '%s' was reset in a way that its timestamps do not show; they are not corrected",
                stream.name,
            )
            return None, _MIN_NOISE_S
    out, noises = [], [_MIN_NOISE_S]
    for (run_times, run_offsets), stamps in zip(runs, stamp_runs, strict=True):
        pieces, noise = _pieces(run_times, run_offsets)
        out.append(stamps + _interpolate(pieces, stamps))
        noises.append(noise)
    return np.concatenate(out), max(noises)


def _runs_of(stamps: NDArray[np.float64], n_runs: int) -> list[NDArray[np.float64]]:
    """Split timestamps at their largest steps backwards."""
    steps = np.diff(stamps, prepend=stamps[:1])
    back = np.flatnonzero(steps < 0)
    largest = np.sort(back[np.argsort(steps[back])[: n_runs - 1]])
    return np.split(stamps, largest)


def _pieces(times: NDArray[np.float64], offsets: NDArray[np.float64]) -> tuple[list[_Piece], float]:
    """Smooth the offsets and split them at jumps; return also their noise in seconds."""
    steps = np.diff(times)
    slopes = np.diff(offsets)[steps > 0] / steps[steps > 0]
    drift = (times - times[0]) * (_median(slopes) if len(slopes) >= _WINDOW else 0.0)
    level = offsets - drift
    size = min(_WINDOW, len(level), max(3, len(level) // 2 | 1))
    starts = np.clip(np.arange(len(level)) - size // 2, 0, len(level) - size)
    smooth = np.median(level[starts[:, None] + np.arange(size)], axis=1)
    noise = max(_MIN_NOISE_S, 1.4826 * _median(np.abs(level - smooth)))
    jumps = np.flatnonzero(np.abs(np.diff(smooth)) > max(_STEP_S, 10 * noise)) + 1
    return [
        _Piece(times[part], (smooth + drift)[part]) for part in np.split(np.arange(len(times)), jumps)
    ], noise


def _interpolate(pieces: list[_Piece], stamps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the offset at each timestamp, from the nearest piece."""
    edges = [(a.times[-1] + b.times[0]) / 2 for a, b in itertools.pairwise(pieces)]
    which = np.searchsorted(np.array(edges), stamps)
    out = np.zeros(len(stamps))
    for index, piece in enumerate(pieces):
        out[which == index] = np.interp(stamps[which == index], piece.times, piece.offsets)
    return out


def _median(values: NDArray[np.float64]) -> float:
    """Return the median of the finite values; 0 if there is none."""
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else 0.0
