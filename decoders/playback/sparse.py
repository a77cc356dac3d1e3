"""Small sparse matrices in numpy alone: enough for a transition matrix, its powers and a fast product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.numerics import ones

NEGLIGIBLE = 1e-8
"""Entries of a power smaller than this are dropped."""

LONG = 0.25
"""The part of its places that must be taken for a diagonal to be multiplied as a whole."""

CROWDED = 25
"""Places per entry up to which a block is quicker multiplied as a whole than entry by entry."""

FEW = 3
"""One row in so many, or fewer, must count for the others to be left out of a product."""


@dataclass(frozen=True, slots=True, eq=False)
class Sparse:
    """A square matrix as its entries.

    Attributes
    ----------
    row, column
        Int64 [entries].
    value
        Float64 [entries].
    size
        Rows and columns.
    """

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    value: NDArray[np.float64]
    size: int

    def merged(self) -> Sparse:
        """The same matrix with one entry per place, in order of row and column, negligible ones dropped."""
        key, where = np.unique(self.row * self.size + self.column, return_inverse=True)
        value = np.bincount(where, self.value, len(key)).astype(np.float64)
        keep = value > NEGLIGIBLE
        return Sparse(key[keep] // self.size, key[keep] % self.size, value[keep], self.size)

    def row_sums(self) -> NDArray[np.float64]:
        """Float64 [size]."""
        return np.bincount(self.row, self.value, self.size).astype(np.float64)

    def carry(self, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        """``vector @ matrix``, float64 [size], in full precision; `Products` is the quick way."""
        return np.bincount(self.column, self.value * vector[self.row], self.size).astype(np.float64)

    def times(self, other: Sparse) -> Sparse:
        """The matrix product; ``other`` must be merged."""
        n_other = np.bincount(other.row, minlength=other.size)
        first = np.r_[0, np.cumsum(n_other)[:-1]]
        n_each = n_other[self.column]
        mine = np.repeat(np.arange(len(self.row)), n_each)
        within = np.arange(len(mine)) - np.repeat(np.cumsum(n_each) - n_each, n_each)
        theirs = first[self.column[mine]] + within
        value = self.value[mine] * other.value[theirs]
        return Sparse(self.row[mine], other.column[theirs], value, self.size).merged()

    def power(self, exponent: int) -> Sparse:
        """The matrix multiplied with itself ``exponent`` (at least 1) times."""
        result: Sparse | None = None
        square = self
        while True:
            if exponent & 1:
                result = square if result is None else result.times(square)
            exponent >>= 1
            if not exponent:
                assert result is not None
                return result
            square = square.times(square)

    def scaled(self, factor: float) -> Sparse:
        """The matrix times a number."""
        return Sparse(self.row, self.column, factor * self.value, self.size)

    def dense(self) -> NDArray[np.float64]:
        """Float64 [size, size]."""
        out = np.zeros((self.size, self.size))
        np.add.at(out, (self.row, self.column), self.value)
        return out


class Products:
    """Several matrices of one size laid out for fast products of one row vector with each, in single precision.

    Movies are played in order, so most entries lie on a few long diagonals: parts of the vector times weights. What is
    left, such as cuts between scenes, leads from few rows to few columns: a small dense block. Only where that would be
    mostly empty are entries gathered one by one.

    Parameters
    ----------
    matrices
        Merged.
    constants
        Float [matrices, size], added to the products.
    negligible
        Numbers of the vector that are not larger count on long diagonals only.
    """

    def __init__(
        self, matrices: Sequence[Sparse], constants: NDArray[np.float64], negligible: float | None = None
    ) -> None:
        size, n = matrices[0].size, len(matrices)
        self._shape = (n, size)
        self._vector = np.zeros(size, np.float32)
        long = [_long_diagonals(m) for m in matrices]
        # What each matrix's first, second ... diagonal and its constant bring, added up with one product.
        depth = max(len(offsets) for offsets in long)
        self._parts = np.zeros((depth + 1, n * size), np.float32)
        self._parts[-1] = constants.reshape(-1)
        self._moves = []
        rest: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
        for index, (m, offsets) in enumerate(zip(matrices, long, strict=True)):
            offset = m.column - m.row
            for part, along in enumerate(offsets):
                on = offset == along
                weight = np.zeros(size, np.float32)
                weight[m.column[on]] = m.value[on]
                of, to = _slices(along, size)
                moved = self._parts[part, index * size : (index + 1) * size]
                self._moves.append((self._vector[of], weight[to], moved[to]))
            left = ~np.isin(offset, offsets)
            rest.append((m.row[left], m.column[left] + index * size, m.value[left]))
        row, column, value = (np.concatenate(each) for each in zip(*rest, strict=True))
        crowded = len(np.unique(row)) * len(np.unique(column)) <= CROWDED * len(row)
        self._rest: _Block | _Scattered | None = None
        if len(row):
            self._rest = _Block(row, column, value, negligible) if crowded else _Scattered(row, column, value)

    def times(self, vector: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """``vector @ matrix + constant`` of each matrix.

        Parameters
        ----------
        vector
            Float [size].

        Returns
        -------
        products
            Float32 [matrices, size], a new array.
        """
        self._vector[:] = vector
        for of, weight, to in self._moves:
            np.multiply(of, weight, to)
        out: NDArray[np.float32] = ones(len(self._parts)).dot(self._parts)
        if self._rest is not None:
            self._rest.add(self._vector, out)
        return out.reshape(self._shape)


def _long_diagonals(matrix: Sparse) -> list[int]:
    """How far right of the main one the diagonals lie that are mostly taken."""
    offset, n_on = np.unique(matrix.column - matrix.row, return_counts=True)
    return [int(along) for along in offset[n_on >= LONG * matrix.size]]


def _slices(along: int, size: int) -> tuple[slice, slice]:
    """The rows and the columns of a diagonal."""
    return slice(max(0, -along), size - max(0, along)), slice(max(0, along), size + min(0, along))


class RowProduct:
    """Products with a dense matrix of which only some rows count.

    Parameters
    ----------
    weights
        Float32 [rows, columns].
    """

    def __init__(self, weights: NDArray[np.float32]) -> None:
        self._weights = weights
        self._n_few = len(weights) // FEW
        self._rows = np.empty((self._n_few, weights.shape[1]), np.float32)

    def times(self, vector: NDArray[np.float32], active: NDArray[np.intp]) -> NDArray[np.float32]:
        """``vector @ weights``, float32 [columns].

        Parameters
        ----------
        vector
            Float32 [rows].
        active
            Where it is not zero, or not negligible.
        """
        weights = self._weights
        if len(active) <= self._n_few:
            vector = vector.take(active)
            rows = self._rows[: len(active)]
            weights = weights.take(active, 0, rows, "clip")
        out: NDArray[np.float32] = vector.dot(weights)
        return out


class _Block:
    """Few rows and few columns, as a dense matrix."""

    def __init__(
        self,
        row: NDArray[np.int64],
        column: NDArray[np.int64],
        value: NDArray[np.float64],
        negligible: float | None,
    ) -> None:
        self._rows, at_row = np.unique(row, return_inverse=True)
        self._columns, at_column = np.unique(column, return_inverse=True)
        self._values = np.zeros((len(self._rows), len(self._columns)), np.float32)
        self._values[at_row, at_column] = value
        self._negligible = negligible
        self._product = RowProduct(self._values)

    def add(self, vector: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        here = vector.take(self._rows)
        if self._negligible is None:
            out[self._columns] += here.dot(self._values)
            return
        active = (here > self._negligible).nonzero()[0]
        if len(active):
            out[self._columns] += self._product.times(here, active)


class _Scattered:
    """Entries one by one, in order of their columns."""

    def __init__(self, row: NDArray[np.int64], column: NDArray[np.int64], value: NDArray[np.float64]) -> None:
        order = np.argsort(column, kind="stable")
        self._row, self._value = row[order].astype(np.intp), value[order].astype(np.float32)
        self._columns, self._begins = np.unique(column[order], return_index=True)

    def add(self, vector: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        part = vector.take(self._row)
        part *= self._value
        out[self._columns] += np.add.reduceat(part, self._begins)
