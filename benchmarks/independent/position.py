"""Continuous labels without frames: the default's estimates beside those of scikit-learn's estimators."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.independent.recordings import Recording
from benchmarks.independent.sklearn_baselines import decode, window_features
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from stream.errors import NeuroReelError
from stream.session import Session

TRAIN_SHARE = 0.8
LABEL = "position"
N_PLACES = 36
REGRESSORS = ("ridge", "knn")

Floats = NDArray[np.float64]


def measure_position(recording: Recording, seed: int) -> dict[str, Any]:
    """Fit on the first four fifths of the time and score the position in the rest."""
    session = recording.session
    begun = time.process_time()
    try:
        model = fit_model(session, FitOptions(train_time=(0, TRAIN_SHARE), seed=seed))
    except NeuroReelError as error:
        return {"skipped": str(error)}
    fitted = time.process_time()
    train, test = session.select_time(0, TRAIN_SHARE), session.select_time(TRAIN_SHARE, 1)
    rows = {}
    for who, model.use_playback in (("default with playback", True), ("default alone", False)):
        rows[who] = _scores(model.predict(test, forecasts=False).continuous, test.labels[LABEL])
    windows = [max(1, round(window * session.rate_hz)) for window in recording.windows_s]
    settings: dict[str, Any] = {"default": {name: model.card[name] for name in ("decoder", "context_ms")}}
    for name in REGRESSORS:
        errors = [_held_out_error(name, train, n_window) for n_window in windows]
        n_window = windows[int(np.argmin(errors))]
        estimate = _regress(name, train, np.ones(train.n_samples, bool), test, n_window)
        rows[name] = _scores(estimate, test.labels[LABEL])
        settings[name] = {"n_window": n_window}
    places = KMeans(N_PLACES, n_init=4, random_state=0).fit(train.labels[LABEL])
    by_place = replace(train, frame=places.labels_.astype(np.int32))
    for name in ("lda", "naive_bayes"):
        decoded = decode(name, by_place, {"": test}, recording.windows_s, (0.0,))[""]
        rows[name] = _scores(decoded.posterior @ places.cluster_centers_[decoded.classes], test.labels[LABEL])
        settings[name] = {"n_window": decoded.setting.n_window}
    total = round(time.process_time() - begun, 1)
    return {
        "tests": {"in order": rows},
        "settings": settings,
        "fit_s": round(fitted - begun, 1),
        "total_s": total,
    }


def _held_out_error(name: str, train: Session, n_window: int) -> float:
    """Return the median error in the last fifth of the training data."""
    late = np.arange(train.n_samples) >= TRAIN_SHARE * train.n_samples
    estimate = _regress(name, train, ~late, train, n_window)[late]
    return _scores(estimate, train.labels[LABEL][late])["median_error"]


def _regress(name: str, train: Session, keep: NDArray[np.bool_], test: Session, n_window: int) -> Floats:
    regressor = Ridge(alpha=10.0) if name == "ridge" else KNeighborsRegressor(25, weights="distance")
    pipeline = make_pipeline(StandardScaler(), regressor)
    pipeline.fit(window_features(train, n_window)[keep], train.labels[LABEL][keep])
    return np.asarray(pipeline.predict(window_features(test, n_window)))


def _scores(estimate: NDArray[np.floating], truth: NDArray[np.float32]) -> dict[str, float]:
    truth_ = truth.astype(np.float64)
    miss = ((estimate - truth_) ** 2).sum(1)
    r2 = 1 - miss.sum() / ((truth_ - truth_.mean(0)) ** 2).sum()
    return {"r2": float(r2), "median_error": float(np.median(np.sqrt(miss)))}
