"""The timeline panel: the posterior over movie frames by time, the true frames, and the forecast ahead of now."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PyQt5.QtCore import QSize
from PyQt5.QtGui import QColor, QImage, QPainter
from PyQt5.QtWidgets import QWidget

from decoders.prediction import HORIZONS_S, N_LIKELIEST
from gui import words
from gui.panels.base import Panel
from gui.state.snapshot import PosteriorView, Snapshot, Source, State, Trace
from gui.theme import DARK, Theme
from gui.widgets.plots import ImageLayer, Plot, colour_table, pen

AHEAD_S = HORIZONS_S[-1]

STRIP = 0.05
"""Height of the "no stimulus" strip below the frames, relative to theirs."""

BOX_PIXELS = 4
"""Height in pixels from which the cell of a true frame gets an outline of its own."""

TICKS = ((0.0, "0"), (0.01, ".01"), (0.1, ".1"), (0.5, ".5"), (1.0, "1"))
"""Probabilities named on the colour bar."""


class TimelinePanel(Panel):
    """Posterior over movie frames by time: one cell for each frame and moment, never thinner than a pixel."""

    def __init__(self) -> None:
        self.plot = Plot("movie frame", "recorded time from now (s)")
        super().__init__("Timeline", self.plot)
        self.scale_bar = ColourBar()
        self.add_to_title(self.scale_bar)
        self._ticks_for: tuple[float, float, str] = (0.0, 0.0, "")
        self._image = ImageLayer(self.plot)
        self._none = ImageLayer(self.plot)
        self._ahead = ImageLayer(self.plot)
        self._truth = (self.plot.line(self.theme.truth), self.plot.line(self.theme.truth))
        self._next = self.plot.line(self.theme.forecast)
        self._now = self.plot.line(self.theme.dim, dashed=True)

    @property
    def n_rows(self) -> int:
        """Number of cells one above another that are at least a pixel high."""
        height = self.plot.getViewBox().height() / (1 + 2 * STRIP)
        return max(int(height * self.plot.devicePixelRatioF()), 16)

    def set_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        super().set_theme(theme)
        self.plot.set_theme(theme)
        self.scale_bar.set_theme(theme)
        for layer in (self._image, self._none, self._ahead):
            layer.set_map(theme.posterior_map, no_data=True)
        for line in self._truth:
            line.setPen(pen(theme.truth))
        self._next.setPen(pen(theme.forecast))
        self._now.setPen(pen(theme.dim, dashed=True))

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Draw the last seconds and the next one."""
        view, source = snapshot.posterior, snapshot.source
        if view is None or not source.n_frames:
            self.show_message(snapshot.refused.get("posterior") or "waiting for the posterior")
            return
        self.show_message("")
        columns, n_shown = view.columns, view.columns.values.shape[1]
        low, n = float(view.first * view.pool), float(n_shown * view.pool)
        window = columns.step_s * len(columns.values)
        current = snapshot.state is State.LIVE
        end = -view.behind_s - (0.0 if current else snapshot.idle_s)
        begin, newest_s = end - window, 0.0 if current else -snapshot.idle_s
        strip = STRIP * n
        self._set_axes(low, n, view.pool, source)
        self.plot.set_range(-window, max(AHEAD_S, 0.1 * window), low - 2 * strip, low + n)
        self._image.show(shade(columns.values, columns.has_data), begin, low, window, n)
        self._none.show(shade(view.none[:, None], columns.has_data), begin, low - 1.6 * strip, window, strip)
        self._now.setData([0.0, 0.0], [low - 2 * strip, low + n])
        if snapshot.trace is not None:
            self._show_truth(snapshot.trace, source, newest_s - columns.step_s, low, n)
        known = current and snapshot.newest is not None and snapshot.newest.has_evidence
        self._show_forecast(snapshot.forecast if known else None, view, source)
        self.detail(self._describe(snapshot, view, window))
        self.legend(
            *([(self.theme.truth, "true (outline)")] if snapshot.truth_known else []),
            (self.theme.forecast, "likeliest next"),
        )

    def _describe(self, snapshot: Snapshot, view: PosteriorView, window: float) -> str:
        kind, n_frames = words.kind_of(snapshot.source), snapshot.source.n_frames
        frames = snapshot.source.states.frames
        n_shown = view.columns.values.shape[1]
        text = f"last {window:.0f} s and next {AHEAD_S:g} s"
        if view.pool > 1:
            text = f"{view.pool} {words.plural(kind)} a cell · {text}"
        if n_shown == len(view.newest) - 1:
            return f"all {n_frames} {words.plural(kind)} · {text}"
        first, last = view.first * view.pool, min((view.first + n_shown) * view.pool, n_frames) - 1
        outside = 1 - float(view.newest[view.first : view.first + n_shown].sum()) - float(view.newest[-1])
        away = f" ({outside:.0%} lies outside)" if outside >= 0.01 else ""
        return f"{words.plural(kind)} {frames[first]} to {frames[last]} of {n_frames}{away} · {text}"

    def _set_axes(self, low: float, n: float, pool: int, source: Source) -> None:
        kind, moment = words.kind_of(source), words.decoded_moment(source)
        label = words.label_of(source) or (f"movie {kind}" if kind is words.Kind.FRAME else str(kind))
        drawn = (low, n, source.frames + source.places + label + moment)
        if drawn == self._ticks_for:
            return
        self._ticks_for = drawn
        self.plot.label_left(label)
        self.plot.label_bottom(
            "recorded time from now (s)"
            if moment == "now"
            else f"recorded time from the decoded moment, {moment} (s)"
        )
        shown = source.states.frames[int(low) : int(low + n)]
        step = int(nice_step(n / 3))
        shown = source.states.frames[int(low) : int(low + n)]
        consecutive = shown[-1] - shown[0] == len(shown) - 1
        at = range(
            int(-shown[0] % step) if consecutive else 0, len(shown), step
        )  # round numbers where possible
        frames = [(low + state + pool / 2, words.axis_name(int(shown[state]), source)) for state in at]
        self.plot.left.setTicks([[(low - 1.1 * STRIP * n, "none"), *frames]])

    def _show_truth(self, trace: Trace, source: Source, shift_s: float, low: float, n: float) -> None:
        """Outline the cells of the true frames; thin cells share one line above and one below."""
        begin, end, number = truth_runs(trace, source.rate_hz)
        frame = source.states.states(number.astype(np.int64)).astype(np.float64)
        inside = (frame >= low) & (frame < low + n)
        begin, end, frame = begin[inside] + shift_s, end[inside] + shift_s, frame[inside]
        if self.plot.getViewBox().height() > BOX_PIXELS * n:
            x = np.column_stack([begin, begin, end, end, begin, begin])
            y = np.column_stack([frame, frame + 1, frame + 1, frame, frame, np.full_like(frame, np.nan)])
            self._truth[0].setData(x.ravel(), y.ravel())
            self._truth[1].setData([], [])
            return
        broken = np.r_[(np.abs(np.diff(frame)) > 2) | (begin[1:] > end[:-1] + 1e-6), True][: len(frame)]
        x = np.column_stack([begin, end, end]).ravel()
        y = np.column_stack([frame, frame, np.where(broken, np.nan, frame)]).ravel()
        pixel = self.plot.getViewBox().viewPixelSize()[
            1
        ]  # the lines lie outside the cell, which stays visible
        self._truth[0].setData(x, y - pixel)
        self._truth[1].setData(x, y + 1 + pixel)

    def _show_forecast(
        self, forecast: NDArray[np.float32] | None, view: PosteriorView, source: Source
    ) -> None:
        n_shown = view.columns.values.shape[1]
        image = np.zeros((len(HORIZONS_S), n_shown), np.float32)
        if forecast is None:
            self._ahead.show(shade(image, np.zeros(len(HORIZONS_S), bool)), 0, 0, AHEAD_S, 1)
            self._next.setData([], [])
            return
        states = source.states.states(forecast[:, :N_LIKELIEST].astype(int))
        for index, row in enumerate(forecast):
            chances = row[N_LIKELIEST : 2 * N_LIKELIEST]
            for state, chance in zip(states[index].tolist(), chances.tolist(), strict=True):
                channel = state // view.pool - view.first
                if state >= 0 and 0 <= channel < n_shown:
                    image[index, channel] += chance
        low, n = view.first * view.pool, n_shown * view.pool
        self._ahead.show(shade(image, np.ones(len(HORIZONS_S), bool)), 0, low, AHEAD_S, n)
        seen = (states[:, 0] >= max(low, 0)) & (states[:, 0] < low + n)
        likeliest = np.where(seen, states[:, 0] + 0.5, np.nan).astype(float)
        before = np.r_[0.0, HORIZONS_S[:-1]]
        steps = np.column_stack([before, HORIZONS_S, HORIZONS_S]).ravel()
        self._next.setData(
            steps, np.column_stack([likeliest, likeliest, np.full_like(likeliest, np.nan)]).ravel()
        )


class ColourBar(QWidget):
    """The colours of the probabilities, with some of them named."""

    def __init__(self) -> None:
        super().__init__()
        self._theme = DARK
        self._image = QImage()

    def set_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        self._theme = theme
        table = np.ascontiguousarray(colour_table(theme.posterior_map)[1:])
        self._image = QImage(table.data, len(table), 1, 3 * len(table), QImage.Format_RGB888).copy()
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """Room for the bar and its numbers."""
        return QSize(self._theme.px(190), self._theme.px(20))

    def minimumSizeHint(self) -> QSize:
        """As `sizeHint`."""
        return self.sizeHint()

    def paintEvent(self, _event: object) -> None:
        """Draw the bar, its numbers below."""
        theme, painter = self._theme, QPainter(self)
        font = painter.font()
        font.setPixelSize(theme.px(9))
        painter.setFont(font)
        metrics = painter.fontMetrics()
        margin, height = theme.px(8), theme.px(6)
        width = self.width() - 2 * margin
        painter.drawImage(self.rect().adjusted(margin, 1, -margin, height + 1 - self.height()), self._image)
        painter.setPen(QColor(theme.dim))
        for probability, text in TICKS:
            at = margin + round(width * probability**0.5) - metrics.horizontalAdvance(text) // 2
            painter.drawText(at, height + 2 + metrics.ascent(), text)
        painter.end()


def nice_step(most: float) -> float:
    """The largest 1, 2, 3 or 5 times a power of ten up to ``most``; at least 1."""
    power = 10.0 ** int(np.log10(max(most, 1.0)))
    return max(factor * power for factor in (1, 2, 3, 5) if factor == 1 or factor * power <= most)


def shade(probability: NDArray[np.float32], has_data: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Probabilities [columns, rows] as an image uint8 [rows, columns]: 1 to 255 by their root, 0 without data."""
    image = np.empty(probability.T.shape, np.uint8)  # contiguous, as Qt needs; a view of one row is not
    image[:] = (1 + 254 * np.sqrt(np.clip(probability, 0, 1))).T
    image[:, ~has_data] = 0
    return image


def truth_runs(
    trace: Trace, rate_hz: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Begin, end and frame of each run of equal true frames, float64 [runs]; blanks and gaps belong to none.

    Parameters
    ----------
    trace
        Predictions of the last seconds.
    rate_hz
        Sampling rate; a step of more than 1.5 periods is a gap. 0 if irregular.
    """
    frame, time_s = trace.truth.astype(np.float64), trace.time_s
    if not len(frame):
        return time_s, time_s, frame
    step = np.diff(time_s)
    period = 1 / rate_hz if rate_hz > 0 else float(np.median(step)) if len(step) else 0.0
    gap = step > 1.5 * period if rate_hz > 0 else np.zeros(len(step), bool)
    change = np.flatnonzero(np.r_[True, (frame[1:] != frame[:-1]) | gap])
    last = np.r_[change[1:], len(frame)] - 1
    begin, held = time_s[change], frame[change]
    end = np.where(np.r_[gap, True][last], time_s[last] + period, np.r_[begin[1:], 0.0])
    shown = held >= 0
    return begin[shown], end[shown], held[shown]
