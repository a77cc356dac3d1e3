"""Small sparse matrices in numpy alone: enough for a transition matrix, its powers and a fast product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEGLIGIBLE = 1e-8
"""Entries of a power smaller than this are dropped."""

USUAL = 0.97
"""The part of the columns whose entries are all gathered side by side."""

CROWDED = 2.0
"""How many times more places than entries make gathering in one line the faster way."""


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

    When the columns have about equally many entries, those are gathered side by side and the further entries of the
    few full columns are added up separately. When a few columns have most of them, all are laid out in one line.

    Parameters
    ----------
    matrix
        Merged.
    """

    def __init__(self, matrix: Sparse) -> None:
        n_each = np.bincount(matrix.column, minlength=matrix.size)
        width = max(1, int(np.quantile(n_each, USUAL)))
        if width * matrix.size > CROWDED * len(matrix.column):
            # Every column has an entry, if only a zero, so that each is a stretch of the line.
            empty = np.flatnonzero(n_each == 0)
            matrix = Sparse(
                np.r_[matrix.row, empty],
                np.r_[matrix.column, empty],
                np.r_[matrix.value, np.zeros(len(empty))],
                matrix.size,
            )
            n_each, width = np.maximum(n_each, 1), 0
        order = np.argsort(matrix.column, kind="stable")
        column, row, value = matrix.column[order], matrix.row[order], matrix.value[order]
        rank = np.arange(len(column)) - (np.cumsum(n_each) - n_each)[column]
        first = rank < width
        self._index = np.zeros((width, matrix.size), np.intp)
        self._weight = np.zeros((width, matrix.size))
        self._index[rank[first], column[first]] = row[first]
        self._weight[rank[first], column[first]] = value[first]
        self._buffer = np.empty((width, matrix.size))
        more = ~first
        self._more_row, self._more_value = row[more], value[more]
        self._more_buffer = np.empty(len(self._more_row))
        self._more_begin = np.flatnonzero(np.r_[True, np.diff(column[more]) > 0]) if more.any() else None
        self._more_column = column[more][self._more_begin] if self._more_begin is not None else None

    def times(self, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        """``vector @ matrix``, float64 [size]."""
        more: NDArray[np.float64] | None = None
        if self._more_begin is not None:
            vector.take(self._more_row, out=self._more_buffer, mode="clip")
            np.multiply(self._more_buffer, self._more_value, out=self._more_buffer)
            more = np.add.reduceat(self._more_buffer, self._more_begin)
            if not len(self._index):
                return more
        vector.take(self._index, out=self._buffer, mode="clip")
        np.multiply(self._buffer, self._weight, out=self._buffer)
        total: NDArray[np.float64] = np.add.reduce(self._buffer, 0)
        if more is not None:
            total[self._more_column] += more
        return total


def side_by_side(matrices: Sequence[Sparse]) -> Gather:
    """Several matrices of one size as one, whose product holds those with each, one after the other.

    Parameters
    ----------
    matrices
        Merged.
    """
    size = matrices[0].size
    return Gather(
        Sparse(
            np.concatenate([m.row for m in matrices]),
            np.concatenate([m.column + size * i for i, m in enumerate(matrices)]),
            np.concatenate([m.value for m in matrices]),
            size * len(matrices),
        )
    )
