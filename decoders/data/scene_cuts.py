"""Detects scene cuts in a movie's pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream.movie import Movie

CUT_RATIO = 4.0
"""A cut is a change between two pictures this many times the median change nearby."""

NEIGHBOURHOOD = 15
"""Frames on either side from which the median change is computed."""

MIN_CHANGE = 4.0
"""Smallest change of a cut, in gray levels averaged over the picture."""

WIDTH = 24
"""Width in pixels to which pictures are reduced first, so that film grain does not count."""


def scene_starts(movie: Movie) -> NDArray[np.int64]:
    """Return the first frame of every clip and of every scene in it, int64 [scenes], sorted.

    Parameters
    ----------
    movie
        Movie; without pictures only the starts of its clips are returned.
    """
    starts = {clip.first_frame for clip in movie.clips}
    small = movie.thumbnails(WIDTH)
    if small is not None:
        flat = small.reshape(len(small), -1).astype(np.float32)
        change = np.r_[0.0, np.abs(np.diff(flat, axis=0)).mean(1)]
        for frame in np.flatnonzero(change > MIN_CHANGE).tolist():
            nearby = np.r_[
                change[max(1, frame - NEIGHBOURHOOD) : frame], change[frame + 1 : frame + 1 + NEIGHBOURHOOD]
            ]
            if len(nearby) and change[frame] > CUT_RATIO * np.median(nearby):
                starts.add(frame)
    return np.array(sorted(starts), np.int64)
