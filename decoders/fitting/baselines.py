"""Simpler decoders, tuned on the same held-out data over the same window: what a model has to beat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.embedding.linear import LinearEmbedding, class_statistics, fit_linear, unit_length
from decoders.embedding.windows import window_sums
from decoders.errors import BadModel
from decoders.fitting.select_playback import select_evidence_weight
from decoders.fitting.settings import MAX_HELD_OUT, cross_validation_folds, evenly_spaced
from decoders.playback.filter import Playback
from decoders.playback.transitions import Transitions
from decoders.readouts.classifiers import (
    LinearReadout,
    NearestNeighbours,
    Prototypes,
    Scaling,
    calibrate,
    fit_lda,
    fit_poisson,
    fit_prototypes,
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
    """What was chosen for one baseline.

    Attributes
    ----------
    name
        One of `NAMES`.
    n_window
        Samples in the window, the model's own.
    strength
        Shrinkage of the linear embedding and of LDA, neighbours of kNN.
    steady
        Whether each moment is scaled to the population's usual total, which takes common gain away.
    factor
        Inverse temperature.
    power
        Of the logits as evidence for the playback model.
    """

    name: str
    n_window: int
    strength: float
    steady: bool
    factor: float = 1.0
    power: float = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Whitened:
    """Cosine to prototypes in the linear embedding, with nothing beside it."""

    embedding: LinearEmbedding
    prototypes: Prototypes

    def similarity(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Float32 [..., states]."""
        return self.prototypes.similarity(unit_length(self.embedding.project(features)))


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """A fitted baseline.

    Attributes
    ----------
    settings
        What was chosen.
    scaling
        From window sums to features.
    readout
        From features to logits.
    """

    settings: BaselineSettings
    scaling: Scaling
    readout: Whitened | LinearReadout | NearestNeighbours

    def logits(self, sums: NDArray[np.float32], fullness: NDArray[np.float32]) -> NDArray[np.float32]:
        """Calibrated logits float32 [time, states]."""
        raw = self.readout.similarity(self.scaling.features(sums))
        return raw * (np.float32(self.settings.factor) * fullness[:, None])


def fit_baseline(
    data: TrainingSet,
    settings: BaselineSettings,
    keep: NDArray[np.bool_] | None = None,
    windows: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
) -> Baseline:
    """Fit one baseline with settings that were chosen.

    Parameters
    ----------
    data
        Training data.
    settings
        Chosen by `select_baselines`.
    keep
        Bool [time], which samples to use; None = all.
    windows
        Window sums and how full each window was, when they are at hand.
    """
    used = np.ones(len(data.state), bool) if keep is None else keep
    sums, fullness = windows or window_sums(data.clean, data.boundary, settings.n_window)
    spikes = data.kind is Kind.SPIKES
    total = float(sums[used].sum(1).mean()) if settings.steady and spikes else 0.0
    poisson = settings.name == "naive_bayes" and spikes
    scaling = Scaling(1 if poisson else settings.n_window, spikes and not poisson, total)
    features = scaling.features(sums[used])
    state = data.state[used]
    if settings.name == "knn":
        return Baseline(
            settings,
            scaling,
            NearestNeighbours(unit_length(features), state, int(settings.strength), data.n_states),
        )
    m = class_statistics(features, state, data.n_states, fullness[used])
    if settings.name == "linear":
        embedding = fit_linear(m, settings.strength)
        return Baseline(settings, scaling, Whitened(embedding, fit_prototypes(embedding, m, cosine=True)))
    if poisson:
        return Baseline(settings, scaling, fit_poisson(m.mean, m.observed))
    if settings.name == "naive_bayes":
        m = replace(m, within=np.diag(np.diag(m.within)))
    return Baseline(settings, scaling, fit_lda(m, settings.strength))


def select_baselines(
    data: TrainingSet, n_window: int, table: Transitions, jump: float, seed: int
) -> dict[str, Any]:
    """Choose every baseline's settings on held-out data, as JSON for the model's card.

    Parameters
    ----------
    data
        Training data.
    n_window
        The model's window.
    table, jump
        The model's playback model.
    seed
        Of the passages that the power is tried on.
    """
    playback = Playback(table, jump, jump, data.movie_rate_hz, data.rate_hz)
    out = {}
    for name in NAMES:
        chosen = _choose(data, name, n_window)

        def heard(
            train: NDArray[np.bool_],
            clean: NDArray[np.float32],
            boundary: NDArray[np.bool_],
            s: BaselineSettings = chosen,
        ) -> NDArray[np.float32]:
            return fit_baseline(data, s, train).logits(*window_sums(clean, boundary, s.n_window))

        out[name] = asdict(replace(chosen, power=select_evidence_weight(data, heard, playback, seed)))
    return out


def refit_baselines(card: dict[str, Any], data: TrainingSet) -> Iterator[Baseline]:
    """The baselines of a model, fitted again from its memory.

    Parameters
    ----------
    card
        Of the model.
    data
        From `decoders.model.training_archive.recall`.
    """
    for name in NAMES:
        if name == "linear" and card.get("opinion") is None and name not in card.get("baselines", {}):
            continue  # an earlier version's model, which is linear itself
        try:
            settings = BaselineSettings(**card["baselines"][name])
        except (KeyError, TypeError) as error:
            raise BadModel(f"the model's card has no usable settings of {name!r}. Fit it again.") from error
        yield fit_baseline(data, settings)


def _choose(data: TrainingSet, name: str, n_window: int) -> BaselineSettings:
    best = BaselineSettings(name, n_window, _STRENGTHS[name][-1], steady=False)
    best_score = -np.inf
    folds = list(cross_validation_folds(data))
    sums, fullness = window_sums(data.clean, data.boundary, n_window)
    at = [evenly_spaced(test, MAX_HELD_OUT // max(len(folds), 1)) for _, test in folds]
    if not folds:
        return best
    index = np.concatenate(at)
    for strength in _STRENGTHS[name]:
        for steady in (False, True) if data.kind is Kind.SPIKES and name != "linear" else (False,):
            trial = BaselineSettings(name, n_window, strength, steady)
            fitted = [fit_baseline(data, trial, train, (sums, fullness)) for train, _ in folds]
            whole = np.ones(1, np.float32)
            logits = [b.logits(sums[i], whole) for b, i in zip(fitted, at, strict=True)]
            factor, score = calibrate(np.concatenate(logits), fullness[index], data.state[index])
            if score > best_score:
                best, best_score = replace(trial, factor=factor), score
    return best
