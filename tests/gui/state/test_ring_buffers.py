"""Bounded histories: rings of rows and images over time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gui.state.ring_buffers import ColumnImage, RowRing


@given(st.integers(1, 20), st.lists(st.integers(0, 50), max_size=12))
def test_ring_keeps_the_last_rows_in_order(capacity: int, sizes: list[int]) -> None:
    ring = RowRing(capacity, 2)
    sent = np.zeros((0, 2))
    for size in sizes:
        rows = np.arange(2 * size, dtype=float).reshape(size, 2) + 100 * len(sent)
        ring.add(rows)
        sent = np.vstack([sent, rows])
        np.testing.assert_array_equal(ring.rows(), sent[-capacity:])
        assert ring.total == len(sent)


def make_image(n_columns: int = 10) -> ColumnImage:
    return ColumnImage(1, n_columns, step_s=0.1, period_s=0.1)


def test_newest_column_is_at_the_right() -> None:
    image = make_image()
    image.add(np.arange(15) * 0.1, np.arange(15, dtype=np.float32)[:, None])
    np.testing.assert_array_equal(image.image()[:, 0], np.arange(5, 15))


def test_jitter_and_a_slow_clock_leave_no_holes() -> None:
    image = make_image(50)
    jitter = np.random.default_rng(1).uniform(-0.02, 0.02, 50)
    image.add(np.arange(50) * 0.1013 + jitter, np.ones((50, 1), np.float32))
    assert np.all(image.image()[1:] == 1)


def test_a_gap_stays_empty() -> None:
    image = make_image()
    image.add(np.array([0.0, 0.1, 0.5]), np.ones((3, 1), np.float32))
    np.testing.assert_array_equal(image.image()[-6:, 0], [1, 1, 0, 0, 0, 1])


def test_a_gap_longer_than_the_image_clears_it() -> None:
    image = make_image()
    image.add(np.array([0.0, 0.1, 1e6]), np.ones((3, 1), np.float32))
    assert image.image().sum() == 1


def test_samples_of_one_column_keep_the_largest() -> None:
    image = ColumnImage(1, 4, step_s=0.1, period_s=0.01)
    image.add(np.array([0.0, 0.01, 0.02]), np.array([[1], [3], [2]], np.float32))
    assert image.image()[-1, 0] == 3


def test_a_clock_that_went_back_begins_anew() -> None:
    image = make_image()
    image.add(np.array([100.0, 100.1, 5.0]), np.array([[1], [2], [3]], np.float32))
    np.testing.assert_array_equal(image.image()[-2:, 0], [0, 3])
