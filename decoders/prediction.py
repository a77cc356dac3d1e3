"""What a model says about one moment, and about many."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import nan

import numpy as np
from numpy.typing import NDArray

from decoders.numerics import softmax

HORIZONS_S = (0.25, 0.5, 0.75, 1.0)
"""How far ahead the forecast looks, in seconds."""

OFFLINE_HORIZONS_S = (1.5, 2.0)
"""How far ahead a recording is scored too, beside `HORIZONS_S`."""

N_LIKELIEST = 5
"""How many of the likeliest frames the forecast names at each horizon."""

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
"""The channels of the prediction stream, in order; each is an attribute of `Prediction`."""


class Provenance(StrEnum):
    """What a shown picture is. Choosing a frame is not making a picture, and the screen never blurs the two."""

    RETRIEVED = "retrieved"
    NO_DECISION = "no decision"


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What the model says about one moment.

    Attributes
    ----------
    frame, next_frame
        The likeliest movie frame now and one second ahead; -1 = no stimulus.
    confidence, next_confidence
        Probability within one second of movie time of that frame (of exactly that frame when the frames
        are not a movie), from the posterior.
    entropy_bits
        Of the posterior.
    novelty
        0 to 1: the share of training moments that looked more like one of the known frames than this one does; NaN when
        the sample held nothing to decide on.
    sequence, stamp_raw
        Of the neural frame, as its sender counted and stamped it. The stamp of an answer that comes late (lookahead,
        lag) is that of the moment it is about, from which the forecast counts too.
    lag_ms, arrival_ms, compute_ms, model_version
        Filled in by the engine: now minus stamp at the push, arrival minus stamp, time spent computing, and which
        weights answered.
    posterior
        Float32 [n_frames + 1]; the last entry is "no stimulus".
    logits
        Float32 of the same shape, without the playback model.
    embedding
        Float32 [n_embedding].
    forecast
        Float32 [len(HORIZONS_S), 2 * N_LIKELIEST + 1]: frames (-1 = no stimulus), their probabilities, entropy in bits.
    continuous
        Float32 [k] or [0]: every continuous label's estimate, in the order of the model's ``continuous_channels``.
    picture, provenance
        The picture shown for ``frame``, uint8, and what it is.
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
    forecast: NDArray[np.float32]
    continuous: NDArray[np.float32]
    picture: NDArray[np.uint8] | None = None
    provenance: Provenance = Provenance.NO_DECISION
    sequence: int = -1
    lag_ms: float = nan
    arrival_ms: float = nan
    compute_ms: float = nan
    model_version: int = 0

    @property
    def posterior_without_playback(self) -> NDArray[np.float32]:
        """Float32 [n_frames + 1], worked out when it is asked for."""
        return softmax(self.logits)


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """A model's answers for a whole session; time is the first axis of every array (see `Prediction`).

    Attributes
    ----------
    posterior_without_playback
        Float32 [time, n_frames + 1]: from the logits.
    half_width
        Float32 [time, k]: of an interval around each continuous estimate that holds the truth four times in five, as
        calibrated on held-out training data; NaN where nothing could be held out.
    forecast_posterior
        Each horizon in seconds: float32 [time, n_frames + 1].
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
