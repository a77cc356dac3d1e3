"""From raw samples to clean ones, causally: masking, and for slow signals detrending and scaling."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from decoders.numerics import fast_sum
from stream.errors import BadRecording
from stream.session import Kind

DETREND_S = {Kind.FLUORESCENCE: 30.0, Kind.BOLD: 300.0, Kind.EEG: 5.0, Kind.OTHER: 30.0}
"""Time constant of the running mean that is taken off, in seconds; spikes are left as counts."""

PRIOR_SAMPLES = 10
"""How many samples the training mean counts for when a segment begins."""


def refuse_negative(neural: NDArray[np.float32], kind: Kind, channel_names: Sequence[str]) -> None:
    """Refuse counts that are negative; fractions are taken as they are, as of spikes that were deconvolved.

    Parameters
    ----------
    neural
        Float32 [time, channels].
    kind, channel_names
        As in the session.

    Raises
    ------
    BadRecording
        With the channel, the sample and the value.
    """
    if kind is not Kind.SPIKES or not neural.size:
        return
    least = np.fmin.reduce(neural, axis=0)
    if (n_bad := int((least < 0).sum())) == 0:
        return
    channel = int(np.argmax(least < 0))
    sample = int(np.argmax(neural[:, channel] < 0))
    more = f", and {n_bad - 1} more channels have such" if n_bad > 1 else ""
    raise BadRecording(
        f"channel '{channel_names[channel]}' is {neural[sample, channel]:g} at sample {sample}{more}, but a recording "
        "of kind 'spikes' holds counts, which are never negative. Say what it holds: kind 'fluorescence', 'bold', 'eeg' "
        "or 'other'; or correct the values."
    )


class Preprocessor:
    """Cleans one sample after the other, carrying its state.

    Spike counts pass as they are (their square root is taken over windows, in the embedding, and they are not
    scaled per channel: that costs accuracy). Other kinds have a running mean taken off and are divided by the
    channel's spread in training. Channels that were dead, flat or never finite in training are left out for good;
    a value that is not finite while running counts as the channel's mean.

    Parameters
    ----------
    kind
        What the channels are.
    rate_hz
        Samples per second; 0 = irregular, taken as one.
    valid
        Bool [channels]: which are used.
    mean, spread
        Float32 [channels], of the training data.
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
        self._slow = kind is not Kind.SPIKES
        self._rate = 1 / max(DETREND_S.get(kind, 1.0) * (rate_hz or 1.0), 1.0)
        self.reset()

    @property
    def n_used(self) -> int:
        """Channels that come out."""
        return len(self._used)

    @classmethod
    def fit(cls, neural: NDArray[np.float32], kind: Kind, rate_hz: float) -> Preprocessor:
        """Learn which channels are usable, and the mean and spread of each.

        Parameters
        ----------
        neural
            Float32 [time, channels].
        kind, rate_hz
            As in the session.

        Raises
        ------
        BadRecording
            When no channel is usable.
        """
        finite = np.isfinite(neural)
        clean = np.where(finite, neural, 0).astype(np.float64)
        n_finite = np.maximum(finite.sum(0), 1)
        mean = clean.sum(0) / n_finite
        spread = np.sqrt((np.where(finite, clean - mean, 0) ** 2).sum(0) / n_finite)
        valid = (spread > 1e-6 * np.maximum(1e-6, np.abs(mean))) & (finite.mean(0) > 0.5)
        if not np.any(valid):
            raise BadRecording(
                f"none of the {neural.shape[1]} channels is usable: each is flat, empty or mostly not a number."
            )
        spread = np.where(valid, spread, 1.0)
        return cls(kind, rate_hz, valid, mean.astype(np.float32), spread.astype(np.float32))

    def reset(self) -> None:
        """Forget the running mean: a new segment begins."""
        self._running = self._fill.copy()
        self._seen = PRIOR_SAMPLES

    def take_over(self, other: Preprocessor) -> None:
        """Go on with the running mean of another one of the same channels.

        Parameters
        ----------
        other
            Stays as it is.
        """
        self._running = other._running.copy()
        self._seen = other._seen

    def step(self, samples: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Clean one sample.

        Parameters
        ----------
        samples
            Float32 [channels].

        Returns
        -------
        clean
            Float32 [used channels], or None when no used channel holds a finite value.
        """
        used = samples.take(self._used)
        if not isfinite(fast_sum(used)):
            finite = np.isfinite(used)
            if not finite.any():
                return None
            used = np.where(finite, used, self._running if self._slow else self._fill)
        if not self._slow:
            return np.maximum(used, 0)
        self._seen += 1
        # A cumulative mean at first, then an exponential one: a run's own level is learned quickly.
        self._running += max(self._rate, 1 / self._seen) * (used - self._running)
        clean: NDArray[np.float32] = (used - self._running) * self._scale
        return clean

    def run(self, neural: NDArray[np.float32], boundary: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Clean a whole recording, as `step` would sample by sample.

        Parameters
        ----------
        neural
            Float32 [time, channels].
        border
            Bool [time], true where a segment begins.

        Returns
        -------
        clean
            Float32 [time, used channels]; a sample without any valid channel comes out as the mean.
        """
        if not self._slow:
            used = np.asarray(neural[:, self._used], np.float32)
            return np.maximum(np.where(np.isfinite(used), used, self._fill), 0)
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
        """What a model file keeps of it."""
        return {"valid": self.valid, "mean": self.mean, "spread": self.spread}
