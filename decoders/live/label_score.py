"""Score the estimates of continuous labels while an engine runs, against the labels that its inputs bring."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.live.frame_score import SETTLE_S
from stream.acquisition.label_track import Labels, r2
from stream.quantiles import RollingQuantiles


class _Tally:
    """Errors of one label: sums over all moments, the last ten thousand distances."""

    def __init__(self, k: int) -> None:
        self.n = 0
        self.total = np.zeros(k)
        self.square = np.zeros(k)
        self.error = np.zeros(k)
        self.distance = RollingQuantiles(10_000)

    def add(self, estimate: NDArray[np.float32], truth: NDArray[np.float32]) -> None:
        """Take in a moment whose truth is known."""
        apart = (estimate - truth).astype(float)
        self.n += 1
        self.total += truth
        self.square += truth.astype(float) ** 2
        self.error += apart**2
        self.distance.add(float(np.sqrt(apart @ apart)))


class LabelScore:
    """Median error and r2 of each continuous label so far.

    Parameters
    ----------
    labels
        Filled by whoever receives them.
    wanted
        The model's labels: names, and how many columns each has.
    rate_hz
        Of the neural stream, in its stamps' time.
    n_delay
        Samples that the answers come late: they are compared with the labels of that many samples ago.
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
        """Remember an estimate until the labels at its sample have had time to arrive.

        Parameters
        ----------
        arrival_s, stamp
            Of the sample: by this computer's clock, and as it was sent; seconds.
        estimate
            Float32 [columns], copied; None = none was made.
        """
        self._waiting.append((arrival_s, stamp, None if estimate is None else estimate.copy()))

    def settle(self, now_s: float) -> list[NDArray[np.float32]]:
        """Score what has waited for `SETTLE_S`; returns the labels at each sample, float32 [columns], NaN = unknown."""
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
        """Figures of each label that was there, or None when none was; the median is of the last 10,000 moments."""
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
