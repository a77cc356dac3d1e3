"""A short movie of several scenes, and its playback model as a dense matrix."""

from __future__ import annotations

import numpy as np

from decoders.playback.transition_powers import Transitions
from decoders.playback.transitions import learn_playback

N = 30
"""Frames of the movie."""


TICKS = 1, 2, 3, 8, 15, 22, 30
"""Numbers of ticks whose powers are stored."""


def transitions(seed: int = 0, *, movie: bool = True) -> Transitions:
    rng = np.random.default_rng(seed)
    state = np.r_[np.tile(np.r_[np.full(6, N), np.arange(N)], 4), rng.integers(0, N, 5)]
    boundary = np.zeros(len(state), bool)
    boundary[[0, 72]] = True
    ends = np.array([14, N - 1]) if movie else None
    starts = np.array([0, 7, 15]) if movie else None
    return learn_playback(state, np.ones(len(state), np.int64), boundary, N, ends, starts, (TICKS, TICKS))


def dense(t: Transitions, jump: float, *, forecast: bool = False) -> np.ndarray:
    matrix = (t.forecast_steps if forecast else t.steps).dense(1)
    return (1 - jump) * matrix + jump * t.target
