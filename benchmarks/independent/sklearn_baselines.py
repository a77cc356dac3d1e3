"""Baselines made of scikit-learn's estimators, each with the window that is best in its own cross-validation.

They share no code with the project's decoders. Features are causal sums over a window (square roots of spike counts,
means of other signals), scaled by scikit-learn. One fold is one repeat; window, lag and strength are chosen one after
the other by the log score of held-out moments that show a frame, at the inverse temperature that suits them best.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from stream.session import Kind, Session

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

BLANK = -1
TEMPERATURES = np.geomspace(0.002, 2000, 50)
MAX_HELD_OUT = 600
"""Held-out moments per fold on which settings are compared, evenly spaced over those that show a frame."""

STRENGTHS: dict[str, tuple[float, ...]] = {
    "lda": (0.3, 0.1, 0.7),
    "naive_bayes": (1e-2, 1e-1, 1.0),
    "ridge": (100.0, 1.0, 10_000.0),
    "knn": (15, 5, 45),
}
"""Candidate shrinkage, variance added, penalty, number of neighbours; the first serves while windows are compared."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A baseline's settings."""

    name: str
    n_window: int
    n_lag: int = 0
    strength: float = 0.0
    inverse_temperature: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """Posteriors [time, class] and the classes they are about; ``truth`` is the class of each moment, lag considered."""

    posterior: Floats
    classes: NDArray[np.int64]
    truth: NDArray[np.int64]
    setting: Setting


def decode(
    name: str,
    train: Session,
    tests: dict[str, Session],
    windows_s: tuple[float, ...],
    lags_s: tuple[float, ...],
) -> dict[str, Decoded]:
    """Choose a baseline's settings in the training data, fit it and decode the test data.

    Parameters
    ----------
    name
        One of `STRENGTHS`.
    train, tests
        Training data, and test data by name; windows restart where their segment changes.
    windows_s, lags_s
        Candidate windows and lags in seconds.
    """
    setting = choose(name, train, windows_s, lags_s)
    everything = np.ones(train.n_samples, bool)
    predict = _fit(setting, train, everything)
    out = {}
    for test_name, test in tests.items():
        logits, classes = predict(window_features(test, setting.n_window))
        truth = lagged_truth(test, setting.n_lag)
        out[test_name] = Decoded(softmax(setting.inverse_temperature * logits), classes, truth, setting)
    return out


def choose(name: str, train: Session, windows_s: tuple[float, ...], lags_s: tuple[float, ...]) -> Setting:
    """Choose window, then lag, then strength by cross-validation over repeats."""
    rate = train.rate_hz
    windows = sorted({max(1, round(window * rate)) for window in windows_s})
    lags = sorted({round(lag * rate) for lag in lags_s})
    setting = Setting(name, windows[0], lags[len(lags) // 2], STRENGTHS[name][0])
    setting = _best(train, [replace(setting, n_window=window) for window in windows])
    if len(lags) > 1:
        setting = _best(train, [replace(setting, n_lag=lag) for lag in lags])
    return _best(train, [replace(setting, strength=strength) for strength in STRENGTHS[name]])


def _best(train: Session, tried: list[Setting]) -> Setting:
    """Return the settings with the best held-out log score, with their inverse temperature."""
    scored = [_cross_validate(setting, train) for setting in tried]
    best = int(np.argmax([score for score, _ in scored]))
    return replace(tried[best], inverse_temperature=scored[best][1])


def lagged_truth(session: Session, n_lag: int) -> NDArray[np.int64]:
    """Return the frame shown ``n_lag`` samples before each sample, -1 for none or before its segment."""
    frame = session.frame.astype(np.int64)
    if not n_lag:
        return frame
    earlier = np.r_[np.full(n_lag, BLANK), frame[:-n_lag]]
    same = np.r_[np.zeros(n_lag, bool), session.segment[n_lag:] == session.segment[:-n_lag]]
    return np.where(same, earlier, BLANK)


def window_features(session: Session, n_window: int) -> Floats:
    """Return sums over causal windows that restart at segment boundaries: roots of counts, means of other signals."""
    neural = np.nan_to_num(np.asarray(session.neural, np.float64))
    total = np.vstack([np.zeros(neural.shape[1]), np.cumsum(neural, 0)])
    now = np.arange(len(neural))
    begin = np.maximum(np.searchsorted(session.segment, session.segment), now - n_window + 1)
    sums = total[now + 1] - total[begin]
    length = (now + 1 - begin)[:, None]
    return np.sqrt(np.maximum(sums * n_window / length, 0)) if session.kind is Kind.SPIKES else sums / length


def softmax(logits: Floats) -> Floats:
    """Return probabilities [time, class]."""
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(weights / weights.sum(1, keepdims=True))


def _cross_validate(setting: Setting, train: Session) -> tuple[float, float]:
    """Return the held-out log score in nats and the inverse temperature at which it is best."""
    features, truth = window_features(train, setting.n_window), lagged_truth(train, setting.n_lag)
    parts = []
    for test in _folds(train):
        predict = _fit(setting, train, ~test)
        index = np.flatnonzero(test & (truth >= 0))
        index = index[np.linspace(0, len(index) - 1, min(MAX_HELD_OUT, len(index))).astype(int)]
        logits, classes = predict(features[index])
        column = np.minimum(np.searchsorted(classes, truth[index]), len(classes) - 1)
        known = classes[column] == truth[index]
        parts.append((logits[known], column[known]))
    scores = [
        np.mean(np.concatenate([_log_score(scale * logits, column) for logits, column in parts]))
        for scale in TEMPERATURES
    ]
    best = int(np.argmax(scores))
    return float(scores[best]), float(TEMPERATURES[best])


def _log_score(logits: Floats, column: NDArray[np.int64]) -> Floats:
    top = logits.max(1)
    total = top + np.log(np.exp(logits - top[:, None]).sum(1))
    return np.asarray(logits[np.arange(len(column)), column] - total)


def _folds(train: Session) -> list[Bools]:
    """Return the held-out samples of each fold: the first and the last repeat, or tenths of a recording without any."""
    if len(train.repeats) < 2:
        part = np.arange(train.n_samples) * 10 // train.n_samples
        return [part == 3, part == 7]
    of_sample = train.repeat_with_blanks()
    return [of_sample == repeat for repeat in (train.repeats[0], train.repeats[-1])]


def _fit(
    setting: Setting, train: Session, keep: Bools
) -> Callable[[Floats], tuple[Floats, NDArray[np.int64]]]:
    """Fit a baseline; return a function that gives logits [time, class] and the classes."""
    features, truth = window_features(train, setting.n_window)[keep], lagged_truth(train, setting.n_lag)[keep]
    pipeline = make_pipeline(StandardScaler(), _estimator(setting, len(np.unique(truth))))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # frames that are seen once have no covariance of their own
        pipeline.fit(features, truth)
    classes = np.asarray(pipeline.classes_, np.int64)

    def logits(test: Floats) -> tuple[Floats, NDArray[np.int64]]:
        if setting.name == "knn":
            share = pipeline.predict_proba(test)
            return np.log(share + 0.1 / (setting.strength * len(classes))), classes
        if setting.name == "naive_bayes":
            return np.asarray(pipeline.predict_log_proba(test)), classes
        decision = np.asarray(pipeline.decision_function(test))
        return decision if decision.ndim == 2 else np.stack([-decision, decision], 1), classes

    return logits


def _estimator(setting: Setting, n_classes: int) -> Any:
    uniform = np.full(n_classes, 1 / n_classes)
    if setting.name == "lda":
        return LinearDiscriminantAnalysis(solver="lsqr", shrinkage=setting.strength, priors=uniform)
    if setting.name == "naive_bayes":
        return GaussianNB(priors=uniform, var_smoothing=setting.strength)
    if setting.name == "ridge":
        return RidgeClassifier(alpha=setting.strength, class_weight="balanced")
    return KNeighborsClassifier(int(setting.strength), weights="distance")
