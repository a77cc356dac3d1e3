"""One run of the window: the timer, the ticks, the end and the screenshot."""

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
from gui.state.snapshot import Snapshot, State
from gui.state.store import Store
from gui.window import Window
from stream.errors import AmbiguousStream, NeuroReelError, NoStream

AMBIGUOUS_S = 1.5
PICK_S = 2.0
END_GRACE_S = 0.7
"""After the end is announced: until the last predictions are scored and drawn."""


StartEngine = Callable[[str], Callable[[], str]]


@dataclass(frozen=True, slots=True)
class DisplaySummary:
    """What the display did.

    Attributes
    ----------
    painted, painted_fps
        How often the window was drawn.
    received, dropped
        Predictions that came, and that were missing in their sequence.
    accuracy_within_1s, chance, scored
        Where the truth was known; NaN where it was not.
    latency_p50_ms, latency_p99_ms
        Now minus stamp when the engine pushed, over the last seconds.
    stages_ms
        From the stamp until a frame had arrived, was decoded and published, as the engine says, and until this display
        had received and painted it, as measured here; see `stream.quantiles.figures`.
    first_prediction_s
        From the start until the first prediction was drawn; NaN when none came.
    """

    painted: int
    painted_fps: float
    received: int
    dropped: int
    accuracy_within_1s: float
    chance: float
    scored: int
    latency_p50_ms: float
    latency_p99_ms: float
    stages_ms: Mapping[str, Mapping[str, float]]
    first_prediction_s: float


class Run:
    """A window with its timer.

    Parameters
    ----------
    mailbox, receiver
        Where the data come from.
    start_engine, screenshot, seconds, on_tick, fps
        See `gui.app.run_display`.
    wait_s
        Give up when no prediction came for so long; None waits for ever.
    """

    def __init__(
        self,
        mailbox: Store,
        receiver: Receiver,
        start_engine: StartEngine | None,
        screenshot: Path | None,
        seconds: float | None,
        wait_s: float | None,
        on_tick: Callable[[Snapshot], None] | None,
        fps: int = FPS,
    ) -> None:
        self._receiver, self._start_engine = receiver, start_engine
        self._screenshot, self._seconds, self._wait_s, self._on_tick = screenshot, seconds, wait_s, on_tick
        self.window = Window(mailbox, receiver.choose, self._decode if start_engine is not None else None)
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
        self._asked = False

    def start(self) -> None:
        """Open the window."""
        self._started = time.monotonic()
        self._next_second = self._started + 1.0
        self.window.show()
        self._timer.start()

    def tick(self) -> None:
        """Draw, then look whether it is over; an exception that left a slot of Qt would abort the process."""
        try:
            self.window.tick()
            self._look()
        except Exception as error:
            self._error = error
            self.window.close()
        if not self.window.isVisible():
            self._timer.stop()

    def finish(self) -> None:
        """Save the screenshot, and raise what went wrong."""
        self._timer.stop()
        if self._error is not None:
            raise self._error
        if self._screenshot is None:
            return
        picture = self._picture
        if picture is None or movie_is_on(self.window.snapshot):
            picture = self.window.grab()
        if not picture.save(str(self._screenshot), "PNG"):
            raise NeuroReelError(f"the screenshot could not be written to {self._screenshot}.")

    def summary(self) -> DisplaySummary:
        """What the display did."""
        window, snapshot = self.window, self.window.snapshot
        counts, score = snapshot.counts, snapshot.score
        return DisplaySummary(
            painted=window.painted,
            painted_fps=window.fps,
            received=counts.received,
            dropped=counts.dropped,
            accuracy_within_1s=score.within if score is not None else nan,
            chance=score.chance if score is not None else nan,
            scored=score.n if score is not None else 0,
            latency_p50_ms=counts.latency_p50_ms,
            latency_p99_ms=counts.latency_p99_ms,
            stages_ms=window.mailbox.delays().stages,
            first_prediction_s=self._first - self._started if self._first is not None else nan,
        )

    def _look(self) -> None:
        window, snapshot, now = self.window, self.window.snapshot, time.monotonic()
        if self._receiver.error is not None:
            raise self._receiver.error
        if self._first is None and snapshot.newest is not None:
            self._first = now
            window.picker.hide()
        if now >= self._next_second:
            self._next_second += 1.0
            self._each_second(snapshot)
        if self._first is None:
            self._wait(snapshot, now - self._started)
        elif self._seconds is not None and now - self._first >= self._seconds:
            window.close()
        elif snapshot.state is State.ENDED and (self._wait_s is not None or self._screenshot is not None):
            self._ended = self._ended or now
            if now - self._ended >= END_GRACE_S:
                window.close()

    def _each_second(self, snapshot: Snapshot) -> None:
        if self._screenshot is not None and movie_is_on(snapshot):
            # a recording ends with a blank: what is saved then is the last second that had a movie in it
            self._picture = self.window.grab()
        if self._on_tick is not None:
            self._on_tick(snapshot)
        problem = self._problem() if self._problem is not None else ""
        if problem:
            self._problem = None
            self.window.picker.say(problem)

    def _wait(self, snapshot: Snapshot, waited_s: float) -> None:
        """Nothing came yet: ask the user, or give up when there is none to ask."""
        engines = [c for c in snapshot.candidates if c.type == "Prediction" and c.alive]
        searching = snapshot.state is State.SEARCHING
        if self._wait_s is None:
            if (
                searching
                and not self._asked
                and (waited_s > PICK_S or (len(engines) > 1 and waited_s > AMBIGUOUS_S))
            ):
                self._asked = True
                self.window.pick_stream()
            return
        if searching and len(engines) > 1 and waited_s > AMBIGUOUS_S:
            listed = "\n".join(f"  {c.name.removesuffix('-prediction')} on {c.hostname}" for c in engines)
            raise AmbiguousStream(f"{len(engines)} engines are running; say which with --name:\n{listed}")
        if waited_s > self._wait_s:
            raise NoStream(
                f"no prediction came within {self._wait_s:g} s: {snapshot.reason}. Is the engine running?"
            )

    def _decode(self, stream: str) -> None:
        """Start an engine for a neural stream and watch it."""
        assert self._start_engine is not None
        self._problem = self._start_engine(stream)
        self._receiver.choose(stream)


def movie_is_on(snapshot: Snapshot) -> bool:
    """Whether the screen shows a frame, or, when nobody tells, whether one is decoded."""
    newest = snapshot.newest
    if newest is None:
        return False
    return (newest.truth if snapshot.truth_known else newest.frame) >= 0
