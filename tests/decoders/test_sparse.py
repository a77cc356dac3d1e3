from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.sparse import Product, RowProduct, Sparse, _Block, _Scattered


def matrix(seed: int, size: int, diagonals: tuple[int, ...], n_scattered: int) -> Sparse:
    """Rows that sum to one at most, on whole diagonals and anywhere else."""
    rng = np.random.default_rng(seed)
    rows, columns = [rng.integers(0, size, n_scattered)], [rng.integers(0, size, n_scattered)]
    for offset in diagonals:
        row = np.arange(max(0, -offset), size - max(0, offset))
        rows.append(row)
        columns.append(row + offset)
    row, column = np.concatenate(rows).astype(np.int64), np.concatenate(columns).astype(np.int64)
    merged = Sparse(row, column, rng.random(len(row)) + 0.01, size).merged()
    return Sparse(merged.row, merged.column, merged.value / merged.row_sums()[merged.row], size)


def states(seed: int, size: int) -> list[np.ndarray]:
    """Concentrated on one state, on a few, and spread over all."""
    rng = np.random.default_rng(seed)
    certain = np.zeros(size)
    certain[rng.integers(size)] = 1
    return [certain, rng.dirichlet(np.full(size, 0.01)), rng.dirichlet(np.full(size, 10.0))]


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 80),
    st.sets(st.integers(-12, 40), max_size=6),
    st.integers(0, 300),
    st.floats(0.1, 1),
)
def test_products_equal_dense_ones(
    seed: int, size: int, diagonals: set[int], n_scattered: int, factor: float
) -> None:
    sparse = matrix(seed, size, tuple(d for d in diagonals if abs(d) < size), n_scattered)
    constant = np.random.default_rng(seed).random(size)
    product = Product(sparse, factor, constant)
    for state in states(seed, size):
        expected = factor * state @ sparse.dense() + constant
        for kind in (np.float32, np.float64):
            got = product.times(state.astype(kind), np.full(size, np.nan, np.float32))
            np.testing.assert_allclose(got, expected, atol=1e-6)
        np.testing.assert_allclose(sparse.carry(state), state @ sparse.dense(), atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.floats(0, 1))
def test_rows_that_do_not_count_may_be_left_out(seed: int, n_rows: int, activity: float) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(n_rows, 7)).astype(np.float32)
    counts = (rng.poisson(2, n_rows) * (rng.random(n_rows) < activity)).astype(np.float32)
    got = RowProduct(weights).times(counts, counts.nonzero()[0])
    np.testing.assert_allclose(got, counts @ weights, atol=1e-4)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 12))
def test_powers_equal_dense_ones(seed: int, size: int, exponent: int) -> None:
    sparse = matrix(seed, size, (1,) if size > 1 else (), 20)
    expected = np.linalg.matrix_power(sparse.dense(), exponent)
    np.testing.assert_allclose(sparse.power(exponent).dense(), expected, atol=1e-5)


def test_an_empty_matrix_leaves_the_constant() -> None:
    nothing = np.zeros(0, np.int64)
    product = Product(Sparse(nothing, nothing, np.zeros(0), 3), 1.0, np.arange(3.0))
    np.testing.assert_array_equal(product.times(np.ones(3), np.empty(3, np.float32)), [0, 1, 2])


@pytest.mark.parametrize(("n_scattered", "kind"), [(0, type(None)), (30, _Scattered), (2000, _Block)])
def test_the_rest_is_laid_out_for_what_it_is(n_scattered: int, kind: type) -> None:
    product = Product(matrix(0, 200, (0, 1), n_scattered), 1.0, np.zeros(200))
    assert len(product._weight) == 2
    assert isinstance(product._rest, kind)
