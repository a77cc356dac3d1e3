"""A feed, and a window on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from PyQt5.QtCore import QEvent
from PyQt5.QtWidgets import QApplication

from gui.window import Window
from tests.gui.feeds import Feed


@pytest.fixture
def feed() -> Feed:
    return Feed()


@pytest.fixture
def open_window(qtbot) -> Iterator[Callable[..., Window]]:
    """Open a window on a feed and draw it once."""

    opened: list[
        Window
    ] = []  # qtbot holds no reference, and a window must not be collected while it is painted

    def open_on(feed: Feed, **options) -> Window:
        window = Window(feed.store, options.pop("watch", lambda name: None), **options)
        qtbot.addWidget(window)
        opened.append(window)
        with qtbot.waitActive(window, timeout=60_000):
            window.show()
            window.activateWindow()
        window.tick()
        return window

    yield open_on
    for window in opened:
        window.close()
        window.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.DeferredDelete)
