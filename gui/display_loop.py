"""The display loop: a timer that repaints the window, the conditions that end it, the screenshot."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import nan
from pathlib import Path

from PyQt5.QtCore import Qt, QTimer
from PyQt5.QtGui import QPixmap

from gui.client.receiver import Receiver
from gui.qt_setup import FPS
from gui.state.snapshot import Candidate, Snapshot, State
from gui.state.store import Store
from gui.window import Window
from stream.errors import AmbiguousStream, CannotWrite, NoStream
from stream.output_files import replacing
from stream.printable import printable

AMBIGUOUS_S = 2.5
"""Seconds for which several engines must have been there: one that has just ended is found for two seconds more."""

PICK_S = 2.0
END_GRACE_S = 0.7
"""Seconds from the announced end until the window closes, so that the last predictions are scored and drawn."""


StartEngine = Callable[[str], Callable[[], str]]


@dataclass(frozen=True, slots=True)
class DisplaySummary:
    """Summary of one run of the display.

    Attributes
    ----------
    painted, painted_fps
        Number of repaints, and repaints per second.
    received, dropped, lost
        Predictions received, predictions missing from their sequence, and samples that the engine reports as missing or
        skipped.
    accuracy_within_1s, chance, scored
        Score where the true frame was known (NaN elsewhere), its chance level, and the number of scored predictions.
    latency_p50_ms, latency_p99_ms
        Time from a prediction's timestamp until the engine published it, over the last seconds.
    stages_ms
        Latency of each stage: arrived, decoded, published (reported by the engine), received, painted (measured
        here); see `stream.quantiles.figures`.
    first_prediction_s
        Seconds from the start until the first prediction was drawn; NaN if none came.
    """

    painted: int
    painted_fps: float
    received: int
    dropped: int
    lost: int
    accuracy_within_1s: float
    chance: float
    scored: int
    latency_p50_ms: float
    latency_p99_ms: float
    stages_ms: Mapping[str, Mapping[str, float]]
    first_prediction_s: float


class DisplayLoop:
    """Owns the window and the timer that repaints it.

    Parameters
    ----------
    store, receiver
        The data to show, and the thread that receives them.
    start_engine, screenshot, force, seconds, on_tick, fps
        See `gui.app.run_display`.
    wait_s
        Seconds without a prediction after which it gives up; None waits indefinitely.
    """

    def __init__(
        self,
        store: Store,
        receiver: Receiver,
        start_engine: StartEngine | None,
        screenshot: Path | None,
        force: bool,
        seconds: float | None,
        wait_s: float | None,
        on_tick: Callable[[Snapshot], None] | None,
        fps: int = FPS,
    ) -> None:
        self._receiver, self._start_engine = receiver, start_engine
        self._screenshot, self._force = screenshot, force
        self._seconds, self._wait_s, self._on_tick = seconds, wait_s, on_tick
        self.window = Window(store, self._watch, self._decode if start_engine is not None else None)
        self._timer = QTimer(self.window)
        self._timer.setTimerType(Qt.PreciseTimer)
        self._timer.setInterval(1000 // fps)
        self._timer.timeout.connect(self.tick)
        self._started = self._next_second = time.monotonic()
        self._first: float | None = None
        self._ended: float | None = None
        self._picture: QPixmap | None = None
        self._error: Exception | None = None
        self._problem: Callable[[], str] | None = None
        self._picker_shown = False
        self._ambiguous_since: float | None = None

    def start(self) -> None:
        """Open the window and start the timer."""
        self._started = time.monotonic()
        self._next_second = self._started + 1.0
        self.window.show()
        self._timer.start()

    def tick(self) -> None:
        """Repaint, then check whether to end. Exceptions are kept: one that leaves a Qt slot aborts the process."""
        try:
            self.window.tick()
            self._look()
        except Exception as error:
            self._error = error
            self.window.close()
        if not self.window.isVisible():
            self._timer.stop()

    def finish(self) -> None:
        """Save the screenshot, and raise the error that ended the loop."""
        self._timer.stop()
        if self._error is not None:
            raise self._error
        if self._screenshot is None:
            return
        picture = self._picture
        if picture is None or movie_is_on(self.window.snapshot):
            picture = self.window.grab()
        with replacing(self._screenshot, force=self._force) as partial:
            if not picture.save(str(partial), "PNG"):
                raise CannotWrite(
                    f"cannot write the screenshot {self._screenshot}. Free some space, or choose another file."
                )

    def summary(self) -> DisplaySummary:
        """Summarize the run."""
        window, snapshot = self.window, self.window.snapshot
        counts, score = snapshot.counts, snapshot.score
        return DisplaySummary(
            painted=window.painted,
            painted_fps=window.fps,
            received=counts.received,
            dropped=counts.dropped,
            lost=counts.lost,
            accuracy_within_1s=score.within if score is not None else nan,
            chance=score.chance if score is not None else nan,
            scored=score.n if score is not None else 0,
            latency_p50_ms=counts.latency_p50_ms,
            latency_p99_ms=counts.latency_p99_ms,
            stages_ms=window.store.stage_latency().stages,
            first_prediction_s=self._first - self._started if self._first is not None else nan,
        )

    def _look(self) -> None:
        window, snapshot, now = self.window, self.window.snapshot, time.monotonic()
        if self._receiver.error is not None:
            raise self._receiver.error
        if self._first is None and snapshot.newest is not None:
            self._first = now
            window.picker.hide()
        self._pick_when_ambiguous(snapshot, now)
        if now >= self._next_second:
            self._next_second += 1.0
            self._every_second(snapshot)
        if self._first is None:
            self._while_waiting(snapshot, now - self._started)
        elif self._seconds is not None and now - self._first >= self._seconds:
            window.close()
        elif snapshot.state is State.ENDED and (self._wait_s is not None or self._screenshot is not None):
            self._ended = self._ended or now
            if now - self._ended >= END_GRACE_S:
                window.close()

    def _every_second(self, snapshot: Snapshot) -> None:
        if self._screenshot is not None and movie_is_on(snapshot):
            # a recording ends with a blank: keep the last second that shows the movie
            self._picture = self.window.grab()
        if self._on_tick is not None:
            self._on_tick(snapshot)
        problem = self._problem() if self._problem is not None else ""
        if problem:
            self._problem = None
            self.window.picker.show_message(problem)

    def _pick_when_ambiguous(self, snapshot: Snapshot, now: float) -> None:
        """Open the picker while several engines could be meant; raise an error where nobody could pick one."""
        engines = [c for c in snapshot.candidates if c.type == "Prediction" and c.alive]
        several = snapshot.state is State.SEARCHING and len(engines) > 1
        if not several and snapshot.state is not State.AMBIGUOUS:
            self._ambiguous_since = None
            return
        self._ambiguous_since = self._ambiguous_since or now
        if now - self._ambiguous_since < AMBIGUOUS_S:
            return
        if self._wait_s is None:
            self._show_picker()
        elif several:
            listed = "\n".join(f"  {engine_name(c)} on {printable(c.hostname, limit=60)}" for c in engines)
            raise AmbiguousStream(f"{len(engines)} engines are running; choose one with --name:\n{listed}")
        elif self._first is None:
            raise AmbiguousStream(f"{snapshot.reason}, or give it another name with 'neuroreel live --name'.")

    def _while_waiting(self, snapshot: Snapshot, waited_s: float) -> None:
        """Before the first prediction: open the picker, or offscreen raise an error when time is up."""
        if self._wait_s is None:
            if (
                waited_s > PICK_S
                and snapshot.state in (State.SEARCHING, State.WAITING)
                and not snapshot.source.name
            ):
                self._show_picker()
        elif waited_s > self._wait_s:
            engines = [engine_name(c) for c in snapshot.candidates if c.type == "Prediction" and c.alive]
            there = (
                f"Engines on the network: {', '.join(engines)}."
                if engines
                else "No engine is on the network."
            )
            raise NoStream(
                f"no prediction arrived within {self._wait_s:g} s: {snapshot.reason}. {there} "
                "Check that the engine is running."
            )

    def _show_picker(self) -> None:
        """Open the picker, once."""
        if not self._picker_shown:
            self._picker_shown = True
            self.window.pick_stream()

    def _watch(self, engine: Candidate) -> None:
        """Watch the engine of a prediction stream."""
        self._receiver.choose(engine.name.removesuffix("-prediction"), engine.uid)

    def _decode(self, stream: str) -> None:
        """Start an engine for a neural stream and watch it."""
        assert self._start_engine is not None
        self._problem = self._start_engine(stream)
        self._receiver.choose(stream)


def engine_name(candidate: Candidate) -> str:
    """Name of the engine that sends a prediction stream."""
    return printable(candidate.name.removesuffix("-prediction"), limit=80)


def movie_is_on(snapshot: Snapshot) -> bool:
    """Whether a movie frame is on screen; if the truth is unknown, whether one is decoded."""
    newest = snapshot.newest
    if newest is None:
        return False
    return (newest.truth if snapshot.truth_known else newest.frame) >= 0
