"""The header: source, connection state, buttons, and the badge LIVE, REPLAY or SIMULATED."""

from __future__ import annotations

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import QHBoxLayout, QPushButton, QWidget

from gui.state.snapshot import Snapshot, Source, State
from gui.theme import BLUE, GREEN, ORANGE, YELLOW, Theme
from gui.untrusted import one_line
from gui.widgets.labels import ElidedLabel, PlainLabel

DARK_INK, LIGHT_INK = "#14171a", "#ffffff"

MODES = {
    "live": ("LIVE", GREEN, LIGHT_INK),
    "replay": ("REPLAY", BLUE, LIGHT_INK),
    "simulated": ("SIMULATED", ORANGE, DARK_INK),
}
"""Text, background and text colour of the badge for each mode."""

STATE_COLOURS = {
    State.SEARCHING: YELLOW,
    State.WAITING: YELLOW,
    State.STALE: ORANGE,
    State.LOST: ORANGE,
    State.MISMATCH: ORANGE,
    State.AMBIGUOUS: ORANGE,
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
        self.name, self.facts, self.state = PlainLabel("NeuroReel"), ElidedLabel(name="detail"), PlainLabel()
        self.name.setStyleSheet("font-size: 16px; font-weight: 700;")
        self.badge = PlainLabel()
        self.badge.setAlignment(Qt.AlignCenter)
        self.badge.setMinimumWidth(150)
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
        line.addWidget(self.badge)

    def show_snapshot(self, snapshot: Snapshot, *, paused: bool, theme: Theme) -> None:
        """Update source, state and badge."""
        source = snapshot.source
        self.name.setText(one_line(source.name, 40) or "NeuroReel")
        self.state.setText(f"● {snapshot.state}")
        style = state_style(snapshot.state, theme)
        if self.state.styleSheet() != style:
            self.state.setStyleSheet(style)
        self.facts.setText(snapshot.reason or describe(source))
        self.facts.set_tip(self.facts.text())
        self.pause_button.setChecked(paused)
        self.pause_button.setText("Paused  (Space)" if paused else "Pause  (Space)")
        words, ground, ink = badge_of(source, theme)
        if self.badge.text() != words:
            self.badge.setText(words)
            self.badge.setStyleSheet(
                f"background: {ground}; color: {ink}; font-size: 17px; font-weight: 800; letter-spacing: 1px;"
                "border-radius: 4px; padding: 5px 16px;"
            )


def state_style(state: State, theme: Theme) -> str:
    """Style of the state label: every state but live stands out.

    Parameters
    ----------
    state
        Connection state.
    theme
        Theme of the window.
    """
    if state is State.LIVE:
        return f"color: {theme.decoded}; font-weight: 700;"
    ground = STATE_COLOURS[state]
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
    if source.n_frames:
        what = (
            f"movie {source.movie_name}".rstrip() + f", {source.n_frames} frames"
            if source.movie_rate_hz
            else f"{source.n_frames} {'categories' if source.movie_name else 'places'}"
        )
        parts.append(f"{what} at {source.movie_rate_hz:g} Hz" if source.movie_rate_hz else what)
    if source.lookahead_ms:
        parts.append(f"predictions lag {source.lookahead_ms:.0f} ms (lookahead)")
    if source.signal_lag_ms:
        parts.append(f"shows the moment {source.signal_lag_ms / 1000:g} s ago (signal lag)")
    if source.hostname:
        parts.append(f"from {one_line(source.hostname, 60)}")
    return " · ".join(parts)
