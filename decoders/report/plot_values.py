"""Computes the values that a report page plots: confusion, calibration and embedding."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from decoders.data.frame_states import FrameStates
from decoders.evaluation.evaluate import Evaluation
from decoders.evaluation.predictions import TestPredictions
from decoders.metrics import N_CALIBRATION_BINS, Decoded, FrameAxis, frame_errors
from decoders.report.accuracy_curves import Curve, accuracy_curves

MAX_CELLS = 90
"""Largest number of cells along each side of the confusion matrix."""

MAX_POINTS = 6000
"""Largest number of embedded points drawn."""

MEAN_S = 0.5
"""Length in seconds of the running mean over embedded points, and of the lag of their autocorrelation."""


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """Confusion matrix of decoded against true frames.

    Attributes
    ----------
    share
        Float64 [decoded, true], shares of each true column; NaN where no frame was shown.
    edges
        Float64 [cells + 1], cell edges in states.
    frames
        Int32 [n_frames], frame number of each state.
    no_stimulus
        Share of samples with a frame that were decoded as "no stimulus".
    by_part
        For each tenth of the movie: first and last frame, number of samples, accuracy within one second, and median
        error in frames.
    """

    share: NDArray[np.float64]
    edges: NDArray[np.float64]
    frames: NDArray[np.int32]
    no_stimulus: float
    by_part: list[tuple[int, int, int, float, float]]


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Mean confidence and accuracy (float64 [bins], NaN in empty ones) and samples (int64 [bins]) by confidence."""

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    moments: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """The embedding along its three slowest axes.

    Attributes
    ----------
    position
        Float32 [points, 3].
    frame
        Int64 [points], true frames.
    autocorrelation
        Correlation of each axis with itself `MEAN_S` later.
    """

    position: NDArray[np.float32]
    frame: NDArray[np.int64]
    autocorrelation: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PageData:
    """Values that a page plots and the report lacks.

    Attributes
    ----------
    confusion, reliability
        By ``with_playback`` and ``without_playback``.
    points
        Embedded points; None when there are too few.
    accuracy_curves
        Accuracy against number of units and against window length.
    """

    confusion: dict[str, Confusion]
    reliability: dict[str, Reliability]
    points: Points | None
    accuracy_curves: list[Curve]


def page_data(evaluation: Evaluation, *, budget_s: float = 20.0, seed: int = 0) -> PageData:
    """Compute the values that a page plots.

    Parameters
    ----------
    evaluation
        From `decoders.evaluation.evaluate.run_evaluation` or `run_cross_validation`.
    budget_s
        Time budget of each accuracy curve in seconds. Cross-validations have none, because each fold has another model.
    seed
        Random seed of the draws of units.
    """
    predictions, model = evaluation.predictions, evaluation.model
    both = dict(zip(("with_playback", "without_playback"), predictions.decoders["model"], strict=True))
    single_model = "cv" not in evaluation.report
    return PageData(
        confusion={name: confusion(p, predictions, model.axis, model.states) for name, p in both.items()},
        reliability={name: reliability(p, predictions, model.axis) for name, p in both.items()},
        points=slow_axes(predictions, model.states),
        accuracy_curves=accuracy_curves(model, predictions.test, budget_s=budget_s, seed=seed)
        if single_model
        else [],
    )


def confusion(
    samples: Decoded, predictions: TestPredictions, axis: FrameAxis, states: FrameStates
) -> Confusion:
    """Compute the confusion matrix over the samples that show a frame.

    Parameters
    ----------
    samples
        Decoded samples.
    predictions
        With the truth.
    axis
        With the tolerance of one second.
    states
        Frame numbers of the axis.
    """
    shown = (predictions.test.frame >= 0) & (predictions.test.frame < axis.n_frames)
    truth, decoded = predictions.test.frame[shown].astype(np.int64), samples.frame[shown]
    edges = np.linspace(0, axis.n_frames, min(MAX_CELLS, axis.n_frames) + 1)
    some_frame = decoded >= 0
    count, _, _ = np.histogram2d(decoded[some_frame], truth[some_frame], bins=(edges, edges))
    of_truth = np.histogram(truth, edges)[0]
    share = np.where(of_truth > 0, count / np.maximum(of_truth, 1), np.nan)
    error, within = frame_errors(decoded, truth, axis.clip, axis.tolerance_frames)
    parts = []
    bounds = np.unique(np.linspace(0, axis.n_frames, min(10, axis.n_frames) + 1).astype(np.int64))
    for first, stop in pairwise(bounds.tolist()):
        at = (truth >= first) & (truth < stop)
        if at.any():
            scores = float(within[at].mean()), float(np.median(error[at]))
            first_frame, last_frame = states.frames[[first, stop - 1]].tolist()
            parts.append((first_frame, last_frame, int(at.sum()), *scores))
    return Confusion(share, edges, states.frames, float(1 - some_frame.mean()), parts)


def reliability(samples: Decoded, predictions: TestPredictions, axis: FrameAxis) -> Reliability:
    """Compute the accuracy within one second by confidence.

    Parameters
    ----------
    samples, predictions, axis
        See `confusion`.
    """
    shown = predictions.test.frame >= 0
    truth = predictions.test.frame[shown].astype(np.int64)
    _, within = frame_errors(samples.frame[shown], truth, axis.clip, axis.tolerance_frames)
    confident = samples.confidence[shown]
    which = np.minimum((confident * N_CALIBRATION_BINS).astype(np.int64), N_CALIBRATION_BINS - 1)
    moments = np.bincount(which, minlength=N_CALIBRATION_BINS)
    with np.errstate(invalid="ignore"):
        mean, accuracy = (np.bincount(which, x, N_CALIBRATION_BINS) / moments for x in (confident, within))
    return Reliability(mean, accuracy, moments)


def slow_axes(predictions: TestPredictions, states: FrameStates) -> Points | None:
    """Project the embedding onto the axes of highest autocorrelation after `MEAN_S` (Molgedey and Schuster 1994).

    Parameters
    ----------
    predictions
        With the embedding and the truth.
    states
        Frame numbers of the truth.

    Returns
    -------
    points
        None when there are fewer than ten points.
    """
    test, n_points = predictions.test, len(predictions.embedding)
    if n_points < 10 or predictions.embedding.shape[1] == 0:
        return None
    frame, segment = states.numbers(test.frame[-n_points:]), test.segment[-n_points:]
    lag = max(1, round(MEAN_S * (test.rate_hz or 1)))
    points = _running_mean(predictions.embedding.astype(np.float64), segment, lag)
    now = np.flatnonzero((segment[:-lag] == segment[lag:]) & (frame[:-lag] >= 0) & (frame[lag:] >= 0))
    if len(now) < 10:
        return None
    centred = points - points[frame >= 0].mean(0)
    lagged = centred[now].T @ centred[now + lag]
    axes = np.linalg.eigh(lagged + lagged.T)[1][:, ::-1][:, :3]
    axes = axes * np.where(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])] < 0, -1.0, 1.0)
    position = np.pad(centred @ axes, ((0, 0), (0, 3 - axes.shape[1])))
    autocorrelation = []
    for column in position.T:
        a, b = column[now], column[now + lag]
        autocorrelation.append(float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else 0.0)
    shown = np.flatnonzero(frame >= 0)
    kept = shown[:: max(1, -(-len(shown) // MAX_POINTS))]
    return Points(position[kept].astype(np.float32), frame[kept].astype(np.int64), tuple(autocorrelation))


def _running_mean(
    points: NDArray[np.float64], segment: NDArray[np.int32], n_window: int
) -> NDArray[np.float64]:
    """Average each point with those before it in its segment."""
    at = np.arange(len(points))
    begins = np.searchsorted(segment, segment)
    first = np.maximum(at - n_window + 1, begins)
    total = np.vstack([np.zeros(points.shape[1]), np.cumsum(points, 0)])
    mean: NDArray[np.float64] = (total[at + 1] - total[first]) / (at + 1 - first)[:, None]
    return mean
