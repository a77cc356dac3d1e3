"""The timeline panel: the posterior over movie frames by time, the true frames, and the forecast ahead of now."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from decoders.prediction import HORIZONS_S, N_LIKELIEST
from gui.panels.base import Panel
from gui.state.snapshot import Snapshot, Trace
from gui.theme import Theme
from gui.widgets.plots import ImageLayer, Line, Plot, pen

AHEAD_S = HORIZONS_S[-1]
GAMMA = 0.4
"""Exponent that brightens small probabilities: one of 0.01 is still visible."""

HALO_ROWS = 2
"""Rows by which a probability is widened up and down, to be visible beside the true line."""

STRIP = 0.05
"""Height of the "no stimulus" strip below the frames, relative to theirs."""


class TimelinePanel(Panel):
    """Posterior over movie frames by time."""

    def __init__(self) -> None:
        self.plot = Plot("movie frame", "recorded time from now (s)")
        super().__init__("Timeline", self.plot)
        self._ticks_for = 0.0
        self._image = ImageLayer(self.plot)
        self._none = ImageLayer(self.plot)
        self._ahead = ImageLayer(self.plot)
        self._truth, self._next = Line(self.plot), Line(self.plot)
        self._now = self.plot.line(self.theme.dim, dashed=True)

    def set_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        super().set_theme(theme)
        self.plot.set_theme(theme)
        for layer in (self._image, self._none, self._ahead):
            layer.set_map(theme.posterior_map)
        self._truth.set_colour(theme.truth)
        self._next.set_colour(theme.forecast)
        self._now.setPen(pen(theme.dim, dashed=True))

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Draw the last seconds and the next one."""
        columns, source = snapshot.posterior, snapshot.source
        if columns is None or not source.n_frames:
            self.show_message(snapshot.refused.get("posterior") or "waiting for the posterior")
            return
        self.show_message("")
        n = float(source.n_frames)
        window = columns.step_s * len(columns.values)
        ahead = max(AHEAD_S, 0.1 * window)
        self._set_ticks(n, "movie frame" if source.movie_rate_hz else "place")
        self.plot.set_range(-window, ahead, -2 * STRIP * n, n)
        self._image.show(shade(columns.values[:, :-1]), -window, 0, window, n)
        self._none.show(shade(columns.values[:, -1:]), -window, -1.6 * STRIP * n, window, STRIP * n)
        self._now.setData([0.0, 0.0], [-2 * STRIP * n, n])
        if snapshot.trace is not None:
            self._truth.show(*truth_line(snapshot.trace, n, source.rate_hz))
        if snapshot.forecast is not None:
            self._show_forecast(snapshot.forecast, len(columns.values[0]) - 1, n)
        unit = "probability of every frame" if source.movie_rate_hz else "probability of every place"
        self.detail(f"{unit}, the last {window:.0f} s and the next {AHEAD_S:g} s")
        self.legend(
            *([(self.theme.truth, "true")] if snapshot.truth_known else []),
            (self.theme.decoded, "probable"),
            (self.theme.forecast, "likeliest next"),
        )

    def _set_ticks(self, n: float, label: str) -> None:
        if n == self._ticks_for:
            return
        self._ticks_for = n
        self.plot.label_left(label)
        step = nice_step(n / 3)
        frames = [(value, f"{value:g}") for value in np.arange(step, n + 1, step).tolist()]
        self.plot.left.setTicks([[(-1.1 * STRIP * n, "none"), *frames]])

    def _show_forecast(self, forecast: NDArray[np.float32], n_rows: int, n: float) -> None:
        image = np.zeros((len(HORIZONS_S), n_rows), np.float32)
        for index, row in enumerate(forecast):
            frames, chances = row[:N_LIKELIEST].astype(int), row[N_LIKELIEST : 2 * N_LIKELIEST]
            for candidate, chance in zip(frames, chances, strict=True):
                if candidate >= 0:
                    image[index, min(int(candidate / n * n_rows), n_rows - 1)] += chance
        self._ahead.show(shade(image), 0, 0, AHEAD_S, n)
        likeliest = np.where(forecast[:, 0] >= 0, forecast[:, 0], np.nan).astype(float)
        before = np.r_[0.0, HORIZONS_S[:-1]]
        steps = np.column_stack([before, HORIZONS_S, HORIZONS_S]).ravel()
        self._next.show(
            steps, np.column_stack([likeliest, likeliest, np.full_like(likeliest, np.nan)]).ravel()
        )


def nice_step(most: float) -> float:
    """The largest 1, 2, 3 or 5 times a power of ten up to ``most``; at least 1."""
    power = 10.0 ** int(np.log10(max(most, 1.0)))
    return max(factor * power for factor in (1, 2, 3, 5) if factor == 1 or factor * power <= most)


def shade(probability: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Probabilities [columns, rows] as an image uint8 [rows, columns], widened by `HALO_ROWS`."""
    thick = probability.copy()
    for rows in range(1, HALO_ROWS + 1):
        np.maximum(thick[:, rows:], probability[:, :-rows], out=thick[:, rows:])
        np.maximum(thick[:, :-rows], probability[:, rows:], out=thick[:, :-rows])
    image = np.empty(thick.T.shape, np.uint8)  # contiguous, as Qt needs; a view of one row is not
    image[:] = (255 * np.clip(thick, 0, 1) ** GAMMA).T
    return image


def truth_line(
    trace: Trace, n_frames: float, rate_hz: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The true frames as a line, interrupted at blanks, gaps and jumps.

    Parameters
    ----------
    trace
        Predictions of the last seconds.
    n_frames
        Number of frames; a step of more than a tenth of them is a jump.
    rate_hz
        Sampling rate; a step of more than 1.5 periods is a gap.
    """
    frame = np.where(trace.truth >= 0, trace.truth, np.nan).astype(np.float64)
    jump = np.abs(np.diff(frame, prepend=frame[:1])) > max(2.0, n_frames / 10)
    if rate_hz > 0:
        jump |= np.diff(trace.time_s, prepend=trace.time_s[:1]) > 1.5 / rate_hz
    at = np.flatnonzero(jump)
    return np.insert(trace.time_s, at, trace.time_s[at]), np.insert(frame, at, np.nan)
