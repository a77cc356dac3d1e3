"""Sparse matrices in numpy: a transition matrix, its powers, and fast products with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.errors import BadModel
from decoders.numerics import ones

NEGLIGIBLE = 1e-8
"""Entries of products up to this size are dropped."""

MIN_DIAGONAL_FILL = 0.25
"""Share of a diagonal that must be nonzero for it to be multiplied as a whole."""

MAX_PLACES_PER_ENTRY = 25
"""Sparsity (places per entry) up to which a dense block is faster than single entries."""

ROWS_PER_ACTIVE_ROW = 3
"""A product leaves out zero rows when at most one row in this many is nonzero."""

MAX_PAIRS = 10_000_000
"""Products of entries above which a matrix product is computed densely."""

MAX_DENSE_STATES = 3000
"""Size up to which a matrix product may be computed densely."""


@dataclass(frozen=True, slots=True, eq=False)
class Sparse:
    """Square sparse matrix in coordinate format.

    Attributes
    ----------
    row, column
        Int64 [entries], position of each entry.
    value
        Float64 [entries].
    size
        Number of rows and of columns.

    Examples
    --------
    >>> step = Sparse(np.array([0, 1]), np.array([1, 0]), np.array([1.0, 0.5]), size=2)
    >>> step.left_multiply(np.array([1.0, 0.0])).tolist()
    [0.0, 1.0]
    >>> step.power(2).dense().tolist()
    [[0.5, 0.0], [0.0, 0.5]]
    """

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    value: NDArray[np.float64]
    size: int

    def merged(self) -> Sparse:
        """Sum duplicate entries, sort by row and column, and drop negligible ones."""
        key, where = np.unique(self.row * self.size + self.column, return_inverse=True)
        value = np.bincount(where, self.value, len(key)).astype(np.float64)
        keep = value > NEGLIGIBLE
        return Sparse(key[keep] // self.size, key[keep] % self.size, value[keep], self.size)

    def row_sums(self) -> NDArray[np.float64]:
        """Return the sum of each row, float64 [size]."""
        return np.bincount(self.row, self.value, self.size).astype(np.float64)

    def left_multiply(self, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``vector @ matrix``, float64 [size], in double precision; `Products` is faster."""
        return np.bincount(self.column, self.value * vector[self.row], self.size).astype(np.float64)

    def times(self, other: Sparse) -> Sparse:
        """Return the matrix product ``self @ other``; ``other`` must be merged."""
        n_in_row = np.bincount(other.row, minlength=other.size)
        row_begins = np.r_[0, np.cumsum(n_in_row)[:-1]]
        n_pairs = n_in_row[self.column]
        if n_pairs.sum() > MAX_PAIRS:
            return self._times_dense(other)
        left = np.repeat(np.arange(len(self.row)), n_pairs)
        within_row = np.arange(len(left)) - np.repeat(np.cumsum(n_pairs) - n_pairs, n_pairs)
        right = row_begins[self.column[left]] + within_row
        value = self.value[left] * other.value[right]
        return Sparse(self.row[left], other.column[right], value, self.size).merged()

    def _times_dense(self, other: Sparse) -> Sparse:
        """Return the matrix product where it is no longer sparse: after many steps, or in a damaged model."""
        if self.size > MAX_DENSE_STATES:
            raise BadModel(
                f"the model's transitions between {self.size} states fill up over so many frames that their powers "
                "cannot be computed. Fit the model again, with fewer frames per second or a shorter lag."
            )
        product = self.dense() @ other.dense()
        row, column = np.nonzero(product > NEGLIGIBLE)
        return Sparse(row, column, product[row, column], self.size)

    def power(self, exponent: int) -> Sparse:
        """Return the matrix to the power ``exponent`` (at least 1), by repeated squaring."""
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
        """Return the matrix times a number."""
        return Sparse(self.row, self.column, factor * self.value, self.size)

    def dense(self) -> NDArray[np.float64]:
        """Return the dense matrix, float64 [size, size]."""
        out = np.zeros((self.size, self.size))
        np.add.at(out, (self.row, self.column), self.value)
        return out


class Products:
    """Products of a row vector with several matrices at once, in single precision.

    Movies are played in order, so most entries lie on a few long diagonals, each of which is a slice of the vector times
    weights. The rest, such as cuts between scenes, connects few rows to few columns and is stored as a small dense
    block, or as single entries where the block would be mostly empty.

    Parameters
    ----------
    matrices
        Merged matrices of the same size.
    constants
        Float [matrices, size], added to the products.
    negligible
        Values of the vector up to this are ignored outside the long diagonals; None ignores none.
    """

    def __init__(
        self, matrices: Sequence[Sparse], constants: NDArray[np.float64], negligible: float | None = None
    ) -> None:
        size, n = matrices[0].size, len(matrices)
        self._shape = (n, size)
        self._vector = np.zeros(size, np.float32)
        long = [_long_diagonals(m) for m in matrices]
        # Contributions of each matrix's first, second ... diagonal and of the constants, summed by one product.
        depth = max(len(offsets) for offsets in long)
        self._parts = np.zeros((depth + 1, n * size), np.float32)
        self._parts[-1] = constants.reshape(-1)
        self._moves = []
        rest: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
        for index, (m, offsets) in enumerate(zip(matrices, long, strict=True)):
            offset = m.column - m.row
            for part, diagonal in enumerate(offsets):
                on = offset == diagonal
                weight = np.zeros(size, np.float32)
                weight[m.column[on]] = m.value[on]
                source, target = _slices(diagonal, size)
                moved = self._parts[part, index * size : (index + 1) * size]
                self._moves.append((self._vector[source], weight[target], moved[target]))
            off = ~np.isin(offset, offsets)
            rest.append((m.row[off], m.column[off] + index * size, m.value[off]))
        row, column, value = (np.concatenate(each) for each in zip(*rest, strict=True))
        is_dense = len(np.unique(row)) * len(np.unique(column)) <= MAX_PLACES_PER_ENTRY * len(row)
        self._rest: _Block | _Scattered | None = None
        if len(row):
            self._rest = (
                _Block(row, column, value, negligible) if is_dense else _Scattered(row, column, value)
            )

    def times(self, vector: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return ``vector @ matrix + constant`` for each matrix.

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
        for source, weight, target in self._moves:
            np.multiply(source, weight, target)
        out: NDArray[np.float32] = ones(len(self._parts)).dot(self._parts)
        if self._rest is not None:
            self._rest.add(self._vector, out)
        return out.reshape(self._shape)


def _long_diagonals(matrix: Sparse) -> list[int]:
    """Return the offsets (column minus row) of the diagonals that are mostly nonzero."""
    offset, n_on = np.unique(matrix.column - matrix.row, return_counts=True)
    return [int(diagonal) for diagonal in offset[n_on >= MIN_DIAGONAL_FILL * matrix.size]]


def _slices(offset: int, size: int) -> tuple[slice, slice]:
    """Return the rows and the columns of a diagonal."""
    return slice(max(0, -offset), size - max(0, offset)), slice(max(0, offset), size + min(0, offset))


class RowProduct:
    """Products of sparse row vectors with a dense matrix.

    Parameters
    ----------
    weights
        Float32 [rows, columns].
    """

    def __init__(self, weights: NDArray[np.float32]) -> None:
        self._weights = weights
        self._n_max = len(weights) // ROWS_PER_ACTIVE_ROW
        self._rows = np.empty((self._n_max, weights.shape[1]), np.float32)

    def times(self, vector: NDArray[np.float32], active: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return ``vector @ weights``, float32 [columns].

        Parameters
        ----------
        vector
            Float32 [rows].
        active
            Rows where the vector is not zero, or not negligible.
        """
        weights = self._weights
        if len(active) <= self._n_max:
            vector = vector.take(active)
            rows = self._rows[: len(active)]
            weights = weights.take(active, 0, rows, "clip")
        out: NDArray[np.float32] = vector.dot(weights)
        return out


class _Block:
    """Entries in few rows and few columns, as a dense matrix."""

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
    """Single entries, in order of their columns."""

    def __init__(self, row: NDArray[np.int64], column: NDArray[np.int64], value: NDArray[np.float64]) -> None:
        order = np.argsort(column, kind="stable")
        self._row, self._value = row[order].astype(np.intp), value[order].astype(np.float32)
        self._columns, self._begins = np.unique(column[order], return_index=True)

    def add(self, vector: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        part = vector.take(self._row)
        part *= self._value
        out[self._columns] += np.add.reduceat(part, self._begins)
