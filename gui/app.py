"""Open the window on a running engine, with a screen or without one."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import nan
from pathlib import Path

from gui.snapshot import Snapshot, State
from stream.errors import AmbiguousStream, NeuroReelError, NoStream, OutputExists

WAIT_S = 10.0
AMBIGUOUS_S = 1.5
END_GRACE_S = 0.3


class NoFont(NeuroReelError):
    """Qt finds no font, so the window could show no text."""

    exit_code = 1


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
    first_prediction_s
        From the call until the first prediction had come.
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
    first_prediction_s: float


def has_screen() -> bool:
    """Whether there is a screen to open a window on."""
    if sys.platform != "linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def run_display(
    name: str | None = None,
    model: Path | str | None = None,
    *,
    screenshot: Path | str | None = None,
    seconds: float | None = None,
    offscreen: bool = False,
    wait_s: float = WAIT_S,
    force: bool = False,
    on_tick: Callable[[Snapshot], None] | None = None,
    on_close: Callable[[], None] | None = None,
    start_engine: Callable[[str], None] | None = None,
) -> DisplaySummary:
    """Show a running engine until the window is closed.

    Without a screen the same window is painted offscreen; it then ends by itself after ``seconds`` or with the replay.

    Parameters
    ----------
    name
        What the engine's streams are called; None takes the only engine there is, or asks.
    model
        The model's file, for its pictures; None takes the one that the streams name, when it is on this computer.
    screenshot
        A PNG to save at the end; with it the window closes when the replay has ended.
    seconds
        Close this long after the first prediction.
    offscreen
        Open no window even when there is a screen.
    wait_s
        Without a screen: how long to wait for the first prediction.
    force
        Overwrite ``screenshot``.
    on_tick
        Called with the newest snapshot once a second.
    on_close
        Called when the window closes.
    start_engine
        Called with the name of a neural stream when the user picks one to decode.

    Raises
    ------
    NoFont
        When Qt finds no font.
    NoStream, AmbiguousStream
        Without a screen: when no engine answers in time, or several do.
    OutputExists
        When ``screenshot`` is there already and ``force`` is not given.
    """
    screenshot = None if screenshot is None else Path(screenshot)
    if screenshot is not None and screenshot.exists() and not force:
        raise OutputExists(f"{screenshot} exists; give another name, or --force to overwrite it.")
    offscreen = offscreen or not has_screen()
    if offscreen:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    application = _application()
    import pylsl

    from gui.mailbox import Mailbox
    from gui.receiver import Receiver
    from gui.window import Window
    from stream.network import configure

    configure()
    mailbox = Mailbox(pylsl.local_clock)
    receiver = Receiver(mailbox, name, None if model is None else Path(model))
    window = Window(mailbox, receiver.choose, start_engine)
    run = _Run(window, receiver, screenshot, seconds, wait_s if offscreen else None, on_tick)
    window.on_close = on_close
    window.timer.timeout.connect(run.after_tick)
    with _closing_on_signals(window.close):
        receiver.start()
        window.show()
        window.timer.start()
        application.exec_()
    window.timer.stop()
    receiver.stop()
    run.finish()
    return run.summary()


class _Run:
    """What happens beside the painting: ticks, the end, the screenshot."""

    def __init__(
        self,
        window: Window,  # noqa: F821
        receiver: Receiver,  # noqa: F821
        screenshot: Path | None,
        seconds: float | None,
        wait_s: float | None,
        on_tick: Callable[[Snapshot], None] | None,
    ) -> None:
        self._window, self._receiver = window, receiver
        self._screenshot, self._seconds, self._wait_s, self._on_tick = screenshot, seconds, wait_s, on_tick
        self._started = time.monotonic()
        self._next_tick = self._started + 1.0
        self._first: float | None = None
        self._ended: float | None = None
        self._picture = None
        self._error: Exception | None = None

    def after_tick(self) -> None:
        """Look whether it is over; an exception must not leave a slot of Qt, which would abort the process."""
        try:
            self._after_tick()
        except Exception as error:
            self._error = error
            self._window.close()

    def _after_tick(self) -> None:
        window, now = self._window, time.monotonic()
        snapshot = window.snapshot
        if self._receiver.error is not None:
            raise self._receiver.error
        if self._first is None and snapshot.newest is not None:
            self._first = now
        if now >= self._next_tick:
            self._next_tick += 1.0
            if self._screenshot is not None and snapshot.newest is not None and snapshot.newest.frame >= 0:
                self._picture = (
                    window.grab()
                )  # the last one with a movie in it: a recording ends with a blank
            if self._on_tick is not None:
                self._on_tick(snapshot)
        if self._first is None:
            self._wait(snapshot, now)
        elif self._seconds is not None and now - self._first >= self._seconds:
            window.close()
        elif window.has_ended() and (self._wait_s is not None or self._screenshot is not None):
            self._ended = self._ended or now
            if now - self._ended >= END_GRACE_S:
                window.close()

    def _wait(self, snapshot: Snapshot, now: float) -> None:
        engines = [c for c in snapshot.candidates if c.type == "Prediction"]
        waited = now - self._started
        if self._wait_s is None:
            return
        if snapshot.state is State.SEARCHING and len(engines) > 1 and waited > AMBIGUOUS_S:
            listed = "\n".join(f"  {c.name.removesuffix('-prediction')} on {c.hostname}" for c in engines)
            raise AmbiguousStream(f"{len(engines)} engines are running; say which with --name:\n{listed}")
        if waited > self._wait_s:
            raise NoStream(
                f"no prediction came within {self._wait_s:g} s: {snapshot.reason}. Is the engine running?"
            )

    def finish(self) -> None:
        """Save the screenshot and raise what went wrong."""
        if self._error is not None:
            raise self._error
        if self._screenshot is None:
            return
        newest = self._window.snapshot.newest
        picture = self._picture
        if picture is None or (newest is not None and newest.frame >= 0):
            picture = self._window.grab()
        if not picture.save(str(self._screenshot), "PNG"):
            raise NeuroReelError(f"the screenshot could not be written to {self._screenshot}.")

    def summary(self) -> DisplaySummary:
        """What the display did."""
        window, snapshot = self._window, self._window.snapshot
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
            first_prediction_s=self._first - self._started if self._first is not None else nan,
        )


def _application() -> QApplication:  # noqa: F821
    """The one QApplication, with a font."""
    from PyQt5.QtCore import Qt
    from PyQt5.QtGui import QFont, QFontDatabase
    from PyQt5.QtWidgets import QApplication

    from gui.theme import FONTS

    application = QApplication.instance()
    if application is None:
        QApplication.setAttribute(Qt.AA_EnableHighDpiScaling)
        QApplication.setAttribute(Qt.AA_UseHighDpiPixmaps)
        application = QApplication(["neuroreel"])
    families = set(QFontDatabase().families())
    if not families:
        raise NoFont(
            "Qt finds no font on this computer, so the window could show no text. "
            "Install one, for example on Debian or Ubuntu: apt install fonts-dejavu-core"
        )
    font = QFont(next((family for family in FONTS if family in families), sorted(families)[0]))
    font.setPixelSize(13)
    application.setFont(font)
    return application


@contextmanager
def _closing_on_signals(close: Callable[[], object]) -> Iterator[None]:
    """Close the window on Ctrl-C or a termination, for Qt's loop would swallow both."""
    before = {number: signal.signal(number, lambda *_: close()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
