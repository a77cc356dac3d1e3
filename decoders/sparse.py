"""Small sparse matrices in numpy alone: enough for a transition matrix, its powers and a fast product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

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
        """``vector @ matrix``, float64 [size], in full precision; `Product` is the quick way."""
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

    def dense(self) -> NDArray[np.float64]:
        """Float64 [size, size]."""
        out = np.zeros((self.size, self.size))
        np.add.at(out, (self.row, self.column), self.value)
        return out


class Product:
    """A sparse matrix laid out for fast products of a row vector with it, in single precision.

    Movies are played in order, so most entries lie on a few neighbouring diagonals: shifted views of the vector times
    weights. What is left, such as cuts between scenes, leads from few rows to few columns: a small dense block. Only
    where that would be mostly empty are entries gathered one by one.

    Parameters
    ----------
    matrix
        Merged.
    factor
        The product is multiplied with this.
    constant
        Float [size], added to it.
    """

    def __init__(self, matrix: Sparse, factor: float, constant: NDArray[np.float64]) -> None:
        size, offset = matrix.size, matrix.column - matrix.row
        value = (factor * matrix.value).astype(np.float32)
        low, high = _long_diagonals(offset, size)
        on = (offset >= low) & (offset <= high)
        before = max(0, high)
        self._padded = np.zeros(size + before + max(0, -low), np.float32)
        self._inside = self._padded[before : before + size]
        self._shifted = sliding_window_view(self._padded, size)[before - high : before - low + 1]
        self._weight = np.zeros(self._shifted.shape, np.float32)
        self._weight[high - offset[on], matrix.column[on]] = value[on]
        # The constant is one more row, so that it is added with the others.
        self._parts = np.zeros((len(self._weight) + 1, size), np.float32)
        self._parts[-1] = constant
        self._moved = self._parts[:-1]
        self._ones = np.ones(len(self._parts), np.float32)
        self._rest = _rest(matrix.row[~on], matrix.column[~on], value[~on])

    def times(self, vector: NDArray[np.floating[Any]], out: NDArray[np.float32]) -> NDArray[np.float32]:
        """``factor * vector @ matrix + constant``.

        Parameters
        ----------
        vector
            Float [size].
        out
            Float32 [size], filled and returned; another array than ``vector``.
        """
        self._inside[:] = vector
        np.multiply(self._shifted, self._weight, out=self._moved)
        self._ones.dot(self._parts, out=out)
        if self._rest is not None:
            self._rest.add(self._inside, out)
        return out


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

    def __init__(self, row: NDArray[np.int64], column: NDArray[np.int64], value: NDArray[np.float32]) -> None:
        self._rows, at_row = np.unique(row, return_inverse=True)
        self._columns, at_column = np.unique(column, return_inverse=True)
        self._values = np.zeros((len(self._rows), len(self._columns)), np.float32)
        self._values[at_row, at_column] = value

    def add(self, vector: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        out[self._columns] += vector.take(self._rows).dot(self._values)


class _Scattered:
    """Entries one by one, in order of their columns."""

    def __init__(self, row: NDArray[np.int64], column: NDArray[np.int64], value: NDArray[np.float32]) -> None:
        order = np.argsort(column, kind="stable")
        self._row, self._value = row[order].astype(np.intp), value[order]
        self._columns, self._begins = np.unique(column[order], return_index=True)

    def add(self, vector: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        part = vector.take(self._row)
        part *= self._value
        out[self._columns] += np.add.reduceat(part, self._begins)


def _rest(
    row: NDArray[np.int64], column: NDArray[np.int64], value: NDArray[np.float32]
) -> _Block | _Scattered | None:
    if not len(row):
        return None
    crowded = len(np.unique(row)) * len(np.unique(column)) <= CROWDED * len(row)
    return (_Block if crowded else _Scattered)(row, column, value)


def _long_diagonals(offset: NDArray[np.int64], size: int) -> tuple[int, int]:
    """The first and last of the long diagonals around the fullest one; the first past the last when none is long."""
    if not len(offset):
        return 0, -1
    on = np.bincount(offset + size, minlength=2 * size + 1)
    low = high = int(on.argmax())
    if on[low] < LONG * size:
        return 0, -1
    while low and on[low - 1] >= LONG * size:
        low -= 1
    while high < 2 * size and on[high + 1] >= LONG * size:
        high += 1
    return low - size, high - size
