from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PyQt5.QtCore import QPointF
from PyQt5.QtWidgets import QApplication, QLabel

from gui.panels.neural import NeuralPanel, standardised
from gui.state.snapshot import UNKNOWN, Columns, NeuralTraces, Newest, Snapshot, Source, State
from gui.theme import DARK, LIGHT
from tests.gui.feeds import N_CHANNELS, Feed
from tests.gui.test_window import pixels

pytestmark = pytest.mark.gui

NEWEST = Newest(1, 0.9, 2, 0.5, 1.0, 0.1, 7, 2.0, 1, UNKNOWN)


@given(seed=st.integers(0, 100), n=st.integers(2, 50), rows=st.integers(1, 9), scale=st.floats(1e-3, 1e6))
def test_each_row_fills_the_range_whatever_its_unit(seed: int, n: int, rows: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(size=(n, rows)).astype(np.float32)
    has_data = np.r_[True, True, random.random(n - 2) < 0.7]
    image = standardised(values, has_data)
    assert (image.shape, image.dtype) == ((rows, n), np.uint8)
    assert image.min() >= 1  # 0 is no data
    other = standardised((values * np.float32(scale) + np.float32(scale)).astype(np.float32), has_data)
    np.testing.assert_allclose(image.astype(int), other.astype(int), atol=3)
    for row in range(rows):
        order = np.argsort(values[:, row])
        assert (np.diff(image[row].astype(int)[order]) >= 0).all()
    assert image[:, has_data].mean() == pytest.approx(128, abs=25)


def test_columns_without_data_do_not_set_the_range_and_values_that_are_none_are_no_data() -> None:
    values = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    has_data = np.arange(40) >= 20
    wanted = standardised(values, has_data)
    values[:20] = 1e6
    values[25, 1] = np.nan
    image = standardised(values, has_data)
    np.testing.assert_allclose(image[:, 20:].astype(int)[[0, 2]], wanted[:, 20:].astype(int)[[0, 2]], atol=1)
    assert image[1, 25] == 0
    assert (image[1, 26:] > 0).all()


def test_a_count_that_is_none_is_no_data(panel: NeuralPanel) -> None:
    values = np.ones((10, 4))
    values[7, 1] = np.nan
    panel.show_snapshot(snapshot(values))
    image = panel._image.item.image
    assert np.argwhere(image == 0).tolist() == [[1, 7]]


def test_a_channel_that_never_changes_is_in_the_middle() -> None:
    image = standardised(np.full((9, 2), 7.0, np.float32), np.ones(9, bool))
    assert set(image.ravel().tolist()) == {128}


@pytest.fixture
def panel(qtbot: Any) -> NeuralPanel:
    panel = NeuralPanel()
    qtbot.addWidget(panel)
    panel.resize(700, 400)
    panel.set_theme(DARK)
    panel.show()
    return panel


def snapshot(values: Any, stream_type: str = "Spikes", **changes: Any) -> Snapshot:
    """Ten seconds of activity, float32 [columns, channels]."""
    values = np.asarray(values, np.float32)
    columns = Columns(values, 10 / len(values), np.ones(len(values), bool))
    given: dict[str, Any] = {"state": State.LIVE, "source": Source(neural_name="V1", rate_hz=30.0)}
    return Snapshot(
        neural=columns, neural_type=stream_type, neural_n_channels=values.shape[1], **(given | changes)
    )


def at(panel: NeuralPanel, x: float, y: float) -> NDArray[np.int_]:
    """Colour at a time and a channel."""
    plot = panel.plot
    QApplication.processEvents()  # it gets its place
    point = plot.mapFromScene(plot.getViewBox().mapViewToScene(QPointF(x, y)))
    return pixels(plot.grab())[point.y(), point.x()].astype(int)


def detail(panel: NeuralPanel) -> str:
    return " ".join(label.text() for label in panel.findChildren(QLabel))


@pytest.mark.parametrize(("theme", "sign"), [(DARK, 1), (LIGHT, -1)], ids=["dark", "light"])
def test_more_spikes_stand_out_more_at_their_time_and_channel(
    panel: NeuralPanel, theme: Any, sign: int
) -> None:
    values = np.zeros((10, 4))
    values[7, 1], values[2, 3] = 8, 2
    panel.set_theme(theme)
    panel.show_snapshot(snapshot(values))
    many, few, none = at(panel, -2.5, 1.5), at(panel, -7.5, 3.5), at(panel, -2.5, 3.5)
    assert sign * (many - few).mean() > 60
    assert sign * (few - none).mean() > 60


def test_a_continuous_signal_has_another_colour_map(panel: NeuralPanel) -> None:
    values = np.random.default_rng(0).normal(size=(50, 4))
    values[40:, 2] = 9
    panel.show_snapshot(snapshot(values, "EEG"))
    high = at(panel, -1.0, 2.5)
    assert high[0] - high[2] > 60  # the yellow of viridis
    panel.show_snapshot(snapshot(values, "Spikes"))
    assert np.ptp(at(panel, -1.0, 2.5)) < 10  # gray


def test_what_has_no_data_is_not_what_is_silent(panel: NeuralPanel) -> None:
    one = snapshot(np.zeros((10, 4)))
    assert one.neural is not None
    has_data = np.arange(10) >= 5
    panel.show_snapshot(replace(one, neural=replace(one.neural, has_data=has_data)))
    QApplication.processEvents()  # it gets its place
    plot = pixels(panel.plot.grab()).astype(int)
    left, right = (
        panel.plot.mapFromScene(panel.plot.getViewBox().mapViewToScene(QPointF(x, 2.0))) for x in (-7, -2)
    )
    without = plot[left.y() - 9 : left.y() + 9, left.x() - 9 : left.x() + 9].reshape(-1, 3)
    silent = plot[right.y() - 9 : right.y() + 9, right.x() - 9 : right.x() + 9].reshape(-1, 3)
    assert len(np.unique(without, axis=0)) > 1  # hatched
    assert len(np.unique(silent, axis=0)) == 1


def test_what_is_not_current_moves_into_the_past(panel: NeuralPanel) -> None:
    values = np.zeros((10, 1))
    values[-1] = 5
    panel.show_snapshot(snapshot(values))
    now = at(panel, -0.5, 0.5)
    panel.show_snapshot(snapshot(values, state=State.STALE, idle_s=4.0))
    np.testing.assert_array_equal(at(panel, -4.5, 0.5), now)
    assert (at(panel, -3.0, 0.5) != now).any()


def test_the_title_line_describes_the_stream(panel: NeuralPanel) -> None:
    values = np.random.default_rng(0).poisson(3, (20, 6))
    values[:, :2] = 0
    panel.show_snapshot(snapshot(values))
    assert "Spikes · 6 channels · 30 Hz · 2 silent" in detail(panel)
    panel.show_snapshot(replace(snapshot(values), neural_n_channels=60))
    assert "60 channels · 30 Hz · neighbours averaged to 6 rows" in detail(panel)
    assert "silent" not in detail(panel)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "waiting for neural activity"),
        ({"source": Source(neural_name="V1")}, "waiting for neural activity"),
        ({"source": Source(neural_name="V1"), "newest": NEWEST}, "no neural stream 'V1' seen"),
        ({"source": Source(neural_name="V1"), "refused": {"neural": "V1 is not used"}}, "V1 is not used"),
        ({"source": Source(neural_name="a\x1b[2J"), "newest": NEWEST}, r"no neural stream 'a\x1b[2J' seen"),
    ],
)
def test_without_activity_it_says_why(panel: NeuralPanel, given: dict[str, Any], message: str) -> None:
    panel.show_snapshot(Snapshot(**given))
    assert panel.message == message


@pytest.mark.parametrize("stream_type", ["Spikes", "Fluorescence"])
@pytest.mark.parametrize("dead", [np.nan, np.inf, 3e38])
def test_a_dead_channel_costs_no_other_one(panel: NeuralPanel, stream_type: str, dead: float) -> None:
    pictures = []
    for value in (0.0, dead):
        feed = Feed(neural=False)
        feed.store.set_neural(N_CHANNELS, stream_type)
        random = np.random.default_rng(0)
        for index in range(300):
            row = random.normal(5, 1, (1, N_CHANNELS)).astype(np.float32)
            row[0, 3] = value
            feed.now_s = 1_000 + index / 30
            feed.store.add_neural(row, np.array([feed.now_s]))
            feed.store.settle()
        panel._painted = 0  # the brightness is measured anew
        panel.show_snapshot(feed.store.snapshot())
        assert panel.message == ""
        pictures.append([at(panel, x, 7.5) for x in np.arange(-9.5, 0, 0.7)])
    np.testing.assert_allclose(pictures[0], pictures[1], atol=6)


@pytest.mark.parametrize("dead", [np.nan, np.inf, 3e38])
def test_a_dead_channel_costs_no_other_trace(panel: NeuralPanel, dead: float) -> None:
    lines = []
    for value in (0.0, dead):
        feed = Feed(neural=False)
        feed.store.set_neural(4, "EEG")
        rows = np.random.default_rng(0).normal(5, 1, (300, 4)).astype(np.float32)
        rows[:, 3] = value
        feed.store.add_neural(rows, 1_000 + np.arange(300) / 30)
        panel._painted = 0
        panel.show_snapshot(feed.store.snapshot())
        assert panel.message == ""
        x, y = panel._traces.getData()
        lines.append(y[: 3 * len(x) // 4])
    np.testing.assert_allclose(lines[0], lines[1], atol=1e-6)


def test_no_activity_at_all_is_painted(panel: NeuralPanel) -> None:
    for stream_type in ("Spikes", "EEG"):
        one = snapshot(np.zeros((10, 3)), stream_type)
        assert one.neural is not None
        panel.show_snapshot(replace(one, neural=replace(one.neural, has_data=np.zeros(10, bool))))
        panel.grab()
        assert "silent" not in detail(panel)


def traces(values: Any, labels: tuple[str, ...] = ("Cz", "Pz", "Oz"), unit: str = "uV") -> Snapshot:
    """Ten seconds of a continuous signal, float32 [n, channels]."""
    values = np.asarray(values, np.float32)
    shown = NeuralTraces(np.arange(1 - len(values), 1) / 30, values, labels, unit)
    source = Source(neural_name="V1", rate_hz=30.0)
    return Snapshot(
        state=State.LIVE, source=source, neural_traces=shown, neural_type="EEG", neural_n_channels=len(labels)
    )


def waves(*amplitudes: float) -> NDArray[np.float32]:
    return (np.sin(np.arange(300) / 3)[:, None] * np.array(amplitudes)).astype(np.float32)


def band(panel: NeuralPanel, row: float) -> NDArray[np.bool_]:
    """Where the line of a row is drawn, in a strip around it."""
    QApplication.processEvents()
    plot = panel.plot
    low, high = (
        plot.mapFromScene(plot.getViewBox().mapViewToScene(QPointF(-9, row + d))) for d in (-0.45, 0.45)
    )
    right = plot.mapFromScene(plot.getViewBox().mapViewToScene(QPointF(-0.5, row)))
    strip = pixels(plot.grab())[high.y() : low.y(), low.x() : right.x()].astype(int)
    return np.asarray((np.abs(strip - strip[0, 0]).max(2) > 60).any(1))


def test_signals_are_lines_the_first_on_top_on_one_scale(panel: NeuralPanel) -> None:
    panel.show_snapshot(traces(waves(4, 0, 2, 0, 8), tuple("abcde")))
    whole, flat, half = (int(band(panel, row).sum()) for row in (4, 3, 2))
    assert whole > 20
    assert half == pytest.approx(whole / 2, abs=3)
    assert flat <= 2
    assert "EEG · 5 channels · 30 Hz · line to line" in detail(panel)
    assert " uV" in detail(panel)
    panel.show_snapshot(traces(waves(8, 4, 0), unit=""))
    assert "(no unit given)" in detail(panel)


@pytest.mark.parametrize("dead", [np.nan, np.inf, 3e38, -3e38])
def test_a_dead_signal_costs_no_other_line(panel: NeuralPanel, dead: float) -> None:
    values = waves(8, 0, 8)
    panel.show_snapshot(traces(values))
    wanted = [band(panel, row) for row in (0, 2)]
    values[:, 1] = dead
    panel._painted = 0  # the scale is measured anew
    panel.show_snapshot(traces(values))
    for row, before in zip((0, 2), wanted, strict=True):
        np.testing.assert_array_equal(band(panel, row), before)


def test_a_panel_changes_between_lines_and_counts(panel: NeuralPanel) -> None:
    counts = np.zeros((10, 3))
    counts[7, 0] = 9
    panel.show_snapshot(traces(waves(8, 4, 0)))
    panel.show_snapshot(snapshot(counts))
    assert at(panel, -2.5, 0.5).min() > 200
    assert "Spikes · 3 channels" in detail(panel)
    panel.show_snapshot(traces(waves(8, 4, 0)))
    assert at(panel, -2.5, 0.45).max() < 100
