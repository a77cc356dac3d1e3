"""Scores of the forecast, compared with persistence and advance along the movie."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.evaluation.predictions import TestPredictions
from decoders.fitting.select_forecast import advance_posterior, mix_uniform
from decoders.metrics import (
    SMALLEST_PROBABILITY,
    FrameAxis,
    frame_errors,
    given_shown,
    likeliest,
    log_score_bits,
    probability_of,
)
from decoders.model.model import Model
from decoders.prediction import HORIZONS_S, OFFLINE_HORIZONS_S
from stream.session import Session


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
        By horizon in seconds after now (which is one lag after what is decoded): scores of the model's forecast, of
        ``persistence`` (the present posterior) and of ``advance`` (the present posterior shifted along the movie), both
        with the uniform floor that was best on held-out training data. ``skill_over_persistence`` is the gain in log
        score, in bits.
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
        advanced = advance_posterior(present[now], round(horizon_s * model.movie_rate_hz), model.axis)
        scores: dict[str, Any] = _scores(given_shown(ahead[now]), truth, model.axis, pictures)
        for name, baseline in (
            ("persistence", given_shown(present[now])),
            ("advance", given_shown(advanced)),
        ):
            floors = model.card["forecast_floors"][name]
            floor = floors[(*HORIZONS_S, *OFFLINE_HORIZONS_S).index(horizon)]
            scores[name] = _baseline_scores(baseline, truth, model.axis, pictures, floor)
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


def _baseline_scores(
    posterior: NDArray[np.float32],
    truth: NDArray[np.int64],
    axis: FrameAxis,
    pictures: NDArray[np.float32] | None,
    floor: float,
) -> dict[str, float]:
    """Return the scores of a baseline forecast, with a uniform floor in its log score."""
    scores = _scores(posterior, truth, axis, pictures)
    mixed = mix_uniform(probability_of(posterior, truth), floor, axis.n_frames)
    at_truth = np.where(truth < axis.n_frames, mixed, SMALLEST_PROBABILITY)
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
        known = truth < axis.n_frames
        shown = posterior[known, :-1].argmax(1)
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
