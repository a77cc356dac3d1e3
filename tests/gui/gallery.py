"""Opens the window in each of its states on a real screen, saves a picture of each, and lists what is wrong with it.

Run as ``python -m tests.gui.gallery OUT`` with DISPLAY set; prints JSON. Needs no network.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from PyQt5.QtCore import QPoint, QRect, QRectF
from PyQt5.QtGui import QPainter
from PyQt5.QtWidgets import QApplication, QLabel, QPushButton, QWidget

from decoders.data.frame_states import FrameStates
from decoders.readouts.continuous import ContinuousReader
from gui.panels import score
from gui.panels.movie import MoviePanel
from gui.qt_setup import start_qt
from gui.state.position import find_axes
from gui.state.snapshot import Candidate, MoviePictures, State
from gui.theme import DARK, LIGHT
from gui.widgets.labels import ElidedLabel
from gui.window import Window
from tests.gui.feeds import SOURCE, Feed, exploring, wander, with_source

_written: list[tuple[str, str]] = []
"""Text that the score panel has painted, and why it does not fit."""

SIDE = 8
"""Places along one side of the arena."""

STREAMS = (
    Candidate("V1-prediction", "Prediction", "rig", 12, 30.0, uid="a"),
    Candidate("V1-prediction", "Prediction", "pc-b", 12, 30.0, uid="b"),
    Candidate("V1", "Spikes", "rig", 120, 30.0, uid="c"),
)


def live() -> Feed:
    feed = with_source(mode="live", n_frames=90, baseline="lda", baseline_within_1s=0.93)
    feed.run(12)
    return feed


def no_stimulus() -> Feed:
    feed = live()
    feed.run(3, blank=True)
    return feed


def unsure() -> Feed:
    feed = live()
    feed.run(4, state="unsure")
    return feed


def no_evidence() -> Feed:
    feed = live()
    feed.run(4, state="no evidence")
    return feed


def stale() -> Feed:
    feed = live()
    feed.now_s += 5.6
    feed.store.set_state(State.STALE, "V1 has sent nothing for 5.6 s")
    return feed


def clock_jump() -> Feed:
    feed = live()
    feed.now_s -= 3.0
    feed.store.set_notice("the clock of V1 jumped by +3.000 s; timestamps are corrected by it")
    return feed


def simulated() -> Feed:
    feed = with_source(mode="simulated", model_simulated=True, baseline="lda", baseline_within_1s=0.93)
    feed.run(12)
    return feed


def model_of_simulated_data() -> Feed:
    feed = with_source(mode="replay", model_simulated=True, speed="2")
    feed.run(12)
    return feed


def training_data() -> Feed:
    feed = live()
    feed.store.add_stats({"training_data": {"checked": 12, "known": 12}})
    return feed


def ambiguous() -> Feed:
    feed = Feed()
    feed.store.set_candidates(STREAMS)
    reason = "2 streams are called V1-prediction: rig (neuroreel/a); pc-b (neuroreel/b). Stop all but one"
    feed.store.set_state(State.AMBIGUOUS, reason)
    return feed


def bold() -> Feed:
    feed = with_source(
        rate_hz=0.4,
        n_frames=8,
        movie_rate_hz=0.0,
        tolerance_frames=0,
        signal_lag_ms=7_500.0,
        movie_name="faces",
    )
    feed.neural = False
    feed.store.set_neural(400, "BOLD")
    feed.run(200)
    rows = np.random.default_rng(0).normal(0, 1, (60, 400)).astype(np.float32)
    feed.store.add_neural(rows, feed.now_s - 2.5 * np.arange(60)[::-1])
    return feed


def categories() -> Feed:
    feed = with_source(n_frames=8, movie_rate_hz=0.0, tolerance_frames=0, movie_name="objects")
    pictures = feed.store.snapshot().movie_pictures
    assert pictures is not None
    names = ("face", "house", "cat", "bottle", "scissors", "shoe", "chair", "scrambled")
    feed.store.set_movie_pictures(replace(pictures, clip_of_frame=np.arange(8), clip_names=names))
    feed.run(12, off_by=1)
    return feed


def position() -> Feed:
    """Places on a square, and where the animal is."""
    feed = with_source(n_frames=SIDE**2, movie_rate_hz=0.0, tolerance_frames=0, movie_name="", mode="live")
    places = np.stack(np.divmod(np.arange(SIDE**2), SIDE), 1) * 10.0
    reader = replace(
        ContinuousReader.without_intervals(places, np.zeros((3, 2)), np.ones(2)),
        interval=np.array([[1.3, 1.3], [2, 2]]),
    )
    feed.store.set_movie_pictures(
        MoviePictures(
            Path("rat.safetensors"),
            "abc",
            FrameStates.counted(SIDE**2),
            None,
            np.zeros(SIDE**2, np.int64),
            continuous=reader,
        )
    )
    feed.store.set_position(find_axes(("position_0", "position_1")))
    feed.run(6)
    index = np.arange(180)
    stamps = feed.now_s - (179 - index) / feed.source.rate_hz
    truth = np.column_stack([35 + 25 * np.sin(index / 40), 35 + 25 * np.cos(index / 31)]).astype(np.float32)
    noise = np.random.default_rng(1).normal(0, 2.5, truth.shape).astype(np.float32)
    feed.store.add_label(0, truth, stamps, by_engine_clock=False)
    feed.store.add_continuous(truth + noise, stamps)
    near = np.exp(-0.5 * ((places - truth[-1] - noise[-1]) ** 2).sum(1) / 81.0)
    near = np.r_[near, 0.0]
    feed.store.add_posterior((near / near.sum()).astype(np.float32)[None], stamps[-1:] + 1e-3)
    return feed


def movie_with_position() -> Feed:
    """A movie, and where the animal is while it watches."""
    feed = live()
    feed.store.set_position(find_axes(("x", "y")))
    index = np.arange(150)
    stamps = feed.now_s - (149 - index) / feed.source.rate_hz
    truth = np.column_stack([np.cos(index / 25), 0.5 * np.sin(index / 25)]).astype(np.float32)
    for which in range(2):
        feed.store.add_label(which, truth[:, which : which + 1], stamps, by_engine_clock=False)
    feed.store.add_continuous(truth + np.float32(0.1), stamps)
    return feed


def eeg() -> Feed:
    feed = with_source(rate_hz=250.0, mode="live")
    feed.neural = False
    feed.store.set_neural(8, "EEG", ("Fz", "Cz", "Pz", "O1", "O2", "C3", "C4", "Oz"), "uV")
    feed.run(4)
    time_s = np.arange(2_500) / 250
    wave = np.stack([10 * np.sin(2 * np.pi * (8 + index) * time_s) for index in range(8)], 1)
    wave[:, 3] = np.nan
    feed.store.add_neural(wave.astype(np.float32), feed.now_s - time_s[::-1])
    return feed


def explore() -> Feed:
    feed = exploring()
    feed.run(12, blank=True)
    feed.store.set_trainer(
        "embedding 4: structure in the newest 60 s (InfoNCE 8.62 nats, chance 9.75, z 17.2), agrees with the last: 0.99"
    )
    return feed


def sphere() -> Feed:
    feed = replace(live(), point=wander(3))
    feed.run(12)
    return feed


def searching() -> Feed:
    feed = Feed(source=replace(SOURCE, name="", mode=""), pictures=False, neural=False)
    feed.store.set_state(State.SEARCHING, "searching for an engine on the network")
    feed.store.set_candidates(STREAMS[2:])
    return feed


def nothing(_: Window) -> None: ...


STATES: dict[str, tuple[Callable[[], Feed], Callable[[Window], None]]] = {
    "live": (live, nothing),
    "no-stimulus": (no_stimulus, nothing),
    "unsure": (unsure, nothing),
    "no-evidence": (no_evidence, nothing),
    "stale": (stale, nothing),
    "clock-jump": (clock_jump, nothing),
    "simulated": (simulated, nothing),
    "model-of-simulated-data": (model_of_simulated_data, nothing),
    "training-data": (training_data, nothing),
    "ambiguous": (ambiguous, Window.pick_stream),
    "bold": (bold, nothing),
    "categories": (categories, nothing),
    "position": (position, nothing),
    "movie-with-position": (movie_with_position, nothing),
    "eeg": (eeg, nothing),
    "explore": (explore, nothing),
    "sphere": (sphere, nothing),
    "picker": (searching, Window.pick_stream),
    "keys": (live, Window.show_keys),
    "latency": (live, Window.show_latency),
}


def rect_in(widget: QWidget, window: Window) -> QRect:
    """Rectangle of a widget in the window."""
    return QRect(widget.mapTo(window, QPoint(0, 0)), widget.size())


def faults(window: Window, screen: QRect) -> list[str]:
    """What is wrong: text that is clipped, widgets that overlap or leave the screen."""
    found = []
    inner = window.rect()
    if not screen.contains(QRect(window.mapToGlobal(QPoint(0, 0)), window.size())):
        found.append(f"the window {window.geometry()} leaves the screen {screen}")
    lowest = window.panels["embedding" if window.snapshot.source.explore else "score"]
    for widget in (window.header.badge, lowest, window.status):
        if not widget.isVisible() or not inner.contains(rect_in(widget, window)):
            found.append(f"{type(widget).__name__} {rect_in(widget, window)} is not inside the window")
    labels = [one for one in window.findChildren((QLabel, QPushButton)) if one.isVisible() and one.text()]
    for label in labels:
        if not inner.contains(rect_in(label, window)):
            found.append(f"{label.text()!r} leaves the window")
        wraps = isinstance(label, QLabel) and label.wordWrap()
        needed = label.fontMetrics().horizontalAdvance(label.text())
        if not wraps and not isinstance(label, ElidedLabel) and label.width() < needed:
            found.append(f"{label.text()!r} needs {needed} pixels and has {label.width()}")
        if label.height() < label.fontMetrics().ascent():
            found.append(f"{label.text()!r} is {label.height()} pixels high")
    found += [problem for _, problem in _written if problem]
    overlay = next((one for one in window._overlays if one.isVisible()), None)
    groups: dict[Any, list[QWidget]] = {}
    for label in labels:
        groups.setdefault(label.parentWidget(), []).append(label)
    for group in groups.values():
        for index, one in enumerate(group):
            for other in group[index + 1 :]:
                if rect_in(one, window).intersects(rect_in(other, window)):
                    found.append(f"{one.text()!r} overlaps {other.text()!r}")
    panels = [panel for panel in window.panels.values() if panel.isVisible()]
    for index, one in enumerate(panels):
        for other in panels[index + 1 :]:
            if rect_in(one, window).intersects(rect_in(other, window)):
                found.append(f"{type(one).__name__} overlaps {type(other).__name__}")
    if overlay is not None and not inner.contains(rect_in(overlay, window)):
        found.append("the dialog leaves the window")
    return found


def says(window: Window) -> str:
    """All texts of the window, also those that are painted."""
    texts = [one.text() for one in window.findChildren((QLabel, QPushButton)) if one.isVisible()]
    texts += [panel.legend_text for panel in window.panels.values()]
    movie = cast(MoviePanel, window.panels["movie"])
    for slot in movie.slots:
        texts += [slot.caption, slot.which, slot.provenance, slot.verdict]
    texts += movie.map.captions if movie.map.isVisible() else []
    return "\n".join(texts + [text for text, _ in _written])


def record_painted_text() -> None:
    """Keep what the score panel paints, and what does not fit."""
    write = score._write

    def recording(painter: QPainter, rect: QRectF, text: str, *more: Any, **options: Any) -> None:
        write(painter, rect, text, *more, **options)
        window = QRectF(painter.window())
        width = painter.fontMetrics().horizontalAdvance(text)
        fits = width <= rect.width() + 1 and painter.fontMetrics().ascent() <= rect.height()
        fits &= rect.bottom() <= window.height() + 2
        _written.append((text, "" if fits else f"{text!r} needs {width} pixels, and has {rect} of {window}"))

    score._write = recording


def draw(window: Window) -> None:
    _written.clear()
    for _ in range(3):
        window.painted = 0
        window.tick()
        QApplication.processEvents()


def main(out: Path, states: list[str]) -> None:
    application = start_qt(offscreen=False)
    screen = application.primaryScreen()
    height = screen.size().height() * screen.devicePixelRatio()
    result: dict[str, Any] = {"platform": application.platformName(), "height": height, "states": {}}
    record_painted_text()
    for name in states or STATES:
        make, then = STATES[name]
        window = Window(make().store, watch=lambda _: None, start=None)
        window.show()
        QApplication.processEvents()
        then(window)
        for theme in (DARK, LIGHT):
            window.set_theme(theme)
            draw(window)
            image = window.grab().toImage()
            image.save(str(out / f"{name}-{theme.name}.png"))
            row = SimpleNamespace(
                faults=faults(window, screen.geometry()),
                size=[image.width(), image.height()],
                text=window.header.badge.fontMetrics().height() * screen.devicePixelRatio(),
                says=says(window),
            )
            result["states"][f"{name}-{theme.name}"] = vars(row)
        window.close()
        window.deleteLater()
        QApplication.processEvents()
    print(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
