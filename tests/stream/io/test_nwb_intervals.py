"""Intervals and categories from arrays in memory; whole files are read in test_nwb.py."""

from __future__ import annotations

import io

import numpy as np
import pytest

from stream.io.nwb_intervals import categories, columns, find_trials, listed, merged, overlap, within

h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install neuroreel[nwb]")

EDGES = np.arange(0, 10.5, 0.5)
BEGIN, END = EDGES[:-1], EDGES[1:]


def test_intervals_are_sorted_and_joined() -> None:
    given = np.array([[5, 6], [0, 2], [1, 1.5], [2, 3], [np.nan, 9], [8, 7]])
    assert merged(given).tolist() == [[0, 3], [5, 6]]
    assert merged(np.zeros((0, 2))).shape == (0, 2)


def test_bins_within_and_overlapping_intervals_agree_with_their_definition() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        intervals = merged(np.sort(random.uniform(0, 10, (random.integers(0, 6), 2)), axis=1))
        inside = [
            any(a <= begin and end <= b for a, b in intervals) for begin, end in zip(BEGIN, END, strict=True)
        ]
        touched = [
            any(a < end and begin < b for a, b in intervals) for begin, end in zip(BEGIN, END, strict=True)
        ]
        assert within(intervals, BEGIN, END).tolist() == inside
        assert overlap(intervals, BEGIN, END).tolist() == touched


def test_edges_that_differ_by_rounding_are_the_same() -> None:
    intervals = np.array([[2.0 + 1e-9, 4.0 - 1e-9]])
    assert BEGIN[within(intervals, BEGIN, END)].tolist() == [2.0, 2.5, 3.0, 3.5]
    assert BEGIN[overlap(np.array([[2.0 - 1e-9, 4.0 + 1e-9]]), BEGIN, END)].tolist() == [2.0, 2.5, 3.0, 3.5]


def test_values_that_are_no_whole_numbers_are_ranked() -> None:
    frame, names = categories(np.array(["b", " a ", "Gray", "b", "10"]))
    assert (frame.tolist(), names) == ([2, 1, -1, 2, 0], ("10", "a", "b"))
    assert categories(np.array([4, -1, 2]))[0].tolist() == [4, -1, 2]
    assert categories(np.array([-2.0, np.nan, 1.0]))[0].tolist() == [0, -1, 1]
    assert categories(np.array([True, False]))[0].tolist() == [1, 0]
    assert listed([str(number) for number in range(25)]).endswith("19 = 19 and 5 more")


def test_links_that_lead_nowhere_and_other_objects_are_no_trials() -> None:
    file = h5py.File(io.BytesIO(), "w")
    file["intervals/x"] = h5py.SoftLink("/intervals/x")
    file["intervals/y"] = np.zeros(3)
    file["intervals/trials/start_time"] = file["intervals/trials/stop_time"] = np.zeros(3)
    file["intervals/trials/b"] = file["intervals/trials/a"] = np.zeros(3)
    file["intervals/trials/a_index"], file["intervals/trials/c"] = np.zeros(3), np.zeros(4)
    assert list(find_trials(file)) == ["trials"]
    assert columns(file["intervals/trials"]) == ["a_index", "b"]
