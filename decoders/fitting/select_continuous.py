"""Selects how each continuous label is decoded, by cross-validation within the training data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.data.training_statistics import training_windows
from decoders.embedding.linear import unit_length
from decoders.fitting.fit_emission import SequenceEvidence
from decoders.fitting.settings import BatchReadout, ReadoutSettings, fit_readout
from decoders.readouts.continuous import (
    INTERVAL,
    KALMAN,
    LOCAL_MEAN,
    MAX_LOCAL_FRAMES,
    PENALTIES,
    RADII,
    RIDGE,
    SHARPNESS,
    ContinuousReader,
    fit_ridge,
    frame_values,
    median_error,
    median_prediction,
    spacing,
)
from decoders.readouts.kalman import NOISE_INFLATION, Kalman, filter_points, fit_kalman

FilteredEvidence = list[tuple[SequenceEvidence, NDArray[np.float64]]]
"""Evidence for validation sequences, with their filtered posteriors float64 [time, states]."""

MAX_ERROR_RATIO = 0.95
"""A label is predicted by its training median unless the held-out median error is below this times the median's."""


@dataclass(frozen=True, slots=True)
class LabelMethod:
    """How a continuous label is decoded.

    Attributes
    ----------
    sharpness
        Power of the posterior, or the code of another method, see `decoders.readouts.continuous.ContinuousReader`.
    penalty
        Penalty of the ridge regression; infinite predicts the label's median.
    radius
        Radius of a local mean, in the label's unit.
    """

    sharpness: float
    penalty: float = PENALTIES[1]
    radius: float = 0.0

    def fit(
        self,
        points: NDArray[np.float32],
        label: NDArray[np.float32],
        state: NDArray[np.int64],
        n_frames: int,
    ) -> ContinuousReader:
        """Fit a reader of one label, without intervals.

        Parameters
        ----------
        points
            Float32 [time, dimensions], embedded samples.
        label
            Float32 [time, k].
        state
            Int64 [time].
        n_frames
            Number of frames.
        """
        k = label.shape[1]
        values = frame_values(label, state, n_frames)
        ridge = (
            median_prediction(label, points.shape[1])
            if np.isinf(self.penalty)
            else fit_ridge(points, label, self.penalty)
        )
        reader = ContinuousReader.without_intervals(values, ridge, np.full(k, self.sharpness))
        return replace(reader, radius=np.full(k, self.radius))


MEDIAN = LabelMethod(RIDGE, np.inf)


def select_continuous(
    data: TrainingSet, settings: ReadoutSettings, readout: BatchReadout, filtered: FilteredEvidence
) -> tuple[ContinuousReader, Kalman | None]:
    """Select the method for each label on held-out data, and fit it on all of the training data.

    Parameters
    ----------
    data
        Training data.
    settings
        Settings of the frame decoder.
    readout
        Frame decoder fitted on all of the training data.
    filtered
        Evidence for the validation sequences, with their filtered posteriors.

    Returns
    -------
    reader
        Reader of all labels.
    kalman
        Kalman filter, or None when no label is decoded with it.
    """
    points = _points(data, settings, readout)
    if not data.labels:
        no_labels = np.zeros((data.n_frames, 0)), np.zeros((points.shape[1] + 1, 0)), np.zeros(0)
        return ContinuousReader.without_intervals(*no_labels), None
    sequences = [(evidence, posterior) for evidence, posterior in filtered if evidence.sequence.in_order]
    fold_points = [
        _points(data, settings, fit_readout(data, evidence.train, settings)) for evidence, _ in sequences
    ]
    all_labels = np.hstack(list(data.labels.values()))
    noise_inflation, kalman_estimates = _select_kalman(data, all_labels, sequences, fold_points)
    readers = []
    first = 0
    for number, label in enumerate(data.labels.values()):
        columns = slice(first, first + label.shape[1])
        first = columns.stop
        held_out = _HeldOutLabel(
            data, label, sequences, fold_points, [each[:, columns] for each in kalman_estimates]
        )
        method = _select_method(held_out)
        fitted = method.fit(points, label, data.state, data.n_frames)
        interval = _interval_scale(held_out, method)
        readers.append(replace(fitted, label=fitted.label + number, interval=interval))
    kalman = None
    if any(np.any(r.sharpness == KALMAN) for r in readers):
        everything = np.ones(len(points), bool)
        kalman = fit_kalman(points, all_labels, data.boundary, everything, noise_inflation)
    joined = ContinuousReader(
        np.hstack([r.values for r in readers]),
        np.hstack([r.ridge for r in readers]),
        np.concatenate([r.sharpness for r in readers]),
        np.concatenate([r.radius for r in readers]),
        np.concatenate([r.label for r in readers]),
        np.hstack([r.interval for r in readers]),
    )
    return joined, kalman


@dataclass(frozen=True, slots=True, eq=False)
class _HeldOutLabel:
    """One label, the validation sequences with embedded points, and the estimates of the Kalman filter (or none)."""

    data: TrainingSet
    label: NDArray[np.float32]
    sequences: FilteredEvidence
    points: list[NDArray[np.float32]]
    kalman_estimates: list[NDArray[np.float32]]

    @property
    def truth(self) -> NDArray[np.float32]:
        """True values in all sequences, float32 [time, k]."""
        return np.concatenate([self.label[evidence.sequence.index] for evidence, _ in self.sequences])

    def estimates(self, method: LabelMethod) -> Iterator[tuple[ContinuousReader, NDArray[np.float32]]]:
        """Yield, for each sequence, a reader fitted on the other folds and its estimates."""
        for number, ((evidence, posterior), points) in enumerate(
            zip(self.sequences, self.points, strict=True)
        ):
            train = evidence.train
            reader = method.fit(points[train], self.label[train], self.data.state[train], self.data.n_frames)
            kalman = self.kalman_estimates[number] if self.kalman_estimates else None
            yield reader, reader.read(posterior, points[evidence.sequence.index], kalman)

    def error(self, method: LabelMethod) -> float:
        """Return the median error over all sequences."""
        estimates = [estimate for _, estimate in self.estimates(method)]
        return median_error(np.concatenate(estimates), self.truth)


def _select_kalman(
    data: TrainingSet,
    labels: NDArray[np.float32],
    sequences: FilteredEvidence,
    points: list[NDArray[np.float32]],
) -> tuple[float, list[NDArray[np.float32]]]:
    """Select the noise inflation of the Kalman filter, and return it with the estimates for the validation sequences.

    There are no estimates for a movie, nor when a fold has too few known labels.
    """
    best: tuple[float, float, list[NDArray[np.float32]]] = (np.inf, NOISE_INFLATION[0], [])
    for inflation in NOISE_INFLATION if data.movie is None else ():
        estimates, errors = [], []
        for (evidence, _), at in zip(sequences, points, strict=True):
            kalman = fit_kalman(at, labels, data.boundary, evidence.train, inflation)
            if kalman is None:
                return NOISE_INFLATION[0], []
            index = evidence.sequence.index
            estimates.append(filter_points(kalman, at[index], evidence.sequence.boundary))
            scale = np.sqrt(np.diag(kalman.initial_covariance)[: labels.shape[1]])
            errors.append(np.abs(estimates[-1] - labels[index]) / scale)
        score = float(np.nanmedian(np.concatenate(errors))) if errors else np.inf
        if score < best[0]:
            best = (score, inflation, estimates)
    return best[1], best[2]


def _points(data: TrainingSet, settings: ReadoutSettings, readout: BatchReadout) -> NDArray[np.float32]:
    """Embed all samples, float32 [time, dimensions] of unit length."""
    return np.concatenate(
        [unit_length(readout.points(sums)) for _, sums, _ in training_windows(data, settings.layout)]
    )


def _select_method(held_out: _HeldOutLabel) -> LabelMethod:
    """Return the method with the smallest median error, or `MEDIAN` when it is hardly better than that."""
    if not held_out.sequences:
        return LabelMethod(SHARPNESS[0])
    methods = [LabelMethod(sharpness) for sharpness in SHARPNESS]
    methods += [LabelMethod(RIDGE, penalty) for penalty in (*PENALTIES, np.inf)]
    data = held_out.data
    if data.movie is None and data.n_frames <= MAX_LOCAL_FRAMES:
        distance = spacing(frame_values(held_out.label, data.state, data.n_frames))
        methods += [LabelMethod(LOCAL_MEAN, radius=distance * radius) for radius in RADII]
    if held_out.kalman_estimates:
        methods.append(LabelMethod(KALMAN))
    errors = {method: held_out.error(method) for method in methods}
    best = min(errors, key=lambda method: np.nan_to_num(errors[method], nan=np.inf))
    return best if errors[best] < MAX_ERROR_RATIO * errors[MEDIAN] else MEDIAN


def _interval_scale(held_out: _HeldOutLabel, method: LabelMethod) -> NDArray[np.float64]:
    """Return factor and constant part of the intervals, float64 [2, k], that hold `INTERVAL` of held-out truths."""
    k = held_out.label.shape[1]
    if not held_out.sequences:
        return np.full((2, k), np.nan)
    estimates = list(held_out.estimates(method))
    error = np.abs(np.concatenate([estimate for _, estimate in estimates]) - held_out.truth)
    known = np.isfinite(error)
    constant = np.array([np.median(error[known[:, c], c]) if known[:, c].any() else np.nan for c in range(k)])
    spread = np.concatenate(
        [
            replace(reader, interval=np.vstack([np.ones(k), constant])).spread(posterior, estimate)
            for (reader, estimate), (_, posterior) in zip(estimates, held_out.sequences, strict=True)
        ]
    )
    ratio = error / np.maximum(spread, 1e-30)
    factor = [np.quantile(ratio[known[:, c], c], INTERVAL) if known[:, c].any() else np.nan for c in range(k)]
    return np.vstack([factor, constant])
