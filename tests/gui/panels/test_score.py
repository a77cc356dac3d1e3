from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PyQt5.QtGui import QColor
from PyQt5.QtWidgets import QApplication, QLabel

import gui.panels.score as module
from gui.panels.score import ScorePanel
from gui.state.snapshot import UNKNOWN, Newest, Score, Snapshot, Source
from gui.theme import DARK, LIGHT, style_sheet
from tests.gui.test_window import count, pixels

pytestmark = pytest.mark.gui

MOVIE = Source(n_frames=900, movie_rate_hz=30.0)
NEWEST = Newest(1, 0.9, 2, 0.5, 1.0, 0.1, 7, 2.0, 1, UNKNOWN)


def score(per_second: list[float], **changes: Any) -> Score:
    values = {"n": 12_345, "within": 0.876, "exact": 0.5, "median_error": 2.0, "chance": 0.25}
    return Score(**(values | changes), per_second=np.array(per_second, np.float32))


@pytest.fixture
def panel(qtbot: Any) -> ScorePanel:
    panel = ScorePanel()
    qtbot.addWidget(panel)
    panel.resize(900, 300)
    panel.set_theme(DARK)
    panel.setStyleSheet(style_sheet(DARK))
    panel.show()
    return panel


def painted(panel: ScorePanel) -> NDArray[np.uint8]:
    QApplication.processEvents()  # the content gets its place
    rect = panel.content.geometry()
    return pixels(panel.grab())[rect.top() : rect.bottom(), rect.left() : rect.right()]


def is_colour(image: NDArray[np.uint8], colour: str, tolerance: int = 12) -> NDArray[np.bool_]:
    wanted = QColor(colour).getRgb()[:3]
    return np.asarray(np.all(np.abs(image.astype(int) - wanted) <= tolerance, axis=2))


def bar_heights(image: NDArray[np.uint8], n: int) -> list[int]:
    """Height of each bar in pixels."""
    bars = is_colour(image, DARK.decoded)
    left, right = np.flatnonzero(bars.any(0))[[0, -1]]
    edges = np.linspace(left, right + 2, n + 1)
    return [int(bars[:, int(a) + 3 : int(b) - 4].sum(0).max()) for a, b in pairwise(edges)]


def test_a_bar_is_as_high_as_the_share_of_its_second(panel: ScorePanel) -> None:
    panel.show_snapshot(Snapshot(score=score([1.0, 0.5, np.nan, 0.25, 0.0, 1.0], chance=0.9), source=MOVIE))
    full, half, unknown, quarter, none, _ = bar_heights(painted(panel), 6)
    assert full > 150
    assert half == pytest.approx(full / 2, abs=3)
    assert quarter == pytest.approx(full / 4, abs=3)
    assert unknown == 0  # nothing was scored
    assert 1 <= none <= 2  # scored, and always wrong


@pytest.mark.parametrize("chance", [0.1, 0.5, 0.8])
def test_chance_is_a_dashed_line_at_its_height(panel: ScorePanel, chance: float) -> None:
    panel.show_snapshot(Snapshot(score=score([0.0] * 10, chance=chance), source=MOVIE))
    image = painted(panel)
    bars = is_colour(image, DARK.decoded)
    bottom, left = np.flatnonzero(bars.any(1))[-1], np.flatnonzero(bars.any(0))[0]
    inside = is_colour(image, DARK.text, 30)[:, left + 5 : -40]
    rows = np.flatnonzero(inside.mean(1) > 0.3)
    assert len(rows) in (1, 2)
    assert 0.3 < inside[rows[0]].mean() < 0.95
    panel.show_snapshot(Snapshot(score=score([1.0] * 10, chance=chance), source=MOVIE))
    top = np.flatnonzero(is_colour(painted(panel), DARK.decoded).any(1))[0]
    assert (bottom - rows[0]) / (bottom - top) == pytest.approx(chance, abs=0.03)


def test_the_figures_stand_beside_the_bars(panel: ScorePanel) -> None:
    def left_of_bars(one: Score, source: Source = MOVIE) -> NDArray[np.uint8]:
        panel.show_snapshot(Snapshot(score=one, source=source))
        return painted(panel)[:, :190]

    base = left_of_bars(score([0.5], clock=0.51))
    assert count(base, DARK.text, 40) > 200
    for changes in ({"within": 0.3}, {"chance": 0.9}, {"exact": 0.1}, {"clock": 0.52}):  # to the last digit
        assert not np.array_equal(left_of_bars(score([0.5], **{"clock": 0.51, **changes})), base), changes


def test_the_number_of_predictions_and_the_meaning_of_chance_are_said(panel: ScorePanel) -> None:
    panel.show_snapshot(Snapshot(score=score([0.5]), source=MOVIE))
    assert panel.message == ""
    texts = " ".join(label.text() for label in panel.findChildren(QLabel))
    assert "12,345 predictions" in texts
    assert "median error 2" in texts
    assert "shuffled" in texts
    panel.show_snapshot(Snapshot(score=score([0.5]), source=replace(MOVIE, movie_rate_hz=0.0)))
    texts = " ".join(label.text() for label in panel.findChildren(QLabel))
    assert "median error" not in texts  # in frames, it means nothing for places
    assert "clock" not in texts  # places have none


def test_the_stored_baseline_stands_beside_the_score_with_its_origin(
    panel: ScorePanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def left_of_bars(source: Source) -> NDArray[np.uint8]:
        panel.show_snapshot(Snapshot(score=score([0.5]), source=source))
        return painted(panel)[:, :190]

    written: list[str] = []
    write = module._write
    monkeypatch.setattr(module, "_write", lambda *a, **more: (written.append(a[2]), write(*a, **more)))
    without = left_of_bars(MOVIE)
    assert not any("held out" in text for text in written)
    with_baseline = left_of_bars(replace(MOVIE, baseline="lda", baseline_within_1s=0.83))
    assert "LDA 83%, held out in training" in written
    assert not np.array_equal(with_baseline, without)
    other = left_of_bars(replace(MOVIE, baseline="lda", baseline_within_1s=0.84))
    assert not np.array_equal(with_baseline, other)


@pytest.mark.parametrize(
    ("snapshot", "message"),
    [
        (Snapshot(), "waiting for the score"),
        (Snapshot(newest=NEWEST), "no score: no stimulus stream reports the frame on screen"),
        (Snapshot(newest=NEWEST, truth_known=True), "waiting for the score"),
    ],
)
def test_without_a_score_it_says_why(panel: ScorePanel, snapshot: Snapshot, message: str) -> None:
    panel.show_snapshot(snapshot)
    assert panel.message == message
    panel.show_snapshot(Snapshot(score=score([0.5]), source=MOVIE))
    assert panel.message == ""


def test_the_theme_colours_the_bars(panel: ScorePanel) -> None:
    panel.show_snapshot(Snapshot(score=score([1.0] * 5), source=MOVIE))
    panel.set_theme(LIGHT)
    image = painted(panel)
    assert count(image, LIGHT.decoded) > 10_000
    assert count(image, DARK.decoded) == 0


@pytest.mark.parametrize("size", [(200, 100), (300, 120), (3000, 1500)])
def test_it_paints_at_any_size(panel: ScorePanel, size: tuple[int, int]) -> None:
    panel.resize(*size)
    panel.show_snapshot(Snapshot(score=score([0.5] * 60), source=MOVIE))
    panel.grab()
