from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PyQt5.QtCore import QPointF
from PyQt5.QtGui import QColor

from gui.theme import DARK, LIGHT, Theme
from gui.widgets.plots import ImageLayer, Plot, colour_table, decimate
from tests.gui.test_window import count, pixels

gui = pytest.mark.gui


@given(n=st.integers(1, 3000), most=st.integers(2, 900), seed=st.integers(0, 100))
def test_a_thinned_line_is_short_in_order_and_keeps_the_extremes_of_what_it_covers(
    n: int, most: int, seed: int
) -> None:
    values = np.random.default_rng(seed).normal(size=n)
    time_s = np.arange(n) / 30
    thin_time, thin = decimate(time_s, values, most)
    assert len(thin_time) == len(thin) <= max(most, 1)
    assert (np.diff(thin_time) >= 0).all()
    if n <= most:
        np.testing.assert_array_equal(thin, values)
        return
    size = -(-2 * n // most)
    covered = values[n % size :]  # all but the oldest samples, which leave the plot next
    assert n - len(covered) < size
    assert (thin.min(), thin.max()) == (covered.min(), covered.max())
    assert thin_time[-1] >= time_s[-1] - size / 30


def test_a_gap_stays_a_gap_in_a_thinned_line() -> None:
    values = np.ones(1000)
    values[400:500] = np.nan
    time_s, thin = decimate(np.arange(1000.0), values, 100)
    missing = time_s[np.isnan(thin)]
    assert 380 <= missing.min() <= 400
    assert 480 <= missing.max() < 500
    assert np.isfinite(thin[(time_s < 380) | (time_s >= 500)]).all()


@pytest.mark.parametrize("every", [2, 7, 10])
def test_single_missing_values_do_not_take_the_rest_of_a_thinned_line(every: int) -> None:
    values = np.arange(1000.0)
    values[::every] = np.nan
    time_s, thin = decimate(np.arange(1000.0), values, 100)
    assert len(thin) <= 100
    shown = time_s[np.isfinite(thin)]
    assert np.diff(np.unique(shown)).max() <= 30  # every block shows what it has
    assert np.nanmax(thin) == np.nanmax(values)
    assert np.isnan(thin).any()  # and that something is missing


def test_a_colour_map_has_256_colours_and_a_reverse() -> None:
    table = colour_table("viridis")
    assert (table.shape, table.dtype) == ((256, 3), np.uint8)
    assert table[0].tolist() == [68, 1, 84]
    np.testing.assert_array_equal(colour_table("viridis", reverse=True), table[::-1])


@pytest.fixture
def plot(qtbot: Any) -> Plot:
    plot = Plot("frame", "time (s)")
    qtbot.addWidget(plot)
    plot.resize(400, 300)
    plot.set_theme(DARK)
    plot.set_range(0, 10, 0, 4)
    plot.show()
    return plot


def inside(plot: Plot) -> NDArray[np.uint8]:
    """The pixels within the axes, without those next to an axis."""
    rect = plot.mapFromScene(plot.getViewBox().sceneBoundingRect()).boundingRect()
    return pixels(plot.grab())[rect.top() + 6 : rect.bottom() - 6, rect.left() + 6 : rect.right() - 6]


def at(plot: Plot, x: float, y: float) -> str:
    """Colour of the plot at a point of its range."""
    point = plot.mapFromScene(plot.getViewBox().mapViewToScene(QPointF(x, y)))
    return str(QColor(*pixels(plot.grab())[point.y(), point.x()].tolist()).name())


@gui
def test_row_0_of_an_image_is_at_the_bottom_and_it_covers_its_rectangle(plot: Plot) -> None:
    layer = ImageLayer(plot)
    layer.set_map("viridis")
    image = np.array([[255, 0], [0, 0]], np.uint8)
    layer.show(image, 2, 0, 4, 2)
    low, high = (QColor(*colour_table("viridis")[i].tolist()).name() for i in (0, 255))
    assert at(plot, 3, 0.5) == high
    assert at(plot, 3, 1.5) == at(plot, 5, 0.5) == low
    assert at(plot, 8, 0.5) not in (low, high)
    layer.show(np.full((4, 4), 255, np.uint8), 0, 0, 10, 4)  # another shape and place
    assert at(plot, 8, 0.5) == at(plot, 5, 3.5) == high


@gui
@pytest.mark.parametrize("shape", [(1, 10), (10, 1), (1, 1), (3, 10)])
def test_an_image_of_any_shape_and_layout_in_memory_is_drawn(plot: Plot, shape: tuple[int, int]) -> None:
    layer = ImageLayer(plot)
    layer.set_map("viridis")
    highest = QColor(*colour_table("viridis")[255].tolist()).name()
    transposed = np.ascontiguousarray(np.full(shape[::-1], 255, np.uint8).T)
    for image in (transposed, np.full((6, 20), 255, np.uint8)[: shape[0], : shape[1]]):
        layer.show(image, 0, 0, 10, 4)
        assert at(plot, 5, 2) == highest
        layer.show(np.zeros((2, 2), np.uint8), 0, 0, 10, 4)
        assert at(plot, 5, 2) != highest


@gui
def test_no_data_is_the_hatched_ground_and_not_the_lowest_value(plot: Plot) -> None:
    layer = ImageLayer(plot)
    layer.set_map("viridis", no_data=True)
    layer.show(np.array([[1, 0]], np.uint8), 0, 0, 10, 4)
    image = inside(plot)
    left, right = image[:, : image.shape[1] // 2 - 2], image[:, image.shape[1] // 2 + 2 :]
    lowest = QColor(*colour_table("viridis")[1].tolist()).name()
    assert count(left, lowest, 2) == left.shape[0] * left.shape[1]
    assert count(right, lowest, 2) == 0
    assert len(np.unique(right.reshape(-1, 3), axis=0)) > 1


@gui
@pytest.mark.parametrize("hatched", [True, False])
def test_the_ground_is_hatched_only_where_that_means_no_data(qtbot: Any, hatched: bool) -> None:
    plot = Plot(hatched=hatched)
    qtbot.addWidget(plot)
    plot.resize(300, 200)
    plot.set_theme(DARK)
    plot.show()
    image = inside(plot)
    share = count(image, DARK.panel, 2) / (image.shape[0] * image.shape[1])
    assert (share == 1) is not hatched
    assert share > 0.5


@gui
def test_a_line_is_broken_where_it_has_no_value(plot: Plot) -> None:
    x = np.linspace(0, 10, 101)
    y = np.where((x > 4) & (x < 6), np.nan, 2.0)
    plot.line("#ff0000").setData(x, y)
    drawn = np.all(np.abs(inside(plot).astype(int) - (255, 0, 0)) < 60, axis=2).any(0)
    width = len(drawn)
    assert drawn[: int(0.38 * width)].all()
    assert not drawn[int(0.42 * width) : int(0.58 * width)].any()
    assert drawn[int(0.62 * width) :].all()


@gui
def test_a_dashed_line_has_gaps(plot: Plot) -> None:
    plot.line("#ff0000", dashed=True).setData([0, 10], [2, 2])
    drawn = np.all(np.abs(inside(plot).astype(int) - (255, 0, 0)) < 60, axis=2).any(0)
    assert 0.3 < drawn.mean() < 0.9


@gui
@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_a_theme_colours_the_ground(plot: Plot, theme: Theme) -> None:
    plot.set_theme(theme)
    image = pixels(plot.grab())
    assert count(image, theme.panel, 2) > 0.5 * image.shape[0] * image.shape[1]


@gui
def test_markup_in_an_axis_label_is_text(plot: Plot) -> None:
    markup = "<img src='/etc/passwd'>"
    plot.label_left(markup)
    plot.label_bottom(markup)
    plot.set_theme(LIGHT)
    for axis in (plot.left, plot.bottom):
        assert axis.label.toPlainText().strip() == markup


@gui
def test_the_mouse_changes_nothing(plot: Plot, qtbot: Any) -> None:
    view = plot.getViewBox()
    assert view.state["mouseEnabled"] == [False, False]
    assert not view.menuEnabled()
    assert view.state["autoRange"] == [False, False]
    ImageLayer(plot).show(np.zeros((9, 9), np.uint8), -50, -50, 200, 200)
    plot.line("#ff0000").setData([-99.0, 99.0], [-99.0, 99.0])
    plot.grab()
    assert np.array(view.viewRange()) == pytest.approx(np.array([[0, 10], [0, 4]]))
