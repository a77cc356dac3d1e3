"""When each sample of a recording is due when it is played."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream.acquisition.stimulus_track import changes
from stream.errors import BadUsage
from stream.session import GAP_PERIODS, Session

BOUNDARY_PAUSE_S = 1.0
BOUNDARY_PAUSE_PERIODS = 4.0
"""A glued border is played as a pause of the longer of the two, so that every receiver sees it."""


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """A part of a recording, ready to be played.

    Attributes
    ----------
    first
        Number of its first sample in the recording.
    times_s
        Float64 [n], recorded seconds since the first sample, borders widened; increasing.
    event_sample
        Int [events], from ``first_sample`` on: the first sample of each stimulus event.
    event_times_s
        Float64 [events], recorded seconds since the first sample: when the frame appeared.
    events
        Int32 [events, 2]: frame and repeat.
    length_s
        Recorded seconds from the first sample to where the next round begins, when it is played in a loop.
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
    """Lay out a recording, or a part of it, in time.

    Parameters
    ----------
    session
        The recording.
    start_s, seconds
        The part, in recorded seconds from its first sample; None = to the end.
    shorten
        Play every gap as a pause of the shortest length that receivers see, however long it was.

    Raises
    ------
    BadUsage
        When no sample lies in that part.
    """
    pause_s = max(BOUNDARY_PAUSE_S, BOUNDARY_PAUSE_PERIODS / session.rate_hz if session.rate_hz > 0 else 0.0)
    played = _playback_times(session, pause_s, shorten_gaps)
    stop_s = np.inf if seconds is None else start_s + seconds
    slack_s = 0.5 / session.rate_hz if session.rate_hz > 0 else 0.0  # stamps are rarely round numbers
    inside = np.flatnonzero((played >= start_s - slack_s) & (played < stop_s - slack_s))
    if not len(inside):
        length_s = float(played[-1]) if len(played) else 0.0
        raise BadUsage(f"no sample from {start_s:g} to {stop_s:g} s; the recording is {length_s:.1f} s long.")
    part = slice(int(inside[0]), int(inside[-1]) + 1)
    times_s = played[part] - played[part.start]
    frame, repeat = session.frame[part], session.repeat[part]
    samples, onsets = changes(times_s, frame, repeat, session.rate_hz)
    events = np.stack([frame[samples], repeat[samples]], 1).astype(np.int32)
    return Schedule(part.start, times_s, samples, onsets, events, float(times_s[-1]) + pause_s)


def _playback_times(session: Session, pause_s: float, shorten_gaps: bool) -> NDArray[np.float64]:
    """Seconds since the first sample, with every border (or only those the stamps do not show) as a pause."""
    if not session.n_samples:
        return np.zeros(0)
    step = np.diff(session.stamps)
    boundary = np.diff(session.segment) > 0
    if not shorten_gaps:
        boundary &= step <= GAP_PERIODS / session.rate_hz if session.rate_hz > 0 else step < pause_s
    extra = np.cumsum(np.r_[0.0, np.where(boundary, pause_s - step, 0.0)])
    played: NDArray[np.float64] = (session.stamps - session.stamps[0]) + extra
    return played
