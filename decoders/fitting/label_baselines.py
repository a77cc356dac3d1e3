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

SETTINGS = {"ridge_regression": PENALTIES, "knn_regression": (5.0, 15.0, 45.0)}
"""Candidate penalties, and numbers of neighbours."""

MAX_TESTED = 1000
"""Held-out samples on which each setting is tried."""

MAX_NEIGHBOURS = 20_000
"""Training samples among which neighbours are searched, evenly spaced."""


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
    best: dict[tuple[str, str], tuple[float, int, float]] = {}
    for n_window in windows:
        features = _features(data, data.clean, data.boundary, n_window)
        for name, settings in SETTINGS.items():
            for label, values in data.labels.items():
                for setting in settings:
                    error = float(np.nan_to_num(_error(name, setting, features, values, folds), nan=np.inf))
                    if error < best.get((name, label), (np.inf, 0, 0.0))[0] or (name, label) not in best:
                        best[name, label] = error, n_window, setting
    for name in SETTINGS:
        estimates = {}
        for label, values in data.labels.items():
            _, n_window, setting = best[name, label]
            features = _features(data, data.clean, data.boundary, n_window)
            regressor = _fit(name, setting, features, values, np.ones(len(values), bool))
            test = _features(data, clean, boundary, n_window)
            estimates[label] = (
                np.full((len(test), values.shape[1]), np.nan, np.float32)
                if regressor is None
                else _predict(regressor, test, values.shape[1])
            )
        yield name, estimates


def _error(
    name: str,
    setting: float,
    features: NDArray[np.float32],
    values: NDArray[np.float32],
    folds: list[tuple[NDArray[np.bool_], NDArray[np.bool_]]],
) -> float:
    """Median error on held-out samples; NaN without any."""
    known = np.isfinite(values).all(1)
    estimates, truths = [np.zeros((0, values.shape[1]), np.float32)], [values[:0]]
    for train, test in folds:
        tried = evenly_spaced(np.asarray(test & known), MAX_TESTED // len(folds))
        regressor = _fit(name, setting, features, values, train)
        if regressor is not None and len(tried):
            estimates.append(_predict(regressor, features[tried], values.shape[1]))
            truths.append(values[tried])
    return median_error(np.concatenate(estimates), np.concatenate(truths))


def _fit(
    name: str,
    setting: float,
    features: NDArray[np.float32],
    values: NDArray[np.float32],
    keep: NDArray[np.bool_],
) -> Any:
    """A fitted regressor of scikit-learn; None if no value is known."""
    from sklearn.linear_model import Ridge
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    known = np.asarray(keep & np.isfinite(values).all(1))
    used = np.flatnonzero(known) if name == "ridge_regression" else evenly_spaced(known, MAX_NEIGHBOURS)
    if not len(used):
        return None
    neighbours = KNeighborsRegressor(min(int(setting), len(used)), weights="distance")
    regressor = Ridge(setting) if name == "ridge_regression" else neighbours
    return make_pipeline(StandardScaler(), regressor).fit(features[used], values[used])


def _predict(regressor: Any, features: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    return np.asarray(regressor.predict(features), np.float32).reshape(-1, k)


def _features(
    data: TrainingSet, clean: NDArray[np.float32], boundary: NDArray[np.bool_], n_window: int
) -> NDArray[np.float32]:
    return Scaling(n_window, data.kind is Kind.SPIKES).features(window_sums(clean, boundary, n_window)[0])
