"""The posterior of the last seconds, and the part of it that the timeline shows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gui.state.ring_buffers import ColumnImage
from gui.state.snapshot import Columns, Newest, PosteriorView, Source

MARGINS = (0.1, 0.04)
"""Shares of the timeline's rows below and above within which the decoded frame makes it move on."""

RESTLESS_S = 1.0
"""Least time between two moves of the timeline while it is not known where the movie is."""


class PosteriorHistory:
    """An image of the posterior, of which the channels around the present frame are shown.

    Parameters
    ----------
    image
        Empty image of all channels; the last is "no stimulus".
    source
        The engine's description.
    """

    def __init__(self, image: ColumnImage, source: Source) -> None:
        self._image, self._source = image, source
        self._first = 0
        self._newest = np.zeros(image.n_rows, np.float32)
        self._moved_at = -math.inf
        self._pool = max(1, math.ceil(source.n_frames / max(image.n_rows - 1, 1)))

    @property
    def n_channels(self) -> int:
        """Number of channels, with "no stimulus"."""
        return self._image.n_rows

    def add(self, times: NDArray[np.float64], rows: NDArray[np.float32]) -> None:
        """Add rows, float32 [n, channels], at times in recorded seconds, float64 [n]."""
        self._image.add(times, rows)
        if len(times):
            self._newest = rows[int(times.argmax())]

    def view(self, newest: Newest | None, n_rows: int, now_s: float) -> PosteriorView:
        """The channels around the decoded frame; all of them where they fit.

        Parameters
        ----------
        newest
            Newest prediction, if any.
        n_rows
            Number of channels that can be shown, one cell each.
        now_s
            Present time in seconds, by any clock.
        """
        image, n_channels = self._image, self._image.n_rows - 1
        if n_channels > n_rows and newest is not None:
            self._follow(newest, n_rows, now_s)
        first = self._first = min(max(self._first, 0), max(n_channels - n_rows, 0))
        columns = Columns(image.image(first, min(first + n_rows, n_channels)), image.step_s, image.has_data())
        behind_s = newest.stamp * self._source.stamp_rate - image.newest_s if newest is not None else 0.0
        return PosteriorView(
            columns, image.image(n_channels)[:, 0], self._newest.copy(), first, self._pool, max(behind_s, 0.0)
        )

    def _follow(self, newest: Newest, n_rows: int, now_s: float) -> None:
        """Move on when the present frame is about to leave the timeline.

        The present frame is the decoded one, while the prediction is unsure the true one. If both are unknown, the
        timeline moves at most once in `RESTLESS_S`.
        """
        sure = newest.confidence >= self._source.unsure_below
        present = newest.frame if sure and newest.frame >= 0 else newest.truth
        if present < 0:
            if newest.frame < 0 or now_s - self._moved_at < RESTLESS_S:
                return
            present = newest.frame
        below, above = (round(share * n_rows) for share in MARGINS)
        state = int(self._source.states.states(np.array(present)))
        channel, first = state // self._pool, self._first
        if not (first + below <= channel < first + n_rows - above or (channel < below and not first)):
            self._first, self._moved_at = channel - n_rows // 3, now_s
