"""The status bar: latency, age, rates, dropped predictions, clock offset and model."""

from __future__ import annotations

from math import isfinite

from PyQt5.QtCore import Qt
from PyQt5.QtGui import QColor, QPainter
from PyQt5.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from gui.state.snapshot import Snapshot
from gui.theme import DARK, Theme
from gui.thresholds import Level, levels
from gui.widgets.labels import ElidedLabel, PlainLabel
from stream.printable import printable

FIELDS = ("latency", "age", "input", "display", "dropped", "lost", "unusable", "clock", "model")

_KEYS = "? lists the keys"


class StatusBar(QWidget):
    """Named figures with units, and the latest warning."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("status")
        self.setAttribute(Qt.WA_StyledBackground)
        self.fields = {name: Field(name) for name in FIELDS}
        self.note = ElidedLabel(_KEYS, "dim")
        self._notice = ""
        self._theme = DARK
        line = QHBoxLayout(self)
        line.setContentsMargins(14, 4, 14, 4)
        line.setSpacing(18)
        self.note.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Preferred)  # figures take precedence
        line.addWidget(self.note, 1)
        for field in self.fields.values():
            line.addWidget(field)

    def set_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        self._theme = theme
        for field in self.fields.values():
            field.set_name_colour(theme.dim)

    def show_snapshot(self, snapshot: Snapshot, display_fps: float) -> None:
        """Update the figures."""
        counts, source = snapshot.counts, snapshot.source
        if snapshot.notice != self._notice:
            self._notice = snapshot.notice
            self.note.setText(self._notice or _KEYS)
            self.note.set_tip(self._notice)
        at_full_speed = source.speed == "max"
        latency = f"p50 {_ms(counts.latency_p50_ms)} · p99 {_ms(counts.latency_p99_ms)} ms"
        nominal = 0.0 if at_full_speed else source.rate_hz * source.stamp_rate
        texts = {
            "latency": "undefined at full speed" if at_full_speed else latency,
            "age": "–" if at_full_speed else _age(counts.age_ms),
            "input": f"{_figure(counts.input_hz)} of {nominal:g} Hz"
            if nominal
            else f"{_figure(counts.input_hz)} Hz",
            "display": f"{display_fps:.0f} fps",
            "dropped": f"{counts.dropped}",
            "lost": f"{counts.lost}",
            "unusable": f"{counts.unusable}",
            "clock": _offset(counts.clock_offset_ms, counts.clock_uncertainty_ms),
            "model": _model(snapshot),
        }
        judged = levels(counts, source)
        colours = {Level.FINE: self._theme.text, Level.WARN: self._theme.warn, Level.ALARM: self._theme.alarm}
        for name, text in texts.items():
            self.fields[name].set_value(text, colours[judged.get(name, Level.FINE)])
        for name in ("lost", "unusable"):
            self.fields[name].setVisible(getattr(counts, name) > 0)
        self.fields["clock"].setVisible(isfinite(counts.clock_offset_ms))


class Field(PlainLabel):
    """A named figure, whose place does not change with its value.

    Parameters
    ----------
    name
        Name of the figure.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._colours = [DARK.dim, DARK.text]

    @property
    def colour(self) -> str:
        """Colour of the value."""
        return self._colours[1]

    def set_name_colour(self, colour: str) -> None:
        """Set the colour of the name; the room for the value is measured again."""
        self._colours[0] = colour
        self.setMinimumWidth(0)
        self.update()

    def set_value(self, text: str, colour: str) -> None:
        """Set the value and its colour."""
        whole = f"{self._name}  {text}"
        if whole != self.text():
            self.setText(whole)
        self.setMinimumWidth(max(self.minimumWidth(), self.sizeHint().width()))
        if colour != self._colours[1]:
            self._colours[1] = colour
            self.update()

    def paintEvent(self, _event: object) -> None:
        """Draw the name and the value, each in its colour."""
        painter = QPainter(self)
        for text, colour, flag in zip(
            (self._name, self.text()[len(self._name) + 2 :]),
            self._colours,
            (Qt.AlignLeft, Qt.AlignRight),
            strict=True,
        ):
            painter.setPen(QColor(colour))
            painter.drawText(self.rect(), int(flag | Qt.AlignVCenter), text)
        painter.end()


def _model(snapshot: Snapshot) -> str:
    source = snapshot.source
    name = (
        printable(source.model_path.replace("\\", "/").rpartition("/")[2] or source.model_hash, limit=48)
        or "–"
    )
    if not source.playback:
        name += ", no playback"
    return f"{name} v{snapshot.newest.model_version}" if snapshot.newest is not None else name


def _ms(value: float) -> str:
    if value < -1:
        return "–"  # the clocks disagree
    return f"{value:.1f}" if abs(value) < 99.95 else _figure(value)


def _figure(value: float) -> str:
    if not isfinite(value):
        return "–"
    return f"{value:.4g}" if abs(value) < 9_999.5 else f"{value:.0f}"


def _age(value_ms: float) -> str:
    if not isfinite(value_ms) or value_ms < -1:  # the latter: the clocks disagree
        return "–"
    return f"{value_ms:.0f} ms" if value_ms < 10_000 else f"{value_ms / 1e3:.0f} s"


def _offset(offset_ms: float, uncertainty_ms: float) -> str:
    around = f" ± {uncertainty_ms:.2f}" if isfinite(uncertainty_ms) else ""
    return f"{offset_ms:+.2f}{around} ms" if isfinite(offset_ms) else "–"
