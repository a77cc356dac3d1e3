"""Many ticks of the playback model at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.playback.sparse import Products, Sparse

LONGEST_LEAP = 16
"""More ticks than this are taken in several leaps."""


class TransitionPowers:
    """Products with powers of T = (1 - jump) S + jump 1 u'.

    Parameters
    ----------
    steps
        S.
    jump
        Probability per tick of a jump.
    target
        u, float64 [states].
    """

    def __init__(self, steps: Sparse, jump: float, target: NDArray[np.float64]) -> None:
        self._steps = steps
        self._jump = jump
        self._target = target
        self._known: dict[int, Products] = {}

    def times(self, state: NDArray[np.floating[Any]], ticks: int) -> NDArray[np.float32]:
        """Carry a distribution forward, float32 [states], a new array.

        Parameters
        ----------
        state
            Float [states].
        ticks
            How far.
        """
        if ticks == 0:
            return state.astype(np.float32)
        if ticks not in self._known:
            self._known[ticks] = self.together([ticks])
        moved: NDArray[np.float32] = self._known[ticks].times(state)[0]
        return moved

    def far(self, state: NDArray[np.floating[Any]], ticks: int) -> NDArray[np.float32]:
        """`times` for any number of ticks, in several leaps so that few powers are kept, whatever the stamps do.

        Parameters
        ----------
        state
            Float [states].
        ticks
            How far.
        """
        while ticks > LONGEST_LEAP:
            state = self.times(state, LONGEST_LEAP)
            ticks -= LONGEST_LEAP
        return self.times(state, ticks)

    def together(self, ticks: Sequence[int], negligible: float | None = None) -> Products:
        """Several powers laid out as one.

        Parameters
        ----------
        ticks
            Of each power.
        negligible
            See `Products`.
        """
        powers = [self._steps.power(t).scaled((1 - self._jump) ** t) for t in ticks]
        return Products(powers, np.stack([self._constant(t) for t in ticks]), negligible)

    def _constant(self, ticks: int) -> NDArray[np.float64]:
        """What jumps alone bring in that many ticks."""
        constant = np.zeros(len(self._target))
        for _ in range(ticks):
            constant = (1 - self._jump) * self._steps.carry(constant) + self._jump * self._target
        return constant
