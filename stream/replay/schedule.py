"""Lays out a recording in time: when each sample is due in a replay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream.acquisition.stimulus_track import changes
from stream.errors import BadUsage
from stream.session import GAP_PERIODS, Session

BOUNDARY_PAUSE_S = 1.0
BOUNDARY_PAUSE_PERIODS = 4.0
"""A boundary that timestamps do not show becomes a pause of the longer of the two, which receivers see as a gap."""


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """Times of the samples and stimulus events of the part of a recording to play.

    Attributes
    ----------
    first_sample
        Index of the first sample in the recording.
    times_s
        Time of each sample in recorded seconds since the first one, with pauses at boundaries; float64 [n], increasing.
    event_sample
        First sample of each stimulus event, counted from ``first_sample``; int [events].
    event_times_s
        Onset of each stimulus event in recorded seconds since the first sample; float64 [events].
    events
        Frame and repeat of each stimulus event; int32 [events, 2].
    length_s
        Duration of one round of a loop in recorded seconds, including the pause after it.
    """

    first_sample: int
    times_s: NDArray[np.float64]
    event_sample: NDArray[np.intp]
    event_times_s: NDArray[np.float64]
    events: NDArray[np.int32]
    length_s: float


def make_schedule(
    session: Session, *, start_s: float = 0.0, seconds: float | None = None, shorten_gaps: bool = False
) -> Schedule:
    """Compute when the samples of a recording, or of a part of it, are due.

    Parameters
    ----------
    session
        Recording to play.
    start_s
        Start of the part, in recorded seconds since the first sample.
    seconds
        Length of the part in recorded seconds; None for the rest of the recording.
    shorten_gaps
        Play every gap as a short pause, however long it was.

    Raises
    ------
    BadUsage
        If the part contains no sample.
    """
    pause_s = max(BOUNDARY_PAUSE_S, BOUNDARY_PAUSE_PERIODS / session.rate_hz if session.rate_hz > 0 else 0.0)
    played = _playback_times(session, pause_s, shorten_gaps)
    stop_s = np.inf if seconds is None else start_s + seconds
    slack_s = 0.5 / session.rate_hz if session.rate_hz > 0 else 0.0  # tolerance for rounding errors
    inside = np.flatnonzero((played >= start_s - slack_s) & (played < stop_s - slack_s))
    if not len(inside):
        length_s = float(played[-1]) if len(played) else 0.0
        raise BadUsage(
            f"there is no sample from {start_s:g} to {stop_s:g} s; the recording is {length_s:.1f} s long."
        )
    part = slice(int(inside[0]), int(inside[-1]) + 1)
    times_s = played[part] - played[part.start]
    frame, repeat = session.frame[part], session.repeat[part]
    samples, onsets = changes(times_s, frame, repeat, session.rate_hz)
    events = np.stack([frame[samples], repeat[samples]], 1).astype(np.int32)
    return Schedule(part.start, times_s, samples, onsets, events, float(times_s[-1]) + pause_s)


def _playback_times(session: Session, pause_s: float, shorten_gaps: bool) -> NDArray[np.float64]:
    """Return seconds since the first sample, with a pause at every boundary, or only at those not in the timestamps."""
    if not session.n_samples:
        return np.zeros(0)
    step = np.diff(session.stamps)
    boundary = np.diff(session.segment) > 0
    if not shorten_gaps:
        boundary &= step <= GAP_PERIODS / session.rate_hz if session.rate_hz > 0 else step < pause_s
    extra = np.cumsum(np.r_[0.0, np.where(boundary, pause_s - step, 0.0)])
    played: NDArray[np.float64] = (session.stamps - session.stamps[0]) + extra
    return played
