"""How right the decoder was, where the truth is known, next to what chance would give."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gui.state.ring_buffers import RowRing
from gui.state.snapshot import UNKNOWN, Score, Source

TRUTH_SLACK = 0.25
"""A stimulus event counts for a sample when it is at least this share of a period older: as everywhere else."""

SECONDS = 60
TRUTH_EVENTS = 20_000
WAITING_ROWS = 20_000


class RunningScore:
    """Scores predictions once their truth has settled; its memory does not grow.

    Parameters
    ----------
    source
        Says how many frames there are and how far one second reaches.
    """

    def __init__(self, source: Source) -> None:
        self.clip_of_frame = np.zeros(max(source.n_frames, 1), np.int64)
        self._tolerance = source.tolerance_frames
        self._slack_s = TRUTH_SLACK / (source.rate_hz * source.stamp_rate) if source.rate_hz > 0 else 0.0
        self._stamp_rate = source.stamp_rate
        self._n_frames = max(source.n_frames, 1)
        self._truth = RowRing(TRUTH_EVENTS, 2)
        self._waiting = RowRing(WAITING_ROWS, 3)
        self._scored = 0
        self._errors = np.zeros(self._n_frames + 1, np.int64)
        self._within = 0
        self._decoded = np.zeros(self._n_frames, np.int64)
        self._shown = np.zeros(self._n_frames, np.int64)
        self._seconds = np.zeros((SECONDS, 2))
        self._second = -1

    @property
    def truth_known(self) -> bool:
        """Whether a stimulus program has said anything yet."""
        return len(self._truth) > 0

    def add_truth(self, stamps: NDArray[np.float64], frames: NDArray[np.int32]) -> None:
        """Take stimulus events, stamped at the onset of each frame."""
        self._truth.add(np.column_stack([stamps, frames]))

    def truth_at(self, stamps: NDArray[np.float64]) -> NDArray[np.int32]:
        """The frame on screen at the stamps of samples; `UNKNOWN` before the first event."""
        events = self._truth.rows()
        if not len(events):
            return np.full(len(stamps), UNKNOWN, np.int32)
        at = np.searchsorted(events[:, 0], stamps - self._slack_s, side="right") - 1
        return np.where(at >= 0, events[np.maximum(at, 0), 1], UNKNOWN).astype(np.int32)

    def add(self, stamps: NDArray[np.float64], frames: NDArray[np.int32], now_s: float) -> None:
        """Remember predictions until their truth has settled."""
        self._waiting.add(np.column_stack([stamps, frames, np.full(len(stamps), now_s)]))

    def settle(self, until_s: float) -> None:
        """Score the predictions that arrived before ``until_s``."""
        forgotten = self._waiting.total - len(self._waiting)
        self._scored = max(self._scored, forgotten)
        fresh = self._waiting.rows()[self._scored - forgotten :]
        fresh = fresh[fresh[:, 2] <= until_s]
        if not len(fresh):
            return
        self._scored += len(fresh)
        truth = self.truth_at(fresh[:, 0])
        known = (truth >= 0) & (truth < self._n_frames)
        frame, truth = fresh[known, 1].astype(np.int32), truth[known]
        error = np.where(frame >= 0, np.abs(frame - truth), self._n_frames)
        same_clip = self.clip_of_frame[np.maximum(frame, 0)] == self.clip_of_frame[truth]
        within = (error <= self._tolerance) & same_clip
        np.add.at(self._errors, np.minimum(error, self._n_frames), 1)
        np.add.at(self._shown, truth, 1)
        np.add.at(self._decoded, frame[frame >= 0], 1)
        self._within += int(within.sum())
        for stamp, hit in zip(fresh[known, 0].tolist(), within.tolist(), strict=True):
            self._count_second(int(stamp * self._stamp_rate), hit)

    def score(self) -> Score | None:
        """The score so far; None while nothing was scored."""
        n = int(self._errors.sum())
        if not n:
            return None
        order = np.roll(self._seconds, SECONDS - 1 - self._second % SECONDS, axis=0)
        share = np.full(SECONDS, np.nan, np.float32)
        np.divide(order[:, 0], order[:, 1], out=share, where=order[:, 1] > 0, casting="unsafe")
        return Score(
            n=n,
            within=self._within / n,
            exact=float(self._errors[0] / n),
            median_error=float(np.searchsorted(np.cumsum(self._errors), n / 2)),
            chance=self._chance(n),
            per_second=share,
        )

    def _chance(self, n: int) -> float:
        """The share within tolerance of the decoded frames against the shown ones in any order."""
        expected = 0.0
        for clip in np.unique(self.clip_of_frame):
            inside = self.clip_of_frame == clip
            shown, decoded = self._shown[inside], self._decoded[inside]
            cumulated = np.r_[0, np.cumsum(shown)]
            index = np.arange(len(shown))
            high = np.minimum(index + self._tolerance + 1, len(shown))
            low = np.maximum(index - self._tolerance, 0)
            expected += float(decoded @ (cumulated[high] - cumulated[low]))
        return expected / n / n

    def _count_second(self, second: int, hit: bool) -> None:
        if second > self._second:
            fresh = np.arange(max(self._second + 1, second - SECONDS + 1), second + 1)
            self._seconds[fresh % SECONDS] = 0
            self._second = second
        if second > self._second - SECONDS:
            self._seconds[second % SECONDS] += (hit, 1)
