"""Causal preprocessing of samples: masking of unusable channels, detrending and scaling of slow signals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from decoders.numerics import fast_sum
from stream.errors import BadRecording
from stream.session import MAX_ACTIVITY, Kind

DETREND_S = {Kind.FLUORESCENCE: 30.0, Kind.BOLD: 300.0, Kind.EEG: 5.0, Kind.OTHER: 30.0}
"""Time constant in seconds of the running mean that is subtracted; spike counts keep their mean."""

CHANNELS_AT_ONCE = 256
"""Channels whose mean and spread are computed at a time, in double precision."""

PRIOR_SAMPLES = 10
"""Weight of the training mean where a segment begins, in samples."""


def refuse_negative(neural: NDArray[np.float32], kind: Kind, channel_names: Sequence[str]) -> None:
    """Refuse negative spike counts; fractions, as from deconvolution, are accepted.

    Parameters
    ----------
    neural
        Float32 [time, channels].
    kind
        Kind of recording; only spikes are checked.
    channel_names
        Names of the channels, for the message.

    Raises
    ------
    BadRecording
        When a count is negative; the message gives the channel, the sample and the value.
    """
    if kind is not Kind.SPIKES or not neural.size:
        return
    least = np.fmin.reduce(neural, axis=0)
    if (n_bad := int((least < 0).sum())) == 0:
        return
    channel = int(np.argmax(least < 0))
    sample = int(np.argmax(neural[:, channel] < 0))
    more = f", and {n_bad - 1} more channels hold negative values" if n_bad > 1 else ""
    raise BadRecording(
        f"channel '{channel_names[channel]}' is {neural[sample, channel]:g} at sample {sample}{more}, but a recording "
        "of kind 'spikes' holds counts, which are never negative. Set its kind to 'fluorescence', 'bold', 'eeg' or "
        "'other', or correct the values."
    )


class Preprocessor:
    """Cleans a stream of samples one by one.

    Spike counts pass unchanged: the embedding takes the square root of their window sums, and scaling each channel
    lowers accuracy. For other kinds a running mean is subtracted and the result divided by the channel's standard
    deviation in training. Channels that are flat or mostly missing in training are dropped; a missing value is
    replaced by the channel's mean.

    Parameters
    ----------
    kind
        Kind of recording.
    rate_hz
        Sampling rate in Hz; 0 for irregular streams, which are treated as 1 Hz.
    valid
        Bool [channels], channels that are used.
    mean, spread
        Float32 [channels], mean and standard deviation of each channel in training.

    Examples
    --------
    >>> counts = np.array([[1, 4, 0], [3, 2, 0], [2, 8, 0]], np.float32)
    >>> preprocessor = Preprocessor.fit(counts, Kind.SPIKES, 30.0)
    >>> preprocessor.n_used  # the third channel is flat
    2
    >>> preprocessor.step(np.array([np.nan, 5, 0], np.float32)).tolist()
    [2.0, 5.0]
    """

    def __init__(
        self,
        kind: Kind,
        rate_hz: float,
        valid: NDArray[np.bool_],
        mean: NDArray[np.float32],
        spread: NDArray[np.float32],
    ) -> None:
        self.kind = kind
        self.valid = valid
        self.mean = mean
        self.spread = spread
        self._used = np.flatnonzero(valid)
        self._fill = mean[self._used].astype(np.float32)
        self._scale = (1 / spread[self._used]).astype(np.float32)
        self._zeros = np.zeros(len(self._used), np.float32)
        self._slow = kind is not Kind.SPIKES
        self._rate = 1 / max(DETREND_S.get(kind, 1.0) * (rate_hz or 1.0), 1.0)
        self.reset()

    @property
    def n_used(self) -> int:
        """Number of channels used."""
        return len(self._used)

    @classmethod
    def fit(cls, neural: NDArray[np.float32], kind: Kind, rate_hz: float) -> Preprocessor:
        """Find the usable channels and compute the mean and standard deviation of each.

        Parameters
        ----------
        neural
            Float32 [time, channels], training data.
        kind, rate_hz
            See the class.

        Raises
        ------
        BadRecording
            When no channel is usable.
        """
        n_finite, mean, spread = np.zeros((3, neural.shape[1]))
        for first in range(0, neural.shape[1], CHANNELS_AT_ONCE):
            at = slice(first, first + CHANNELS_AT_ONCE)
            finite = np.abs(neural[:, at]) < MAX_ACTIVITY
            clean = np.where(finite, neural[:, at], 0).astype(np.float64)
            n_finite[at] = np.maximum(finite.sum(0), 1)
            mean[at] = clean.sum(0) / n_finite[at]
            spread[at] = np.sqrt((np.where(finite, clean - mean[at], 0) ** 2).sum(0) / n_finite[at])
        valid = (spread > 1e-6 * np.maximum(1e-6, np.abs(mean))) & (n_finite > 0.5 * len(neural))
        if not np.any(valid):
            raise BadRecording(
                f"none of the {neural.shape[1]} channels is usable: each is flat, empty, or mostly not a number or "
                f"beyond {MAX_ACTIVITY:g}. Check how the recording was exported."
            )
        spread = np.where(valid, spread, 1.0)
        return cls(kind, rate_hz, valid, mean.astype(np.float32), spread.astype(np.float32))

    def reset(self) -> None:
        """Start a new segment: the running mean returns to the training mean."""
        self._running = self._fill.copy()
        self._n_averaged = PRIOR_SAMPLES

    def take_over(self, other: Preprocessor) -> None:
        """Copy the running mean of another preprocessor of the same channels.

        Parameters
        ----------
        other
            Source; it stays unchanged.
        """
        self._running = other._running.copy()
        self._n_averaged = other._n_averaged

    def step(self, samples: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Clean one sample.

        Parameters
        ----------
        samples
            Float32 [channels].

        Returns
        -------
        clean
            Float32 [used channels], or None when no used channel has a valid value.
        """
        used = samples.take(self._used)
        if not abs(fast_sum(used)) < MAX_ACTIVITY:  # false for NaN; the test of every value is slow
            finite = np.abs(used) < MAX_ACTIVITY
            if not finite.any():
                return None
            used = np.where(finite, used, self._running if self._slow else self._fill)
        if not self._slow:
            return np.maximum(used, self._zeros, out=used)
        self._n_averaged += 1
        # Cumulative at first, then exponential, so that the mean adapts quickly to a new segment.
        self._running += max(self._rate, 1 / self._n_averaged) * (used - self._running)
        clean: NDArray[np.float32] = (used - self._running) * self._scale
        return clean

    def run(self, neural: NDArray[np.float32], boundary: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Clean a whole recording; the result equals that of `step` sample by sample.

        Parameters
        ----------
        neural
            Float32 [time, channels].
        boundary
            Bool [time], true where a segment begins.

        Returns
        -------
        clean
            Float32 [time, used channels]; a sample without any finite value becomes the mean.
        """
        if not self._slow:
            used = np.asarray(neural[:, self._used], np.float32)
            return np.maximum(np.where(np.abs(used) < MAX_ACTIVITY, used, self._fill), 0)
        out = np.zeros((len(neural), self.n_used), np.float32)
        for index, samples in enumerate(neural):
            if boundary[index]:
                self.reset()
            clean = self.step(np.asarray(samples, np.float32))
            if clean is not None:
                out[index] = clean
        self.reset()
        return out

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the fitted arrays by their names in a model file."""
        return {"valid": self.valid, "mean": self.mean, "spread": self.spread}
