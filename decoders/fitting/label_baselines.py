"""Baselines that decode continuous labels from the activity itself: each chooses its own window and setting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.embedding.windows import window_sums
from decoders.fitting.settings import cross_validation_folds, evenly_spaced
from decoders.readouts.classifiers import Scaling
from decoders.readouts.continuous import PENALTIES, median_error
from stream.session import Kind

NEIGHBOURS = (5, 15, 45)
MAX_TESTED = 1000
"""Held-out samples on which each setting is tried."""


def label_baselines(
    data: TrainingSet, windows: list[int], clean: NDArray[np.float32], boundary: NDArray[np.bool_]
) -> Iterator[tuple[str, dict[str, NDArray[np.float32]]]]:
    """Yield the name and the estimates of each baseline: ridge regression and k nearest neighbours.

    The window and the penalty or number of neighbours are those with the smallest median error in cross-validation
    within the training data.

    Parameters
    ----------
    data
        Training data.
    windows
        Candidate windows in samples.
    clean, boundary
        Preprocessed test samples, float32 [time, used channels], and where their segments begin, bool [time].

    Yields
    ------
    name, estimates
        ``ridge_regression`` or ``knn_regression``, and float32 [time, k] by label.
    """
    folds = list(cross_validation_folds(data))
    train = {n: _features(data, data.clean, data.boundary, n) for n in windows}
    test = {n: _features(data, clean, boundary, n) for n in windows}
    for name, settings in (("ridge_regression", PENALTIES), ("knn_regression", NEIGHBOURS)):
        estimates = {}
        for label, values in data.labels.items():
            known = np.asarray(np.isfinite(values).all(1))
            tried = [(n, setting) for n in windows for setting in settings]
            errors = [_error(name, setting, train[n], values, known, folds) for n, setting in tried]
            n, setting = tried[int(np.argmin(np.nan_to_num(errors, nan=np.inf)))]
            if known.any():
                fitted = _regressor(name, setting, int(known.sum())).fit(train[n][known], values[known])
                estimates[label] = np.asarray(fitted.predict(test[n]), np.float32).reshape(
                    -1, values.shape[1]
                )
            else:
                estimates[label] = np.full((len(clean), values.shape[1]), np.nan, np.float32)
        yield name, estimates


def _error(
    name: str,
    setting: float,
    features: NDArray[np.float32],
    values: NDArray[np.float32],
    known: NDArray[np.bool_],
    folds: list[tuple[NDArray[np.bool_], NDArray[np.bool_]]],
) -> float:
    """Median error on held-out samples; NaN without any."""
    estimates, truths = [np.zeros((0, values.shape[1]), np.float32)], [values[:0]]
    for train, test in folds:
        used, tried = train & known, evenly_spaced(test & known, MAX_TESTED // len(folds))
        if used.any() and len(tried):
            fitted = _regressor(name, setting, int(used.sum())).fit(features[used], values[used])
            estimates.append(np.asarray(fitted.predict(features[tried]), np.float32).reshape(len(tried), -1))
            truths.append(values[tried])
    return median_error(np.concatenate(estimates), np.concatenate(truths))


def _regressor(name: str, setting: float, n_samples: int) -> Any:
    from sklearn.linear_model import Ridge
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if name == "ridge_regression":
        return make_pipeline(StandardScaler(), Ridge(setting))
    return make_pipeline(
        StandardScaler(), KNeighborsRegressor(min(int(setting), n_samples), weights="distance")
    )


def _features(
    data: TrainingSet, clean: NDArray[np.float32], boundary: NDArray[np.bool_], n_window: int
) -> NDArray[np.float32]:
    return Scaling(n_window, data.kind is Kind.SPIKES).features(window_sums(clean, boundary, n_window)[0])
