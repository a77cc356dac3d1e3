"""Score a running engine against the truth that its inputs bring, in memory that does not grow."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.metrics import FrameAxis, frame_errors
from stream.acquisition.stimulus_track import StimulusTrack

SHOWINGS = 200
"""So many showings are told apart, the last ones; those before count in what is over all."""

SETTLE_S = 0.5
"""How long a prediction waits for the truth about its moment to arrive."""


@dataclass(slots=True)
class _Tally:
    """Counts of frame errors: [with or without playback, error in frames]."""

    errors: NDArray[np.int64]
    within: NDArray[np.int64] = field(default_factory=lambda: np.zeros(2, np.int64))
    n: int = 0


class RunningScore:
    """Accuracy so far, with and without the playback model, for each showing and over all.

    Parameters
    ----------
    truth
        What was on screen, filled by whoever receives it.
    axis
        The movie's frames: their clips, and how many are within one second.
    rate_hz
        Of the neural stream, in its stamps' time.
    n_delay
        Samples that the answers come late: they are compared with the truth of that many samples ago.
    """

    def __init__(self, truth: StimulusTrack, axis: FrameAxis, rate_hz: float, n_delay: int = 0) -> None:
        self._truth = truth
        self._axis = axis
        self._rate_hz = rate_hz
        self._waiting: deque[tuple[float, float, int, int, bool]] = deque()
        self._truths: deque[tuple[int, int]] = deque(maxlen=n_delay + 1)
        self._all = self._tally()
        self._tallies: dict[int, _Tally] = {}  # by showing

    def add(
        self, arrival_s: float, stamp: float, frame: int, frame_without_playback: int, *, known: bool = True
    ) -> None:
        """Remember a prediction until the truth about its sample has had time to arrive.

        Parameters
        ----------
        arrival_s, stamp
            Of the sample: by this computer's clock, and as it was sent; seconds.
        frame, frame_without_playback
            What was answered; -1 = no stimulus.
        known
            Whether there was a moment to answer about; a late answer has none right after a border.
        """
        self._waiting.append((arrival_s, stamp, frame, frame_without_playback, known))

    def settle(self, now_s: float) -> list[tuple[int, int]]:
        """Score every prediction that has waited for `SETTLE_S`; returns each sample's truth, frame and repeat."""
        settled: list[tuple[int, int]] = []
        rows: list[tuple[int, int, int, int]] = []
        while self._waiting and self._waiting[0][0] <= now_s - SETTLE_S:
            _, stamp, with_playback, without, known = self._waiting.popleft()
            settled.append(self._truth.at(stamp, self._rate_hz))
            self._truths.append(settled[-1])
            true, repeat = self._truths[0]
            if known and 0 <= true < self._axis.n_frames:
                rows.append((repeat, true, with_playback, without))
        if rows:
            self._count(np.array(rows))
        return settled

    def _count(self, rows: NDArray[np.int64]) -> None:
        """Add moments to the tallies, int64 [n, 4]: repeat, truth, answers with and without the playback model."""
        axis = self._axis
        for repeat in np.unique(rows[:, 0]).tolist():
            of = rows[rows[:, 0] == repeat]
            if repeat not in self._tallies:
                self._tallies[repeat] = self._tally()
            for row in (0, 1):
                errors, within = frame_errors(of[:, 2 + row], of[:, 1], axis.clip, axis.tolerance_frames)
                for tally in (self._tallies[repeat], self._all):
                    np.add.at(tally.errors[row], errors, 1)
                    tally.within[row] += int(within.sum())
            self._tallies[repeat].n += len(of)
            self._all.n += len(of)
            if len(self._tallies) > SHOWINGS:
                del self._tallies[next(iter(self._tallies))]

    def _tally(self) -> _Tally:
        """Nothing counted yet."""
        return _Tally(np.zeros((2, self._axis.n_frames + 1), np.int64))

    def summary(self) -> dict[str, Any] | None:
        """Scores in the words of ``evaluate``, or None when no truth was there; of the last `SHOWINGS` each."""
        if not self._all.n:
            return None
        result: dict[str, Any] = {"moments": self._all.n}
        for row, name in enumerate(("with_playback", "without_playback")):
            result[name] = _figures(self._all, row)
            result[name]["per_repeat"] = {
                str(repeat): _figures(tally, row) for repeat, tally in sorted(self._tallies.items())
            }
        return result


def _figures(tally: _Tally, row: int) -> dict[str, float]:
    histogram = tally.errors[row]
    n = int(histogram.sum())
    cumulated = np.cumsum(histogram)
    return {
        "accuracy_within_1s": float(tally.within[row] / n),
        "accuracy_exact": float(histogram[0] / n),
        "median_frame_error": float(np.searchsorted(cumulated, n / 2)),
        "mean_frame_error": float(histogram @ np.arange(len(histogram)) / n),
    }
