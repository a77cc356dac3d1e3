"""Stimulus schedule of a simulated recording: repeats of the movie with gray between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replay_data.movie import RATE_HZ
from stream.errors import BadUsage

GRAY = -1
"""Frame number of gray."""

_GRAY_S = (1.0, 3.0)
_PAUSE_FRAMES = 30
_JUMP_S = (3.2, 5.0)
_CLOCK_ACCURACY = 0.04  # largest accuracy of a clock that starts with a disturbed repeat
_SHORTEST_RUN_S = 1.2  # shortest stretch played in order
_MAX_DRAWS = 50_000

Frames = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """Frame and repeat number in every bin, int32 [time]; -1 = gray."""

    frame: Frames
    repeat: Frames


def make_schedule(repeats: list[Frames], rng: np.random.Generator) -> Schedule:
    """Concatenate repeats, with 1 to 3 s of gray before, between and after them.

    Parameters
    ----------
    repeats
        Frames shown in each repeat, int32 [bins]; repeats are numbered from 0.
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
    """Draw an order of scenes in which none keeps its place or follows its usual predecessor (cyclically).

    Parameters
    ----------
    n_scenes
        Number of scenes, at least 4.
    rng
        Random generator.

    Returns
    -------
    order
        Int32 [n_scenes].

    Raises
    ------
    BadUsage
        With fewer than 4 scenes, for which there is no such order.

    Examples
    --------
    >>> scene_derangement(4, np.random.default_rng(0)).tolist()
    [3, 2, 1, 0]
    """
    if n_scenes < 4:
        raise BadUsage(f"a shuffled test repeat needs at least 4 scenes, got {n_scenes} scenes.")
    while True:
        order = rng.permutation(n_scenes)
        follows = (order - np.roll(order, 1)) % n_scenes == 1
        if not np.any(order == np.arange(n_scenes)) and not np.any(follows):
            return order.astype(np.int32)


def disturbed_repeat(starts: Frames, rng: np.random.Generator) -> Frames:
    """Draw a repeat that a clock cannot predict: deranged scenes from a random start, with pause, jump and rewind.

    Parameters
    ----------
    starts
        Int32 [n_scenes + 1], first frame of each scene, and the end of the movie.
    rng
        Random generator.

    Returns
    -------
    frame
        Int32 [bins], frames shown. The deranged scenes are played once, cyclically from a random frame. First a frame is
        held for 1 s, then more than 3 s are skipped, then the movie rewinds by more than 3 s. Drawn again until a clock
        that starts with the repeat is within 1 s of the truth in at most 4 % of bins.

    Raises
    ------
    BadUsage
        When the scenes are too few or too short for such a repeat.
    """
    first, n_frames = int(starts[0]), int(starts[-1] - starts[0])
    tolerance = round(RATE_HZ)
    for _ in range(_MAX_DRAWS):
        order = scene_derangement(len(starts) - 1, rng)
        sequence = np.concatenate([np.arange(starts[scene], starts[scene + 1]) for scene in order])
        sequence = np.roll(sequence, -int(rng.integers(1, n_frames)))
        pause, jump, rewind = (round(rng.uniform(low, low + 0.1) * n_frames) for low in (0.2, 0.5, 0.75))
        ahead, back = (round(rng.uniform(*_JUMP_S) * RATE_HZ) for _ in range(2))
        between = rewind - jump - ahead  # frames played between jump and rewind
        if between <= _SHORTEST_RUN_S * RATE_HZ:
            continue
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
        jumps = np.array([sequence[[jump - 1, jump + ahead]], sequence[[rewind - 1, rewind - back]]])
        like_cuts = np.isin(jumps[:, 0] + 1, starts) & np.isin(jumps[:, 1], starts)
        shortest = min(*runs, *np.abs(np.diff(jumps)).ravel())
        is_clear = (
            len(runs) <= len(starts) + 1 and shortest > _SHORTEST_RUN_S * RATE_HZ and not like_cuts.any()
        )
        if is_clear and np.mean(np.abs(shown - clock) <= tolerance) <= _CLOCK_ACCURACY:
            return shown
    seconds = n_frames / (len(starts) - 1) / RATE_HZ
    raise BadUsage(
        f"no shuffled test repeat found for {len(starts) - 1} scenes of {seconds:.3g} s on average; "
        "make the scenes longer."
    )
