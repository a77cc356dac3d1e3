"""How often the forecasts of the last minute came true, beside how often they claimed to."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from decoders.live.frame_score import MAX_WAITING, SETTLE_S
from decoders.metrics import FrameAxis, frame_errors
from decoders.prediction import HORIZONS_S
from gui.state.snapshot import UNKNOWN, ForecastSuccess, Source

RECENT_S = 60.0
"""Seconds covered."""

EVERY_S = 1.0

FEWEST = 30
"""Number of forecasts from which the share is shown."""


class ForecastRecord:
    """Compares each forecast with the frame that was on screen one second later.

    Parameters
    ----------
    frames_at
        Looks up the true frames, int32 [n], at timestamps, float64 [n] s.
    source
        The engine's description.
    """

    def __init__(self, frames_at: Callable[[NDArray[np.float64]], NDArray[np.int32]], source: Source) -> None:
        self._frames_at = frames_at
        self._states = source.states
        self._ahead_s = HORIZONS_S[-1] / source.stamp_rate
        self._waiting: deque[tuple[float, float, int, float]] = deque(maxlen=MAX_WAITING)
        self._settled_at = -math.inf
        self._settled: deque[tuple[float, bool, float]] = deque(maxlen=MAX_WAITING)

    def add(self, arrival_s: float, stamp: float, frame: int, confidence: float) -> None:
        """Add a forecast: its frame (-1 = no stimulus) one second after the timestamp, and its probability."""
        self._waiting.append((arrival_s + self._ahead_s, stamp + self._ahead_s, frame, confidence))

    def settle(self, now_s: float, axis: FrameAxis) -> bool:
        """Compare the forecasts whose true frame has had time to arrive; at most once a second, returns whether."""
        if 0 <= now_s - self._settled_at < EVERY_S:
            return False
        self._settled_at = now_s
        ready = []
        while self._waiting and self._waiting[0][0] <= now_s - SETTLE_S:
            ready.append(self._waiting.popleft())
        if ready:
            stamps, frame = np.array([r[1] for r in ready]), np.array([r[2] for r in ready])
            frame, truth = self._states.states(frame), self._states.states(self._frames_at(stamps))
            shown = truth >= 0
            within = frame_errors(frame, np.where(shown, truth, 0), axis.clip, axis.tolerance_frames)[1]
            hit = np.where(shown, within, frame < 0)
            known = shown | (truth < 0) & (truth != UNKNOWN)
            for (due_s, _, _, confidence), one, counts in zip(
                ready, hit.tolist(), known.tolist(), strict=True
            ):
                if counts:
                    self._settled.append((due_s, one, confidence))
        while self._settled and self._settled[0][0] < now_s - RECENT_S:
            self._settled.popleft()
        return True

    def success(self) -> ForecastSuccess | None:
        """The share that came true and the mean probability; None before there are `FEWEST`."""
        if len(self._settled) < FEWEST:
            return None
        _, hits, claimed = zip(*self._settled, strict=True)
        return ForecastSuccess(float(np.mean(hits)), float(np.mean(claimed)), len(hits))
