"""Open the window on a running engine, with a screen or without one."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gui.qt_setup import FPS, has_screen, start_qt
from gui.state.snapshot import Snapshot
from stream.errors import refuse_existing

if TYPE_CHECKING:
    from PyQt5.QtWidgets import QApplication

    from gui.client.receiver import Receiver
    from gui.display_loop import DisplaySummary, Run, StartEngine

WAIT_S = 10.0


def run_display(
    name: str | None = None,
    model: Path | str | None = None,
    *,
    screenshot: Path | str | None = None,
    seconds: float | None = None,
    offscreen: bool = False,
    fps: int = FPS,
    wait_s: float = WAIT_S,
    force: bool = False,
    on_tick: Callable[[Snapshot], None] | None = None,
    on_close: Callable[[], None] | None = None,
    start_engine: StartEngine | None = None,
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
    fps
        How often a second to paint, at the most.
    wait_s
        Without a screen: how long to wait for the first prediction.
    force
        Overwrite ``screenshot``.
    on_tick
        Called with the newest snapshot once a second.
    on_close
        Called when the window closes.
    start_engine
        Called with the name of a neural stream when the user picks one to decode; it returns a function that says
        what went wrong with that engine, or nothing.

    Raises
    ------
    NoFont, NoWindow
        When Qt finds no font, or lacks a system library to draw on the screen.
    NoStream, AmbiguousStream
        Without a screen: when no engine answers in time, or several do.
    OutputExists
        When ``screenshot`` is there already and ``force`` is not given.
    """
    screenshot = None if screenshot is None else refuse_existing(screenshot, force=force)
    offscreen = offscreen or not has_screen()
    application = start_qt(offscreen=offscreen)
    import pylsl

    from gui.client.receiver import Receiver
    from gui.display_loop import Run
    from gui.state.store import Store
    from stream.lsl.network import configure

    configure()
    mailbox = Store(pylsl.local_clock)
    receiver = Receiver(mailbox, name, None if model is None else Path(model))
    patience_s = wait_s if offscreen else None
    run = Run(mailbox, receiver, start_engine, screenshot, seconds, patience_s, on_tick, fps)
    run.window.on_close = on_close
    return _until_closed(application, run, receiver)


def _until_closed(application: QApplication, run: Run, receiver: Receiver) -> DisplaySummary:
    from PyQt5.QtCore import QEvent

    with _closing_on_signals(run.window.close):
        receiver.start()
        run.start()
        application.exec_()
    receiver.stop()
    try:
        run.finish()
        return run.summary()
    finally:
        run.window.deleteLater()
        application.sendPostedEvents(None, QEvent.DeferredDelete)


@contextmanager
def _closing_on_signals(close: Callable[[], object]) -> Iterator[None]:
    """Close the window on Ctrl-C or a termination, for Qt's loop would swallow both."""
    before = {number: signal.signal(number, lambda *_: close()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
