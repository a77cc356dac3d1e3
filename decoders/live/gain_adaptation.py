"""Corrects slow drifts of each channel's level or gain without labels, within bounds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from decoders.data.preprocessing import Preprocessor
from stream.session import MAX_ACTIVITY, Kind

TIME_CONSTANT_S = 120.0
"""Time constant of the running mean: several repeats of a movie, so that the stimulus averages out."""

MAX_GAIN = 2.0
"""Counts are multiplied or divided by at most this."""

MAX_SHIFT = 2.0
"""Other signals are shifted by at most this many standard deviations of the training data."""


class GainAdaptation:
    """Causal correction of each channel towards its mean in training.

    Counts are multiplied by the ratio of the training mean to a running mean, other signals are shifted by the
    difference; both are bounded. The running mean starts at the training mean, with the weight of one time constant of
    data, so the correction changes slowly.

    Parameters
    ----------
    preprocessor
        The model's preprocessor: used channels, and their mean and standard deviation in training.
    rate_hz
        Nominal sampling rate in Hz; 0 for irregular streams, treated as 1 Hz.
    """

    def __init__(self, preprocessor: Preprocessor, rate_hz: float) -> None:
        self._counts = preprocessor.kind is Kind.SPIKES
        self._used = preprocessor.valid
        self._mean = preprocessor.mean.astype(np.float64)
        self._spread = preprocessor.spread.astype(np.float64)
        self._rate = 1 / max(TIME_CONSTANT_S * (rate_hz or 1.0), 1.0)
        self._running = self._mean.copy()

    @property
    def correction(self) -> NDArray[np.float64]:
        """Present correction, float64 [channels]: gain of counts, or shift of other signals in standard deviations."""
        if self._counts:
            # A silent channel counts as one spike in ten time constants.
            floor = 0.1 * self._rate
            ratio = (self._mean + floor) / (self._running + floor)
            return np.where(self._used, np.clip(ratio, 1 / MAX_GAIN, MAX_GAIN), 1.0)
        shift = (self._mean - self._running) / self._spread
        return np.where(self._used, np.clip(shift, -MAX_SHIFT, MAX_SHIFT), 0.0)

    def step(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Correct one sample; values that are not finite, or huge, stay as they are and do not change the running mean.

        Parameters
        ----------
        samples
            Raw sample, float32 [channels].

        Returns
        -------
        corrected
            Float32 [channels].
        """
        valid = np.abs(samples) < MAX_ACTIVITY
        step = np.where(valid, samples, self._running) - self._running
        self._running += self._rate * step
        if self._counts:
            return np.asarray(samples * self.correction, np.float32)
        return np.asarray(samples + self.correction * self._spread, np.float32)

    def run(self, neural: NDArray[np.float32]) -> NDArray[np.float32]:
        """Correct a whole recording as `step` does sample by sample; the state continues across gaps.

        Parameters
        ----------
        neural
            Raw samples, float32 [time, channels].
        """
        return np.stack([self.step(np.asarray(samples, np.float32)) for samples in neural])

    def facts(self) -> dict[str, float]:
        """Median, smallest and largest correction of the used channels, for the status stream."""
        used = self.correction[self._used]
        what = "gain" if self._counts else "shift"
        return {
            f"{what}_{name}": round(float(value), 3)
            for name, value in (("median", np.median(used)), ("least", used.min()), ("most", used.max()))
        }
