from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PyQt5.QtCore import QPointF
from PyQt5.QtWidgets import QApplication, QLabel

from gui.panels.traces import POINTS, TracesPanel, broken_line
from gui.state.snapshot import UNKNOWN, Counts, Newest, Snapshot, Source, State, Trace
from gui.theme import DARK, LIGHT
from gui.widgets.plots import Plot
from tests.gui.test_window import count, pixels

pytestmark = pytest.mark.gui

SOURCE = Source(n_frames=900, rate_hz=30.0, movie_rate_hz=30.0, tolerance_frames=30)


@given(
    seed=st.integers(0, 100),
    n=st.integers(2, 3000),
    lost=st.sets(st.integers(1, 2998), max_size=5),
    rate_hz=st.sampled_from([0.0, 0.5, 30.0, 1000.0]),
)
def test_a_line_is_interrupted_where_samples_are_missing_and_nowhere_else(
    seed: int, n: int, lost: set[int], rate_hz: float
) -> None:
    number = np.array([index for index in range(n) if index not in lost])
    time_s = number / (rate_hz or 30.0)
    values = np.random.default_rng(seed).uniform(1, 2, len(number))
    thin_time, thin = broken_line(time_s, values, rate_hz)
    assert len(thin_time) == len(thin) <= POINTS
    assert (np.diff(thin_time) >= 0).all()
    has_gap = bool(rate_hz) and bool((np.diff(number) > 1).any())
    if len(number) + len(lost) <= POINTS:
        assert int(np.isnan(thin).sum()) == (int((np.diff(number) > 1).sum()) if rate_hz else 0)
        np.testing.assert_array_equal(thin[np.isfinite(thin)], values)
    elif not has_gap:
        assert np.isfinite(thin).all()
    assert np.nanmin(np.r_[thin, 1.0]) >= 1
    assert np.nanmax(np.r_[thin, 2.0]) <= 2


@pytest.fixture
def panel(qtbot: Any) -> TracesPanel:
    panel = TracesPanel()
    qtbot.addWidget(panel)
    panel.resize(700, 500)
    panel.set_theme(DARK)
    panel.show()
    return panel


def snapshot(*, n: int = 300, **changes: Any) -> Snapshot:
    """Ten seconds of predictions, all of them two frames too far; arrays of the trace by name, and the rest."""
    arrays: dict[str, Any] = {
        "time_s": np.arange(1 - n, 1) / 30,
        "frame": np.arange(n, dtype=np.int32) + 2,
        "truth": np.arange(n, dtype=np.int32),
        "confidence": np.full(n, 0.5),
        "lag_ms": np.full(n, 2.5),
        "novelty": np.zeros(n),
    }
    arrays = {name: np.asarray(changes.pop(name, value)) for name, value in arrays.items()}
    newest = Newest(5, 0.5, 2, 0.5, 3.21, float(arrays["novelty"][-1]), 7, 2.0, 1, 3)
    given: dict[str, Any] = {
        "state": State.LIVE,
        "source": SOURCE,
        "newest": newest,
        "truth_known": True,
        "counts": Counts(latency_p99_ms=3.0),
    }
    return Snapshot(**(given | {"trace": Trace(**arrays)} | changes))


def texts(panel: TracesPanel) -> dict[str, str]:
    """The text beside each title."""
    shown = [label.text() for label in panel.findChildren(QLabel)]
    titles = ("confidence", "error (frames)", "latency (ms)")
    return {title.split()[0]: shown[shown.index(title) + 1] for title in titles}


def show(panel: TracesPanel, **changes: Any) -> dict[str, str]:
    panel.show_snapshot(snapshot(**changes))
    return texts(panel)


def last(value: float, others: float, n: int = 300) -> np.ndarray:
    return np.r_[np.full(n - 1, others), value]


def test_the_newest_values_stand_beside_the_lines(panel: TracesPanel) -> None:
    assert show(panel) == {
        "confidence": "now 0.50 · entropy 3.2 bit · novelty 0.00",
        "error": "now 2 · dashed: 1 s",
        "latency": "now 2.5 ms",
    }
    assert show(panel, source=replace(SOURCE, tolerance_frames=0))["error"] == "now 2"


@pytest.mark.parametrize("state", [State.STALE, State.LOST, State.ENDED])
def test_what_is_not_current_is_not_called_now(panel: TracesPanel, state: State) -> None:
    assert all(text.startswith("last ") for text in show(panel, state=state, idle_s=3.0).values())


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"truth_known": False, "truth": np.full(300, UNKNOWN)}, "the true frame is unknown"),
        ({"truth": last(-1, 5)}, "blank"),
        ({"frame": last(-1, 5)}, "blank"),
        ({"novelty": last(np.nan, 0)}, "no evidence"),
    ],
)
def test_without_an_error_it_says_why(panel: TracesPanel, changes: dict[str, Any], text: str) -> None:
    assert show(panel, **changes)["error"] == text


def test_without_evidence_there_is_no_confidence(panel: TracesPanel) -> None:
    assert show(panel, novelty=last(np.nan, 0))["confidence"] == "now: no evidence"


def test_a_latency_that_cannot_be_is_not_shown(panel: TracesPanel) -> None:
    assert show(panel, source=replace(SOURCE, speed="max"))["latency"] == "undefined at full speed"
    assert show(panel, lag_ms=last(-2_996, 2))["latency"] == "unknown: the clocks disagree"
    assert show(panel, lag_ms=last(-0.4, 2))["latency"] == "now -0.4 ms"  # within the clocks' uncertainty


def plots(panel: TracesPanel) -> tuple[Plot, Plot, Plot]:
    confidence, error, latency = panel.findChildren(Plot)
    return confidence, error, latency


def drawn_columns(plot: Plot, colour: str) -> np.ndarray:
    """Which pixel columns within the axes hold that colour."""
    QApplication.processEvents()
    rect = plot.mapFromScene(plot.getViewBox().sceneBoundingRect()).boundingRect()
    image = pixels(plot.grab())[rect.top() : rect.bottom(), rect.left() + 8 : rect.right() - 8].astype(int)
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return np.asarray((np.abs(image - wanted) < 40).all(2).any(0))


def test_each_line_is_drawn_over_the_whole_window_in_its_colour(panel: TracesPanel) -> None:
    for theme in (DARK, LIGHT):
        panel.set_theme(theme)
        show(panel)
        for plot, colour in zip(plots(panel), (theme.decoded, theme.error, theme.latency), strict=True):
            assert drawn_columns(plot, colour).mean() > 0.95


def test_a_line_ends_where_the_data_end(panel: TracesPanel) -> None:
    show(panel, state=State.STALE, idle_s=4.0)
    for plot, colour in zip(plots(panel), (DARK.decoded, DARK.error, DARK.latency), strict=True):
        drawn = drawn_columns(plot, colour)
        assert drawn[: int(0.55 * len(drawn))].all()
        assert not drawn[int(0.65 * len(drawn)) :].any()


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({"novelty": np.where(np.arange(300) < 150, np.nan, 0)}, (True, True, False)),
        ({"truth": np.where(np.arange(300) < 150, -1, np.arange(300))}, (False, True, False)),
        ({"truth": np.where(np.arange(300) < 150, UNKNOWN, np.arange(300))}, (False, True, False)),
        ({"lag_ms": np.where(np.arange(300) < 150, -3_000.0, 2.0)}, (False, False, True)),
    ],
)
def test_a_line_has_no_value_where_there_is_none(
    panel: TracesPanel, changes: dict[str, Any], broken: tuple[bool, bool, bool]
) -> None:
    show(panel, **changes)
    for plot, colour, wanted in zip(
        plots(panel), (DARK.decoded, DARK.error, DARK.latency), broken, strict=True
    ):
        drawn = drawn_columns(plot, colour)
        left, right = drawn[: int(0.45 * len(drawn))], drawn[int(0.55 * len(drawn)) :]
        assert right.all()
        assert left.any() == (not wanted)


def top(plot: Plot) -> float:
    return float(plot.getViewBox().viewRange()[1][1])


def test_the_latency_axis_holds_the_99th_percentile_and_does_not_flicker(panel: TracesPanel) -> None:
    latency = plots(panel)[2]
    tops = []
    for p99_ms in (3.0, 4.0, 3.0, 4.1, 80.0, 75.0, 4.0, 1e7, np.nan):
        show(panel, counts=Counts(latency_p99_ms=p99_ms))
        tops.append(top(latency))
        assert tops[-1] >= p99_ms or not p99_ms < 1e4
    assert tops[:4] == [5.0] * 4
    assert tops[4] == tops[5] == 100.0
    assert tops[6] == 5.0
    assert tops[7] == tops[8] == 10_000


def test_the_error_axis_holds_every_error_of_the_movie(panel: TracesPanel) -> None:
    error = plots(panel)[1]
    for n_frames in (8, 900, 20_000):
        show(panel, source=replace(SOURCE, n_frames=n_frames))
        assert top(error) >= np.log10(n_frames)
        assert top(error) < np.log10(n_frames) + 0.5


def test_one_second_is_a_dashed_line_among_the_errors(panel: TracesPanel) -> None:
    show(panel, frame=np.arange(300) + 300)  # the line of the error itself lies far above
    error = plots(panel)[1]
    QApplication.processEvents()
    image = pixels(error.grab()).astype(int)
    view = error.getViewBox()
    left, right = (error.mapFromScene(view.mapViewToScene(QPointF(x, np.log10(31)))) for x in (-9.5, -0.5))
    rows = image[left.y() - 9 : left.y() + 10, left.x() : right.x()]
    dashed = (np.abs(rows - [0x8B, 0x94, 0x9E]) < 40).all(2).mean(1)  # DARK.dim
    assert dashed[8:11].max() > 0.3
    assert dashed.max() < 0.95
    assert dashed[:7].max() == dashed[12:].max() == 0


def test_before_the_first_prediction_it_waits(panel: TracesPanel) -> None:
    panel.show_snapshot(Snapshot())
    assert panel.message == "waiting for predictions"
    panel.show_snapshot(snapshot(n=1))  # a single one has no line
    assert panel.message == ""
    assert count(pixels(panel.grab()), DARK.panel) > 0
