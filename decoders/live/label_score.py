"""Running score of the continuous labels' estimates against the label streams."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.data.frame_states import FrameStates
from decoders.live.frame_score import SETTLE_S
from stream.acquisition.label_track import Labels, r2
from stream.quantiles import RollingQuantiles
from stream.session import NO_FRAME


class _Tally:
    """Errors of one label: sums over all moments, and the distances of the last 10,000."""

    def __init__(self, k: int) -> None:
        self.n = 0
        self.total = np.zeros(k)
        self.square = np.zeros(k)
        self.error = np.zeros(k)
        self.distance = RollingQuantiles(10_000)

    def add(self, estimate: NDArray[np.float32], truth: NDArray[np.float32]) -> None:
        """Add a moment with a known label, float32 [k] each."""
        error = (estimate - truth).astype(float)
        self.n += 1
        self.total += truth
        self.square += truth.astype(float) ** 2
        self.error += error**2
        self.distance.add(float(np.sqrt(error @ error)))


class LabelScore:
    """Median error and r2 of each continuous label so far.

    Parameters
    ----------
    labels
        Labels as they arrive.
    wanted
        The model's labels: name and number of columns.
    rate_hz
        Sampling rate of the neural stream, in the time of its timestamps; 0 = irregular.
    n_delay
        Delay of the estimates in samples: each is compared with the labels of that many samples ago.
    """

    def __init__(
        self, labels: Labels, wanted: Sequence[tuple[str, int]], rate_hz: float, n_delay: int = 0
    ) -> None:
        self._labels = labels
        self._wanted = [(str(name), int(k)) for name, k in wanted]
        self._rate_hz = rate_hz
        self._waiting: deque[tuple[float, float, NDArray[np.float32] | None]] = deque()
        self._truths: deque[NDArray[np.float32]] = deque(maxlen=n_delay + 1)
        self._tallies = {name: _Tally(k) for name, k in self._wanted}

    def add(self, arrival_s: float, stamp: float, estimate: NDArray[np.float32] | None) -> None:
        """Add an estimate, to be scored once the labels of its sample have had time to arrive.

        Parameters
        ----------
        arrival_s, stamp
            Arrival of the sample by this computer's clock, and its timestamp, in seconds.
        estimate
            Float32 [columns], copied; None if there is none for this sample.
        """
        self._waiting.append((arrival_s, stamp, None if estimate is None else estimate.copy()))

    def settle(self, now_s: float) -> list[NDArray[np.float32]]:
        """Score every estimate that has waited for `SETTLE_S`.

        Parameters
        ----------
        now_s
            Present time by this computer's clock, in seconds.

        Returns
        -------
        settled
            Labels at each sample that has settled, float32 [columns]; NaN = unknown.
        """
        settled = []
        while self._waiting and self._waiting[0][0] <= now_s - SETTLE_S:
            _, stamp, estimate = self._waiting.popleft()
            settled.append(self._labels.at(self._wanted, stamp, self._rate_hz))
            self._truths.append(settled[-1])
            if estimate is not None:
                self._score(estimate, self._truths[0])
        return settled

    def _score(self, estimate: NDArray[np.float32], truth: NDArray[np.float32]) -> None:
        first = 0
        for name, k in self._wanted:
            part = slice(first, first + k)
            first += k
            if np.isfinite(truth[part]).all() and np.isfinite(estimate[part]).all():
                self._tallies[name].add(estimate[part], truth[part])

    def summary(self) -> dict[str, Any] | None:
        """Figures of each label with known values, or None if there is none; medians are of the last 10,000 moments."""
        result = {
            name: {
                "moments": tally.n,
                "median_error": tally.distance.p50,
                "r2": r2(tally.n, tally.total, tally.square, tally.error),
            }
            for name, tally in self._tallies.items()
            if tally.n
        }
        return result or None


class PlaceTruth:
    """The true places of samples, from their labels: what a stimulus stream is to frames.

    Parameters
    ----------
    states
        The model's places.
    labels
        The model's labels: name and number of columns.
    """

    def __init__(self, states: FrameStates, labels: Sequence[tuple[str, int]]) -> None:
        assert states.places is not None
        self._states, self._places = states, states.places
        ends = dict(
            zip((name for name, _ in labels), np.cumsum([k for _, k in labels]).tolist(), strict=True)
        )
        end = ends[self._places.label]
        self._columns = slice(end - self._places.centres.shape[1], end)
        self._settled: list[NDArray[np.float32]] = []

    def add(self, settled: Sequence[NDArray[np.float32]]) -> None:
        """Add the labels of samples as they settle, from `LabelScore.settle`."""
        self._settled += settled

    def __call__(self, stamps: NDArray[np.float64]) -> NDArray[np.int32]:
        """Place and repeat (always unknown) of the next samples, a `decoders.live.frame_score.TruthLookup`."""
        rows, self._settled = self._settled[: len(stamps)], self._settled[len(stamps) :]
        place = self._places.of_values(np.stack(rows)[:, self._columns])
        return np.column_stack([self._states.numbers(place), np.full(len(place), NO_FRAME, np.int32)])
