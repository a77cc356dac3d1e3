"""The window: what each panel shows, checked in its pixels, and what every key does."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PyQt5.QtCore import QPoint, QRect, Qt
from PyQt5.QtGui import QImage, QPixmap
from PyQt5.QtWidgets import QApplication, QLabel, QPushButton

from gui.actions import ACTIONS, PANELS
from gui.panels.movie import MoviePanel
from gui.state.snapshot import Candidate, State
from gui.theme import DARK, LIGHT
from gui.widgets.header import MODES
from gui.window import Window
from tests.gui.feeds import SOURCE, Feed, exploring, with_source

pytestmark = pytest.mark.gui

WITHIN_MS = 60_000
"""Upper bound of every wait; the machine may be busy."""


def pixels(pixmap: QPixmap) -> NDArray[np.uint8]:
    """A grabbed picture as uint8 [height, width, 3]."""
    image = pixmap.toImage().convertToFormat(QImage.Format_RGB888)
    data = np.frombuffer(image.constBits().asstring(image.sizeInBytes()), np.uint8)
    return data.reshape(image.height(), image.bytesPerLine())[:, : 3 * image.width()].reshape(
        image.height(), image.width(), 3
    )


def count(image: NDArray[np.uint8], colour: str, tolerance: int = 12) -> int:
    """Pixels of nearly that colour."""
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return int(np.sum(np.all(np.abs(image.astype(int) - wanted) <= tolerance, axis=2)))


def panel_pixels(window: Window, name: str) -> NDArray[np.uint8]:
    return pixels(window.panels[name].grab())


def picture_pixels(window: Window) -> list[NDArray[np.uint8]]:
    panel = window.panels["movie"]
    assert isinstance(panel, MoviePanel)
    image = pixels(panel.grab())
    inner = [rect.adjusted(3, 3, -3, -3) for rect in panel.picture_rects]
    return [image[r.top() : r.bottom(), r.left() : r.right()] for r in inner]


RICH = "<img src='/etc/passwd' width=500><h1>ALL IS WELL</h1>&nbsp;"


def test_text_from_the_network_is_shown_as_it_is(open_window) -> None:
    feed = with_source(
        name=RICH, neural_name=RICH, hostname=RICH, recording=RICH, movie_name=RICH, model_path=f"/x/{RICH}"
    )
    feed.run(1)
    feed.store.set_notice(RICH)
    feed.store.set_refused({"posterior": RICH})
    feed.store.set_candidates((Candidate(RICH, "Prediction", RICH, 12, 30.0),))
    window = open_window(feed)
    window.pick_stream()
    labels = window.findChildren(QLabel)
    assert {label.textFormat() for label in labels} == {Qt.PlainText}
    assert window.status.note.text() == RICH
    assert "<img" not in window.status.note.toolTip()
    assert RICH[:30] in window.header.name.text()
    assert window.picker.table.item(0, 1).text() == RICH


@pytest.mark.parametrize("state", [State.LOST, State.AMBIGUOUS])
def test_a_reason_with_markup_does_not_hide_the_fault(open_window, feed: Feed, state: State) -> None:
    feed.run(1)
    feed.store.set_state(state, RICH)
    window = open_window(feed)
    assert window.header.state.text() == f"● {state}"
    assert window.header.facts.text() == RICH
    assert "<img" not in window.header.facts.toolTip()


def test_a_panel_that_cannot_be_drawn_says_so_and_the_others_go_on(
    open_window, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise ValueError("no such frame")

    feed.run(2)
    window = open_window(feed)
    monkeypatch.setattr(window.panels["timeline"], "show_snapshot", fail)
    window.painted = 0
    window.tick()
    assert "no such frame" in window.panels["timeline"].message
    assert not window.panels["movie"].message


def test_before_anything_comes_every_panel_says_so(open_window, feed: Feed) -> None:
    feed.store.set_state(State.WAITING, "waiting for V1-prediction")
    window = open_window(feed)
    assert "waiting for V1-prediction" in window.panels["movie"].message
    assert all(panel.message for panel in window.panels.values())


def test_every_panel_has_content(open_window, feed: Feed) -> None:
    feed.run(12)
    window = open_window(feed)
    assert not any(panel.message for panel in window.panels.values())
    assert count(panel_pixels(window, "timeline"), DARK.truth, 40) > 100
    assert count(panel_pixels(window, "traces"), DARK.decoded) > 200
    assert count(panel_pixels(window, "traces"), DARK.latency) > 200
    assert count(panel_pixels(window, "score"), DARK.decoded) > 1_000
    assert count(panel_pixels(window, "neural"), "#ffffff", 40) > 1_000
    trail = panel_pixels(window, "embedding")
    assert len(np.unique(trail[30:].reshape(-1, 3), axis=0)) > 80


def test_true_and_decoded_picture_agree_to_the_pixel(open_window, feed: Feed) -> None:
    feed.run(2)
    true, decoded, following = picture_pixels(open_window(feed))
    np.testing.assert_array_equal(true, decoded)
    assert not np.array_equal(decoded, following)
    gray = int(np.median(decoded))
    assert gray == 59 % SOURCE.n_frames  # the last frame sent, whose pictures are as gray as their number


def test_a_wrong_frame_shows_another_picture_and_says_how_far(open_window, feed: Feed) -> None:
    feed.run(2, off_by=-40)
    window = open_window(feed)
    true, decoded, _ = picture_pixels(window)
    assert not np.array_equal(true, decoded)
    slots = window.panels["movie"].slots
    assert slots[1].verdict == "off by -40 frames"
    assert slots[1].agrees is False
    assert slots[1].provenance == "retrieved · frame 19"


def test_every_picture_says_what_it_is(open_window, feed: Feed) -> None:
    feed.run(1)
    feed.run(1, blank=True)
    slots = open_window(feed).panels["movie"].slots
    assert [slot.provenance for slot in slots] == [
        "shown by the stimulus program",
        "no stimulus · decoded",
        "no stimulus · decoded",
    ]
    assert [slot.which for slot in slots] == ["no stimulus"] * 3


def test_without_truth_it_works_and_says_so(open_window) -> None:
    feed = Feed(truth=False)
    feed.run(3)
    window = open_window(feed)
    slots = window.panels["movie"].slots
    assert slots[0].provenance == "no stream V1-stimulus"
    assert slots[0].picture is None
    assert slots[1].agrees is None
    assert "stimulus" in window.panels["score"].message
    assert count(panel_pixels(window, "timeline"), DARK.truth, 20) == 0


def test_without_pictures_the_number_stands_large(open_window) -> None:
    feed = Feed(pictures=False)
    feed.run(2)
    window = open_window(feed)
    assert window.panels["movie"].slots[1].big == "59"
    panel = window.panels["movie"]
    assert isinstance(panel, MoviePanel)
    QApplication.processEvents()
    rect = panel.picture_rects[1]
    image = panel_pixels(window, "movie")[rect.top() : rect.bottom(), rect.left() : rect.right()]
    written = np.all(np.abs(image.astype(int) - 0xE8) < 24, axis=2)
    rows = np.flatnonzero(written.any(1))
    assert np.ptp(rows) > 30


def test_without_a_neural_stream_the_rest_works(open_window) -> None:
    feed = Feed(neural=False)
    feed.run(2)
    window = open_window(feed)
    assert "no neural stream 'V1'" in window.panels["neural"].message
    assert not window.panels["timeline"].message


def test_places_instead_of_a_movie(open_window) -> None:
    feed = with_source(movie_rate_hz=0.0, tolerance_frames=0, movie_name="")
    feed.run(3)
    window = open_window(feed)
    slot = window.panels["movie"].slots[1]
    assert (slot.which, slot.reach, slot.verdict) == ("place 89", "this place", "the right place")
    assert "places" in window.header.facts.text()


@pytest.mark.parametrize("mode", ["live", "replay", "simulated"])
def test_the_badge_says_what_kind_of_data_it_is(open_window, mode: str) -> None:
    feed = with_source(mode=mode, speed="2")
    feed.run(1)
    window = open_window(feed)
    words, ground, ink = MODES[mode]
    assert window.header.badge.text() == (words if mode == "live" else f"{words} · 2×")
    image = pixels(window.header.badge.grab())
    assert count(image, ground, 4) > image.shape[0] * image.shape[1] / 2
    assert count(image, ink, 60) > 150


def test_a_source_that_does_not_say_is_not_called_live(open_window) -> None:
    feed = with_source(mode="")
    feed.run(1)
    assert open_window(feed).header.badge.text() == "UNKNOWN SOURCE"


@pytest.mark.parametrize("state", [State.STALE, State.LOST, State.MISMATCH, State.ENDED])
def test_what_is_not_current_is_marked(open_window, feed: Feed, state: State) -> None:
    feed.run(1)
    feed.store.set_state(state, "nothing new for 3 s")
    window = open_window(feed)
    assert window.header.state.text() == f"● {state}"
    assert "background" in window.header.state.styleSheet()
    assert "not current" in window.panels["movie"].legend_text


def test_the_status_bar_has_units(open_window, feed: Feed) -> None:
    feed.run(1)
    feed.run(3, skip=2)
    feed.store.add_clock_offset(0.21)
    feed.now_s += 0.02
    window = open_window(feed)
    texts = {name: label.text() for name, label in window.status.fields.items()}
    assert "p50 2.0 · p99 2.0 ms" in texts["latency"]
    assert "20 ms" in texts["age"]
    assert "30 of 30 Hz" in texts["input"]
    assert texts["dropped"].endswith("2")
    assert "+0.21 ms" in texts["clock"]
    assert "demo.safetensors v1" in texts["model"]


def test_space_freezes_the_graphs_only(open_window, feed: Feed, qtbot) -> None:
    feed.run(2)
    window = open_window(feed)
    qtbot.keyClick(window, Qt.Key_Space)
    assert window.paused
    frozen = {name: panel_pixels(window, name) for name in PANELS}
    feed.run(1, off_by=5)
    window.tick()
    for name in PANELS:
        np.testing.assert_array_equal(panel_pixels(window, name), frozen[name], err_msg=name)
    assert window.snapshot.counts.received == 90
    qtbot.keyClick(window, Qt.Key_L)
    assert not window.paused
    window.tick()
    assert not np.array_equal(panel_pixels(window, "movie"), frozen["movie"])


def test_the_theme_changes_every_panel(open_window, feed: Feed, qtbot) -> None:
    feed.run(2)
    window = open_window(feed)
    qtbot.keyClick(window, Qt.Key_T)
    window.tick()
    assert window.theme is LIGHT
    for name in PANELS:
        image = panel_pixels(window, name)
        assert count(image, LIGHT.panel, 2) > 0.2 * image.shape[0] * image.shape[1], name
    qtbot.keyClick(window, Qt.Key_T)
    assert window.theme is DARK


@pytest.mark.parametrize("index", range(len(PANELS)))
def test_a_number_maximises_a_panel_and_brings_the_others_back(
    open_window, feed: Feed, qtbot, index: int
) -> None:
    feed.run(1)
    window = open_window(feed)
    qtbot.keyClick(window, Qt.Key_1 + index)
    visible = [name for name in PANELS if window.panels[name].isVisible()]
    assert visible == [PANELS[index]]
    qtbot.waitUntil(lambda: window.panels[PANELS[index]].width() > 0.9 * window.width(), timeout=WITHIN_MS)
    qtbot.keyClick(window, Qt.Key_Escape)
    assert all(panel.isVisible() for panel in window.panels.values())


def test_where_nothing_is_decoded_only_activity_and_embedding_are_shown(open_window, qtbot) -> None:
    feed = exploring()
    feed.run(2, blank=True)
    window = open_window(feed)
    assert [name for name in PANELS if window.panels[name].isVisible()] == ["neural", "embedding"]
    assert not window.panels["embedding"].message
    qtbot.keyClick(window, Qt.Key_1 + PANELS.index("embedding"))
    assert [name for name in PANELS if window.panels[name].isVisible()] == ["embedding"]
    qtbot.keyClick(window, Qt.Key_Escape)
    assert [name for name in PANELS if window.panels[name].isVisible()] == ["neural", "embedding"]


@pytest.mark.parametrize("key", [Qt.Key_Question, Qt.Key_F1])
def test_question_mark_lists_every_action(open_window, feed: Feed, qtbot, key: Qt.Key) -> None:
    window = open_window(feed)
    qtbot.keyClick(window, key)
    assert window.key_list.isVisible()
    written = " ".join(label.text() for label in window.key_list.findChildren(QLabel))
    for action in ACTIONS:
        assert action.help in written
        assert all(key in written for key in action.keys)
    qtbot.keyClick(window, Qt.Key_Escape)
    assert not window.key_list.isVisible()


def test_d_shows_how_late_each_stage_is(open_window, feed: Feed, qtbot) -> None:
    stats = {"p50": 0.5, "p95": 0.75, "p99": 1.25, "max": 2.0, "jitter": None}
    feed.store.add_stats({"latency_ms": stats, "arrival_ms": "?"})
    window = open_window(feed)
    assert "received" not in feed.store.stage_latency().stages
    feed.run(2)
    window.tick()
    qtbot.waitUntil(lambda: "painted" in feed.store.stage_latency().stages, timeout=WITHIN_MS)
    window.tick()  # nothing new: not painted again
    qtbot.keyClick(window, Qt.Key_D)
    assert window.latency.isVisible()
    cells = {key: label.text() for key, label in window.latency.cells.items()}
    assert (cells["published", "p99"], cells["published", "jitter"]) == ("1.25", "–")
    assert cells["arrived", "p50"] == "–"
    for stage in ("received", "painted"):
        assert float(cells[stage, "p50"]) <= float(cells[stage, "max"])
    assert feed.store.stage_latency().counts.sum() == 1
    qtbot.keyClick(window, Qt.Key_Escape)
    assert not window.latency.isVisible()


def test_f_is_full_screen(open_window, feed: Feed, qtbot) -> None:
    window = open_window(feed)
    qtbot.keyClick(window, Qt.Key_F)
    assert window.isFullScreen()
    qtbot.keyClick(window, Qt.Key_F)
    assert not window.isFullScreen()


def test_s_saves_a_screenshot_and_overwrites_none(
    open_window, feed: Feed, qtbot, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    feed.run(1)
    window = open_window(feed)
    for number in (1, 2):
        qtbot.keyClick(window, Qt.Key_S)
        assert len(list(tmp_path.glob("neuroreel-*.png"))) == number
    image = QPixmap(str(next(tmp_path.glob("*.png"))))
    assert (image.width(), image.height()) == (window.width(), window.height())


def test_ctrl_q_closes(open_window, feed: Feed, qtbot) -> None:
    window = open_window(feed)
    told = []
    window.on_close = lambda: told.append(True)
    qtbot.keyClick(window, Qt.Key_Q, Qt.ControlModifier)
    qtbot.waitUntil(lambda: not window.isVisible(), timeout=WITHIN_MS)
    assert told == [True]


@pytest.mark.parametrize("size", [(1000, 640), (1280, 800), (1667, 990), (2400, 1300)])
def test_nothing_overlaps_at_any_size(open_window, feed: Feed, qtbot, size: tuple[int, int]) -> None:
    feed.run(3)
    feed.store.add_clock_offset(-0.21)
    feed.store.add_clock_offset(-0.27)
    window = open_window(feed)
    window.resize(*size)
    qtbot.waitUntil(lambda: window.centralWidget().width() == window.width(), timeout=WITHIN_MS)
    window.tick()
    QApplication.processEvents()
    assert (window.width(), window.height()) == size
    for bar in (window.header, window.status):
        seen = [w for w in bar.findChildren((QLabel, QPushButton)) if w.isVisible()]
        rects = [QRect(w.mapTo(bar, QPoint(0, 0)), w.size()) for w in seen]
        for widget, rect in zip(seen, rects, strict=True):
            assert bar.rect().contains(rect), widget.text()
        assert not any(a.intersects(b) for a in rects for b in rects if a is not b)
    panels = [QRect(p.mapTo(window, QPoint(0, 0)), p.size()) for p in window.panels.values()]
    assert not any(a.intersects(b) for a in panels for b in panels if a is not b)
    rects = window.panels["movie"].picture_rects
    assert all(window.panels["movie"].rect().contains(rect) for rect in rects)
    assert all(rect.width() > 90 for rect in rects)


def test_the_picker_lists_engines_and_neural_streams(open_window, feed: Feed, qtbot) -> None:
    feed.store.set_state(State.SEARCHING)
    feed.store.set_candidates(
        (
            Candidate("A1", "Spikes", "rig", 80, 30.0),
            Candidate("V1-prediction", "Prediction", "rig", 12, 30.0),
        )
    )
    watched: list[Candidate] = []
    started: list[str] = []
    window = open_window(feed, watch=watched.append, start=started.append)
    qtbot.keyClick(window, Qt.Key_K, Qt.ControlModifier)
    picker = window.picker
    assert picker.isVisible()
    assert [picker.table.item(row, 1).text() for row in range(2)] == ["V1-prediction", "A1"]
    assert picker.button.text() == "Watch"
    picker.choose()
    assert [engine.name for engine in watched] == ["V1-prediction"]
    window.pick_stream()
    qtbot.keyClick(picker.table, Qt.Key_Down)
    assert picker.button.text() == "Decode"
    picker.choose()
    assert started == ["A1"]


@pytest.mark.slow
def test_a_tick_costs_little_more_than_painting_the_window(open_window) -> None:
    feed = Feed()
    feed.run(30)
    window = open_window(feed)
    QApplication.processEvents()
    ticks, paintings = [], []
    for _ in range(20):
        feed.run(1 / 30)
        begun = time.process_time()
        window.tick()
        QApplication.processEvents()
        ticked = time.process_time()
        window.grab()
        ticks.append(ticked - begun)
        paintings.append(time.process_time() - ticked)
    assert np.median(ticks) < 4 * np.median(paintings)  # 1.5 times is usual
