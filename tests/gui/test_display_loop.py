"""When the display ends and what it reports, on a clock in memory; the whole display runs in client/test_receiver.py."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PyQt5.QtGui import QColor, QPixmap
from PyQt5.QtWidgets import QWidget

from gui import display_loop as module
from gui.display_loop import AMBIGUOUS_S, END_GRACE_S, PICK_S, DisplayLoop, engine_name, movie_is_on
from gui.state.snapshot import UNKNOWN, Candidate, Counts, Newest, Score, Snapshot, Source, State
from stream.errors import AmbiguousStream, CannotWrite, NoStream, OutputExists

pytestmark = pytest.mark.gui

A, B = (Candidate(f"{name}-prediction", "Prediction", "rig\x1b[2J", 12, 30.0, uid=name) for name in "AB")


class FakeWindow(QWidget):
    """Stands in for `gui.window.Window`: shows what it is given, and notes what is asked of it."""

    def __init__(self, store: Any, watch: Any, start: Any) -> None:
        super().__init__()
        self.store, self.watch, self.start = store, watch, start
        self.snapshot = Snapshot()
        self.painted, self.fps = 0, 29.5
        self.n_picked, self.messages, self.colour = 0, [], "#000000"
        self.problem: Exception | None = None
        self.picker = SimpleNamespace(hide=lambda: None, show_message=self.messages.append)

    def tick(self) -> None:
        self.painted += 1
        if self.problem is not None:
            raise self.problem

    def pick_stream(self) -> None:
        self.n_picked += 1

    def grab(self) -> QPixmap:
        picture = QPixmap(4, 4)
        picture.fill(QColor(self.colour))
        return picture


class Display:
    """A display loop on a clock of its own."""

    def __init__(self, qtbot: Any, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
        self.now_s = 100.0
        self.chosen: list[tuple[str, ...]] = []
        self.n_ticks = 0
        self.receiver = SimpleNamespace(error=None, choose=lambda *names: self.chosen.append(names))
        stages = SimpleNamespace(stages={"painted": {"p50": 3.0}})
        store = SimpleNamespace(stage_latency=lambda: stages)
        monkeypatch.setattr(module, "Window", FakeWindow)
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now_s))
        defaults = dict.fromkeys(("start_engine", "screenshot", "seconds", "wait_s"))
        arguments = {**defaults, "force": False, "on_tick": self._on_tick} | options
        self.loop = DisplayLoop(store, self.receiver, **arguments)  # type: ignore[arg-type]
        self.loop._timer.setInterval(10**8)
        self.window: Any = self.loop.window
        qtbot.addWidget(self.window)
        self.loop.start()

    def _on_tick(self, snapshot: Snapshot) -> None:
        self.n_ticks += 1

    def run(self, seconds: float, **changes: Any) -> bool:
        """Tick thirty times a second while the window shows this; returns whether it is still open."""
        self.window.snapshot = replace(self.window.snapshot, **changes)
        for _ in range(round(seconds * 30)):
            if not self.window.isVisible():
                break
            self.now_s += 1 / 30
            self.loop.tick()
        return bool(self.window.isVisible())


@pytest.fixture
def display(qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Display]:
    return lambda **options: Display(qtbot, monkeypatch, **options)


def newest(frame: int = 3, truth: int = 3) -> Newest:
    return Newest(frame, 0.9, 4, 0.5, 1.0, 0.1, 7, 2.0, 1, truth)


def test_it_ends_a_time_after_the_first_prediction(display: Callable[..., Display]) -> None:
    one = display(seconds=3.0)
    assert one.run(10)
    assert one.run(2.9, newest=newest())
    assert not one.run(0.3)
    assert one.now_s == pytest.approx(113.05, abs=0.1)
    assert one.n_ticks == pytest.approx(12, abs=1)
    assert one.loop.summary().first_prediction_s == pytest.approx(10, abs=0.05)
    assert not one.loop._timer.isActive()


@pytest.mark.parametrize("options", [{"wait_s": 5.0}, {"screenshot": Path("unused.png")}])
def test_unattended_it_ends_soon_after_the_stream(display: Callable[..., Display], options: dict) -> None:
    one = display(**options)
    one.run(1, newest=newest(), state=State.LIVE)
    assert one.run(END_GRACE_S - 0.1, state=State.ENDED)
    assert not one.run(0.3)


def test_a_window_that_somebody_watches_stays_open_at_the_end(display: Callable[..., Display]) -> None:
    one = display()
    one.run(1, newest=newest(), state=State.LIVE)
    assert one.run(60, state=State.ENDED)


def test_no_prediction_within_the_wait_is_an_error_with_the_reason_and_the_engines_there(
    display: Callable[..., Display],
) -> None:
    one = display(wait_s=5.0)
    assert one.run(4.9, reason="waiting for V1-prediction", candidates=(A, replace(B, alive=False)))
    assert not one.run(0.2)
    wanted = r"no prediction arrived within 5 s: waiting for V1-prediction\. Engines on the network: A\."
    with pytest.raises(NoStream, match=wanted):
        one.loop.finish()
    other = display(wait_s=5.0)
    other.run(6)
    with pytest.raises(NoStream, match="No engine is on the network"):
        other.loop.finish()


def test_a_prediction_ends_the_wait(display: Callable[..., Display]) -> None:
    one = display(wait_s=5.0)
    one.run(4)
    assert one.run(20, newest=newest(), state=State.LIVE)


def test_while_nothing_is_found_the_picker_opens_once(display: Callable[..., Display]) -> None:
    one = display()
    one.run(PICK_S - 0.2)
    assert one.window.n_picked == 0
    one.run(20)
    assert one.window.n_picked == 1


def test_the_picker_stays_closed_while_a_known_engine_is_awaited(display: Callable[..., Display]) -> None:
    one = display()
    one.run(20, state=State.WAITING, source=Source(name="V1"))
    assert one.window.n_picked == 0


def test_several_engines_open_the_picker_or_unattended_are_an_error_that_lists_them(
    display: Callable[..., Display],
) -> None:
    several = {"state": State.SEARCHING, "candidates": (A, B)}
    one = display()
    one.run(AMBIGUOUS_S + 0.2, **several)
    assert one.window.n_picked == 1
    unattended = display(wait_s=60.0)
    assert unattended.run(AMBIGUOUS_S - 0.2, **several)
    assert not unattended.run(0.4)
    with pytest.raises(
        AmbiguousStream, match="2 engines are running; choose one with --name:\n  A on rig"
    ) as error:
        unattended.loop.finish()
    assert "\x1b" not in str(error.value)


def test_an_engine_that_has_just_ended_makes_nothing_ambiguous(display: Callable[..., Display]) -> None:
    one = display(wait_s=60.0)
    for _ in range(3):
        assert one.run(AMBIGUOUS_S - 0.3, candidates=(A, B))
        assert one.run(0.1, candidates=(A, replace(B, alive=False)))
    assert one.run(20, candidates=(A, Candidate("V1", "Spikes", "rig", 8, 30.0)))


def test_one_name_for_two_engines_is_an_error_only_before_the_first_prediction(
    display: Callable[..., Display],
) -> None:
    ambiguous = {"state": State.AMBIGUOUS, "reason": "2 streams are called V1-prediction"}
    before = display(wait_s=60.0)
    assert not before.run(AMBIGUOUS_S + 0.2, **ambiguous)
    with pytest.raises(AmbiguousStream, match="2 streams are called V1-prediction, or give it another name"):
        before.loop.finish()
    after = display(wait_s=60.0)
    after.run(1, newest=newest(), state=State.LIVE)
    assert after.run(20, **ambiguous)


@pytest.mark.parametrize("where", ["window", "receiver"])
def test_an_error_closes_the_window_and_is_raised_at_the_end(
    display: Callable[..., Display], where: str
) -> None:
    one = display()
    one.run(1)
    problem = ValueError("out of order")
    if where == "window":
        one.window.problem = problem
    else:
        one.receiver.error = problem
    assert not one.run(0.1)
    with pytest.raises(ValueError, match="out of order"):
        one.loop.finish()


def test_a_picked_engine_is_watched_by_its_id(display: Callable[..., Display]) -> None:
    one = display()
    one.window.watch(B)
    assert one.chosen == [("B", "B")]
    assert one.window.start is None  # no model, no engine to start


def test_an_engine_is_started_and_its_error_shown_once(display: Callable[..., Display]) -> None:
    problem = [""]
    started: list[str] = []

    def start_engine(stream: str) -> Callable[[], str]:
        started.append(stream)
        return lambda: problem[0]

    one = display(start_engine=start_engine)
    one.window.start("A1")
    assert (started, one.chosen) == (["A1"], [("A1",)])
    one.run(3)
    assert one.window.messages == []
    problem[0] = "the model has 80 channels"
    one.run(5)
    assert one.window.messages == ["the model has 80 channels"]


def colour_of(path: Path) -> str:
    return QPixmap(str(path)).toImage().pixelColor(1, 1).name()


def test_a_screenshot_shows_the_movie_not_the_blank_at_the_end(
    display: Callable[..., Display], tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    one = display(screenshot=path)
    one.window.colour = "#112233"
    one.run(2.5, newest=newest(), truth_known=True)
    one.window.colour = "#ffffff"
    one.run(2, newest=newest(3, -1))
    one.loop.finish()
    assert colour_of(path) == "#112233"
    one = display(screenshot=tmp_path / "b.png")
    one.run(2.5, newest=newest(), truth_known=True)
    one.window.colour = "#445566"
    one.loop.finish()
    assert colour_of(tmp_path / "b.png") == "#445566"  # the newest, if it shows the movie


def test_a_screenshot_without_a_movie_shows_the_window_as_it_is(
    display: Callable[..., Display], tmp_path: Path
) -> None:
    one = display(screenshot=tmp_path / "a.png")
    one.window.colour = "#445566"
    one.run(1)
    one.loop.finish()
    assert colour_of(tmp_path / "a.png") == "#445566"


def test_a_screenshot_overwrites_only_by_force(display: Callable[..., Display], tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"kept")
    one = display(screenshot=path)
    with pytest.raises(OutputExists):
        one.loop.finish()
    assert path.read_bytes() == b"kept"
    display(screenshot=path, force=True).loop.finish()
    assert colour_of(path) == "#000000"


def test_a_screenshot_that_cannot_be_written_is_named(
    display: Callable[..., Display], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QPixmap, "save", lambda *_: False)
    one = display(screenshot=tmp_path / "a.png")
    with pytest.raises(CannotWrite, match=r"cannot write the screenshot .*a\.png"):
        one.loop.finish()
    assert list(tmp_path.iterdir()) == []


def test_the_summary_has_no_score_without_one(display: Callable[..., Display]) -> None:
    one = display()
    one.run(1, counts=Counts(received=20, dropped=3, latency_p99_ms=5.0))
    summary = one.loop.summary()
    assert (summary.received, summary.dropped, summary.latency_p99_ms, summary.scored) == (20, 3, 5.0, 0)
    assert math.isnan(summary.accuracy_within_1s)
    assert math.isnan(summary.chance)
    assert math.isnan(summary.first_prediction_s)
    assert (summary.painted, summary.painted_fps) == (30, 29.5)
    assert summary.stages_ms == {"painted": {"p50": 3.0}}
    one.run(0.1, score=Score(50, 0.75, 0.5, 2.0, 0.1, None))  # type: ignore[arg-type]
    summary = one.loop.summary()
    assert (summary.accuracy_within_1s, summary.chance, summary.scored) == (0.75, 0.1, 50)


@pytest.mark.parametrize(
    ("prediction", "truth_known", "wanted"),
    [
        (None, True, False),
        (newest(3, 5), True, True),
        (newest(3, -1), True, False),
        (newest(-1, 5), True, True),
        (newest(3, UNKNOWN), False, True),
        (newest(-1, UNKNOWN), False, False),
    ],
)
def test_the_movie_is_on_by_the_truth_if_it_is_known(
    prediction: Newest | None, truth_known: bool, wanted: bool
) -> None:
    assert movie_is_on(Snapshot(newest=prediction, truth_known=truth_known)) is wanted


def test_the_name_of_an_engine_is_printable() -> None:
    assert engine_name(A) == "A"
    assert engine_name(replace(A, name="V1\x1b[2J-prediction")).isprintable()
