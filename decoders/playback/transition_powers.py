"""Powers of the playback model's transition matrix: as a fit stores them, and laid out for fast products.

A movie's transitions are mostly shifts, but cuts from the end of each scene to the start of any scene would soon fill
the powers of its matrix. So cuts are kept apart: in S = B + e c', e is the probability of a cut in each state, and c the
distribution of the states that cuts lead to. Then S^t is B^t plus, for each k < t, the probability S^k e of a cut after
k ticks times c' B^(t-1-k), where it leads in the ticks that are left.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

MIN_DIAGONAL_FILL = 0.25
"""Share of a diagonal that must be nonzero for it to be multiplied as a whole."""

MAX_DENSE = 2**15
"""Largest dense matrix that is multiplied in place of the entries in its rows."""

Entries = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]
"""Row, column and value of each entry of a sparse matrix."""


@dataclass(frozen=True, slots=True, eq=False)
class TransitionPowers:
    """Powers of S as the entries of sparse matrices.

    Attributes
    ----------
    ticks
        Int32 [powers], exponents in ascending order; the first is 1.
    end
        Int32 [powers], end of the entries of each power.
    row
        Int32 [entries], state before; ``states + k`` stands for a cut after k ticks.
    column
        Int32 [entries], state after.
    value
        Float32 [entries], probability.
    cut
        Float32 [states], e: probability of a cut.
    """

    ticks: NDArray[np.int32]
    end: NDArray[np.int32]
    row: NDArray[np.int32]
    column: NDArray[np.int32]
    value: NDArray[np.float32]
    cut: NDArray[np.float32]

    @property
    def n_states(self) -> int:
        """Number of states."""
        return len(self.cut)

    def entries(self, ticks: int) -> Entries:
        """Return the entries of a stored power."""
        index = int(np.searchsorted(self.ticks, ticks))
        part = slice(int(self.end[index - 1]) if index else 0, int(self.end[index]))
        return self.row[part], self.column[part], self.value[part]

    def cuts(self, ticks: int) -> NDArray[np.float32]:
        """Return S^k e, the probability of a cut after k ticks, float32 [states, ticks]; no columns without cuts."""
        n = self.n_states
        if not self.cut.any():
            return np.zeros((n, 0), np.float32)
        row, column, value = self.entries(1)
        out = [self.cut]
        while len(out) < ticks:
            after = np.bincount(row, value * out[-1][column], n + 1)
            out.append((after[:n] + self.cut * after[n]).astype(np.float32))
        return np.stack(out, 1)

    def dense(self, ticks: int) -> NDArray[np.float32]:
        """Return a stored power as a dense matrix, float32 [states, states]."""
        row, column, value = self.entries(ticks)
        cuts = self.cuts(ticks)
        out = np.zeros((self.n_states + cuts.shape[1], self.n_states), np.float32)
        np.add.at(out, (row, column), value)
        return np.asarray(out[: self.n_states] + cuts @ out[self.n_states :], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Transitions:
    """Learned transitions (S and u of `decoders.playback.filter`).

    Attributes
    ----------
    steps
        S of the filter, rows summing to 1; a floor keeps pauses and skipped frames possible.
    forecast_steps
        S of the forecast, for movies without the floor.
    target
        u, float64 [states], distribution of the states that jumps lead to.
    initial
        Float64 [states], distribution where a segment begins.
    """

    steps: TransitionPowers
    forecast_steps: TransitionPowers
    target: NDArray[np.float64]
    initial: NDArray[np.float64]


class JumpingTransitions:
    """T = (1 - jump) S + jump 1 u' (see `decoders.playback.filter`), for any number of ticks.

    Because S 1 = 1, T^t is (1 - jump)^t S^t plus a constant row.

    Parameters
    ----------
    powers
        Powers of S.
    jump
        Probability per tick of a jump.
    target
        u, float64 [states], distribution of the states that jumps lead to.
    """

    def __init__(self, powers: TransitionPowers, jump: float, target: NDArray[np.float64]) -> None:
        self._powers = powers
        self._jump = jump
        self._arrived = [np.zeros(len(target)), jump * target]  # by jumps, within each number of ticks
        self._stored = tuple(powers.ticks.tolist())
        self._laid_out: dict[tuple[int, ...], Products] = {}

    def advance(self, state: NDArray[np.float32], ticks: int) -> NDArray[np.float32]:
        """Advance a distribution float32 [states] by any number of ticks; a new array unless ``ticks`` is 0."""
        while ticks > 0:
            longest = self._stored[bisect_right(self._stored, ticks) - 1]
            state = self._products((longest,)).times(state)
            ticks -= longest
        return state

    def advance_each(self, state: NDArray[np.float32], ticks: tuple[int, ...]) -> NDArray[np.float32]:
        """Advance a distribution float32 [states] by several numbers of ticks: float32 [numbers, states], new."""
        if ticks in self._laid_out or set(ticks) <= set(self._stored):
            return self._products(ticks).times(state).reshape(len(ticks), -1)
        return np.stack([self.advance(state, each) for each in ticks])

    def _products(self, ticks: tuple[int, ...]) -> Products:
        if ticks not in self._laid_out:
            matrices = []
            for t in ticks:
                row, column, value = self._powers.entries(t)
                matrices.append((row, column, value * np.float32((1 - self._jump) ** t)))
            constants = np.stack([self._arrived_by_jumps(t) for t in ticks]).astype(np.float32)
            self._laid_out[ticks] = Products(matrices, constants, self._powers.cuts(max(ticks)))
        return self._laid_out[ticks]

    def _arrived_by_jumps(self, ticks: int) -> NDArray[np.float64]:
        """Return the probability that has arrived by jumps after some ticks, float64 [states]."""
        row, column, value = self._powers.entries(1)
        while len(self._arrived) <= ticks:
            before = self._arrived[-1]
            before = np.r_[before, before @ self._powers.cut]
            moved = np.bincount(column, value * before[row], len(before))[: self._powers.n_states]
            self._arrived.append((1 - self._jump) * moved + self._arrived[1])
        return self._arrived[ticks]


class Products:
    """Products of a distribution with several matrices at once.

    Neighbouring long diagonals are overlapping slices of the distribution times weights. The other entries, such as
    where cuts lead, are rows of a dense matrix if these are few, and are multiplied one by one otherwise.

    Parameters
    ----------
    matrices
        Row, column and value of the entries of each matrix; rows beyond the states stand for cuts.
    constants
        Float32 [matrices, states], added to each product.
    cuts
        Float32 [states, ticks], see `TransitionPowers.cuts`.
    """

    def __init__(
        self,
        matrices: Sequence[Entries],
        constants: NDArray[np.float32],
        cuts: NDArray[np.float32],
    ) -> None:
        if cuts.shape[1] == 1:
            matrices, cuts = [_with_cuts(matrices[0], cuts[:, 0])], cuts[:, :0]
        n, size = len(cuts), constants.size
        # The distribution lies between zeros, so that a slice may begin before it or end after it; then come the cuts.
        self._all = np.zeros(3 * n + cuts.shape[1], np.float32)
        self._state, self._cuts = self._all[n : 2 * n], self._all[3 * n :]
        cutting = np.flatnonzero(cuts.any(1))
        self._cut_rows, self._cut = cutting + n, np.ascontiguousarray(cuts[cutting])
        row, column, value = (np.concatenate(each) for each in zip(*matrices, strict=True))
        matrix = np.repeat(np.arange(len(matrices)), [len(m[0]) for m in matrices])
        rest = np.ones(len(row), bool)
        height = np.zeros(len(matrices), int)
        bands = []
        for index, (rows, columns, _) in enumerate(matrices if n * size > MAX_DENSE else ()):
            for run in _long_diagonals(rows, columns, n):
                offset = column - row
                on = (matrix == index) & (row < n) & (offset >= run[0]) & (offset <= run[-1])
                rest &= ~on
                weights = np.zeros((len(run), n), np.float32)
                np.add.at(weights, (offset[on] - run[0], column[on]), value[on])
                strides = -weights.itemsize, weights.itemsize
                source = as_strided(self._all[n - run[0] :], weights.shape, strides, writeable=False)
                bands.append((source, weights, slice(height[index], height[index] + len(run)), index))
                height[index] += len(run)
        row = (row + np.where(row < n, n, 2 * n))[rest]  # in `_all`
        column, value = (column + n * matrix)[rest], value[rest]
        self._rows, at = np.unique(row, return_inverse=True)
        if len(self._rows) * size > MAX_DENSE:
            self._rows = self._rows[:0]
        # Each product is a sum of parts: bands, constants, single entries, and dense rows times what stands there.
        n_bands, n_parts = height.max(), height.max() + 2
        self._parts = np.zeros((n_parts + len(self._rows), size), np.float32)
        self._parts[n_bands], self._single = constants.reshape(-1), self._parts[n_bands + 1]
        self._coefficients = np.ones(len(self._parts), np.float32)
        self._at_rows = self._coefficients[n_parts:]
        self._bands = [(s, w, self._parts[rows, i * n : i * n + n]) for s, w, rows, i in bands]
        if len(self._rows):
            np.add.at(self._parts, (n_parts + at, column), value)
            row = row[:0]
        self._block: NDArray[np.float32] | None = None
        order = np.argsort(column[: len(row)], kind="stable")
        self._from, self._value = row[order], value[order]
        self._to, self._begins = np.unique(column[order], return_index=True)
        rows, at = np.unique(self._from, return_inverse=True)
        if 0 < len(rows) * len(self._to) <= MAX_DENSE:
            self._block = np.zeros((len(rows), len(self._to)), np.float32)
            np.add.at(self._block, (at, np.searchsorted(self._to, column[order])), self._value)
            self._from = rows

    def times(self, state: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return ``state @ matrix + constant`` for each matrix, end to end.

        Parameters
        ----------
        state
            Float32 [states].

        Returns
        -------
        products
            Float32 [matrices * states], a new array.
        """
        everything = self._all
        self._state[:] = state
        if len(self._cuts):
            everything.take(self._cut_rows).dot(self._cut, self._cuts)
        for source, weights, target in self._bands:
            np.multiply(source, weights, target)
        if len(self._rows):
            everything.take(self._rows, None, self._at_rows, "clip")
        if len(self._from):
            moved = everything.take(self._from)
            if self._block is not None:
                self._single[self._to] = moved.dot(self._block)
            else:
                moved *= self._value
                self._single[self._to] = np.add.reduceat(moved, self._begins)
        out: NDArray[np.float32] = self._coefficients.dot(self._parts)
        return out


def _with_cuts(entries: Entries, cut: NDArray[np.float32]) -> Entries:
    """Multiply out the cuts of a single tick, few entries, where ``cut`` float32 [states] is their probability."""
    row, column, value = entries
    led, cutting = row == len(cut), np.flatnonzero(cut)
    rows = np.r_[row[~led], np.repeat(cutting, led.sum())]
    columns = np.r_[column[~led], np.tile(column[led], len(cutting))]
    return rows, columns, np.r_[value[~led], np.outer(cut[cutting], value[led]).reshape(-1)]


def _long_diagonals(
    row: NDArray[np.int32], column: NDArray[np.int32], n_states: int
) -> list[NDArray[np.int32]]:
    """Return the offsets (column minus row) of the diagonals that are mostly nonzero, in runs of neighbours."""
    offset, count = np.unique((column - row)[row < n_states], return_counts=True)
    long = offset[count >= MIN_DIAGONAL_FILL * n_states]
    return [run for run in np.split(long, np.flatnonzero(np.diff(long) > 1) + 1) if len(run)]
