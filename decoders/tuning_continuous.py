"""How each continuous label is read, chosen on held-out parts of the training data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from decoders.continuous import (
    PENALTIES,
    RIDGE,
    SHARPNESS,
    ContinuousReader,
    constant,
    fit_ridge,
    frame_values,
    median_error,
)
from decoders.embedding.linear import unit
from decoders.training import TrainingSet
from decoders.tuning import Reader, Settings, fit_reader
from decoders.tuning_playback import Trial

Filtered = list[tuple[Trial, NDArray[np.float64]]]
Way = tuple[float, float]
"""A sharpness (or `RIDGE`) and the penalty of the ridge, infinite for the label's median alone."""

READABLE = 0.95
"""A label whose held-out median error is not at least this much smaller than its median's is answered by its median."""


def fit_continuous(
    data: TrainingSet, settings: Settings, reader: Reader, filtered: Filtered
) -> ContinuousReader:
    """Fit every label on everything, in the way that was best on held-out data.

    Parameters
    ----------
    data
        Training data.
    settings
        Of the frame posterior.
    reader
        Fitted on all of it.
    filtered
        Held-out passages with their posteriors after the playback model.
    """
    points = unit(reader.points(settings.windows(data.clean, data.border)[0]))
    if not data.labels:
        return ContinuousReader(np.zeros((data.n_frames, 0)), np.zeros((points.shape[1] + 1, 0)), np.zeros(0))
    passages = [(t, f) for t, f in filtered if t.passage.in_order]
    held_points = [_points(data, settings, trial.train) for trial, _ in passages]
    values, ridges, sharpness = [], [], []
    for label in data.labels.values():
        way = _best_way(data, label, passages, held_points)
        values.append(frame_values(label, data.state, data.n_frames))
        ridges.append(_ridge(points, label, way[1]))
        sharpness.append(np.full(label.shape[1], way[0]))
    return ContinuousReader(np.hstack(values), np.hstack(ridges), np.concatenate(sharpness))


def _points(data: TrainingSet, settings: Settings, train: NDArray[np.bool_]) -> NDArray[np.float32]:
    """All samples in an embedding fitted on a part of them."""
    windows = settings.windows(data.clean, data.border)
    return unit(fit_reader(data, windows, train, settings).points(windows[0]))


def _best_way(
    data: TrainingSet, label: NDArray[np.float32], passages: Filtered, points: list[NDArray[np.float32]]
) -> Way:
    """The way with the smallest median error over the held-out passages."""
    k = label.shape[1]
    estimates: dict[Way, list[NDArray[np.float32]]] = {}
    for (trial, posterior), at in zip(passages, points, strict=True):
        train, index = trial.train, trial.passage.index
        values = frame_values(label[train], data.state[train], data.n_frames)
        for sharpness in SHARPNESS:
            way = ContinuousReader(values, np.zeros((at.shape[1] + 1, k)), np.full(k, sharpness))
            estimates.setdefault((sharpness, PENALTIES[1]), []).append(way.read(posterior, at[index]))
        for penalty in (*PENALTIES, np.inf):
            way = ContinuousReader(values, _ridge(at[train], label[train], penalty), np.full(k, RIDGE))
            estimates.setdefault((RIDGE, penalty), []).append(way.read(posterior, at[index]))
    if not estimates:
        return SHARPNESS[0], PENALTIES[1]
    truth = np.concatenate([label[trial.passage.index] for trial, _ in passages])
    errors = {way: median_error(np.concatenate(each), truth) for way, each in estimates.items()}
    best = min(errors, key=lambda way: np.nan_to_num(errors[way], nan=np.inf))
    return best if errors[best] < READABLE * errors[RIDGE, np.inf] else (RIDGE, np.inf)


def _ridge(points: NDArray[np.float32], label: NDArray[np.float32], penalty: float) -> NDArray[np.float64]:
    return constant(label, points.shape[1]) if np.isinf(penalty) else fit_ridge(points, label, penalty)
