"""What the map of a position draws, and where."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PyQt5.QtGui import QColor

from gui.panels.position_map import PositionMap
from gui.state.snapshot import PositionView
from gui.theme import DARK, LIGHT, Theme
from tests.gui.test_window import pixels

pytestmark = pytest.mark.gui

THEMES = pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
PLACES = np.stack(np.meshgrid(np.arange(5.0), np.arange(5.0)), -1).reshape(-1, 2)
UNKNOWN = np.full((2, 2), np.nan)
VIEW = PositionView(
    ("x", "y"),
    np.array([-0.1, 0.0]),
    UNKNOWN,
    UNKNOWN,
    np.full(2, np.nan, np.float32),
    (-0.5, -0.5, 4.5, 4.5),
    PLACES,
)


@pytest.fixture
def plot(qtbot: Any) -> PositionMap:
    plot = PositionMap()
    qtbot.addWidget(plot)
    plot.resize(800, 300)
    plot.show()
    return plot


def drawn(
    plot: PositionMap, view: PositionView, *, current: bool = True, evidence: bool = True
) -> NDArray[np.uint8]:
    plot.show_view(view, current=current, has_evidence=evidence)
    return pixels(plot.grab())


def is_colour(image: NDArray[np.uint8], colour: str, tolerance: int = 30) -> NDArray[np.bool_]:
    wanted = QColor(colour).getRgb()[:3]
    return np.asarray(np.all(np.abs(image.astype(int) - wanted) <= tolerance, axis=2))


def centre(mask: NDArray[np.bool_]) -> tuple[float, float]:
    """Mean x and y of the true pixels."""
    return float(np.nonzero(mask)[1].mean()), float(np.nonzero(mask)[0].mean())


@THEMES
def test_the_cloud_lies_over_the_likely_places(plot: PositionMap, theme: Theme) -> None:
    plot.theme = theme
    chances = np.zeros(25, np.float32)
    chances[7] = 1.0  # x = 2, y = 1
    tint = np.abs(drawn(plot, replace(VIEW, chances=chances)).astype(int) - drawn(plot, VIEW)).max(2)
    tint[:, int(plot.map_rect().right()) :] = 0  # the words
    point = plot.point(2, 1)
    assert centre(tint > 0.9 * tint.max()) == pytest.approx((point.x(), point.y()), abs=4)
    two = np.zeros(25, np.float32)
    two[[0, 24]] = 0.5
    image = drawn(plot, replace(VIEW, chances=two)).astype(int)
    empty = drawn(plot, VIEW).astype(int)
    for at, much in (((0, 0), True), ((4, 4), True), ((2, 2), False)):
        spot = plot.point(*at)
        tint = np.abs(image - empty)[int(spot.y()), int(spot.x())].max()
        assert bool(tint > 40) is much, at


@THEMES
def test_estimate_and_truth_are_where_they_are_and_bars_as_long_as_the_interval(
    plot: PositionMap, theme: Theme
) -> None:
    plot.theme = theme
    estimate, truth = np.array([[0.0, 0.0], [1.0, 3.0]]), np.array([[np.nan, np.nan], [3.0, 1.0]])
    view = replace(VIEW, estimate=estimate * [[np.nan], [1]], truth=truth)
    image = drawn(plot, view)
    rect = plot.map_rect()
    inside = image[:, : int(rect.right())]
    spot = plot.point(1, 3)
    assert centre(is_colour(inside, theme.decoded)) == pytest.approx((spot.x(), spot.y()), abs=2)
    spot = plot.point(3, 1)
    ring = is_colour(inside, theme.truth)
    assert centre(ring) == pytest.approx((spot.x(), spot.y()), abs=2)
    assert not ring[int(spot.y()), int(spot.x())]  # an outline
    wide = drawn(plot, replace(view, half_width=np.array([1.5, 0.5], np.float32)))
    blue = is_colour(wide[:, : int(rect.right())], theme.decoded)
    rows, columns = blue.any(1).nonzero()[0], blue.any(0).nonzero()[0]
    unit = rect.width() / 5
    assert columns[-1] - columns[0] == pytest.approx(3 * unit, abs=4)
    assert rows[-1] - rows[0] == pytest.approx(unit, abs=4)
    assert "bars: 80 % interval of each axis" in plot.captions
    assert f"{np.sqrt(8):.3g} off the truth" in plot.captions


def test_both_axes_have_one_scale(plot: PositionMap) -> None:
    for size in ((800, 300), (300, 800), (160, 110)):
        plot.resize(*size)
        drawn(plot, replace(VIEW, bounds=(0.0, 0.0, 20.0, 5.0)))
        rect = plot.map_rect()
        assert rect.width() / rect.height() == pytest.approx(4)
        assert plot.rect().contains(rect.toAlignedRect())


def test_without_evidence_there_is_only_the_truth(plot: PositionMap) -> None:
    view = replace(
        VIEW, estimate=np.ones((2, 2)), truth=np.full((2, 2), 3.0), chances=np.full(25, 0.04, np.float32)
    )
    image = drawn(plot, view, evidence=False)
    assert not is_colour(image, DARK.decoded).any()
    assert is_colour(image, DARK.truth).any()
    assert plot.captions[0] == "no evidence"


def test_what_is_not_current_is_dimmed(plot: PositionMap) -> None:
    view = replace(VIEW, estimate=np.ones((2, 2)), truth=np.full((2, 2), 3.0))
    assert is_colour(drawn(plot, view), DARK.truth).any()
    assert not is_colour(drawn(plot, view, current=False), DARK.truth).any()


def test_the_trail_is_broken_at_gaps_and_unknown_positions(plot: PositionMap) -> None:
    time_s = np.r_[np.arange(-60, -40), np.arange(-20, 1)] / 30
    points = np.column_stack([np.r_[np.linspace(0, 1, 20), np.linspace(3, 4, 21)], np.full(41, 2.0)])
    image = drawn(plot, replace(VIEW, time_s=time_s, estimate=points, truth=np.full((41, 2), np.nan)))
    begin, end = plot.point(1, 2), plot.point(3, 2)
    rows = slice(int(begin.y()) - 2, int(begin.y()) + 3)
    ground = QColor(DARK.raised).getRgb()[:3]
    across = np.abs(image[rows, int(begin.x()) + 3 : int(end.x()) - 3].astype(int) - ground).max()
    assert across < 12
    before = np.abs(image[rows, int(begin.x()) - 30 : int(begin.x()) - 3].astype(int) - ground).max()
    assert before > 40
