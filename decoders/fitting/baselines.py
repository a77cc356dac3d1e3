"""Baseline decoders that a model has to beat, tuned on the same held-out data, each with its own window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.data.training_statistics import Layout, training_statistics, training_windows, windows_at
from decoders.embedding.linear import LinearEmbedding, fit_linear, unit_length
from decoders.embedding.windows import window_sums
from decoders.errors import BadModel
from decoders.fitting.candidate_scorer import CandidateScorer
from decoders.fitting.select_weights import select_evidence_weight
from decoders.fitting.settings import (
    DEFAULT_SHRINKAGE,
    MAX_HELD_OUT,
    ReadoutSettings,
    cross_validation_folds,
    evenly_spaced,
)
from decoders.metrics import accuracy, likeliest
from decoders.playback.filter import Playback
from decoders.playback.transition_powers import Transitions
from decoders.readouts.classifiers import (
    LinearReadout,
    NearestNeighbours,
    Prototypes,
    Scaling,
    fit_lda,
    fit_poisson,
    fit_prototypes,
    log_posterior,
)
from stream.session import Kind

NAMES = ("linear", "lda", "naive_bayes", "knn")
_STRENGTHS = {
    "linear": (0.1, 0.3, 0.5, 0.8),
    "lda": (0.1, 0.3, 0.5, 0.8),
    "naive_bayes": (0.0,),
    "knn": (5.0, 15.0, 45.0),
}


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
        Shrinkage (linear, LDA) or number of neighbours (kNN).
    steady
        Whether every sample is scaled to the mean total spike count, which removes a common gain.
    factor
        Inverse temperature of the logits.
    power
        Evidence weight of the logits in the playback model.
    """

    name: str
    n_window: int
    strength: float
    steady: bool
    factor: float = 1.0
    power: float = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class WhitenedCosine:
    """Cosine similarity to prototypes in the linear embedding."""

    embedding: LinearEmbedding
    prototypes: Prototypes

    def similarity(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the similarity to each prototype, float32 [..., states]."""
        return self.prototypes.similarity(unit_length(self.embedding.project(features)))


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """A fitted baseline.

    Attributes
    ----------
    settings
        Selected hyperparameters.
    scaling
        From window sums to features.
    readout
        From features to uncalibrated logits.
    """

    settings: BaselineSettings
    scaling: Scaling
    readout: WhitenedCosine | LinearReadout | NearestNeighbours

    def logits(self, sums: NDArray[np.float32], fullness: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return calibrated logits, float32 [time, states].

        Parameters
        ----------
        sums, fullness
            Window sums float32 [time, channels] and fullness of each window float32 [time].
        """
        raw = self.readout.similarity(self.scaling.features(sums))
        return raw * (np.float32(self.settings.factor) * fullness[:, None])


def fit_baseline(
    data: TrainingSet,
    settings: BaselineSettings,
    keep: NDArray[np.bool_] | None = None,
    fitted: NearestNeighbours | None = None,
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
    fitted
        Nearest neighbours fitted on the same samples, whose points serve again.
    """
    used = np.ones(len(data.state), bool) if keep is None else keep
    layout = Layout(settings.n_window)
    spikes = data.kind is Kind.SPIKES
    poisson = settings.name == "naive_bayes" and spikes
    # Any total serves: it scales all features alike.
    total = float(settings.n_window) if settings.steady and spikes else 0.0
    scaling = Scaling(1 if poisson else settings.n_window, spikes and not poisson, total)
    if settings.name == "knn" and fitted is not None:
        return Baseline(settings, scaling, replace(fitted, k=int(settings.strength)))
    if settings.name == "knn":
        pieces = training_windows(data, layout)
        points = np.concatenate(
            [unit_length(scaling.features(sums[used[where]])) for where, sums, _ in pieces]
        )
        nearest = NearestNeighbours(points, data.state[used], int(settings.strength), data.n_states)
        return Baseline(settings, scaling, nearest)
    statistics = training_statistics(data, layout, scaling, used)
    if settings.name == "linear":
        embedding = fit_linear(statistics, settings.strength)
        return Baseline(
            settings, scaling, WhitenedCosine(embedding, fit_prototypes(embedding, statistics, cosine=True))
        )
    if poisson:
        return Baseline(settings, scaling, fit_poisson(statistics.mean, statistics.observed))
    diagonal = settings.name == "naive_bayes"
    return Baseline(settings, scaling, fit_lda(statistics, settings.strength, diagonal=diagonal))


def select_baselines(
    data: TrainingSet, windows: Sequence[int], transitions: Transitions, jump: float, seed: int
) -> dict[str, Any]:
    """Select window and hyperparameters of every baseline on held-out data, JSON-ready for the model's card.

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
    """
    playback = Playback(transitions, jump, jump, data.movie_rate_hz, data.rate_hz)
    out = {}
    best = _select(data, windows, seed)
    for name in NAMES:
        selected = best[name]

        def evidence(
            train: NDArray[np.bool_],
            clean: NDArray[np.float32],
            boundary: NDArray[np.bool_],
            settings: BaselineSettings = selected,
        ) -> NDArray[np.float32]:
            baseline = fit_baseline(data, settings, train)
            return baseline.logits(*window_sums(clean, boundary, settings.n_window))

        weight = select_evidence_weight(data, evidence, playback, seed)
        out[name] = asdict(replace(selected, power=weight))
    return out


def held_out_accuracy(data: TrainingSet, card: dict[str, Any]) -> dict[str, float]:
    """Accuracy within one second of every baseline, without a playback model, on the folds that it is not fitted on.

    Parameters
    ----------
    data
        Training data.
    card
        Card with the settings of the baselines.

    Returns
    -------
    accuracy
        By name of the baseline; empty where nothing can be held out.
    """
    folds = list(cross_validation_folds(data))
    out = {}
    for name, settings in card["baselines"].items() if folds else ():
        chosen = BaselineSettings(**settings)
        decoded, true = [], []
        for train, test in folds:
            index = evenly_spaced(test & (data.state < data.n_frames), MAX_HELD_OUT // len(folds))
            baseline = fit_baseline(data, chosen, train)
            logits = baseline.logits(*windows_at(data, Layout(chosen.n_window), index))
            decoded.append(likeliest(np.exp(log_posterior(logits))))
            true.append(data.state[index].astype(np.int32))
        share = accuracy(np.concatenate(decoded), np.concatenate(true), data.axis)
        if np.isfinite(share):
            out[name] = round(share, 4)
    return out


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
        if name == "linear" and card.get("opinion") is None and name not in card.get("baselines", {}):
            continue  # written by an earlier version, whose models were linear themselves
        try:
            settings = BaselineSettings(**card["baselines"][name])
        except (KeyError, TypeError) as error:
            raise BadModel(
                f"the model's card has no usable settings of baseline {name!r}. Fit the model again."
            ) from error
        yield fit_baseline(data, settings)


def _select(data: TrainingSet, windows: Sequence[int], seed: int) -> dict[str, BaselineSettings]:
    """Return the settings of each baseline with the best held-out log score.

    For a movie, the search for a baseline's window stops when its score falls, as it does for the model.
    """
    best = {name: BaselineSettings(name, windows[0], _STRENGTHS[name][-1], steady=False) for name in NAMES}
    folds = list(cross_validation_folds(data))
    scores = dict.fromkeys(NAMES, -np.inf)
    searched = list(NAMES)
    for n_window in windows if folds else ():
        base = ReadoutSettings(n_window, DEFAULT_SHRINKAGE, True, 1.0, 0.0)
        scorer = CandidateScorer.for_window(data, base, folds, seed)
        for name in list(searched):
            score, settings = max(_scores(scorer, name, n_window), key=lambda scored: scored[0])
            if score > scores[name]:
                scores[name], best[name] = score, settings
            elif data.movie_rate_hz:
                searched.remove(name)
    return best


def _scores(scorer: CandidateScorer, name: str, n_window: int) -> Iterator[tuple[float, BaselineSettings]]:
    """Yield the held-out log score of each candidate, and the candidate with its inverse temperature."""
    data, strengths = scorer.data, _STRENGTHS[name]
    for steady in (False, True) if data.kind is Kind.SPIKES and name != "linear" else (False,):
        logits: list[list[NDArray[np.float32]]] = [[] for _ in strengths]
        for (train, _), held_out in zip(scorer.folds, scorer.held_out, strict=True):
            points: NearestNeighbours | None = None
            for number, strength in enumerate(strengths):
                baseline = fit_baseline(
                    data, BaselineSettings(name, n_window, strength, steady), train, points
                )
                points = baseline.readout if isinstance(baseline.readout, NearestNeighbours) else None
                features = baseline.scaling.features(held_out.sums)
                logits[number].append(baseline.readout.similarity(features))
        for strength, of_strength in zip(strengths, logits, strict=True):
            factor, score = scorer.calibrate_logits(np.concatenate(of_strength))
            yield score, BaselineSettings(name, n_window, strength, steady, factor)
