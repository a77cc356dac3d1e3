"""Small sparse matrices in numpy alone: enough for a transition matrix, its powers and a fast product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEGLIGIBLE = 1e-8
"""Entries of a power smaller than this are dropped."""

USUAL = 0.97
"""The part of the columns whose entries are all gathered side by side."""


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


class Gather:
    """A sparse matrix laid out for fast products of a row vector with it.

    Most columns have a few entries: those are gathered side by side. The further entries of the few full columns are
    added up separately.

    Parameters
    ----------
    matrix
        Merged.
    """

    def __init__(self, matrix: Sparse) -> None:
        order = np.argsort(matrix.column, kind="stable")
        column, row, value = matrix.column[order], matrix.row[order], matrix.value[order]
        n_each = np.bincount(column, minlength=matrix.size)
        rank = np.arange(len(column)) - (np.cumsum(n_each) - n_each)[column]
        width = max(1, int(np.quantile(n_each, USUAL)))
        first = rank < width
        self._index = np.zeros((width, matrix.size), np.intp)
        self._weight = np.zeros((width, matrix.size))
        self._index[rank[first], column[first]] = row[first]
        self._weight[rank[first], column[first]] = value[first]
        self._buffer = np.empty((width, matrix.size))
        more = ~first
        self._more_row, self._more_value = row[more], value[more]
        self._more_begin = np.flatnonzero(np.r_[True, np.diff(column[more]) > 0]) if more.any() else None
        self._more_column = column[more][self._more_begin] if self._more_begin is not None else None

    def times(self, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        """``vector @ matrix``, float64 [size]."""
        np.take(vector, self._index, out=self._buffer, mode="clip")
        self._buffer *= self._weight
        total: NDArray[np.float64] = self._buffer.sum(0)
        if self._more_begin is not None:
            more = vector[self._more_row] * self._more_value
            total[self._more_column] += np.add.reduceat(more, self._more_begin)
        return total
