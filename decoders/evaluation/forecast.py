"""Scores of the forecast, beside holding the present and moving it along the movie."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.evaluation.predictions import TestPredictions
from decoders.fitting.select_forecast import advance_posterior, mix_uniform
from decoders.metrics import FrameAxis, frame_errors, likeliest, log_score_bits
from decoders.model.model import Model
from decoders.prediction import HORIZONS_S, OFFLINE_HORIZONS_S
from stream.session import Session


def score_forecast(predictions: TestPredictions, model: Model) -> dict[str, Any]:
    """Score every horizon; moments at whose horizon nothing is shown are left out.

    Parameters
    ----------
    answers
        From `decoders.evaluation.predictions.collect`.
    model
        Whose pictures and axis are used.

    Returns
    -------
    scores
        By horizon in seconds after now, which of a late signal is its lag after what is decoded: the model's forecast,
        and ``persistence`` (the present posterior) and ``advance`` (the present posterior moved along the movie), each
        with the uniform floor that served it best on held-out training data.
        ``skill_over_persistence`` is the gain in log score, bits.
    """
    out: dict[str, Any] = {}
    pictures = _normalised(model.pictures)
    present = predictions.decoders["model"][0]
    lag_s = float(model.card["lag_ms"]) / 1000
    for horizon, ahead in predictions.ahead.items():
        horizon_s = lag_s + horizon
        now, then = pairs_at_horizon(predictions.test, horizon_s)
        if not len(now):
            continue
        truth = predictions.test.frame[then].astype(np.int64)
        moved = advance_posterior(present[now], round(horizon_s * model.movie_rate_hz), model.axis)
        scores: dict[str, Any] = _scores(ahead[now], truth, model.axis, pictures)
        for name, guess in (("persistence", present[now]), ("advance", moved)):
            floors = model.card["forecast_floors"][name]
            row = (*HORIZONS_S, *OFFLINE_HORIZONS_S).index(horizon)
            floor = floors[min(row, len(floors) - 1)]  # an earlier version's model has none beyond one second
            scores[name] = _simple(guess, truth, model.axis, pictures, floor)
        scores["skill_over_persistence"] = scores["log_score_bits"] - scores["persistence"]["log_score_bits"]
        out[str(horizon)] = scores
    return out


def pairs_at_horizon(test: Session, horizon: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of moments, and of the samples that come a horizon later in the same segment and show a frame.

    Parameters
    ----------
    test
        The recording.
    horizon
        Seconds.
    """
    period = 1 / test.rate_hz if test.rate_hz else float(np.median(np.diff(test.stamps)))
    ahead = max(1, round(horizon / period))
    now = np.arange(max(test.n_samples - ahead, 0))
    then = now + ahead
    good = (test.segment[now] == test.segment[then]) & (test.frame[then] >= 0)
    good &= np.abs(test.stamps[then] - test.stamps[now] - horizon) <= max(period, 0.1 * horizon)
    return now[good], then[good]


def _simple(
    posterior: NDArray[np.float32],
    truth: NDArray[np.int64],
    axis: FrameAxis,
    pictures: NDArray[np.float32] | None,
    floor: float,
) -> dict[str, float]:
    """Scores of a simple forecast, a uniform guess mixed in."""
    scores = _scores(posterior, truth, axis, pictures)
    at_truth = mix_uniform(posterior[np.arange(len(truth)), truth].astype(np.float64), floor, axis.n_frames)
    scores["log_score_bits"] = float(np.mean(np.log2(at_truth)) + np.log2(axis.n_frames))
    return scores


def _scores(
    posterior: NDArray[np.float32],
    truth: NDArray[np.int64],
    axis: FrameAxis,
    pictures: NDArray[np.float32] | None,
) -> dict[str, float]:
    best = likeliest(posterior)
    error, _ = frame_errors(best, truth, axis.clip, axis.tolerance_frames)
    scores = {
        "median_frame_error": float(np.median(error)),
        "log_score_bits": log_score_bits(posterior, truth),
    }
    if pictures is not None:
        # The picture of the likeliest frame, even where "no stimulus" is likelier still.
        shown = posterior[:, :-1].argmax(1)
        scores["pixcorr"] = float(np.einsum("ij,ij->i", pictures[shown], pictures[truth]).mean())
    return scores


def _normalised(pictures: NDArray[np.uint8] | None) -> NDArray[np.float32] | None:
    """Pictures as vectors of mean zero and length one, so that products are correlations."""
    if pictures is None:
        return None
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    flat -= flat.mean(1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    out: NDArray[np.float32] = flat / np.maximum(length, 1e-6)
    return out
