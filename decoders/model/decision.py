"""The urgent part of a prediction, and predictions stacked over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from decoders.prediction import Prediction, Predictions

if TYPE_CHECKING:
    from decoders.readouts.continuous import ContinuousReader


@dataclass(slots=True, eq=False)  # not frozen: that would take four times as long to make
class Decision:
    """The part of a prediction that is published first; for fields not listed here see `Prediction`.

    Attributes
    ----------
    state
        Likeliest state, which stands for ``frame``.
    direction
        Point of unit length in the linear embedding, float32 [dimensions].
    logits
        Logits without the playback model, float32 [states].
    forecaster
        Computes the forecast posterior at each horizon, float32 [horizons, states].
    has_evidence
        Whether the sample had finite values and the decoded moment lies in this segment.
    in_segment
        Whether the decoded moment, which may be earlier than the sample, lies in this segment.
    """

    state: int
    frame: int
    confidence: float
    next_frame: int
    next_confidence: float
    entropy_bits: float
    novelty: float
    stamp_raw: float
    posterior: NDArray[np.float32]
    embedding: NDArray[np.float32]
    direction: NDArray[np.float32]
    logits: NDArray[np.float32]
    forecaster: Callable[[], NDArray[np.float32]]
    has_evidence: bool
    in_segment: bool
    display: NDArray[np.float32] | None = None


def stack_predictions(
    rows: Sequence[Prediction],
    n_states: int,
    n_embedding: int,
    reader: ContinuousReader,
    forecast: NDArray[np.float32],
    ahead: dict[float, NDArray[np.float32]],
) -> Predictions:
    """Stack single predictions into arrays over time.

    Parameters
    ----------
    rows
        Predictions in order; may be empty.
    n_states, n_embedding
        Number of states and embedding dimensions.
    reader
        Decoder of the continuous labels, which gives their intervals.
    forecast
        Their `Prediction.forecast`, float32 [time, horizons, 2 * N_LIKELIEST + 1].
    ahead
        Forecast posteriors, float32 [time, states] by horizon in seconds.
    """

    def column(name: str, dtype: type, *shape: int) -> NDArray[Any]:
        out: NDArray[Any] = np.empty((len(rows), *shape), dtype)
        for index, row in enumerate(rows):
            out[index] = getattr(row, name)
        return out

    posterior = column("posterior", np.float32, n_states)
    continuous = column("continuous", np.float32, reader.values.shape[1])
    return Predictions(
        stamps=column("stamp_raw", np.float64),
        frame=column("frame", np.int32),
        confidence=column("confidence", np.float64),
        next_frame=column("next_frame", np.int32),
        next_confidence=column("next_confidence", np.float64),
        entropy_bits=column("entropy_bits", np.float64),
        novelty=column("novelty", np.float64),
        posterior=posterior,
        posterior_without_playback=column("posterior_without_playback", np.float32, n_states),
        embedding=column("embedding", np.float32, n_embedding),
        forecast=forecast,
        continuous=continuous,
        half_width=reader.half_width(posterior, continuous) if continuous.size else continuous,
        forecast_posterior=ahead,
    )
