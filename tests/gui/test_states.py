"""What the window says in each state: no stimulus, unsure, no evidence, not current, late; at every size and theme."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PyQt5.QtCore import QPoint, QRect, Qt
from PyQt5.QtGui import QColor
from PyQt5.QtWidgets import QApplication, QLabel, QPushButton

from decoders.data.label_places import LabelPlaces
from gui.panels.movie import MoviePanel
from gui.panels.movie_slots import Slot, slots_of
from gui.panels.timeline import TimelinePanel
from gui.state.snapshot import Candidate, State
from gui.theme import DARK, LIGHT, Theme
from gui.widgets.header import DARK_INK, MODES, STATE_COLOURS, describe
from gui.window import SIZE, Window, fit_size, scale_of
from tests.gui.feeds import SOURCE, Feed, with_source
from tests.gui.test_window import count, panel_pixels, picture_pixels

pytestmark = pytest.mark.gui

THEMES = pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
SIZES = pytest.mark.parametrize("size", [(960, 520), (1280, 680), (1920, 1000), (3840, 2100)], ids=str)


def slots(window: Window):
    panel = window.panels["movie"]
    assert isinstance(panel, MoviePanel)
    return panel.slots


def redraw(window: Window) -> None:
    window.painted = 0
    window.tick()
    QApplication.processEvents()


def contrast(one: str, other: str) -> float:
    """Contrast of two colours (WCAG 2)."""

    def luminance(colour: str) -> float:
        parts = np.array(QColor(colour).getRgb()[:3]) / 255
        return float(
            np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
            @ [0.2126, 0.7152, 0.0722]
        )

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@THEMES
def test_every_colour_has_a_contrast_of_three_and_one_meaning(theme: Theme) -> None:
    lines = [theme.truth, theme.decoded, theme.forecast]
    for colour in (*lines, theme.latency, theme.error, theme.warn, theme.alarm, theme.text, theme.dim):
        assert contrast(colour, theme.panel) >= 3, colour
    others = {theme.latency, theme.error, theme.warn, theme.alarm, *STATE_COLOURS.values()}
    others |= {ground for _, ground, _ in MODES.values()}
    assert len(set(lines)) == 3
    assert not others & set(lines)
    assert all(contrast(ground, ink) >= 3 for _, ground, ink in MODES.values())
    assert all(contrast(ground, DARK_INK) >= 3 for ground in STATE_COLOURS.values())
    assert all(
        contrast(colour, theme.raised) >= 3 for colour in (theme.truth, theme.decoded, theme.text)
    )  # the map


@THEMES
def test_unsure_shows_the_likeliest_by_size_and_the_threshold(open_window, theme: Theme) -> None:
    feed = Feed(source=replace(SOURCE, n_frames=360), pictures=False)
    feed.run(1)
    feed.run(1, state="unsure")
    window = open_window(feed)
    window.set_theme(theme)
    redraw(window)
    _, decoded, following = slots(window)
    assert decoded.provenance.startswith("unsure · below 50%")
    assert following.provenance.startswith("unsure")
    assert decoded.picture is None
    assert decoded.verdict == ""
    assert [tile.probability for tile in decoded.tiles] == pytest.approx([0.2, 0.15, 0.1, 0.05], abs=0.01)
    areas = []
    image = picture_pixels(window)[1]
    height, width = (n // 2 for n in image.shape[:2])
    ground = np.array(QColor(theme.raised).getRgb()[:3])
    for index in range(4):
        part = image[index // 2 * height :, index % 2 * width :][: height - 18, :width]
        areas.append(int(np.sum(np.abs(part.astype(int) - ground).max(axis=2) > 12)))
    assert areas == sorted(areas, reverse=True)
    assert areas[3] / areas[0] == pytest.approx(0.25, abs=0.12)


@THEMES
def test_no_evidence_is_no_picture_no_verdict_and_no_hit(open_window, theme: Theme) -> None:
    feed = Feed()
    feed.run(3, state="no evidence")
    feed.now_s += 1
    feed.store.settle()
    window = open_window(feed)
    window.set_theme(theme)
    redraw(window)
    for slot in slots(window)[1:]:
        assert slot.provenance == "no evidence · no channel has a valid value"
        assert (slot.picture, slot.tiles, slot.verdict, slot.agrees) == (None, (), "", None)
        assert np.isnan(slot.confidence)
    assert window.snapshot.score is not None
    assert window.snapshot.score.within == 0


def test_no_stimulus_is_decoded_with_its_own_probability(open_window, feed: Feed) -> None:
    feed.run(1)
    feed.run(1, blank=True)
    decoded = slots(open_window(feed))[1]
    assert decoded.provenance == "no stimulus · decoded"
    assert decoded.reach == "no stimulus"
    assert decoded.confidence == 0.9
    assert decoded.picture is not None


@pytest.mark.parametrize("state", [State.STALE, State.LOST, State.MISMATCH, State.ENDED])
def test_what_is_not_current_is_dimmed_and_its_age_counts(open_window, feed: Feed, state: State) -> None:
    feed.run(11)
    window = open_window(feed)
    QApplication.processEvents()
    before = picture_pixels(window)[0].astype(int)
    trail = panel_pixels(window, "embedding").astype(int)
    feed.now_s += 5.6
    feed.store.set_state(state, "V1 is silent")
    redraw(window)
    assert f"not current: 5.6 s old, {state}" in window.panels["movie"].legend_text
    ground = np.array(QColor(DARK.raised).getRgb()[:3])
    after = picture_pixels(window)[0].astype(int)
    assert np.abs(after - ground).mean() < 0.5 * np.abs(before - ground).mean()
    assert np.ptp(panel_pixels(window, "embedding").astype(int)[60:-60]) < np.ptp(trail[60:-60])
    assert "5600 ms" in window.status.fields["age"].text()
    assert window.status.fields["age"].colour == DARK.alarm
    panel = window.panels["timeline"]
    assert isinstance(panel, TimelinePanel)
    edge = panel.plot.getViewBox().mapViewToScene  # the last 5.6 s hold no data
    left, right = (panel.plot.mapFromScene(edge(_point(x, 45.0))).x() for x in (-5.4, -0.2))
    image = panel_pixels(window, "timeline")
    origin = panel.plot.mapTo(panel, QPoint(0, 0)).x()
    middle = panel.plot.mapTo(panel, panel.plot.mapFromScene(edge(_point(0.0, 45.0)))).y()
    strip = image[middle - 8 : middle + 8, origin + left : origin + right].reshape(-1, 3)
    assert len(np.unique(strip, axis=0)) == 2  # the hatched ground
    curve = window.panels["traces"]._curves["confidence"]
    assert np.nanmax(curve.getData()[0]) == pytest.approx(-5.6, abs=0.05)


def _point(x: float, y: float):
    from PyQt5.QtCore import QPointF

    return QPointF(x, y)


def test_lines_are_broken_where_samples_are_missing(open_window, feed: Feed) -> None:
    feed.run(3)
    feed._sample += 90
    feed.run(3)
    window = open_window(feed)
    for name in ("confidence", "error", "latency"):
        x, y = window.panels["traces"]._curves[name].getData()
        assert np.isnan(y[(x > -6.1) & (x < -2.9)]).any(), name


def test_an_alarm_is_coloured_and_the_state_says_late(open_window, feed: Feed) -> None:
    feed.run(3)
    window = open_window(feed)
    assert window.header.state.text() == "● live"
    assert {window.status.fields[name].colour for name in ("age", "latency", "input", "dropped")} == {
        DARK.text
    }
    feed.run(1, skip=3)
    feed.now_s += 2.07
    window.tick()
    assert window.header.state.text() == "● live, late"
    assert window.status.fields["age"].colour == DARK.alarm
    assert window.status.fields["dropped"].colour == DARK.alarm


def test_a_latency_below_zero_is_not_shown_as_a_latency(open_window, feed: Feed) -> None:
    feed.run(2)
    feed.store._predictions.column(8)[:] = -2_996.0
    window = open_window(feed)
    assert "-" not in window.status.fields["latency"].text().replace("–", "")
    assert "clocks disagree" in window.panels["traces"]._values["latency"].text()
    assert window.status.fields["latency"].colour == DARK.alarm


def test_the_age_is_that_of_what_has_been_on_screen(open_window, feed: Feed) -> None:
    feed.run(1)
    window = open_window(feed)
    feed.run(0.2)
    window.tick()
    assert window.snapshot.counts.age_ms == pytest.approx(200, abs=1)


def test_bold_says_when_now_was(open_window) -> None:
    feed = with_source(signal_lag_ms=7_500.0, rate_hz=2.0, movie_rate_hz=3.0, tolerance_frames=3)
    feed.run(30)
    window = open_window(feed)
    captions = [slot.caption for slot in slots(window)]
    assert captions == ["on screen 7.5 s ago", "decoded 7.5 s ago", "forecast +1 s, 6.5 s ago"]
    assert "7.5 s ago" in window.panels["timeline"].plot.bottom.labelText


def test_categories_are_named_and_not_counted_apart(open_window) -> None:
    feed = with_source(n_frames=8, movie_rate_hz=0.0, tolerance_frames=0, movie_name="face, house")
    pictures = feed.store.snapshot().movie_pictures
    names = ("face", "house", "chair", "shoe", "cat", "bottle", "scissors", "scrambled")
    feed.store.set_movie_pictures(replace(pictures, clip_of_frame=np.arange(8), clip_names=names))
    feed.run(3, off_by=1)
    window = open_window(feed)
    _, decoded, _ = slots(window)
    assert decoded.which.startswith("category")
    assert decoded.which.endswith(names[int(decoded.which.split()[1])])
    assert (decoded.verdict, decoded.agrees) == ("another category", False)
    assert "frame" not in window.panels["timeline"].plot.left.labelText
    traces = window.panels["traces"]
    assert traces._titles["error"].text() == "category"
    assert traces._values["error"].text() == "now wrong"
    assert set(np.round(np.unique(traces._curves["error"].getData()[1]), 3)) == {0.301}


def test_eight_certain_categories_light_one_cell_each(open_window) -> None:
    feed = with_source(n_frames=8, movie_rate_hz=0.0, tolerance_frames=0, movie_name="faces", rate_hz=2.0)
    feed.run(40)
    window = open_window(feed)
    image = window.panels["timeline"]._image.item.image
    assert image.shape[0] == 8
    assert np.all((image[:, -30:] > 200).sum(axis=0) == 1)


def test_frame_numbers_are_names_at_the_axis_and_the_pictures(open_window) -> None:
    feeds = [with_source(frames=frames) for frames in ("", "10000-10089")]
    for feed in feeds:
        feed.run(12, off_by=2)
        feed.run(1, off_by=2, state="unsure")
    first, later = (feed.store.snapshot() for feed in feeds)
    assert first.score.within > 0.5
    for name in ("n", "within", "exact", "median_error", "chance", "clock"):
        assert getattr(later.score, name) == getattr(first.score, name)
    assert later.newest.frame == first.newest.frame + 10_000
    for before, slot in zip(slots_of(first), slots_of(later), strict=True):
        assert [tile.name for tile in slot.tiles] == [
            tile.name if tile.name == "blank" else str(int(tile.name) + 10_000) for tile in before.tiles
        ]
        pictures = zip(slots_and_tiles(slot), slots_and_tiles(before), strict=True)
        assert all(np.array_equal(one, other) for one, other in pictures)
    panels = [open_window(feed).panels["timeline"] for feed in feeds]
    images = [panel._image.item.image for panel in panels]
    np.testing.assert_array_equal(*images)
    curves = [[curve.getData() for curve in (*panel._truth, panel._next)] for panel in panels]
    for one, other in zip(*curves, strict=True):
        np.testing.assert_array_equal(one, other)
    ticks = [[text for _, text in panel.plot.left._tickLevels[0]] for panel in panels]
    assert ticks == [["none", "0", "30", "60"], ["none", "10020", "10050", "10080"]]


def test_places_of_a_label_have_its_name_and_values(open_window) -> None:
    places = LabelPlaces("speed", np.linspace(0, 44.5, 90)[:, None], np.ones(1))
    feed = with_source(
        places=json.dumps(places.facts()), movie_rate_hz=0.0, tolerance_frames=0, movie_name=""
    )
    feed.run(12)
    window = open_window(feed)
    shown, decoded, _ = slots_of(feed.store.snapshot())
    assert decoded.which == f"speed {0.5 * feed.store.snapshot().newest.frame:.3g}"
    assert (decoded.verdict, shown.provenance) == ("the right place", "reported by its label stream")
    plot = window.panels["timeline"].plot
    assert plot.left.labelText == "speed"
    assert [text for _, text in plot.left._tickLevels[0]] == ["none", "0", "15", "30"]
    assert "90 places of speed" in describe(feed.source)
    without = Feed(source=feed.source, truth=False)
    without.run(3)
    panel = open_window(without).panels["score"]
    assert "no stream V1-speed reports the true place" in panel._message.text()


def slots_and_tiles(slot: Slot) -> list[object]:
    return [slot.picture, *(tile.picture for tile in slot.tiles)]


def test_a_long_movie_is_zoomed_and_says_so(open_window) -> None:
    feed = with_source(n_frames=20_000)
    feed.run(0.1)
    feed.store.add_posterior(
        np.zeros((1, 2_001), np.float32), np.array([feed.now_s])
    )  # pooled, as engines send it
    window = open_window(feed)
    redraw(window)
    image = window.panels["timeline"]._image.item.image
    panel = window.panels["timeline"]
    assert image.shape[0] <= panel.plot.getViewBox().height()
    assert "of 20000" in panel._detail.text()
    assert "10 frames a cell" in panel._detail.text()


@THEMES
@SIZES
def test_it_fits_every_screen(open_window, qtbot, size: tuple[int, int], theme: Theme) -> None:
    feed = with_source(name="V1", n_frames=900, mode="simulated")
    feed.run(3)
    feed.store.add_clock_offset(-0.21)
    window = open_window(feed)
    window.resize(*size)
    qtbot.waitUntil(lambda: window.centralWidget().width() == window.width())
    window.set_theme(theme)
    for _ in range(2):
        redraw(window)
    assert (window.width(), window.height()) == size
    for bar in (window.header, window.status):
        seen = [w for w in bar.findChildren((QLabel, QPushButton)) if w.isVisible()]
        rects = [QRect(w.mapTo(bar, QPoint(0, 0)), w.size()) for w in seen]
        for widget, rect in zip(seen, rects, strict=True):
            assert bar.rect().contains(rect), widget.text()
    assert all(window.panels["movie"].rect().contains(r) for r in window.panels["movie"].picture_rects)
    image = panel_pixels(window, "embedding")
    assert count(image, window.theme.panel, 3) > 0.3 * image.shape[0] * image.shape[1]


@pytest.mark.parametrize("screen", [(1280, 720), (960, 510), (1366, 728), (1920, 1040), (3840, 2100)])
def test_a_new_window_is_not_larger_than_the_screen(screen: tuple[int, int]) -> None:
    width, height = fit_size(*screen)
    assert width <= screen[0]
    assert height < screen[1]


def test_text_grows_with_the_window(open_window, feed: Feed, qtbot) -> None:
    assert scale_of(*SIZE) == scale_of(1280, 720) == 1.0
    assert scale_of(3840, 2160) == pytest.approx(2.2)
    window = open_window(feed)
    small = window.status.fields["age"].fontMetrics().height()
    window.resize(2 * SIZE[0], 2 * SIZE[1])
    qtbot.waitUntil(lambda: window.theme.scale == 2.0)
    redraw(window)
    assert window.status.fields["age"].fontMetrics().height() >= 1.8 * small


def test_one_dialog_at_a_time(open_window, feed: Feed, qtbot) -> None:
    window = open_window(feed)
    qtbot.keyClick(window, Qt.Key_Question)
    qtbot.keyClick(window, Qt.Key_D)
    assert (window.key_list.isVisible(), window.latency.isVisible()) == (False, True)
    window.pick_stream()
    assert (window.latency.isVisible(), window.picker.isVisible()) == (False, True)


def test_the_picker_begins_with_an_engine_and_keeps_the_choice(open_window, feed: Feed, qtbot) -> None:
    two = (
        Candidate("A1", "Spikes", "rig", 80, 30.0, uid="a"),
        Candidate("V1-prediction", "Prediction", "pc-b", 12, 30.0, alive=False, uid="b"),
        Candidate("V1-prediction", "Prediction", "rig", 12, 30.0, uid="c"),
    )
    feed.store.set_candidates(two)
    window = open_window(feed, start=lambda _: None)
    window.pick_stream()
    table = window.picker.table
    assert [table.item(row, 3).text() for row in range(3)] == ["rig", "pc-b", "rig"]
    assert table.currentRow() == 0
    qtbot.keyClick(table, Qt.Key_Down)
    feed.store.set_candidates((*two, Candidate("B2-prediction", "Prediction", "rig", 12, 30.0, uid="d")))
    window.tick()
    assert table.item(table.currentRow(), 3).text() == "pc-b"


def test_eeg_is_drawn_as_traces_with_names_and_unit(open_window) -> None:
    feed = with_source(rate_hz=250.0)
    feed.neural = False
    names = ("Fz", "Cz", "Pz", "O1")
    feed.store.set_neural(4, "EEG", names, "uV")
    feed.run(0.5)
    stamps = feed.now_s + np.arange(2_500) / 250
    wave = np.sin(np.arange(2_500) / 20)[:, None] * np.array([10, 10, 10, np.nan])
    feed.store.add_neural(wave.astype(np.float32), stamps)
    window = open_window(feed)
    panel = window.panels["neural"]
    assert not panel.message
    assert "EEG · 4 channels · 1 without a valid value · 250 Hz" in panel._detail.text()
    assert panel._detail.text().endswith("uV")
    assert [text for _, text in panel.plot.left._tickLevels[0]] == list(names[::-1])
    x, y = panel._traces.getData()
    for row in range(1, 4):  # O1, at the bottom, has no valid value
        near = y[np.abs(y - row) <= 0.5]
        assert np.ptp(near) > 0.2, row
    assert not np.any(np.abs(y) <= 0.3)
    assert np.nanmin(x) == pytest.approx(-10, abs=0.2)
    assert count(panel_pixels(window, "neural"), DARK.text, 40) > 1_000
    feed.store.set_neural(32, "EEG", [f"E{i}" for i in range(32)], "uV")
    feed.store.add_neural(np.ones((10, 32), np.float32), stamps[-1] + np.arange(10) / 250)
    window.resize(1_280, 720)
    QApplication.processEvents()
    redraw(window)
    labels = panel.plot.left._tickLevels[0]
    assert 4 <= len(labels) * panel.plot.fontMetrics().height() <= panel.plot.height()
    assert f"{len(labels)} of 32 channels" in panel._detail.text()


def test_a_channel_without_valid_values_is_hatched(open_window) -> None:
    feed = Feed(neural=False)
    feed.store.set_neural(3, "Spikes")
    feed.run(2)
    rows = np.ones((60, 3), np.float32)
    rows[:, 1] = np.nan
    feed.store.add_neural(rows, feed.now_s + np.arange(60) / 30)
    image = open_window(feed).panels["neural"]._image.item.image
    assert np.all(image[1] == 0)
    assert np.all(image[[0, 2], -50:] > 0)


def test_the_forecasts_success_stands_beside_their_claim(open_window, feed: Feed) -> None:
    feed.run(10)
    window = open_window(feed)
    assert (
        "forecasts of the last minute: 100% came true, 60% claimed" in window.panels["movie"]._detail.text()
    )


def test_training_data_are_said_in_red_beside_the_score(open_window, feed: Feed) -> None:
    feed.run(3)
    window = open_window(feed)
    assert window.panels["score"].legend_text == ""
    assert count(panel_pixels(window, "score"), DARK.alarm, 30) == 0
    feed.store.add_stats({"training_data": {"checked": 9, "known": 7}})
    redraw(window)
    assert "TRAINING DATA" in window.panels["score"].legend_text
    assert count(panel_pixels(window, "score"), DARK.alarm, 30) > 300
    feed.store.add_stats({"training_data": "x"})
    redraw(window)
    assert window.panels["score"].legend_text == ""


def test_a_clock_stands_beside_the_score(open_window, feed: Feed) -> None:
    feed.run(0.5, blank=True)
    feed._sample = 90  # the movie begins with frame 0
    feed.run(2.5)
    feed.now_s += 1
    feed.store.settle()
    in_order = open_window(feed).snapshot.score
    assert in_order is not None
    assert in_order.clock > 0.95
    places = with_source(movie_rate_hz=0.0, tolerance_frames=0, movie_name="")
    places.run(3)
    score = open_window(places).snapshot.score
    assert score is not None
    assert np.isnan(score.clock)
