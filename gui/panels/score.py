"""The score panel: accuracy per second, beside chance."""

from __future__ import annotations

from PyQt5.QtCore import QRectF, Qt
from PyQt5.QtGui import QColor, QFont, QPainter, QPen
from PyQt5.QtWidgets import QWidget

from gui.panels.base import Panel
from gui.state.snapshot import Score, Snapshot
from gui.theme import DARK, Theme
from stream.printable import printable

BASELINES = {"linear": "cosine", "lda": "LDA", "naive_bayes": "naive Bayes", "knn": "kNN"}
"""Names of the baselines of a model's card."""

FIGURES_WIDTH = 190
LINE = 17
LEGEND_WIDTH = 240
"""Width in pixels below which the bars have no room for a legend."""


class ScorePanel(Panel):
    """Accuracy within one second of movie time."""

    every = 6

    def __init__(self) -> None:
        self._view = _View()
        super().__init__("Score", self._view)

    def set_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        super().set_theme(theme)
        self._view.theme = theme
        self._view.update()

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Draw the score so far."""
        if snapshot.score is None:
            self.show_message(_reason(snapshot))
            return
        self.show_message("")
        self.legend(*([(self.theme.alarm, "TRAINING DATA: no score")] if snapshot.on_training_data else []))
        self._view.on_training_data = snapshot.on_training_data
        score, movie = snapshot.score, bool(snapshot.source.movie_rate_hz)
        error = f" · median error {score.median_error:.0f}" if movie else ""
        source = snapshot.source
        stored = bool(source.baseline)
        clock = " · clock: knows only the onset" if score.clock == score.clock else ""
        self.detail(f"{score.n:,} predictions{error} · chance: shuffled{clock}")
        name = BASELINES.get(source.baseline, source.baseline)
        self._view.stored = f"{name} {source.baseline_within_1s:.0%}, held out in training" if stored else ""
        self._view.unit = "within 1 s" if movie else "right"
        self._view.score = score
        self._view.update()


def _reason(snapshot: Snapshot) -> str:
    """Why there is no score yet."""
    if snapshot.newest is None or snapshot.truth_known:
        return "waiting for the score"
    if snapshot.source.places:
        return f"no score: no stream {printable(snapshot.source.truth_stream[0], limit=90)} reports the true place"
    return "no score: no stimulus stream reports the frame on screen"


class _View(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.theme = DARK
        self.score: Score | None = None
        self.on_training_data = False
        self.unit = "within 1 s"
        self.stored = ""
        self.setMinimumHeight(64)

    def paintEvent(self, _event: object) -> None:
        if self.score is None:
            return
        painter = QPainter(self)
        self._figures(painter, self.score)
        self._bars(painter, self.score)
        painter.end()

    def _figures(self, painter: QPainter, score: Score) -> None:
        theme = self.theme
        px = theme.px
        exact = f" · exact {score.exact:.0%}" if self.unit != "right" else ""
        clock = f" · clock {score.clock:.0%}" if score.clock == score.clock else ""
        lines = [
            self.unit + exact,
            f"chance {score.chance:.0%}" + clock,
            *([self.stored] if self.stored else []),
        ]
        step = px(LINE)
        big = min(px(40), max(px(16), self.height() - step * len(lines) - px(6)))
        top = max(0.0, (self.height() - big - step * len(lines) - px(6)) / 2)
        _write(
            painter,
            QRectF(14, top, px(FIGURES_WIDTH), big + 4),
            f"{score.within:.1%}",
            theme.alarm if self.on_training_data else theme.text,
            big,
            bold=True,
        )
        line = QRectF(14, top + big + px(6), px(FIGURES_WIDTH), step)
        line.setWidth(px(FIGURES_WIDTH + 30))
        for index, text in enumerate(lines):
            _write(painter, line.translated(0, index * step), text, theme.dim, px(12))

    def _bars(self, painter: QPainter, score: Score) -> None:
        theme = self.theme
        px = theme.px
        left = px(FIGURES_WIDTH + 40)
        area = QRectF(left, 8, self.width() - left - 18, self.height() - px(24) - 8)
        for level, text in ((0.0, "0"), (0.5, ".5"), (1.0, "1")):
            y = area.bottom() - level * area.height()
            painter.setPen(QPen(QColor(theme.grid), 0))
            painter.drawLine(int(area.left()), int(y), int(area.right()), int(y))
            where = QRectF(area.left() - px(34), y - px(8), px(28), px(16))
            _write(painter, where, text, theme.dim, px(11), align=Qt.AlignRight)
        n = len(score.per_second)
        step = area.width() / n
        painter.setPen(Qt.NoPen)
        painter.setBrush(QColor(theme.decoded))
        for index, share in enumerate(score.per_second.tolist()):
            if share == share:
                height = max(1.0, share * area.height())
                painter.drawRect(
                    QRectF(area.left() + index * step, area.bottom() - height, max(1.0, step - 1), height)
                )
        painter.setBrush(Qt.NoBrush)
        painter.setPen(QPen(QColor(theme.text), 0, Qt.DashLine))
        y = area.bottom() - score.chance * area.height()
        painter.drawLine(int(area.left()), int(y), int(area.right()), int(y))
        below = QRectF(area.left(), area.bottom() + 3, area.width(), px(16))
        _write(painter, below, f"last {n} s", theme.dim, px(11))
        if area.width() > px(LEGEND_WIDTH):
            _write(painter, below, "each second · dashed: chance", theme.dim, px(11), align=Qt.AlignRight)


def _write(
    painter: QPainter,
    rect: QRectF,
    text: str,
    colour: str,
    pixels: int,
    *,
    bold: bool = False,
    align: int = Qt.AlignLeft,
) -> None:
    font = QFont(painter.font())
    font.setPixelSize(pixels)
    font.setBold(bold)
    painter.setFont(font)
    painter.setPen(QColor(colour))
    painter.drawText(rect, int(align | Qt.AlignVCenter), text)
