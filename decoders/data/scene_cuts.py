"""Where a movie's scenes begin, seen from its pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream.movie import Movie

CUT = 4.0
"""A change between two pictures this many times the usual one nearby is a cut."""

NEARBY = 15
"""Frames on either side that say what change is usual."""

SMALLEST_CHANGE = 4.0
"""Gray levels, on average over the picture, below which nothing is a cut."""

WIDTH = 24
"""Pixels to which pictures are reduced first: grain does not matter."""


def scene_starts(movie: Movie) -> NDArray[np.int64]:
    """The first frame of every clip and of every scene in it, int64 [scenes], sorted.

    Parameters
    ----------
    movie
        Without pictures only its clips are known.
    """
    starts = {clip.first_frame for clip in movie.clips}
    small = movie.thumbnails(WIDTH)
    if small is not None:
        flat = small.reshape(len(small), -1).astype(np.float32)
        change = np.r_[0.0, np.abs(np.diff(flat, axis=0)).mean(1)]
        for frame in np.flatnonzero(change > SMALLEST_CHANGE).tolist():
            nearby = np.r_[change[max(1, frame - NEARBY) : frame], change[frame + 1 : frame + 1 + NEARBY]]
            if len(nearby) and change[frame] > CUT * np.median(nearby):
                starts.add(frame)
    return np.array(sorted(starts), np.int64)
