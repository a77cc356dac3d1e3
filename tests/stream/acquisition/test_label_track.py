from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.acquisition.label_track import MAX_NUMBERS, MAX_STEP_S, MAX_VALUES, Labels, LabelTrack
from stream.binning import sample_at


@given(
    st.lists(st.floats(0.01, 1.5), min_size=2, max_size=30),
    st.lists(st.floats(-1, 20), min_size=1, max_size=30),
    st.integers(1, 5),
)
def test_queries_in_order_equal_interpolation_offline(
    steps: list[float], moments: list[float], portion: int
) -> None:
    stamps = np.cumsum(steps)
    values = np.random.default_rng(len(steps)).normal(size=(len(stamps), 2)).astype(np.float32)
    moments = sorted(moments)
    track = LabelTrack()
    for first in range(0, len(stamps), portion):
        track.add(stamps[first : first + portion], values[first : first + portion])
    got = np.stack([track.at(moment, 2) for moment in moments])
    np.testing.assert_allclose(got, sample_at(stamps, values, moments), rtol=1e-4, atol=1e-5)


def test_a_value_near_a_sample_is_used_as_it_is_and_nothing_is_known_before_the_first() -> None:
    labels = Labels()
    wanted = [("position", 2), ("speed", 1)]
    assert np.isnan(labels.at(wanted, 1.0, 10.0)).all()
    labels.add("position", [2.0, 2.1], [[1, 2], [3, 4]])
    labels.add("speed", [2.02], [[7]])
    assert np.isnan(labels.at(wanted, 1.9, 10.0)).all()
    np.testing.assert_array_equal(labels.at(wanted, 2.0, 10.0), [1, 2, 7])
    np.testing.assert_array_equal(labels.at(wanted, 2.101, 10.0)[:2], [3, 4])
    assert np.isnan(labels.at(wanted, 2.2, 10.0)).all()


def test_no_interpolation_across_a_long_pause_or_another_number_of_columns() -> None:
    track = LabelTrack()
    track.add([1.0, 1.0 + MAX_STEP_S + 0.1], [[0.0], [1.0]])
    assert np.isnan(track.at(2.0, 1)).all()
    assert np.isnan(track.at(1.0 + MAX_STEP_S + 0.1, 3)).all()


def test_a_clock_that_steps_back_drops_earlier_values() -> None:
    track = LabelTrack()
    track.add([10.0, 10.1, 5.0, 5.1, 5.1], [[1], [2], [3], [4], [5]])
    assert track.at(5.05, 1) == pytest.approx(3.5)
    assert len(track) == 2


def test_memory_is_bounded_without_queries() -> None:
    track = LabelTrack()
    stamps = np.arange(MAX_VALUES + 10) / 100
    track.add(stamps, np.zeros((len(stamps), 1), np.float32))
    assert len(track) <= MAX_VALUES
    assert track.at(float(stamps[-1]), 1) == 0


def test_values_without_a_valid_timestamp_are_dropped_and_one_far_ahead_does_no_harm() -> None:
    track = LabelTrack()
    track.add([1.0, np.nan, np.inf, 1e9, 2.0, 2.1], np.arange(6.0)[:, None])
    assert track.at(2.05, 1).tolist() == [4.5]


def test_wide_labels_that_nobody_queries_are_bounded() -> None:
    track = LabelTrack()
    row = np.zeros((1, 10_000), np.float32)
    for index in range(3 * MAX_NUMBERS // 10_000):
        track.add([float(index)], row)
    assert len(track) <= MAX_NUMBERS // 10_000
