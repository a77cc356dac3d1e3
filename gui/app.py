"""Open the window on a running engine, on a screen or offscreen."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gui.qt_setup import FPS, has_screen, start_qt
from gui.state.snapshot import Snapshot
from stream.output_files import check_output

if TYPE_CHECKING:
    from PyQt5.QtWidgets import QApplication

    from gui.client.receiver import Receiver
    from gui.display_loop import DisplayLoop, DisplaySummary, StartEngine

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
        Name of the engine's streams; None uses the only running engine, or asks.
    model
        Model file with the movie's pictures; None uses the file that the streams name, if it is on this computer.
    screenshot
        PNG file to save at the end; the window then closes when the replay has ended.
    seconds
        Seconds after the first prediction at which the window closes.
    offscreen
        Paint offscreen even when there is a screen.
    fps
        Maximum repaints per second.
    wait_s
        Offscreen only: seconds to wait for the first prediction.
    force
        Overwrite ``screenshot``.
    on_tick
        Called with the newest snapshot once a second.
    on_close
        Called when the window closes.
    start_engine
        Called with the name of a neural stream that the user wants to decode; returns a function that reports
        the engine's error, or an empty string.

    Raises
    ------
    NoFont, NoWindow
        If Qt finds no font, or lacks a system library that it needs to draw on the screen.
    NoStream, AmbiguousStream
        Offscreen only: if no engine answers in time, or several do.
    OutputExists
        If ``screenshot`` exists and ``force`` is false, or is a recording.
    CannotWrite
        If ``screenshot`` cannot be written.
    """
    screenshot = None if screenshot is None else check_output(screenshot, force=force)
    offscreen = offscreen or not has_screen()
    application = start_qt(offscreen=offscreen)
    import pylsl

    from gui.client.receiver import Receiver
    from gui.display_loop import DisplayLoop
    from gui.state.store import Store
    from stream.lsl.network import configure

    configure()
    store = Store(pylsl.local_clock)
    receiver = Receiver(store, name, None if model is None else Path(model))
    give_up_after_s = wait_s if offscreen else None
    run = DisplayLoop(
        store, receiver, start_engine, screenshot, force, seconds, give_up_after_s, on_tick, fps
    )
    run.window.on_close = on_close
    return _until_closed(application, run, receiver)


def _until_closed(application: QApplication, run: DisplayLoop, receiver: Receiver) -> DisplaySummary:
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
    """Close the window on SIGINT and SIGTERM, which Qt's event loop would swallow."""
    before = {number: signal.signal(number, lambda *_: close()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
