"""Many ticks of the playback model at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.sparse import Product, Sparse

LONGEST_LEAP = 16
"""More ticks than this are taken in several leaps."""


class Leaps:
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
        self._known: dict[int, Product] = {}

    def times(
        self, state: NDArray[np.floating[Any]], ticks: int, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Carry a distribution forward.

        Parameters
        ----------
        state
            Float [states].
        ticks
            How far.
        out
            Float32 [states] to be filled; None = a new array.
        """
        if out is None:
            out = np.empty(len(state), np.float32)
        if ticks == 0:
            out[:] = state
            return out
        if ticks not in self._known:
            self._known[ticks] = self._power(ticks)
        return self._known[ticks].times(state, out)

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

    def _power(self, ticks: int) -> Product:
        constant = np.zeros(len(self._target))  # what jumps alone bring in that many ticks
        for _ in range(ticks):
            constant = (1 - self._jump) * self._steps.carry(constant) + self._jump * self._target
        return Product(self._steps.power(ticks), (1 - self._jump) ** ticks, constant)
