"""The stimulus schedule of a simulated session: training repeats, gray between them, and the two test repeats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replay_data.movie import RATE_HZ

GRAY = -1

_GRAY_S = (1.0, 3.0)
_PAUSE_FRAMES = 30
_LEAP_S = (3.2, 5.0)
_CLOCK_SHARE = 0.04
_SHORTEST_RUN_S = 1.2

Frames = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """Frame (-1 = gray) and repeat (-1 = gray) at every bin, int32 [time]."""

    frame: Frames
    repeat: Frames


def make_schedule(repeats: list[Frames], rng: np.random.Generator) -> Schedule:
    """Join repeats, with 1 to 3 s of gray before, between and after them.

    Parameters
    ----------
    repeats
        Frames of each repeat, int32 [time], numbered from 0.
    rng
        Random generator.
    """
    frame, repeat = [], []
    for number, shown in enumerate([*repeats, np.zeros(0, np.int32)]):
        gray = round(rng.uniform(*_GRAY_S) * RATE_HZ)
        frame += [np.full(gray, GRAY, np.int32), shown]
        repeat += [np.full(gray, GRAY, np.int32), np.full(len(shown), number, np.int32)]
    return Schedule(np.concatenate(frame).astype(np.int32), np.concatenate(repeat).astype(np.int32))


def scene_derangement(n_scenes: int, rng: np.random.Generator) -> Frames:
    """Draw an order in which no scene keeps its place or follows its usual predecessor, the end included.

    Parameters
    ----------
    n_scenes
        Number of scenes, at least 4: fewer have no such order.
    rng
        Random generator.

    Returns
    -------
    order
        Int32 [n_scenes].

    Raises
    ------
    ValueError
        If ``n_scenes`` is below 4.
    """
    if n_scenes < 4:
        raise ValueError(f"{n_scenes} scenes have no derangement without usual neighbours; give at least 4.")
    while True:
        order = rng.permutation(n_scenes)
        follows = (order - np.roll(order, 1)) % n_scenes == 1
        if not np.any(order == np.arange(n_scenes)) and not np.any(follows):
            return order.astype(np.int32)


def disturbed_repeat(starts: Frames, rng: np.random.Generator) -> Frames:
    """Draw a repeat that no clock can follow: deranged scenes from a random frame on, with a pause, a jump and a rewind.

    Parameters
    ----------
    starts
        First frame of each scene, and the end of the movie, int32 [n_scenes + 1].
    rng
        Random generator.

    Returns
    -------
    frame
        Int32 [time]: the deranged sequence, played once in a circle from a random frame; about a quarter in, one frame
        is held for 1 s, later more than 3 s are skipped, and later still it rewinds by more than 3 s. Drawn again
        until a clock started with it is right (within 1 s) in at most 4 of 100 moments.
    """
    first, n_frames = int(starts[0]), int(starts[-1] - starts[0])
    tolerance = round(RATE_HZ)
    while True:
        order = scene_derangement(len(starts) - 1, rng)
        sequence = np.concatenate([np.arange(starts[scene], starts[scene + 1]) for scene in order])
        sequence = np.roll(sequence, -int(rng.integers(1, n_frames)))
        pause, jump, rewind = (round(rng.uniform(low, low + 0.1) * n_frames) for low in (0.2, 0.5, 0.75))
        ahead, back = (round(rng.uniform(*_LEAP_S) * RATE_HZ) for _ in range(2))
        parts = [
            sequence[: pause + 1],
            np.full(_PAUSE_FRAMES, sequence[pause]),
            sequence[pause + 1 : jump],
            sequence[jump + ahead : rewind],
            sequence[rewind - back :],
        ]
        shown = np.concatenate(parts).astype(np.int32)
        clock = first + np.arange(len(shown)) % n_frames
        breaks = np.flatnonzero((np.diff(shown) != 1) & (np.diff(shown) != 0))
        runs = np.diff(np.r_[-1, breaks, len(shown) - 1])
        leaps = np.array([sequence[[jump - 1, jump + ahead]], sequence[[rewind - 1, rewind - back]]])
        like_cuts = np.isin(leaps[:, 0] + 1, starts) & np.isin(leaps[:, 1], starts)
        between = rewind - jump - ahead  # frames; without any, the jump and the rewind would be one
        shortest = min(*runs, *np.abs(np.diff(leaps)).ravel(), between)
        is_plain = (
            len(runs) <= len(starts) + 1 and shortest > _SHORTEST_RUN_S * RATE_HZ and not like_cuts.any()
        )
        if is_plain and np.mean(np.abs(shown - clock) <= tolerance) <= _CLOCK_SHARE:
            return shown
