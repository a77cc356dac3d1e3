"""The main window: at each tick it reads the newest snapshot and passes it to every panel."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import isfinite
from pathlib import Path
from typing import cast

from PyQt5.QtCore import QTimer
from PyQt5.QtGui import QCloseEvent, QGuiApplication, QKeySequence, QResizeEvent
from PyQt5.QtWidgets import QGridLayout, QMainWindow, QShortcut, QVBoxLayout, QWidget

from gui.actions import ACTIONS, PANELS
from gui.panels.base import Panel
from gui.panels.embedding import EmbeddingPanel
from gui.panels.movie import MoviePanel
from gui.panels.neural import NeuralPanel
from gui.panels.score import ScorePanel
from gui.panels.timeline import TimelinePanel
from gui.panels.traces import TracesPanel
from gui.qt_setup import FPS
from gui.state.snapshot import Candidate, Snapshot
from gui.state.store import Store
from gui.theme import DARK, LIGHT, Theme, style_sheet
from gui.widgets.header import Header
from gui.widgets.latency_table import LatencyTable
from gui.widgets.overlays import KeyList, Overlay, StreamPicker
from gui.widgets.statusbar import StatusBar
from stream.printable import printable

logger = logging.getLogger(__name__)

SIZE = (1667, 990)
"""Usual size in pixels, for which text has its usual size."""

SMALLEST = (900, 500)

TITLE_BAR = 40
"""Height in pixels left free for the title bar."""

LARGEST_SCALE = 4.0

EXPLORED = ("neural", "embedding")
"""Panels that are shown where nothing is decoded."""

MAX_OLDER_MS = 60_000.0
"""Beyond this, the timestamps before and after belong to different clocks."""


class Window(QMainWindow):
    """The display.

    Parameters
    ----------
    store
        Source of the snapshots.
    watch
        Called with the prediction stream of the engine that the user picked.
    start
        Called with the name of a neural stream to start an engine for; None without a model.
    """

    def __init__(
        self,
        store: Store,
        watch: Callable[[Candidate], None],
        start: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__()
        self.store = store
        self.snapshot = Snapshot()
        self.paused = False
        self.painted = 0
        self._last_painted: int | None = None
        self._last_stamp: float | None = None
        self.theme = DARK
        self.on_close: Callable[[], None] | None = None
        self._painted_at: deque[float] = deque(maxlen=2 * FPS)
        self.setWindowTitle("NeuroReel")
        self.setMinimumSize(*SMALLEST)
        self.resize(*opening_size())
        self.header, self.status = Header(), StatusBar()
        self.header.pause.connect(self.toggle_pause)
        self.header.keys.connect(self.show_keys)
        self.header.theme_requested.connect(self.toggle_theme)
        self.panels: dict[str, Panel] = dict(
            zip(
                PANELS,
                (MoviePanel(), TimelinePanel(), NeuralPanel(), EmbeddingPanel(), TracesPanel(), ScorePanel()),
                strict=True,
            )
        )
        self.timeline = cast(TimelinePanel, self.panels["timeline"])
        self._maximised: str | None = None
        self._explores = False
        self._lay_out()
        self.key_list = KeyList(self)
        self.latency = LatencyTable(self)
        self.picker = StreamPicker(self, watch, start)
        self._overlays: tuple[Overlay, ...] = (self.key_list, self.latency, self.picker)
        self._declare_actions()
        self.set_theme(DARK)

    def _lay_out(self) -> None:
        body = QWidget()
        body.setObjectName("body")
        grid = QGridLayout(body)
        grid.setContentsMargins(8, 8, 8, 8)
        grid.setSpacing(8)
        left, right = QVBoxLayout(), QVBoxLayout()
        for name, share in (("movie", 35), ("timeline", 36), ("neural", 29)):
            left.addWidget(self.panels[name], share)
        for name, share in (("embedding", 41), ("traces", 36), ("score", 23)):
            right.addWidget(self.panels[name], share)
        for column in (left, right):
            column.setSpacing(8)
        grid.addLayout(left, 0, 0)
        grid.addLayout(right, 0, 1)
        grid.setColumnStretch(0, 62)
        grid.setColumnStretch(1, 38)
        self._columns = (("movie", "timeline", "neural"), ("embedding", "traces", "score"))
        self._grid = grid
        central = QWidget()
        column = QVBoxLayout(central)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.header)
        column.addWidget(body, 1)
        column.addWidget(self.status)
        self.setCentralWidget(central)
        for index, panel in enumerate(self.panels.values()):
            panel.maximise.connect(partial(self.maximise_panel, index))

    def _declare_actions(self) -> None:
        for action in ACTIONS:
            method = getattr(self, action.name)
            call = method if action.argument is None else partial(method, action.argument)
            for key in action.keys:
                shortcut = QShortcut(QKeySequence(key), self)
                shortcut.setAutoRepeat(False)
                shortcut.activated.connect(call)

    def tick(self) -> None:
        """Draw the newest snapshot."""
        self.store.set_timeline_rows(self.timeline.n_rows)
        self.snapshot = snapshot = self._with_painted_age(self.store.snapshot())
        if snapshot.source.explore != self._explores:
            self._explores = snapshot.source.explore
            self._show_panels()
        self.header.show_snapshot(snapshot, paused=self.paused, theme=self.theme)
        self.status.show_snapshot(snapshot, self.fps)
        if self.picker.isVisible():
            self.picker.show_candidates(snapshot.candidates)
        if not self.paused:
            for panel in self.panels.values():
                if panel.isVisible() and self.painted % panel.every == 0:
                    self._show(panel, snapshot)
        if self.latency.isVisible() and self.painted % FPS == 0:
            self.latency.show_figures(self.store.stage_latency())
        self.painted += 1
        self._painted_at.append(time.monotonic())
        newest = snapshot.newest
        if newest is not None and not self.paused and newest.sequence != self._last_painted:
            self._last_painted, self._last_stamp = newest.sequence, newest.stamp
            QTimer.singleShot(0, partial(self.store.add_painted, newest.stamp))  # runs after the repaint

    def _with_painted_age(self, snapshot: Snapshot) -> Snapshot:
        """Count the age of what has been on screen until now, which is older than the newest prediction."""
        counts, newest = snapshot.counts, snapshot.newest
        if newest is None or self._last_stamp is None or not isfinite(counts.age_ms):
            return snapshot
        older_ms = (newest.stamp - self._last_stamp) * 1e3
        if not 0 < older_ms < MAX_OLDER_MS:
            return snapshot
        return replace(snapshot, counts=replace(counts, age_ms=counts.age_ms + older_ms))

    def _show(self, panel: Panel, snapshot: Snapshot) -> None:
        """Draw a panel; one that cannot be drawn says why, and the others continue."""
        try:
            panel.show_snapshot(snapshot)
        except Exception as error:
            message = f"this cannot be drawn ({printable(str(error), limit=200)}); the other panels continue"
            if panel.message != message:  # once, not at every repaint
                logger.exception("the %s panel cannot be drawn", type(panel).__name__)
            panel.show_message(message)

    @property
    def fps(self) -> float:
        """Repaints per second over the last two seconds or so."""
        times = self._painted_at
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else 0.0

    def set_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        scale = scale_of(self.width(), self.height())
        self.theme = theme = theme if theme.scale == scale else replace(theme, scale=scale)
        self.setStyleSheet(style_sheet(theme))
        self.header.badge.setText("")  # redrawn in the new colours
        self.status.set_theme(theme)
        for panel in self.panels.values():
            panel.set_theme(theme)

    def toggle_theme(self) -> None:
        """Switch between dark and light."""
        self.set_theme(LIGHT if self.theme.name == DARK.name else DARK)

    def toggle_pause(self) -> None:
        """Freeze the graphs, or resume them; nothing else stops."""
        self.paused = not self.paused

    def follow_live(self) -> None:
        """Resume the graphs."""
        self.paused = False

    def maximise_panel(self, index: int) -> None:
        """Show one panel alone, or all panels if it is alone already."""
        name = PANELS[index]
        self._maximised = None if self._maximised == name else name
        self._show_panels()

    def _show_panels(self) -> None:
        """Show the maximised panel, else all; without labels, those that need none."""
        wanted = (self._maximised,) if self._maximised else EXPLORED if self._explores else PANELS
        for name, panel in self.panels.items():
            panel.setVisible(name in wanted)
        for column, names in enumerate(self._columns):
            share = ((38, 62) if self._explores else (62, 38))[column]
            self._grid.setColumnStretch(column, share if set(names) & set(wanted) else 0)

    def toggle_full_screen(self) -> None:
        """Enter or leave full screen."""
        self.showNormal() if self.isFullScreen() else self.showFullScreen()

    def _open(self, overlay: Overlay) -> None:
        """Show or hide a dialog; another one that is open closes."""
        for other in self._overlays:
            if other is not overlay:
                other.hide()
        overlay.toggle()

    def show_keys(self) -> None:
        """Show or hide the list of keys."""
        self._open(self.key_list)

    def show_latency(self) -> None:
        """Show or hide the latency of each stage."""
        self.latency.show_figures(self.store.stage_latency())
        self._open(self.latency)

    def pick_stream(self) -> None:
        """Show or hide the stream picker."""
        self.picker.show_candidates(self.store.snapshot().candidates)
        self._open(self.picker)

    def escape(self) -> None:
        """Close the dialog on top; else show all panels; else leave full screen."""
        for overlay in self._overlays:
            if overlay.isVisible():
                overlay.hide()
                return
        if self._maximised is not None:
            self.maximise_panel(PANELS.index(self._maximised))
        elif self.isFullScreen():
            self.toggle_full_screen()

    def save_screenshot(self) -> None:
        """Save a screenshot into the working directory, under a new name."""
        stem = time.strftime("neuroreel-%Y%m%d-%H%M%S")
        path = Path(f"{stem}.png")
        number = 1
        while path.exists():
            number += 1
            path = Path(f"{stem}-{number}.png")
        saved = self.grab().save(str(path))
        self.status.note.setText(f"saved {path}" if saved else f"could not write {path.resolve()}")

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Scale the text with the window, and keep open dialogs centred."""
        super().resizeEvent(event)
        if scale_of(self.width(), self.height()) != self.theme.scale:
            self.set_theme(self.theme)
        for overlay in self._overlays:
            if overlay.isVisible():
                overlay.place()

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Call ``on_close``."""
        if self.on_close is not None:
            self.on_close()
            self.on_close = None
        super().closeEvent(event)


def opening_size() -> tuple[int, int]:
    """Size of a new window: `SIZE`, larger on a large screen, and never larger than the screen."""
    screen = QGuiApplication.primaryScreen()
    if screen is None or QGuiApplication.platformName() in ("offscreen", "minimal"):
        return SIZE
    room = screen.availableGeometry()
    return fit_size(room.width(), room.height())


def fit_size(width: int, height: int) -> tuple[int, int]:
    """Size of a window on a screen with that much room, in pixels.

    Parameters
    ----------
    width, height
        Room on the screen, without panels of the desktop.

    Examples
    --------
    >>> fit_size(1280, 690), fit_size(3840, 2120)
    ((1280, 650), (3334, 1980))
    """
    room = height - TITLE_BAR
    scale = max(1.0, min(width / SIZE[0], room / SIZE[1]) // 0.5 * 0.5)
    return min(round(scale * SIZE[0]), width), min(round(scale * SIZE[1]), room)


def scale_of(width: int, height: int) -> float:
    """Size of the text in a window relative to the usual one, in steps of a tenth; it never gets smaller.

    Parameters
    ----------
    width, height
        Size of the window in pixels.
    """
    scale = min(width / SIZE[0], height / SIZE[1])
    return min(max(round(scale, 1), 1.0), LARGEST_SCALE)
