"""Which columns are a position, where it was and what is known about it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decoders.readouts.continuous import ContinuousReader
from gui.state.position import TRAIL_S, PositionHistory, find_axes, grown_bounds

PLACES = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 20.0]])
AXES = find_axes(("speed", "position_0", "position_1"))
assert AXES is not None


def reader() -> ContinuousReader:
    values = np.column_stack([np.zeros(3), PLACES])
    plain = ContinuousReader.without_intervals(values, np.zeros((2, 3)), np.ones(3))
    return replace(plain, interval=np.array([[2.0, 2.0, 2.0], [0.0, 0.0, 0.0]]))


@pytest.mark.parametrize(
    ("names", "columns", "labels"),
    [
        (("x", "y"), (0, 1), ("x", "y")),
        (("Y", "speed", "X"), (2, 0), ("X", "Y")),
        (("head_x", "head_y", "hand_x", "hand_y"), (0, 1), ("head_x", "head_y")),
        (("velocity_0", "velocity_1", "position_0", "position_1"), (2, 3), ("position",)),
        (("velocity_0", "velocity_1"), (0, 1), ("velocity",)),
        (("pos_0", "pos_1", "pos_2"), (0, 1), ("pos",)),
        (("velocity_0", "velocity_1", "x", "y"), (2, 3), ("x", "y")),
    ],
)
def test_two_columns_are_a_position(
    names: tuple[str, ...], columns: tuple[int, int], labels: tuple[str, ...]
) -> None:
    axes = find_axes(names)
    assert axes is not None
    assert (axes.columns, axes.labels) == (columns, labels)
    assert axes.names == tuple(names[column] for column in columns)


@pytest.mark.parametrize(
    "names", [(), ("position",), ("speed", "height"), ("x",), ("max", "may"[:2]), ("a_0", "a_2")]
)
def test_other_columns_are_none(names: tuple[str, ...]) -> None:
    assert find_axes(names) is None


def filled(n: int = 300) -> PositionHistory:
    history = PositionHistory(AXES, 30.0, 1.0)
    stamps = 100 + np.arange(n) / 30
    rows = np.column_stack([np.full(n, 9.0), np.arange(n) / n, np.full(n, 5.0)]).astype(np.float32)
    history.add_estimates(rows, stamps, stamps + 7)  # the sender's clock is 7 s ahead
    return history


def test_the_trail_has_the_last_seconds_and_the_truth_by_the_clock_of_its_stream() -> None:
    for by_engine_clock, ahead_s in ((False, 7.0), (True, 0.0)):
        history = filled()
        stamps = 100 + np.arange(300) / 30 + ahead_s
        truth = np.column_stack([np.arange(300), np.full(300, np.nan)]).astype(np.float32)
        history.add_truth(0, truth, stamps, by_engine_clock=by_engine_clock)
        view = history.view(None, None)
        assert view is not None
        assert view.time_s[0] == pytest.approx(-TRAIL_S, abs=0.04)
        assert view.truth[-1, 0] == 299
        assert np.isnan(view.truth[:, 1]).all()
        assert view.estimate[-1].tolist() == pytest.approx([299 / 300, 5])
        assert np.isnan(view.distances).all()


def test_a_true_position_that_is_old_is_unknown() -> None:
    history = filled()
    history.add_truth(0, np.ones((1, 2), np.float32), np.array([107.0 + 8.0]), by_engine_clock=False)
    view = history.view(None, None)
    assert view is not None
    assert np.isfinite(view.truth[:, 0]).sum() == pytest.approx(15, abs=2)  # half a second
    assert np.isnan(view.truth[-1]).all()


def test_two_labels_give_one_axis_each() -> None:
    axes = find_axes(("x", "y"))
    assert axes is not None
    history = PositionHistory(axes, 30.0, 1.0)
    history.add_estimates(np.zeros((1, 2), np.float32), np.array([1.0]), np.array([1.0]))
    for which, value in enumerate((3.0, 4.0)):
        history.add_truth(which, np.full((1, 1), value, np.float32), np.array([1.0]), by_engine_clock=False)
    view = history.view(None, None)
    assert view is not None
    assert view.distances.tolist() == [5.0]


def test_the_cloud_is_the_posterior_over_known_places_and_the_interval_that_of_the_model() -> None:
    posterior = np.array([0.5, 0.5, 0.0, 0.0], np.float32)
    view = filled().view(reader(), posterior)
    assert view is not None
    assert view.places is not None
    np.testing.assert_array_equal(view.places, PLACES)
    np.testing.assert_array_equal(view.chances, posterior[:-1])
    estimate = filled()._newest
    assert estimate is not None
    np.testing.assert_allclose(view.half_width, reader().half_width(posterior, estimate)[1:])
    assert view.bounds[0] < 0 < 10 < view.bounds[2]
    assert view.bounds[3] > 20


@pytest.mark.parametrize("posterior", [None, np.ones(7, np.float32)])
def test_without_a_posterior_that_fits_there_is_no_cloud(posterior: np.ndarray | None) -> None:
    view = filled().view(reader(), posterior)
    assert view is not None
    assert view.chances is None
    assert np.isnan(view.half_width).all()


def test_a_model_with_other_labels_gives_no_places() -> None:
    history = PositionHistory(AXES, 30.0, 1.0)
    history.add_estimates(np.zeros((1, 5), np.float32), np.array([1.0]), np.array([1.0]))
    view = history.view(reader(), np.ones(4, np.float32))
    assert view is not None
    assert (view.places, view.chances) == (None, None)


def test_the_map_grows_for_the_trail_but_not_for_what_is_far_away() -> None:
    nothing = np.full((1, 2), np.nan)
    first = grown_bounds(None, nothing, nothing, PLACES)
    assert grown_bounds(first, np.array([[5.0, 5.0]]), nothing, PLACES) == first
    grown = grown_bounds(first, nothing, np.array([[12.0, 5.0]]), PLACES)
    assert grown[2] > 12
    assert grown_bounds(grown, nothing, np.array([[1e6, 5.0], [-1.0, np.inf]]), PLACES) == grown
    x0, y0, x1, y1 = grown_bounds(None, np.array([[3.0, 3.0]]), nothing, None)
    assert (x0 < 3 < x1, y0 < 3 < y1) == (True, True)
