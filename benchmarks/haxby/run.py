"""Leave-one-run-out scores: our decoder, its baselines and controls, and an independent logistic regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from decoders.data.delays import delay_truth
from decoders.data.training_set import with_repeat_boundaries
from decoders.evaluation.predictions import TestPredictions, collect_predictions, pool_folds
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.metrics import calibration_error, likeliest
from stream.session import Session

PLAYBACK = ("with playback", "without playback")

N_ANSWERING = 30
"""Number of voxels whose response to pictures is printed."""


def score_runs(session: Session, lag: int | None, draws: int) -> dict[str, Any]:
    """Fit on all runs but one and test on that one, for each run.

    Parameters
    ----------
    session
        Recording from `benchmarks.haxby.prepare.load`.
    lag
        Lag of the activity in volumes; None selects it in training.
    draws
        Refits on shifted labels in every fold; 0 disables all controls.
    """
    parts: list[TestPredictions] = []
    lags, windows = [], []
    for run in session.repeats:
        in_test = session.repeat == run
        options = FitOptions(lag_s=None if lag is None else lag / session.rate_hz)
        model = fit_model(session.take(~in_test), options)
        parts.append(
            collect_predictions(
                model, with_repeat_boundaries(session.take(in_test)), draws, seed=0, posteriors=True
            )
        )
        lags.append(model.n_delay)
        windows.append(round(model.card["context_ms"] / 1000 * session.rate_hz))
    predictions = pool_folds(parts)
    test = predictions.test
    shifted = {
        playback: float(
            np.quantile([volume_accuracy(draw[column], test) for draw in predictions.shifted], 0.95)
        )
        for column, playback in enumerate(PLAYBACK)
        if predictions.shifted
    }
    return {
        "decoders": _each_way({name: predictions.posteriors[name] for name in predictions.decoders}, test),
        "controls": _each_way({name: predictions.posteriors[name] for name in predictions.controls}, test),
        "labels_shifted_p95": shifted,
        "draws": draws,
        "ece": {
            playback: round(_calibration(posterior, test), 3)
            for playback, posterior in zip(PLAYBACK, predictions.posteriors["model"], strict=True)
        },
        "lag_volumes": lags,
        "window_volumes": windows,
    }


def logistic(session: Session, lags: Sequence[int]) -> dict[str, Any]:
    """Decode single volumes by logistic regression, each run centred causally by the mean of its volumes so far.

    Parameters
    ----------
    session
        Recording from `benchmarks.haxby.prepare.load`.
    lags
        Lag of each run in volumes.
    """
    neural = np.asarray(session.neural, np.float64)[:, np.std(session.neural, axis=0) > 0]
    level = neural.mean(0)
    for run in session.repeats:
        at = session.repeat == run
        count = np.arange(1, at.sum() + 1)[:, None]
        # The mean of all volumes counts as ten volumes, so that a run's first volume is not its own mean.
        neural[at] -= (np.cumsum(neural[at], 0) + 10 * level) / (count + 10)
    tests, scores = [], []
    for run, lag in zip(session.repeats, lags, strict=True):
        late, kept = delay_truth(session, lag)
        features = neural[kept]
        in_test = late.repeat == run
        train = ~in_test & (late.frame >= 0)
        spread = features[~in_test].std(0)
        model = LogisticRegression(C=0.01, max_iter=500).fit(features[train] / spread, late.frame[train])
        tests.append(late.take(in_test))
        scores.append(model.predict_log_proba(features[in_test] / spread))
    predictions = np.concatenate(scores)
    test = _joined(tests)
    return _figures(predictions.argmax(1), np.exp(predictions), test)


def response(session: Session, before: int = 3, after: int = 12) -> NDArray[np.float64]:
    """Return the mean activity around a block's onset, of the most responsive voxels, relative to its maximum.

    Parameters
    ----------
    session
        Recording from `benchmarks.haxby.prepare.load`.
    before, after
        Number of volumes before and after the onset.

    Returns
    -------
    response
        Float64 [before + after]; 0 = the run's mean.
    """
    neural = np.asarray(session.neural, np.float64)
    neural = neural[:, neural.std(0) > 0]
    for run in session.repeats:
        neural[session.repeat == run] -= neural[session.repeat == run].mean(0)
    onset = np.flatnonzero((session.frame >= 0) & (np.diff(session.frame, prepend=-1) != 0))
    around = np.stack([neural[onset + k].mean(0) for k in range(-before, after)])
    most = np.argsort(-around[before + 2 : before + 9].mean(0) / neural.std(0))[:N_ANSWERING]
    mean = around[:, most].mean(1)
    return np.asarray(mean / mean.max())


def volume_accuracy(predicted: NDArray[np.integer[Any]], test: Session) -> float:
    """Return the share of picture volumes that were decoded correctly."""
    shown = test.frame >= 0
    return float(np.mean(predicted[shown] == test.frame[shown]))


def block_accuracy(posterior: NDArray[np.floating[Any]], test: Session) -> float:
    """Return the share of blocks whose category has the largest product of probabilities over the block's volumes.

    Parameters
    ----------
    posterior
        Float [volume, categories].
    test
        With the truth.
    """
    shown = test.frame >= 0
    begins = shown & ((np.diff(test.frame, prepend=-1) != 0) | (np.diff(test.segment, prepend=-1) != 0))
    block = np.cumsum(begins)[shown] - 1
    logs = np.log(np.maximum(posterior[shown], 1e-6))
    total = np.stack([np.bincount(block, column) for column in logs.T], 1)
    return float(np.mean(total.argmax(1) == test.frame[begins]))


def _figures(
    predicted: NDArray[np.integer[Any]], categories: NDArray[np.floating[Any]], test: Session
) -> dict[str, Any]:
    runs = [test.repeat == run for run in test.repeats]
    return {
        "volume": volume_accuracy(predicted, test),
        "block": block_accuracy(categories, test),
        "runs": [volume_accuracy(predicted[at], test.take(at)) for at in runs],
    }


def _each_way(
    both: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]], test: Session
) -> dict[str, Any]:
    """Return figures by decoder and playback: among all states, and among the categories alone."""
    out = {}
    for name, posteriors in both.items():
        for playback, posterior in zip(PLAYBACK, posteriors, strict=True):
            out[f"{name}, {playback}"] = _figures(likeliest(posterior), posterior[:, :-1], test)
            among = posterior[:, :-1].argmax(1)
            out[f"{name}, {playback}, 8-way"] = _figures(among, posterior[:, :-1], test)
    return out


def _calibration(posterior: NDArray[np.float32], test: Session) -> float:
    shown = test.frame >= 0
    right = likeliest(posterior)[shown] == test.frame[shown]
    return calibration_error(posterior[shown].max(1).astype(np.float64), right)


def _joined(tests: Sequence[Session]) -> Session:
    from decoders.data.training_set import concatenate_sessions

    return concatenate_sessions(tests, renumber=False)
