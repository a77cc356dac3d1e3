"""Without labels: follow slow changes of each channel's level, and of the gain of counts, within bounds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from decoders.data.preprocessing import Preprocessor
from stream.session import Kind

TIME_CONSTANT_S = 120.0
"""How slowly: some showings of a movie, so that what is shown averages out."""

MAX_GAIN = 2.0
"""Counts are multiplied by at most this, and divided by at most this."""

MAX_SHIFT = 2.0
"""Other signals are shifted by at most so many of their standard deviations in training."""


class GainAdaptation:
    """Brings each sample nearer to what training was like, knowing only the samples so far.

    A running mean of each channel is compared with its mean in training. Counts are multiplied by the ratio, other
    signals are shifted by the difference; both are bounded. The running mean starts at the training mean and counts as
    one time constant of data, so nothing changes quickly.

    Parameters
    ----------
    preprocessor
        Of the model: which channels it uses, and their mean and spread in training.
    rate_hz
        Samples per second; 0 = irregular, taken as one.
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
        """Float64 [channels]: the gain of counts, else the shift in standard deviations."""
        if self._counts:
            # A spike in ten time constants is what a silent channel is worth.
            floor = 0.1 * self._rate
            ratio = (self._mean + floor) / (self._running + floor)
            return np.where(self._used, np.clip(ratio, 1 / MAX_GAIN, MAX_GAIN), 1.0)
        shift = (self._mean - self._running) / self._spread
        return np.where(self._used, np.clip(shift, -MAX_SHIFT, MAX_SHIFT), 0.0)

    def step(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Adjust one sample; what is not finite stays so, and teaches nothing.

        Parameters
        ----------
        samples
            Float32 [channels], raw.

        Returns
        -------
        adjusted
            Float32 [channels].
        """
        finite = np.isfinite(samples)
        step = np.where(finite, samples, self._running) - self._running
        self._running += self._rate * step
        if self._counts:
            return np.asarray(samples * self.correction, np.float32)
        return np.asarray(samples + self.correction * self._spread, np.float32)

    def run(self, neural: NDArray[np.float32]) -> NDArray[np.float32]:
        """Adjust a whole recording, as `step` would sample by sample; state goes on across gaps.

        Parameters
        ----------
        neural
            Float32 [time, channels].
        """
        return np.stack([self.step(np.asarray(samples, np.float32)) for samples in neural])

    def facts(self) -> dict[str, float]:
        """For the status stream: the median, the least and the largest correction of the used channels."""
        used = self.correction[self._used]
        what = "gain" if self._counts else "shift"
        return {
            f"{what}_{name}": round(float(value), 3)
            for name, value in (("median", np.median(used)), ("least", used.min()), ("most", used.max()))
        }
