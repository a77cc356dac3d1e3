"""Baseline decoders that a model has to beat, tuned on the same held-out data, each with its own window.

LDA, naive Bayes and k nearest neighbours are scikit-learn's; the fourth is the model's own linear decoder.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.data.training_statistics import Layout, training_statistics, training_windows, windows_at
from decoders.embedding.windows import window_sums
from decoders.errors import BadModel
from decoders.fitting.candidate_scorer import CandidateScorer
from decoders.fitting.fit_emission import Evidence
from decoders.fitting.select_weights import select_evidence_weight
from decoders.fitting.settings import (
    MAX_HELD_OUT,
    ReadoutSettings,
    cross_validation_folds,
    evenly_spaced,
    fit_readout,
)
from decoders.metrics import accuracy, likeliest
from decoders.playback.filter import Playback
from decoders.playback.transition_powers import Transitions
from decoders.readouts.classifiers import UNOBSERVED_LOGIT, Scaling, log_posterior
from stream.session import Kind

NAMES = ("linear", "lda", "naive_bayes", "knn")

MAX_COVARIANCE_VALUES = 60_000_000
"""Values of the covariances of all states together; LDA uses principal components of more channels than that allows."""

N_SLOTS = 1e6
"""Equal slots of a window, nearly all without a spike: the multinomial distribution over spikes and empty slots is the
Poisson distribution of the spike counts."""

BATCH_VALUES = 4_000_000
"""Logits that are computed at a time."""

Features = Callable[[NDArray[Any]], NDArray[Any]]
"""Maps window sums to the features that an estimator gets."""

Logits = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Maps window sums float32 [time, channels] to uncalibrated logits float32 [time, states]."""


@dataclass(frozen=True, slots=True)
class BaselineSettings:
    """Selected hyperparameters of one baseline.

    Attributes
    ----------
    name
        One of `NAMES`.
    n_window
        Samples in the window.
    strength
        Shrinkage (linear, LDA), share of the largest variance that is added to all (Gaussian naive Bayes), or number of
        neighbours (kNN).
    steady
        Whether a common gain of all spike counts is ignored in LDA and naive Bayes; kNN always does.
    factor
        Inverse temperature of the logits.
    power
        Evidence weight of the logits in the playback model.
    """

    name: str
    n_window: int
    strength: float
    steady: bool = False
    factor: float = 1.0
    power: float = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """A fitted baseline.

    Attributes
    ----------
    settings
        Selected hyperparameters.
    uncalibrated
        Fitted decoder.
    """

    settings: BaselineSettings
    uncalibrated: Logits

    def logits(self, sums: NDArray[np.float32], fullness: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return calibrated logits float32 [time, states] of window sums, with the fullness of each window."""
        return self.calibrated(self.uncalibrated(sums), fullness)

    def calibrated(
        self, uncalibrated: NDArray[np.float32], fullness: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return calibrated logits for uncalibrated ones, float32 [time, states]."""
        return uncalibrated * (np.float32(self.settings.factor) * fullness[:, None])

    def evidence(self, clean: NDArray[np.float32], boundary: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return calibrated logits of preprocessed samples with segment boundaries, float32 [time, states]."""
        return self.logits(*window_sums(clean, boundary, self.settings.n_window))


def fit_baseline(
    data: TrainingSet, settings: BaselineSettings, keep: NDArray[np.bool_] | None = None
) -> Baseline:
    """Fit one baseline with given settings.

    Parameters
    ----------
    data
        Training data.
    settings
        Hyperparameters, from `select_baselines`.
    keep
        Bool [time], samples to use: whole folds; None for all.
    """
    used = np.ones(len(data.state), bool) if keep is None else keep
    if settings.name == "linear":
        readout = fit_readout(
            data, used, ReadoutSettings(settings.n_window, settings.strength, True, 1.0, 0.0)
        )
        return Baseline(settings, readout.logits)
    layout = Layout(settings.n_window)
    if settings.name == "naive_bayes" and data.kind is Kind.SPIKES:
        return Baseline(settings, _fit_spike_counts(data, layout, used, steady=settings.steady))
    features_of = Scaling(settings.n_window, data.kind is Kind.SPIKES).features
    features = np.concatenate(
        [features_of(sums[used[where]]) for where, sums, _ in training_windows(data, layout)]
    )
    estimator = _estimator(settings, features, data.state[used])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a movie has nearly as many frames as there are samples
        estimator.fit(features, data.state[used])
    return Baseline(settings, _logits_of(estimator, features_of, data.n_states))


def _fit_spike_counts(data: TrainingSet, layout: Layout, used: NDArray[np.bool_], *, steady: bool) -> Logits:
    """Fit naive Bayes of spike counts: multinomial, which ignores a common gain, or Poisson."""
    from sklearn.naive_bayes import MultinomialNB

    def features_of(sums: NDArray[Any]) -> NDArray[Any]:
        return sums if steady else np.hstack([sums, N_SLOTS - sums.sum(1, keepdims=True)])

    # The total counts of each state are all that it learns from.
    statistics = training_statistics(data, layout, Scaling(1, root=False), used)
    state = np.flatnonzero(statistics.observed)
    counts = features_of(np.maximum(statistics.mean, 0)[state]) * statistics.count[state, None]
    # A single spike of a channel that was silent in training must not exclude a state.
    estimator = MultinomialNB(alpha=0.05 * counts.mean(0) + 1e-3, fit_prior=False)
    return _logits_of(estimator.fit(counts, state), features_of, data.n_states)


def _estimator(settings: BaselineSettings, features: NDArray[np.float32], state: NDArray[np.int64]) -> Any:
    """Return scikit-learn's estimator, not fitted yet; every state has the same prior."""
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer

    n_states = len(np.unique(state))
    uniform = np.full(n_states, 1 / n_states)
    if settings.name == "naive_bayes":
        return GaussianNB(priors=uniform, var_smoothing=settings.strength)
    if settings.name == "lda" and n_states < len(state):  # one sample of each state has no covariance
        lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=settings.strength, priors=uniform)
        n_most = isqrt(MAX_COVARIANCE_VALUES // n_states)
        reduced = [PCA(min(n_most, len(state)), random_state=0)] if features.shape[1] > n_most else []
        return make_pipeline(*([Normalizer()] if settings.steady else []), *reduced, lda)
    k = min(max(1, int(settings.strength)), len(state))
    return make_pipeline(Normalizer(), KNeighborsClassifier(k, weights="distance", algorithm="brute"))


def _logits_of(estimator: Any, features_of: Features, n_states: int) -> Logits:
    """Return the function that decodes window sums with a fitted estimator."""
    states = estimator.classes_

    def scores(features: NDArray[Any]) -> NDArray[Any]:
        if hasattr(estimator, "decision_function"):
            decision: NDArray[Any] = estimator.decision_function(features)
            return decision if decision.ndim == 2 else np.stack([np.zeros_like(decision), decision], 1)
        if hasattr(estimator, "predict_joint_log_proba"):
            joint: NDArray[Any] = estimator.predict_joint_log_proba(features)
            return joint
        # Every state gets a small fraction of a neighbour's vote.
        share: NDArray[Any] = estimator.predict_proba(features)
        return np.asarray(np.log(share + 0.1 / (estimator[-1].n_neighbors * n_states)))

    def logits(sums: NDArray[np.float32]) -> NDArray[np.float32]:
        out = np.full((len(sums), n_states), UNOBSERVED_LOGIT, np.float32)
        n_batch = max(1, BATCH_VALUES // n_states)
        for first in range(0, len(sums), n_batch):
            out[first : first + n_batch, states] = scores(features_of(sums[first : first + n_batch]))
        return out

    return logits


def select_baselines(
    data: TrainingSet, windows: Sequence[int], transitions: Transitions, jump: float, seed: int
) -> dict[str, Any]:
    """Select window and hyperparameters of every baseline on held-out data.

    Parameters
    ----------
    data
        Training data.
    windows
        Candidate window lengths in samples, in increasing order, as for the model.
    transitions, jump
        Transitions and jump probability of the model's playback model.
    seed
        Random seed of the shuffled scenes.

    Returns
    -------
    card
        Entries of the model's card: ``baselines``, the settings by name, and ``baseline_accuracy``, the accuracy within
        one second of each, without a playback model, on the folds that it is not fitted on; empty where nothing can be
        held out.
    """
    playback = Playback(transitions, jump, jump, data.movie_rate_hz, data.rate_hz)
    settings, shares = {}, {}
    for name, selected in _select(data, windows, seed).items():
        weight, fitted = _select_weight(data, selected, playback, seed)
        settings[name] = asdict(replace(selected, power=weight))
        share = _held_out_accuracy(data, fitted)
        if np.isfinite(share):
            shares[name] = round(share, 4)
    return {"baselines": settings, "baseline_accuracy": shares}


def _select_weight(
    data: TrainingSet, settings: BaselineSettings, playback: Playback, seed: int
) -> tuple[float, list[Baseline]]:
    """Return the evidence weight of a baseline, and the decoders of all folds that were fitted for it."""
    fitted: list[Baseline] = []

    def fit(train: NDArray[np.bool_]) -> Evidence:
        fitted.append(fit_baseline(data, settings, train))
        return fitted[-1].evidence

    return select_evidence_weight(data, fit, playback, seed), fitted


def _held_out_accuracy(data: TrainingSet, fitted: Sequence[Baseline]) -> float:
    """Return the accuracy of the decoders of all folds, in the same order; NaN without folds."""
    decoded, true = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
    for baseline, (_, test) in zip(fitted, cross_validation_folds(data), strict=True):
        index = evenly_spaced(test & (data.state < data.n_frames), MAX_HELD_OUT // len(fitted))
        logits = baseline.logits(*windows_at(data, Layout(baseline.settings.n_window), index))
        decoded.append(likeliest(np.exp(log_posterior(logits))))
        true.append(data.state[index].astype(np.int32))
    return accuracy(np.concatenate(decoded), np.concatenate(true), data.axis)


def refit_baselines(card: dict[str, Any], data: TrainingSet) -> Iterator[Baseline]:
    """Yield the baselines of a model, refitted on its archived training data.

    Parameters
    ----------
    card
        Card of the model.
    data
        Training data, from `decoders.model.training_archive.restore_training`.

    Raises
    ------
    BadModel
        When the card lacks the settings of a baseline.
    """
    for name in NAMES:
        try:
            settings = BaselineSettings(**card["baselines"][name])
        except (KeyError, TypeError) as error:
            raise BadModel(
                f"the model's card has no usable settings of baseline {name!r}. Fit the model again."
            ) from error
        yield fit_baseline(data, settings)


def _select(data: TrainingSet, windows: Sequence[int], seed: int) -> dict[str, BaselineSettings]:
    """Return the settings of each baseline: the window, then the strength, then the gain with the best log score.

    For a movie, the search for a window stops when the score falls, as it does for the model.
    """
    spikes = data.kind is Kind.SPIKES
    strengths: dict[str, tuple[float, ...]] = {
        "linear": (0.5, 0.2, 0.8),
        "lda": (0.5, 0.2, 0.8),
        "naive_bayes": (0.0,) if spikes else (1.0, 0.1, 0.01),
        "knn": (15.0, 5.0, 45.0),
    }
    folds = list(cross_validation_folds(data))

    @cache
    def scorer(n_window: int) -> CandidateScorer:
        return CandidateScorer.for_window(data, ReadoutSettings(n_window, 0.5, True, 1.0, 0.0), folds, seed)

    def scored(settings: BaselineSettings) -> tuple[float, BaselineSettings]:
        held_out = scorer(settings.n_window)
        logits = [
            fit_baseline(data, settings, train).uncalibrated(fold.sums)
            for (train, _), fold in zip(folds, held_out.held_out, strict=True)
        ]
        factor, score = held_out.calibrate_logits(np.concatenate(logits))
        return score, replace(settings, factor=factor)

    selected = {}
    for name in NAMES:
        first, *others = strengths[name]
        settings = BaselineSettings(name, windows[0], first)
        if folds:
            best = scored(settings)
            for n_window in windows[1:]:
                longer = scored(replace(settings, n_window=n_window))
                if longer[0] <= best[0] and data.movie_rate_hz:
                    break
                best = max(best, longer, key=_score)
            best = max([best, *(scored(replace(best[1], strength=other)) for other in others)], key=_score)
            if spikes and name in ("lda", "naive_bayes"):
                best = max(best, scored(replace(best[1], steady=True)), key=_score)
            settings = best[1]
        selected[name] = settings
    return selected


def _score(scored: tuple[float, BaselineSettings]) -> float:
    return scored[0]
