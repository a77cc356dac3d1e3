from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PyQt5.QtCore import QEvent, QPoint, Qt
from PyQt5.QtGui import QMouseEvent
from PyQt5.QtWidgets import QApplication, QLabel

from gui.panels import embedding as module
from gui.panels.embedding import TURN_RADIANS_S, EmbeddingPanel
from gui.panels.embedding_projection import MEAN_POINTS
from gui.state.snapshot import Newest, Snapshot, Source, State
from gui.theme import DARK, LIGHT, Theme
from gui.widgets.plots import colour_table
from tests.gui.test_window import count, pixels

pytestmark = pytest.mark.gui

SOURCE = Source(n_frames=300, movie_rate_hz=30.0)


class Clock:
    now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def panel(qtbot: Any, clock: Clock) -> EmbeddingPanel:
    panel = EmbeddingPanel()
    qtbot.addWidget(panel)
    panel.resize(500, 400)
    panel.set_theme(DARK)
    panel.show()
    return panel


def ring(n: int = 300, n_dimensions: int = 5) -> NDArray[np.float32]:
    """A trail around a ring, float32 [n, dimensions]."""
    angle = 2 * np.pi * np.arange(n) / n
    trail = np.zeros((n, n_dimensions), np.float32)
    trail[:, 0], trail[:, 1], trail[:, 2] = np.cos(angle), np.sin(angle), 0.3 * np.sin(2 * angle)
    return trail


def snapshot(**changes: Any) -> Snapshot:
    trail = changes.pop("trail", ring())
    frame = changes.pop("trail_frame", np.arange(len(trail), dtype=np.int32))
    return Snapshot(**({"state": State.LIVE, "source": SOURCE} | changes), trail=trail, trail_frame=frame)


def painted(panel: EmbeddingPanel) -> NDArray[np.uint8]:
    QApplication.processEvents()
    return pixels(panel.view.grab())


def texts(panel: EmbeddingPanel) -> str:
    return " ".join(label.text() for label in panel.findChildren(QLabel))


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_the_trail_is_painted_in_the_colours_of_movie_time(panel: EmbeddingPanel, theme: Theme) -> None:
    panel.set_theme(theme)
    panel.show_snapshot(snapshot())
    image = painted(panel)
    assert 0.5 < count(image, theme.panel, 1) / (image.shape[0] * image.shape[1]) < 0.99
    above_scale = image[:-40].reshape(-1, 3).astype(int)
    coloured = above_scale[np.ptp(above_scale, axis=1) > 60]
    assert len(coloured) > 300
    assert (coloured[:, 1] > coloured[:, 2]).any()  # late frames are yellow and green,
    assert (coloured[:, 2] > coloured[:, 1]).any()  # early ones blue


def test_the_newest_point_is_marked(panel: EmbeddingPanel) -> None:
    panel.show_snapshot(snapshot(trail_frame=np.full(300, -1, np.int32)))
    image = painted(panel)
    marked = np.all(np.abs(image.astype(int) - [0x56, 0xB4, 0xE9]) < 8, axis=2)  # DARK.decoded
    assert 60 < marked.sum() < 300
    rows, columns = np.nonzero(marked)
    assert np.ptp(rows) < 20
    assert np.ptp(columns) < 20


def test_the_mark_is_at_the_end_of_the_trail(panel: EmbeddingPanel) -> None:
    trail = 0.2 * ring()
    trail[-150:, 0] += np.minimum(np.linspace(0, 3, 150), 2)  # it leaves the ring for good
    panel.show_snapshot(snapshot(trail=trail, trail_frame=np.full(300, -1, np.int32)))
    image = painted(panel)[:-40].astype(int)
    middle = np.array([panel.view.height(), panel.view.width()]) / 2
    mark = (
        np.argwhere(np.all(np.abs(image - [0x56, 0xB4, 0xE9]) < 8, axis=2)).mean(0) - middle
    )  # DARK.decoded
    drawn = np.argwhere((np.abs(image - [0x1B, 0x1F, 0x24]) > 25).any(2)) - middle
    along = drawn @ mark / np.hypot(*mark)
    assert np.hypot(*mark) > 60
    assert -0.6 * np.hypot(*mark) < along.min()
    assert along.max() < np.hypot(*mark) + 12
    beside = (drawn @ [-mark[1], mark[0]] / np.hypot(*mark))[along > 0.7 * np.hypot(*mark)]
    assert np.ptp(beside) < 30


@pytest.mark.parametrize(("frame", "index"), [(0, 0), (150, 128), (299, 255), (299_000, 255)])
def test_a_frame_has_the_colour_of_its_share_of_the_movie(
    panel: EmbeddingPanel, frame: int, index: int
) -> None:
    panel.show_snapshot(snapshot(trail_frame=np.full(300, frame, np.int32)))
    image = painted(panel)[:-40].reshape(-1, 3).astype(float)
    trail = image[(np.abs(image - [0x1B, 0x1F, 0x24]) > 40).any(1)]
    colours = colour_table("viridis").astype(float)
    hues = colours[[0, 64, 128, 192, 255]] - colours[[0, 64, 128, 192, 255]].mean(1, keepdims=True)
    shown = np.median(trail - trail.mean(1, keepdims=True), axis=0)
    fit = hues @ shown / np.linalg.norm(hues, axis=1)
    assert int(fit.argmax()) == round(index / 64)


def test_points_without_a_frame_are_gray(panel: EmbeddingPanel) -> None:
    panel.show_snapshot(snapshot(trail_frame=np.full(300, -1, np.int32)))
    image = painted(panel)[:-40].astype(int)
    trail = image[(np.abs(image - [0x1B, 0x1F, 0x24]) > 25).any(2)]
    gray = np.ptp(trail, axis=1) < 25
    assert gray.mean() > 0.7


def test_what_is_not_current_fades(panel: EmbeddingPanel) -> None:
    panel.show_snapshot(snapshot())
    before = painted(panel)[:-40].astype(int)
    panel.show_snapshot(snapshot(state=State.LOST))
    after = painted(panel)[:-40].astype(int)
    ground = np.array([0x1B, 0x1F, 0x24])
    assert np.abs(after - ground).sum() < 0.5 * np.abs(before - ground).sum()
    assert np.abs(after - ground).sum() > 0


def test_the_scale_has_the_unit_of_what_is_decoded(panel: EmbeddingPanel) -> None:
    panel.show_snapshot(snapshot())
    assert (panel.view.what, panel.view.last) == ("movie time", "10 s")
    places = replace(SOURCE, movie_rate_hz=0.0)
    panel.show_snapshot(snapshot(source=places))
    assert (panel.view.what, panel.view.last) == ("place", "300")
    panel.show_snapshot(snapshot(source=replace(places, movie_name="faces")))
    assert panel.view.what == "category"
    scale = painted(panel)[-32:, :200]
    assert len(np.unique(scale.reshape(-1, 3), axis=0)) > 40


def test_the_title_line_says_what_is_left_out(panel: EmbeddingPanel) -> None:
    panel.show_snapshot(snapshot(trail=ring(1234, 8)))
    shown = f"first 3 principal of 8 dimensions, 100% of the variance · last 1,234 points, running mean of {MEAN_POINTS}"
    assert shown in texts(panel)
    panel.show_snapshot(snapshot(trail=ring(1234, 3)))
    assert "3 dimensions, as they are · last 1,234 points" in texts(panel)
    assert "running mean" not in texts(panel)


def test_three_dimensions_are_drawn_in_their_sphere(panel: EmbeddingPanel) -> None:
    trail = np.tile(np.array([[0.0, 1.0, 0.0]], np.float32), (50, 1))
    panel.view.yaw = panel.view.pitch = 0.0
    panel.show_snapshot(snapshot(trail=trail, trail_frame=np.full(50, -1, np.int32)))
    image = painted(panel).astype(int)
    marked = np.argwhere(np.all(np.abs(image - [0x56, 0xB4, 0xE9]) < 8, axis=2)).mean(0)
    radius = min(panel.view.width(), panel.view.height()) / 2
    assert panel.view.height() / 2 - marked[0] == pytest.approx(
        0.92 * radius, abs=8
    )  # at the top of the sphere
    outline = image[round(panel.view.height() / 2), round(panel.view.width() / 2 + 0.92 * radius)]
    assert np.abs(outline - [0x1B, 0x1F, 0x24]).max() > 15


def newest(version: int) -> Newest:
    return Newest(3, 0.9, 4, 0.5, 1.0, 0.2, 1, 1.0, version, -2)


def test_a_renewal_is_marked_for_a_moment_and_its_report_stays(panel: EmbeddingPanel, clock: Clock) -> None:
    still = {"trail_frame": np.full(300, -1, np.int32)}
    panel.view.yaw = 0.0
    panel.show_snapshot(snapshot(newest=newest(1), **still))
    before = count(painted(panel), DARK.text, 1)
    panel.show_snapshot(snapshot(newest=newest(2), trainer="version 2: refitted", **still))
    assert panel.view.news == "version 2: refitted"
    marked = count(painted(panel), DARK.text, 1)
    assert marked > before + 20
    clock.now_s += 10
    panel.show_snapshot(snapshot(newest=newest(2), trainer="version 2: refitted", **still))
    assert count(painted(panel), DARK.text, 1) < marked - 20


def test_without_labels_it_waits_for_the_first_embedding_and_shows_time_or_the_stimulus(
    panel: EmbeddingPanel,
) -> None:
    explore = replace(SOURCE, explore=True, n_frames=1, movie_rate_hz=0.0)
    collecting = "trainer: wait: 40 of 60 s"
    nothing = np.zeros((300, 5), np.float32)
    unknown = np.full(300, -2, np.int32)
    panel.show_snapshot(snapshot(source=explore, trail=nothing, trail_frame=unknown, trainer=collecting))
    assert panel.message == collecting
    first = np.concatenate([nothing, ring()])
    both = np.full(600, -2, np.int32)
    panel.show_snapshot(
        snapshot(source=explore, trail=first, trail_frame=both, trainer="embedding 1: structure")
    )
    assert panel.message == ""
    assert "last 300 points" in texts(panel)
    assert (panel.view.first, panel.view.what, panel.view.last) == ("oldest", "time", "newest")
    both[300:] = np.arange(300)
    panel.show_snapshot(snapshot(source=explore, trail=first, trail_frame=both))
    assert (panel.view.what, panel.view.last) == ("frame of the stimulus", "300")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "waiting for the embedding"),
        ({"trail": ring(2), "trail_frame": np.zeros(2, np.int32)}, "waiting for the embedding"),
        (
            {"refused": {"embedding": "V1-embedding is not used: it has text"}},
            "V1-embedding is not used: it has text",
        ),
    ],
)
def test_without_a_trail_it_says_why(panel: EmbeddingPanel, given: dict[str, Any], message: str) -> None:
    panel.show_snapshot(Snapshot(source=SOURCE, **given))
    assert panel.message == message
    panel.show_snapshot(snapshot(trail=ring(3)))
    assert panel.message == ""


def test_it_turns_slowly_also_after_a_pause(panel: EmbeddingPanel, clock: Clock) -> None:
    panel.show_snapshot(snapshot())
    begun = panel.view.yaw
    for _ in range(10):
        clock.now_s += 0.1
        panel.show_snapshot(snapshot())
    assert panel.view.yaw - begun == pytest.approx(TURN_RADIANS_S)
    clock.now_s += 3600
    panel.show_snapshot(snapshot())
    assert panel.view.yaw - begun < 1.3 * TURN_RADIANS_S


def drag(panel: EmbeddingPanel, qtbot: Any, x: int, y: int) -> None:
    """Drag from the middle of the view by so many pixels, and hold."""
    qtbot.mousePress(panel.view, Qt.LeftButton, pos=QPoint(200, 100))
    moved = QMouseEvent(
        QEvent.MouseMove, QPoint(200 + x, 100 + y), Qt.LeftButton, Qt.LeftButton, Qt.NoModifier
    )
    QApplication.sendEvent(panel.view, moved)  # QTest moves without buttons


def test_dragging_turns_it_and_stops_its_own_turning(panel: EmbeddingPanel, clock: Clock, qtbot: Any) -> None:
    panel.show_snapshot(snapshot())
    before = painted(panel)
    yaw, pitch = panel.view.yaw, panel.view.pitch
    drag(panel, qtbot, 40, 10)
    assert (panel.view.yaw, panel.view.pitch) == (pytest.approx(yaw + 0.4), pytest.approx(pitch + 0.1))
    clock.now_s += 0.1
    panel.show_snapshot(snapshot())
    assert panel.view.yaw == pytest.approx(yaw + 0.4)
    assert not np.array_equal(painted(panel), before)
    qtbot.mouseRelease(panel.view, Qt.LeftButton, pos=QPoint(240, 110))
    clock.now_s += 0.1
    panel.show_snapshot(snapshot())
    assert panel.view.yaw == pytest.approx(yaw + 0.4 + 0.1 * TURN_RADIANS_S)


def test_it_does_not_turn_over(panel: EmbeddingPanel, qtbot: Any) -> None:
    panel.show_snapshot(snapshot())
    for y in (900, -2_000):
        drag(panel, qtbot, 0, y)
        assert abs(panel.view.pitch) <= 1.5


def test_a_move_without_a_button_turns_nothing(panel: EmbeddingPanel) -> None:
    yaw = panel.view.yaw
    moved = QMouseEvent(QEvent.MouseMove, QPoint(240, 110), Qt.NoButton, Qt.NoButton, Qt.NoModifier)
    QApplication.sendEvent(panel.view, moved)
    assert panel.view.yaw == yaw


@pytest.mark.parametrize("size", [(8, 8), (160, 400), (2000, 300)])
@pytest.mark.parametrize("n_dimensions", [1, 2, 3, 16])
def test_it_paints_at_any_size_and_dimension(
    panel: EmbeddingPanel, size: tuple[int, int], n_dimensions: int
) -> None:
    panel.resize(*size)
    trail = np.random.default_rng(0).normal(size=(50, n_dimensions)).astype(np.float32)
    panel.show_snapshot(snapshot(trail=trail))
    image = painted(panel)
    assert (image != image[0, 0]).any()


def test_a_trail_that_does_not_move_is_painted(panel: EmbeddingPanel) -> None:
    panel.show_snapshot(snapshot(trail=np.zeros((20, 3), np.float32)))
    assert panel.message == ""
    image = painted(panel)
    assert (image != image[0, 0]).any()
