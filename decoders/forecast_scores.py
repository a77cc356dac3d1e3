"""Scores of the forecast, beside holding the present and moving it along the movie."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.answers import Answers
from decoders.model import Model
from decoders.scores import FrameAxis, frame_errors, likeliest, log_score_bits
from stream.session import Session

FLOORS = (1e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
"""Shares of a uniform guess that the simple forecasts are mixed with; the best for each on the test data is taken."""


def forecast_scores(answers: Answers, model: Model) -> dict[str, Any]:
    """Score every horizon; moments with no frame now or then are left out.

    Parameters
    ----------
    answers
        From `decoders.answers.collect`.
    model
        Whose pictures and axis are used.

    Returns
    -------
    scores
        By horizon in seconds: the model's forecast, and ``persistence`` (the present posterior) and ``advance`` (the
        present posterior moved along the movie), each with the uniform floor that serves it best.
        ``skill_over_persistence`` is the gain in log score, bits.
    """
    out = {}
    pictures = _normalised(model.pictures)
    present = answers.decoders["model"][0]
    for horizon, ahead in answers.ahead.items():
        now, then = later(answers.test, horizon)
        if not len(now):
            continue
        truth = answers.test.frame[then].astype(np.int64)
        moved = advanced(present[now], round(horizon * model.movie_rate_hz), model.axis)
        scores = _scores(ahead[now], truth, model.axis, pictures)
        scores["persistence"] = _best_floor(present[now], truth, model.axis, pictures)
        scores["advance"] = _best_floor(moved, truth, model.axis, pictures)
        scores["skill_over_persistence"] = scores["log_score_bits"] - scores["persistence"]["log_score_bits"]
        out[str(horizon)] = scores
    return out


def later(test: Session, horizon: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of moments, and of the samples that come a horizon later in the same segment; both show a frame.

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
    good = (test.segment[now] == test.segment[then]) & (test.frame[now] >= 0) & (test.frame[then] >= 0)
    good &= np.abs(test.stamps[then] - test.stamps[now] - horizon) <= max(period, 0.1 * horizon)
    return now[good], then[good]


def advanced(posterior: NDArray[np.float32], n_frames: int, axis: FrameAxis) -> NDArray[np.float32]:
    """Posteriors moved along the movie; what would pass a clip's end stays on its last frame.

    Parameters
    ----------
    posterior
        Float32 [time, states].
    n_frames
        How far.
    axis
        With the clips.
    """
    last = np.searchsorted(axis.clip, axis.clip, side="right") - 1
    to = np.r_[np.minimum(np.arange(axis.n_frames) + n_frames, last), axis.n_frames]
    out = np.zeros_like(posterior)
    order = np.argsort(to, kind="stable")
    first = np.flatnonzero(np.r_[True, np.diff(to[order]) > 0])
    out[:, to[order[first]]] = np.add.reduceat(posterior[:, order], first, axis=1)
    return out


def _best_floor(
    posterior: NDArray[np.float32],
    truth: NDArray[np.int64],
    axis: FrameAxis,
    pictures: NDArray[np.float32] | None,
) -> dict[str, float]:
    scores = _scores(posterior, truth, axis, pictures)
    at_truth = posterior[np.arange(len(truth)), truth].astype(np.float64)
    n = axis.n_frames
    best = max(float(np.mean(np.log2((1 - floor) * at_truth + floor / n))) for floor in FLOORS)
    scores["log_score_bits"] = best + float(np.log2(n))
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
        alike = np.einsum("ij,ij->i", pictures[np.maximum(best, 0)], pictures[truth])
        scores["pixcorr"] = float(np.where(best >= 0, alike, 0).mean())
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
