"""Products of a state distribution with powers of the playback model's transition matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.playback.sparse import Products, Sparse

MAX_POWER = 16
"""Highest power computed and stored; more ticks are split into several products."""


class TransitionPowers:
    """Powers of T = (1 - jump) S + jump 1 u' (see `decoders.playback.filter`).

    Parameters
    ----------
    steps
        S, sparse transition matrix of one tick.
    jump
        Probability per tick of a jump.
    target
        u, float64 [states], distribution of the states that jumps lead to.
    """

    def __init__(self, steps: Sparse, jump: float, target: NDArray[np.float64]) -> None:
        self._steps = steps
        self._jump = jump
        self._target = target
        self._stored: dict[int, Products] = {}

    def advance(self, state: NDArray[np.floating[Any]], ticks: int) -> NDArray[np.float32]:
        """Advance a distribution by any number of ticks, float32 [states], a new array.

        Parameters
        ----------
        state
            Float [states].
        ticks
            Ticks of the frame clock. More than `MAX_POWER` are split, so that few powers are stored, whatever the
            timestamps.
        """
        while ticks > MAX_POWER:
            state = self._product(state, MAX_POWER)
            ticks -= MAX_POWER
        return self._product(state, ticks)

    def products(self, ticks: Sequence[int], negligible: float | None = None) -> Products:
        """Lay out several powers for one product with all of them.

        Parameters
        ----------
        ticks
            Exponent of each power.
        negligible
            See `Products`.
        """
        powers = [self._steps.power(t).scaled((1 - self._jump) ** t) for t in ticks]
        return Products(powers, np.stack([self._jump_share(t) for t in ticks]), negligible)

    def _product(self, state: NDArray[np.floating[Any]], ticks: int) -> NDArray[np.float32]:
        if ticks == 0:
            return state.astype(np.float32)
        if ticks not in self._stored:
            self._stored[ticks] = self.products([ticks])
        moved: NDArray[np.float32] = self._stored[ticks].times(state)[0]
        return moved

    def _jump_share(self, ticks: int) -> NDArray[np.float64]:
        """Return the probability that arrives by jumps within a number of ticks, float64 [states]."""
        share = np.zeros(len(self._target))
        for _ in range(ticks):
            share = (1 - self._jump) * self._steps.left_multiply(share) + self._jump * self._target
        return share
