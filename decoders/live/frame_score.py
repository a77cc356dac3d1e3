"""Running score of frame predictions against the stimulus, for the engine and the window; its memory is bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.data.frame_states import FrameStates
from decoders.metrics import FrameAxis, frame_errors
from stream.acquisition.stimulus_track import StimulusTrack
from stream.session import NO_FRAME

MAX_REPEATS = 200
"""Number of repeats with figures of their own, the newest ones; earlier repeats count in the overall figures only."""

SETTLE_S = 0.5
"""Seconds that a prediction waits for its true frame before it is scored."""

MAX_WAITING = 200_000
"""Number of predictions that may wait for their true frame: far more than arrive between two calls of `settle`."""

RECENT_S = 60
"""Seconds covered by `RunningScore.recent_accuracy`."""

TruthLookup = Callable[[NDArray[np.float64]], NDArray[np.int32]]
"""Returns true frame and repeat, int32 [n, 2], at timestamps float64 [n] s; negative = no stimulus or unknown."""


@dataclass(slots=True)
class _Tally:
    """Frame errors of each readout: histograms int64 [readouts, frames + 1], and counts within one second."""

    errors: NDArray[np.int64]
    within: NDArray[np.int64] = field(init=False)
    n: int = 0

    def __post_init__(self) -> None:
        self.within = np.zeros(len(self.errors), np.int64)

    def figures(self, row: int) -> dict[str, float]:
        """Accuracy and frame error of one readout."""
        histogram = self.errors[row]
        n = int(histogram.sum())
        return {
            "accuracy_within_1s": float(self.within[row] / n),
            "accuracy_exact": float(histogram[0] / n),
            "median_frame_error": float(np.searchsorted(np.cumsum(histogram), n / 2)),
            "mean_frame_error": float(histogram @ np.arange(len(histogram)) / n),
        }


class RunningScore:
    """Accuracy so far of one or more readouts, overall, for each repeat, and for each of the last seconds.

    Chance and the accuracy of the last seconds are those of the first readout.

    Parameters
    ----------
    truth
        Looks up the true frame.
    axis
        The movie's frames: their clips, and how many are within one second. May be replaced by one of the same length.
    states
        Frame numbers of that axis. A true frame that is not among them counts as wrong.
    readouts
        Names of the readouts.
    n_delay
        Delay of the predictions in samples: each is compared with the truth of that many samples ago.
    stamp_rate
        Recorded seconds per second of the timestamps.
    """

    def __init__(
        self,
        truth: TruthLookup,
        axis: FrameAxis,
        states: FrameStates,
        readouts: Sequence[str] = ("with_playback",),
        n_delay: int = 0,
        stamp_rate: float = 1.0,
    ) -> None:
        self.axis = axis
        self._states = states
        self._truth = truth
        self._readouts = tuple(readouts)
        self._stamp_rate = stamp_rate
        self._waiting: deque[tuple[float, float, tuple[int, ...], bool]] = deque(maxlen=MAX_WAITING)
        self._last_truths = np.full((n_delay, 2), NO_FRAME, np.int32)
        self._overall = self._new_tally()
        self._repeats: dict[int, _Tally] = {}
        self._shown = np.zeros(axis.n_frames, np.int64)
        self._decoded = np.zeros(axis.n_frames, np.int64)
        self._recent = np.zeros((RECENT_S, 2), np.int64)  # hits and moments, by second modulo RECENT_S
        self._second = -1

    @property
    def n(self) -> int:
        """Number of predictions scored."""
        return self._overall.n

    def add(
        self, arrival_s: float, stamp: float, frames: tuple[int, ...], *, in_segment: bool = True
    ) -> None:
        """Add a prediction, to be scored once its true frame has had time to arrive.

        Parameters
        ----------
        arrival_s, stamp
            Arrival of the sample by this computer's clock, and its timestamp, in seconds.
        frames
            Decoded frame of each readout; -1 = no stimulus.
        in_segment
            Whether the decoded moment lies in this segment; a delayed prediction right after a boundary does not count.
        """
        self._waiting.append((arrival_s, stamp, frames, in_segment))

    def settle(self, now_s: float) -> list[tuple[int, int]]:
        """Score every prediction that has waited for `SETTLE_S`.

        Parameters
        ----------
        now_s
            Present time by this computer's clock, in seconds.

        Returns
        -------
        settled
            True frame and repeat of each sample that has settled.
        """
        ready = []
        while self._waiting and self._waiting[0][0] <= now_s - SETTLE_S:
            ready.append(self._waiting.popleft())
        if not ready:
            return []
        _, stamps, frames, in_segment = (np.array(column) for column in zip(*ready, strict=True))
        settled = self._truth(stamps)
        truths = np.concatenate([self._last_truths, settled])
        self._last_truths = truths[len(settled) :]
        true, repeat = truths[: len(settled)].T
        counts = in_segment & (true >= 0)
        if counts.any():
            true, frames = self._states.states(true[counts]), self._states.states(frames[counts])
            self._count(stamps[counts], true, repeat[counts], frames)
        return [(frame, number) for frame, number in settled.tolist()]

    def figures(self, readout: int = 0) -> dict[str, float]:
        """Overall figures of a readout, in the words of ``evaluate``; at least one prediction must be scored."""
        return self._overall.figures(readout)

    def summary(self) -> dict[str, Any] | None:
        """Figures of every readout, overall and for the last `MAX_REPEATS`; None if no prediction was scored."""
        if not self.n:
            return None
        result: dict[str, Any] = {"moments": self.n}
        for row, name in enumerate(self._readouts):
            per_repeat = {str(repeat): tally.figures(row) for repeat, tally in sorted(self._repeats.items())}
            result[name] = {**self._overall.figures(row), "per_repeat": per_repeat}
        return result

    def chance(self) -> float:
        """Expected accuracy within one second if the decoded frames were in random order."""
        low, high = self.axis.tolerance_range
        shown = np.r_[0, np.cumsum(self._shown)]
        return float(self._decoded @ (shown[high[:-1]] - shown[low[:-1]])) / self.n / self.n

    def recent_accuracy(self) -> NDArray[np.float32]:
        """Accuracy within one second in each of the last `RECENT_S` seconds, float32; NaN where nothing was scored."""
        hits, n = np.roll(self._recent, RECENT_S - 1 - self._second % RECENT_S, axis=0).T
        accuracy = np.full(RECENT_S, np.nan, np.float32)
        np.divide(hits, n, out=accuracy, where=n > 0, casting="unsafe")
        return accuracy

    def _count(
        self,
        stamps: NDArray[np.float64],
        true: NDArray[np.int32],
        repeat: NDArray[np.int32],
        frames: NDArray[np.int32],
    ) -> None:
        """Count moments by state; ``frames`` is [n, readouts], the others are [n]."""
        axis = self.axis
        results = [frame_errors(decoded, true, axis.clip, axis.tolerance_frames) for decoded in frames.T]
        for number in np.unique(repeat).tolist():
            if number not in self._repeats:
                self._repeats[number] = self._new_tally()
            of = repeat == number
            for tally in (self._repeats[number], self._overall):
                for row, (errors, within) in enumerate(results):
                    np.add.at(tally.errors[row], errors[of], 1)
                    tally.within[row] += int(within[of].sum())
                tally.n += int(of.sum())
            if len(self._repeats) > MAX_REPEATS:
                del self._repeats[next(iter(self._repeats))]
        for count, states in ((self._shown, true), (self._decoded, frames[:, 0])):
            np.add.at(count, states[(states >= 0) & (states < axis.n_frames)], 1)
        self._count_seconds((stamps * self._stamp_rate).astype(np.int64), results[0][1])

    def _count_seconds(self, seconds: NDArray[np.int64], hits: NDArray[np.bool_]) -> None:
        newest = int(seconds.max())
        if newest < self._second - RECENT_S:  # the clock has been corrected
            self._recent[:], self._second = 0, newest - RECENT_S
        newest = max(self._second, newest)
        new = np.arange(max(self._second + 1, newest - RECENT_S + 1), newest + 1)
        self._recent[new % RECENT_S] = 0
        self._second = newest
        recent = seconds > newest - RECENT_S
        counted = np.column_stack([hits[recent], np.ones(int(recent.sum()), np.int64)])
        np.add.at(self._recent, seconds[recent] % RECENT_S, counted)

    def _new_tally(self) -> _Tally:
        return _Tally(np.zeros((len(self._readouts), self.axis.n_frames + 1), np.int64))


def truth_of(track: StimulusTrack, rate_hz: float) -> TruthLookup:
    """Look up the true frames in a track that forgets what has been looked up.

    Parameters
    ----------
    track
        Stimulus events as they arrive.
    rate_hz
        Sampling rate of the neural stream, in the time of its timestamps; 0 = irregular.
    """

    def lookup(stamps: NDArray[np.float64]) -> NDArray[np.int32]:
        return np.array([track.at(stamp, rate_hz) for stamp in stamps.tolist()], np.int32)

    return lookup
