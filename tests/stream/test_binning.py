from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.binning import bin_spikes, sample_at
from stream.errors import ShapeMismatch


@given(
    st.lists(st.tuples(st.floats(-1, 6), st.integers(0, 3)), max_size=60),
    st.lists(st.integers(0, 50), min_size=2, max_size=12, unique=True),
)
def test_counts_equal_a_count_by_hand(spikes: list[tuple[float, int]], tenths: list[int]) -> None:
    edges = np.array(sorted(tenths)) / 10
    times, unit = np.array([time for time, _ in spikes]), np.array([unit for _, unit in spikes], int)
    counts = bin_spikes(times, unit, edges, 4)
    assert counts.shape == (len(edges) - 1, 4)
    assert counts.dtype == np.float32
    by_hand = np.zeros_like(counts)
    for time, which in spikes:
        for index in range(len(edges) - 1):
            by_hand[index, which] += edges[index] <= time < edges[index + 1]
    np.testing.assert_array_equal(counts, by_hand)


def test_the_number_of_units_defaults_to_the_largest() -> None:
    assert bin_spikes([0.5], [2], [0, 1]).tolist() == [[0, 0, 1]]
    assert bin_spikes([], np.zeros(0, int), [0, 1]).shape == (1, 0)


@pytest.mark.parametrize(
    ("times", "unit", "edges", "n_units"),
    [([1.0], [0, 1], [0, 1], None), ([1.0], [3], [0, 1], 2), ([1.0], [0], [0, 0], 1), ([1.0], [0], [0], 1)],
)
def test_invalid_arguments_are_refused(
    times: list[float], unit: list[int], edges: list[float], n_units: int | None
) -> None:
    with pytest.raises(ShapeMismatch):
        bin_spikes(times, unit, edges, n_units)


def test_values_are_interpolated_inside_and_nan_outside() -> None:
    got = sample_at([0.0, 1.0, 2.0], [[0.0, 5.0], [10.0, np.nan], [20.0, 5.0]], [-1.0, 0.5, 1.0, 2.0, 2.1])
    np.testing.assert_array_equal(got[:, 0], np.float32([np.nan, 5, 10, 20, np.nan]))
    np.testing.assert_array_equal(got[:, 1], np.float32([np.nan, np.nan, np.nan, 5, np.nan]))
    assert sample_at([], np.zeros((0, 2)), [1.0]).shape == (1, 2)
    with pytest.raises(ShapeMismatch, match="increase"):
        sample_at([1.0, 1.0], [0.0, 1.0], [1.0])
