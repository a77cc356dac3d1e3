"""Predictions of a model: of one sample, and of a whole recording."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from math import nan

import numpy as np
from numpy.typing import NDArray

from decoders.numerics import BITS, TINY, softmax

HORIZONS_S = (0.25, 0.5, 0.75, 1.0)
"""Forecast horizons in seconds."""

OFFLINE_HORIZONS_S = (1.5, 2.0)
"""Further horizons in seconds that the evaluation of a recording scores beside `HORIZONS_S`."""

N_LIKELIEST = 5
"""Number of likeliest frames that the forecast lists at each horizon."""

PREDICTION_CHANNELS = (
    "frame",
    "confidence",
    "next_frame",
    "next_confidence",
    "entropy_bits",
    "novelty",
    "sequence",
    "stamp_raw",
    "lag_ms",
    "arrival_ms",
    "compute_ms",
    "model_version",
)
"""Channels of the prediction stream, in order; each is an attribute of `Prediction`."""


UNSURE_BELOW = 0.5
"""Confidence below which a prediction is unsure: it is more probably wrong than right."""


class Provenance(StrEnum):
    """Origin of a picture on screen, or why there is none: choosing a frame is not generating a picture."""

    RETRIEVED = "retrieved"
    """A training frame."""
    NO_STIMULUS = "no stimulus"
    """Decoded with confidence: nothing was shown."""
    UNSURE = "unsure"
    """The confidence is below `UNSURE_BELOW`."""
    NO_EVIDENCE = "no evidence"
    """No used channel had a valid value, so the frame is that of the playback model alone."""


def provenance_of(
    frame: int, confidence: float, novelty: float, unsure_below: float = UNSURE_BELOW
) -> Provenance:
    """Tell what a prediction is worth from three channels of the prediction stream.

    Parameters
    ----------
    frame, confidence
        Likeliest frame, now or one second ahead, and its probability.
    novelty
        Novelty of the sample; NaN without evidence.
    unsure_below
        Confidence below which it is unsure.

    Examples
    --------
    >>> str(provenance_of(-1, 0.9, 0.2)), str(provenance_of(-1, 0.3, 0.2)), str(provenance_of(12, 0.9, nan))
    ('no stimulus', 'unsure', 'no evidence')
    """
    if novelty != novelty:
        return Provenance.NO_EVIDENCE
    if confidence < unsure_below:
        return Provenance.UNSURE
    return Provenance.RETRIEVED if frame >= 0 else Provenance.NO_STIMULUS


def forecast_channels(ahead: NDArray[np.float32], numbers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Likeliest frames, their probabilities and the entropy at each horizon: the channels of the forecast stream.

    Parameters
    ----------
    ahead
        Forecast posteriors, float32 [horizons, states]; the last state is "no stimulus".
    numbers
        Float32 [horizons * states], the frame number of each state, for every horizon.

    Returns
    -------
    channels
        Float32 [horizons, 2 * N_LIKELIEST + 1], see `Prediction`.
    """
    n_horizons, n_states = ahead.shape
    k = min(N_LIKELIEST, n_states)
    out = np.empty((2 * N_LIKELIEST + 1, n_horizons), np.float32)
    if k < N_LIKELIEST:
        out[:N_LIKELIEST], out[N_LIKELIEST:] = -1, 0
    remaining = ahead.copy()
    flat, offsets = remaining.reshape(-1), _horizon_offsets(n_horizons, n_states)
    indices = np.empty((k, n_horizons), np.intp)
    for best in indices:  # faster than a partition for few maxima, and sorted
        remaining.argmax(1, best)
        best += offsets
        flat[best] = -1
    numbers.take(indices, None, out[:k], "clip")
    ahead.take(indices, None, out[N_LIKELIEST : N_LIKELIEST + k], "clip")
    np.add(ahead, TINY, remaining)
    np.log(remaining, remaining)
    np.vecdot(ahead, remaining, out=out[-1])
    out[-1] *= BITS
    return out.T


@cache
def _horizon_offsets(n_horizons: int, n_states: int) -> NDArray[np.intp]:
    """Offset of each horizon in the flattened array."""
    return np.arange(0, n_horizons * n_states, n_states)


@dataclass(slots=True, eq=False)  # not frozen: that would take four times as long to make
class Prediction:
    """Prediction of one sample.

    Attributes
    ----------
    frame, next_frame
        Number of the likeliest movie frame now and one second ahead; -1 = no stimulus.
    confidence, next_confidence
        Posterior probability of the frames within one second of movie time of that frame (of that frame alone if the
        frames are not a movie).
    entropy_bits
        Entropy of the posterior in bits.
    novelty
        Share of training moments that were closer to a known frame than this one, 0 to 1; NaN if the sample held no
        evidence.
    sequence, stamp_raw
        Sequence number and timestamp in seconds of the neural frame, from its sender. With a delay (lookahead, lag),
        the timestamp is that of the decoded moment, from which the forecast counts too.
    lag_ms, arrival_ms, compute_ms, model_version
        Set by the engine: time of the push minus timestamp, arrival minus timestamp, computing time, and the version
        of the weights.
    posterior
        Posterior probabilities, float32 [n_frames + 1], of the frames ``model.states.frames``; the last entry is "no
        stimulus".
    logits
        Logits without the playback model, float32 [n_frames + 1].
    embedding
        Embedded point, float32 [n_embedding].
    forecaster
        Computes `ahead`.
    continuous
        Estimates of the continuous labels, float32 [k], in the order of the model's ``continuous_channels``.
    numbers
        Float32 [horizons * (n_frames + 1)], the frame number of each state, for every horizon.
    display
        Point for the eye in few dimensions, float32 [dimensions], if the model has such an embedding.
    picture, provenance
        Picture of ``frame``, uint8, and its origin, or None and why there is none.
    """

    frame: int
    confidence: float
    next_frame: int
    next_confidence: float
    entropy_bits: float
    novelty: float
    stamp_raw: float
    posterior: NDArray[np.float32]
    logits: NDArray[np.float32]
    embedding: NDArray[np.float32]
    forecaster: Callable[[], NDArray[np.float32]]
    continuous: NDArray[np.float32]
    numbers: NDArray[np.float32]
    display: NDArray[np.float32] | None = None
    picture: NDArray[np.uint8] | None = None
    provenance: Provenance = Provenance.NO_EVIDENCE
    sequence: int = -1
    lag_ms: float = nan
    arrival_ms: float = nan
    compute_ms: float = nan
    model_version: int = 0

    @property
    def posterior_without_playback(self) -> NDArray[np.float32]:
        """Posterior from the logits alone, float32 [n_frames + 1]; computed at each access."""
        return softmax(self.logits)

    @property
    def ahead(self) -> NDArray[np.float32]:
        """Forecast posterior at each of `HORIZONS_S`, float32 [horizons, n_frames + 1]; computed at each access."""
        return self.forecaster()

    @property
    def forecast(self) -> NDArray[np.float32]:
        """Likeliest frames ahead, float32 [horizons, 2 * N_LIKELIEST + 1]; computed at each access.

        For each of `HORIZONS_S`: frame numbers (-1 = no stimulus), their probabilities, entropy in bits.
        """
        return forecast_channels(self.ahead, self.numbers)


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Predictions of a whole session; time is the first axis of every array (see `Prediction`).

    Attributes
    ----------
    posterior_without_playback
        Posterior from the logits alone, float32 [time, n_frames + 1].
    half_width
        Half width of the 80 % interval around each continuous estimate, float32 [time, k], calibrated on held-out
        training data; NaN where nothing was held out.
    forecast_posterior
        Forecast posterior, float32 [time, n_frames + 1], by horizon in seconds.
    """

    stamps: NDArray[np.float64]
    frame: NDArray[np.int32]
    confidence: NDArray[np.float64]
    next_frame: NDArray[np.int32]
    next_confidence: NDArray[np.float64]
    entropy_bits: NDArray[np.float64]
    novelty: NDArray[np.float64]
    posterior: NDArray[np.float32]
    posterior_without_playback: NDArray[np.float32]
    embedding: NDArray[np.float32]
    forecast: NDArray[np.float32]
    continuous: NDArray[np.float32]
    half_width: NDArray[np.float32]
    forecast_posterior: dict[float, NDArray[np.float32]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.stamps)
