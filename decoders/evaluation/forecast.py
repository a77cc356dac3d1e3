"""Scores of the forecast, compared with persistence and advance along the movie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from decoders.fitting.select_forecast import advance_posterior, mix_uniform
from decoders.metrics import (
    VALUES_AT_ONCE,
    Decoded,
    FrameAxis,
    bits_above_uniform,
    frame_errors,
    given_shown,
)
from decoders.model.model import Model
from decoders.prediction import HORIZONS_S, OFFLINE_HORIZONS_S
from stream.session import Session

if TYPE_CHECKING:
    from decoders.evaluation.predictions import TestPredictions


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """Decoded forecasts of one horizon, for the samples with a frame one horizon later.

    Attributes
    ----------
    truth
        Int32 [samples], frames shown then.
    decoded
        Forecasts of the ``model``, by ``persistence`` (the present posterior) and by ``advance`` (the present posterior
        shifted along the movie), given that a frame is shown then.
    """

    truth: NDArray[np.int32]
    decoded: dict[str, Decoded]

    @classmethod
    def pooled(cls, parts: Sequence[Forecast]) -> Forecast:
        """Concatenate the parts of a recording."""
        return cls(
            np.concatenate([part.truth for part in parts]),
            {name: Decoded.pooled([part.decoded[name] for part in parts]) for name in parts[0].decoded},
        )


def decode_forecast(
    model: Model,
    test: Session,
    present: NDArray[np.float32],
    ahead: NDArray[np.float32],
    horizon: float,
) -> Forecast:
    """Decode forecasts, and the simple ones that they are compared with.

    Parameters
    ----------
    model
        Model that made them.
    test
        Test data.
    present, ahead
        Posteriors now and forecasts, float32 [time, states].
    horizon
        Horizon in seconds after now, which is one lag after what is decoded.
    """
    horizon_s = float(model.card["lag_ms"]) / 1000 + horizon
    now, then = pairs_at_horizon(test, horizon_s)
    n_frames = round(horizon_s * model.movie_rate_hz)
    n_rows = max(1, VALUES_AT_ONCE // present.shape[1])
    parts = []
    for first in range(0, max(len(now), 1), n_rows):
        at, truth = now[first : first + n_rows], test.frame[then[first : first + n_rows]]
        each = {
            "model": ahead[at],
            "persistence": present[at],
            "advance": advance_posterior(present[at], n_frames, model.axis),
        }
        decoded = {name: Decoded.of(given_shown(p), truth, model.axis) for name, p in each.items()}
        parts.append(Forecast(truth, decoded))
    return Forecast.pooled(parts)


def score_forecast(predictions: TestPredictions, model: Model) -> dict[str, Any]:
    """Score the forecast at every horizon, given that a frame is shown then; other samples are left out.

    Parameters
    ----------
    predictions
        From `decoders.evaluation.predictions.collect_predictions`.
    model
        Model whose pictures, frame axis and floors are used.

    Returns
    -------
    scores
        By horizon in seconds: scores of the model's forecast, of ``persistence`` and of ``advance`` (see `Forecast`),
        both with the uniform floor that was best on held-out training data. ``skill_over_persistence`` is the gain in
        log score, in bits.
    """
    out: dict[str, Any] = {}
    pictures = _normalised(model.pictures)
    for horizon, forecast in predictions.ahead.items():
        if not len(forecast.truth):
            continue
        truth = forecast.truth.astype(np.int64)
        row = (*HORIZONS_S, *OFFLINE_HORIZONS_S).index(horizon)
        scores: dict[str, Any] = {}
        for name, decoded in forecast.decoded.items():
            floor = 0.0 if name == "model" else model.card["forecast_floors"][name][row]
            of_name = _scores(decoded, truth, model.axis, pictures, floor)
            scores |= of_name if name == "model" else {name: of_name}
        scores["skill_over_persistence"] = scores["log_score_bits"] - scores["persistence"]["log_score_bits"]
        out[str(horizon)] = scores
    return out


def pairs_at_horizon(test: Session, horizon: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of samples, and of the samples one horizon later in the same segment that show a frame.

    Parameters
    ----------
    test
        The recording.
    horizon
        Horizon in seconds.
    """
    period = 1 / test.rate_hz if test.rate_hz else float(np.median(np.diff(test.stamps)))
    ahead = max(1, round(horizon / period))
    now = np.arange(max(test.n_samples - ahead, 0))
    then = now + ahead
    usable = (test.segment[now] == test.segment[then]) & (test.frame[then] >= 0)
    usable &= np.abs(test.stamps[then] - test.stamps[now] - horizon) <= max(period, 0.1 * horizon)
    return now[usable], then[usable]


def _scores(
    decoded: Decoded,
    truth: NDArray[np.int64],
    axis: FrameAxis,
    pictures: NDArray[np.float32] | None,
    floor: float,
) -> dict[str, float]:
    """Return the scores of a forecast, with a uniform floor in its log score."""
    error, _ = frame_errors(decoded.frame, truth, axis.clip, axis.tolerance_frames)
    at_truth = np.where(truth < axis.n_frames, mix_uniform(decoded.at_truth, floor, axis.n_frames), 0.0)
    scores = {
        "median_frame_error": float(np.median(error)),
        "log_score_bits": bits_above_uniform(at_truth, axis.n_frames),
    }
    if pictures is not None:
        known = truth < axis.n_frames
        shown = decoded.frame[known]
        scores["pixcorr"] = float(np.einsum("ij,ij->i", pictures[shown], pictures[truth[known]]).mean())
    return scores


def _normalised(pictures: NDArray[np.uint8] | None) -> NDArray[np.float32] | None:
    """Return pictures as vectors of mean 0 and length 1, so that dot products are correlations."""
    if pictures is None:
        return None
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    flat -= flat.mean(1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    out: NDArray[np.float32] = flat / np.maximum(length, 1e-6)
    return out
