"""Recognises a wrong movie rate, frames that do not count from 0, and blanks or repeats in another convention."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stream.errors import BadRecording
from stream.io.stamp_checks import UNITS, unit_of_ratio
from stream.movie import Movie
from stream.session import NO_FRAME, Session

log = logging.getLogger(__name__)

_PRECISE = 0.1  # a rate may be off by this share; of stretches too short to tell, it is not measured
_AGREE = 0.9  # share of the time in which frames advance at one rate, if it is the movie's
_LONG = 3  # a frame that lasts this many usual durations is a pause, an advance by as many frames a jump
_BLANK_DURATIONS = 5  # a blank lasts longer than this many usual durations of a frame
_MIN_OTHERS = 3  # different frames beside 0, from which on the role of 0 can be told


def checked_stimulus(session: Session, name: str) -> Session:
    """Check that frames and repeats of a recording mean what the format says, and warn where they probably do not.

    Parameters
    ----------
    session
        Recording as it was read.
    name
        Name for the warnings.

    Returns
    -------
    session
        The recording; what is certainly a blank by its repeats is one.

    Raises
    ------
    BadRecording
        If the timestamps are in another unit by the movie's rate.
    """
    shown = session.frame >= 0
    if not shown.any():
        return session
    session = _checked_blanks(session, name)
    session = _checked_repeats(session, name)
    if session.movie is not None and session.movie.rate_hz > 0:
        _check_rate(session, session.movie, name)
        _check_first_frame(session, session.movie, name)
    return session


def _check_first_frame(session: Session, movie: Movie, name: str) -> None:
    """Warn of frames that count from 1."""
    frames = np.unique(session.frame[session.frame >= 0])
    if frames[0] == 1 and len(frames) == frames[-1] == movie.n_frames - 1 and movie.frames is None:
        log.warning(
            "%s: its frames are 1 to %d, and frame 0 is never shown. Frames count from 0: if yours count from 1, "
            "subtract 1, or pictures of the movie are off by one",
            name,
            frames[-1],
        )


def _check_rate(session: Session, movie: Movie, name: str) -> None:
    """Compare the rate at which the frames advance with the movie's."""
    advanced_s, lasted_s = _steady_stretches(session, movie)
    if not len(lasted_s):
        return
    speeds = advanced_s / lasted_s
    order = np.argsort(speeds)
    speed = float(speeds[order][np.searchsorted(np.cumsum(lasted_s[order]), lasted_s.sum() / 2)])
    agree = np.abs(speeds / speed - 1) < _PRECISE
    if np.sum(lasted_s[agree]) < _AGREE * np.sum(lasted_s) or abs(speed - 1) < _PRECISE:
        return
    measured, stated = f"{speed * movie.rate_hz:.4g}", f"{movie.rate_hz:.4g}"
    unit = unit_of_ratio(1 / speed)
    if unit is not None:
        raise BadRecording(
            f"its movie plays at {stated} frames per second, but by the timestamps its frames advance at {measured}: "
            f"the timestamps are in {UNITS[unit]}. Divide them by {unit:.0f}; timestamps are in seconds."
        )
    log.warning(
        "%s: its movie is said to play at %s frames per second ('movie_rate_hz'), but by the timestamps its frames "
        "advance at %s. Correct the wrong one, unless the movie was played at another speed: forecasts rely on it",
        name,
        stated,
        measured,
    )


def _steady_stretches(session: Session, movie: Movie) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how long stretches without jump or pause are: seconds of the movie, and seconds by the timestamps."""
    frame, first = session.frame, [clip.first_frame for clip in movie.clips]
    rate_hz = np.array([clip.rate_hz for clip in movie.clips])
    clip = np.searchsorted(first, frame, side="right") - 1
    at = np.flatnonzero(np.r_[True, (np.diff(frame) != 0) | _begins(session)])
    advance, last_s = np.diff(frame[at]), np.diff(session.stamps[at])
    same = ~_begins(session)[at[1:] - 1] & (np.diff(clip[at]) == 0) & (frame[at[1:]] >= 0)
    follows = same & (advance > 0) & (rate_hz[clip[at[1:]]] > 0)
    if not follows.any():
        return np.zeros(0), np.zeros(0)
    follows &= (advance <= _LONG * np.median(advance[follows])) & (
        last_s <= _LONG * np.median(last_s[follows])
    )
    edges = np.flatnonzero(np.diff(np.r_[False, follows, False]))
    begin, end = at[edges[::2]], at[edges[1::2]]
    lasted_s, n_frames = session.stamps[end] - session.stamps[begin], frame[end] - frame[begin]
    period_s = 1 / session.rate_hz if session.rate_hz else float(np.median(np.diff(session.stamps)))
    long = period_s / lasted_s + 1 / n_frames < _PRECISE
    return (n_frames / rate_hz[clip[begin]])[long], lasted_s[long]


def _begins(session: Session) -> NDArray[np.bool_]:
    """Return, for each sample but the first, whether a segment or repeat begins there."""
    begins: NDArray[np.bool_] = (np.diff(session.segment) != 0) | (np.diff(session.repeat) != 0)
    return begins


def _checked_blanks(session: Session, name: str) -> Session:
    """Recognise frame 0 in the place of -1."""
    frame = session.frame
    blank = frame == 0
    if frame.min() < 0 or not blank.any() or blank.all():
        return session
    if np.all((session.repeat >= 0) == ~blank):
        log.warning(
            "%s: frame 0 is shown exactly where 'repeat' is -1, so it is read as 'no stimulus'. Write -1 there",
            name,
        )
        return replace(session, frame=np.where(blank, NO_FRAME, frame).astype(np.int32))
    at = np.flatnonzero(np.r_[True, (np.diff(frame) != 0) | (np.diff(session.segment) != 0)])
    n_samples, shown = np.diff(np.r_[at, len(frame)]), frame[at]
    n_others = len(np.unique(frame)) - 1
    if np.sum(shown == 0) < 2 or n_others < _MIN_OTHERS:
        return session
    if session.movie is not None and session.movie.rate_hz > 0:
        usual = np.median(n_samples[shown > 0])
        suspect = np.median(n_samples[shown == 0]) > _BLANK_DURATIONS * usual
    else:
        one_segment = np.diff(session.segment[at]) == 0
        suspect = np.sum(shown == 0) > _MIN_OTHERS and not np.any(
            (shown[:-1] > 0) & (shown[1:] > 0) & one_segment
        )
    if suspect:
        log.warning(
            "%s: frame 0 is shown %d times between the others, for %.3g samples each. If it means 'no stimulus', write "
            "-1 instead: 0 is decoded as a frame",
            name,
            np.sum(shown == 0),
            np.median(n_samples[shown == 0]),
        )
    return session


def _checked_repeats(session: Session, name: str) -> Session:
    """Recognise blanks that are numbered like repeats."""
    blank = session.frame < 0
    numbers = np.unique(session.repeat[~blank & (session.repeat >= 0)])
    alone = blank & (session.repeat >= 0) & ~np.isin(session.repeat, numbers)
    n_stretches = np.count_nonzero(alone & np.r_[True, ~alone[:-1] | _begins(session)])
    if n_stretches < max(2, len(numbers) - 1):  # a run of rest may have a number of its own
        return session
    log.warning(
        "%s: 'repeat' is %s in %d stretches without a frame, which is read as -1 (no repeat). Write -1 there",
        name,
        ", ".join(map(str, np.unique(session.repeat[alone])[:5])),
        n_stretches,
    )
    return replace(session, repeat=np.where(alone, -1, session.repeat).astype(np.int32))
