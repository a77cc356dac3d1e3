from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.playback.sparse import Products, RowProduct, Sparse, _Block, _Scattered


def matrix(seed: int, size: int, diagonals: tuple[int, ...], n_scattered: int) -> Sparse:
    """Return a matrix with full diagonals and scattered entries; its rows sum to 1 or are empty."""
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
    """Return distributions on one state, on a few, and over all."""
    rng = np.random.default_rng(seed)
    certain = np.zeros(size)
    certain[rng.integers(size)] = 1
    return [certain, rng.dirichlet(np.full(size, 0.01)), rng.dirichlet(np.full(size, 10.0))]


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 80),
    st.lists(st.sets(st.integers(-12, 40), max_size=5), min_size=1, max_size=4),
    st.integers(0, 300),
    st.sampled_from([None, 1e-7]),
)
def test_products_equal_dense_products(
    seed: int, size: int, diagonals: list[set[int]], n_scattered: int, negligible: float | None
) -> None:
    matrices = [
        matrix(seed + i, size, tuple(d for d in each if abs(d) < size), n_scattered)
        for i, each in enumerate(diagonals)
    ]
    constants = np.random.default_rng(seed).random((len(matrices), size))
    products = Products(matrices, constants, negligible)
    for state in states(seed, size):
        expected = np.stack([state @ m.dense() for m in matrices]) + constants
        for kind in (np.float32, np.float64):
            # Negligible values may be left out, at most this much of each state.
            lost = 0.0 if negligible is None else size * negligible
            np.testing.assert_allclose(products.times(state.astype(kind)), expected, atol=1e-6 + lost)
        np.testing.assert_allclose(matrices[0].left_multiply(state), state @ matrices[0].dense(), atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.floats(0, 1))
def test_zero_rows_may_be_left_out(seed: int, n_rows: int, activity: float) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(n_rows, 7)).astype(np.float32)
    counts = (rng.poisson(2, n_rows) * (rng.random(n_rows) < activity)).astype(np.float32)
    product = RowProduct(weights).times(counts, counts.nonzero()[0])
    np.testing.assert_allclose(product, counts @ weights, atol=1e-4)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 12))
def test_powers_equal_dense_powers(seed: int, size: int, exponent: int) -> None:
    sparse = matrix(seed, size, (1,) if size > 1 else (), 20)
    expected = np.linalg.matrix_power(sparse.dense(), exponent)
    np.testing.assert_allclose(sparse.power(exponent).dense(), expected, atol=1e-5)


def test_an_empty_matrix_gives_the_constant() -> None:
    empty = np.zeros(0, np.int64)
    products = Products([Sparse(empty, empty, np.zeros(0), 3)], np.arange(3.0)[None])
    np.testing.assert_array_equal(products.times(np.ones(3)), [[0, 1, 2]])


@pytest.mark.parametrize(("n_scattered", "kind"), [(0, type(None)), (30, _Scattered), (2000, _Block)])
def test_entries_off_the_diagonals_are_stored_by_their_density(n_scattered: int, kind: type) -> None:
    products = Products([matrix(0, 200, (0, 1), n_scattered)], np.zeros((1, 200)))
    assert len(products._moves) == 2
    assert isinstance(products._rest, kind)
