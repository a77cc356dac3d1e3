"""The header: source, connection state, buttons, and the badge LIVE, REPLAY or SIMULATED."""

from __future__ import annotations

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import QHBoxLayout, QPushButton, QWidget

from gui.state.snapshot import Snapshot, Source, State
from gui.theme import VERMILION, YELLOW, Theme
from gui.thresholds import Level, levels
from gui.widgets.labels import ElidedLabel, PlainLabel
from gui.words import kind_of, label_of, plural
from stream.printable import printable

DARK_INK, LIGHT_INK = "#14171a", "#ffffff"

MODES = {
    "live": ("LIVE", "#007A59", LIGHT_INK),
    "replay": ("REPLAY", "#5b6570", LIGHT_INK),
    "simulated": ("SIMULATED", YELLOW, DARK_INK),
}
"""Text, background and text colour of the badge for each mode; yellow warns, as everywhere."""

STATE_COLOURS = {
    State.SEARCHING: YELLOW,
    State.WAITING: YELLOW,
    State.STALE: VERMILION,
    State.LOST: VERMILION,
    State.MISMATCH: VERMILION,
    State.AMBIGUOUS: VERMILION,
    State.ENDED: "#8b949e",
}


class Header(QWidget):
    """Title, state, buttons and badge."""

    pause = pyqtSignal()
    keys = pyqtSignal()
    theme_requested = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("header")
        self.setAttribute(Qt.WA_StyledBackground)
        self.name, self.facts, self.state = (
            PlainLabel("NeuroReel", "name"),
            ElidedLabel(name="detail"),
            PlainLabel(),
        )
        self.badge = PlainLabel()
        self.badge.setAlignment(Qt.AlignCenter)
        self.badge.setMinimumWidth(150)
        self.warning = PlainLabel()
        self.pause_button = QPushButton("Pause  (Space)")
        self.pause_button.setCheckable(True)
        theme_button, keys_button = QPushButton("Theme  (T)"), QPushButton("Keys  (?)")
        self.pause_button.clicked.connect(self.pause)
        theme_button.clicked.connect(self.theme_requested)
        keys_button.clicked.connect(self.keys)
        line = QHBoxLayout(self)
        line.setContentsMargins(14, 6, 8, 6)
        line.setSpacing(12)
        line.addWidget(self.name)
        line.addWidget(self.state)
        line.addWidget(self.facts, 1)
        for button in (self.pause_button, theme_button, keys_button):
            button.setFocusPolicy(Qt.NoFocus)  # Space pauses; it must not press a button
            line.addWidget(button)
        line.addWidget(self.warning)
        line.addWidget(self.badge)

    def show_snapshot(self, snapshot: Snapshot, *, paused: bool, theme: Theme) -> None:
        """Update source, state and badge."""
        source = snapshot.source
        self.name.setText(printable(source.name, limit=40) or "NeuroReel")
        judged = levels(snapshot.counts, source)
        late = snapshot.state is State.LIVE and Level.ALARM in (judged["age"], judged["latency"])
        self.state.setText(f"● {snapshot.state}, late" if late else f"● {snapshot.state}")
        style = state_style(snapshot.state, theme, late=late)
        if self.state.styleSheet() != style:
            self.state.setStyleSheet(style)
        self.facts.setText(snapshot.reason or describe(source))
        self.facts.set_tip(self.facts.text())
        self.pause_button.setChecked(paused)
        self.pause_button.setText("Paused  (Space)" if paused else "Pause  (Space)")
        self.warning.setVisible(source.is_model_foreign)
        if source.is_model_foreign:
            self.warning.setText("MODEL OF SIMULATED DATA")
            self.warning.set_tip(
                "the model was trained on simulated data, and what it decodes is not simulated"
            )
            style = state_style(State.MISMATCH, theme)
            if self.warning.styleSheet() != style:
                self.warning.setStyleSheet(style)
        words, ground, ink = badge_of(source, theme)
        if self.badge.text() != words:
            self.badge.setText(words)
            self.badge.setStyleSheet(
                f"background: {ground}; color: {ink}; font-size: {theme.px(17)}px; font-weight: 800;"
                f"letter-spacing: 1px; border-radius: 4px; padding: {theme.px(5)}px {theme.px(16)}px;"
            )


def state_style(state: State, theme: Theme, *, late: bool = False) -> str:
    """Style of the state label: every state but live stands out.

    Parameters
    ----------
    state
        Connection state.
    theme
        Theme of the window.
    late
        Whether a live state has an age or latency beyond its second threshold.
    """
    if state is State.LIVE and not late:
        return f"color: {theme.text}; font-weight: 700;"
    ground = VERMILION if late else STATE_COLOURS[state]
    return (
        f"background: {ground}; color: {DARK_INK}; font-weight: 700; border-radius: 4px; padding: 3px 10px;"
    )


def badge_of(source: Source, theme: Theme) -> tuple[str, str, str]:
    """Text, background and text colour of the badge.

    Parameters
    ----------
    source
        The engine's description.
    theme
        Colours for a source of unknown mode.
    """
    if source.mode not in MODES:
        return ("NO SOURCE" if not source.name else "UNKNOWN SOURCE"), theme.raised, theme.dim
    words, ground, ink = MODES[source.mode]
    if source.speed == "max":
        words += " · MAX SPEED"
    elif source.mode != "live":
        words += f" · {source.speed}×"
    return words, ground, ink


def describe(source: Source) -> str:
    """Describe the source in a few words."""
    parts = []
    if source.recording:
        parts.append(f"recording {source.recording}")
    if source.explore:
        parts.append("without labels: nothing is decoded")
    elif source.n_frames:
        what = (
            f"movie {source.movie_name}".rstrip() + f", {source.n_frames} frames"
            if source.movie_rate_hz
            else f"{source.n_frames} {plural(kind_of(source))}"
            + (f" of {label_of(source)}" if source.places else "")
        )
        parts.append(f"{what} at {source.movie_rate_hz:g} Hz" if source.movie_rate_hz else what)
    if source.lookahead_ms:
        parts.append(f"predictions lag {source.lookahead_ms:.0f} ms (lookahead)")
    if source.signal_lag_ms:
        parts.append(f"shows the moment {source.signal_lag_ms / 1000:g} s ago (signal lag)")
    if source.hostname:
        parts.append(f"from {printable(source.hostname, limit=60)}")
    return " · ".join(parts)
