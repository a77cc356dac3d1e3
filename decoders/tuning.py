"""Settings chosen on held-out parts of the training data: window, shrinkage, temperature."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from decoders.embedding.linear import LinearEmbedding, Moments, fit_linear, moments, unit
from decoders.embedding.windows import window_sums
from decoders.frames import Prototypes, Scaling, calibrate, fit_prototypes
from decoders.passages import passages
from decoders.training import TrainingSet
from stream.session import Kind

SHRINKAGES = (0.05, 0.15, 0.3, 0.5, 0.7, 0.9)
DEFAULT_SHRINKAGE = 0.5
DEFAULT_FACTOR = 8.0
MAX_HELD_OUT = 1200
"""Held-out moments that settings are compared on."""


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """The way from window sums to calibrated logits.

    Attributes
    ----------
    scaling, embedding, prototypes
        Fitted.
    factor
        Inverse temperature.
    """

    scaling: Scaling
    embedding: LinearEmbedding
    prototypes: Prototypes
    factor: float = 1.0

    def points(self, sums: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embedded points, float32 [time, dimensions], not yet of unit length."""
        return self.embedding.project(self.scaling.features(sums))

    def logits(self, sums: NDArray[np.float32]) -> NDArray[np.float32]:
        """Before temperature, float32 [time, states]."""
        points = self.points(sums)
        return self.prototypes.similarity(unit(points) if self.prototypes.cosine else points)


@dataclass(frozen=True, slots=True)
class Settings:
    """What was chosen for the frame posterior.

    Attributes
    ----------
    n_window
        Samples in the context window.
    shrinkage
        Of the within-state covariance.
    cosine
        Whether directions are compared.
    factor
        Inverse temperature.
    log_score
        Mean log probability of held-out truths, in nats; NaN when nothing could be held out.
    """

    n_window: int
    shrinkage: float
    cosine: bool
    factor: float
    log_score: float


def scaling_of(data: TrainingSet, n_window: int) -> Scaling:
    """How this recording's window sums become features."""
    return Scaling(n_window, data.kind is Kind.SPIKES)


def state_moments(
    data: TrainingSet,
    sums: NDArray[np.float32],
    fullness: NDArray[np.float32],
    keep: NDArray[np.bool_],
    scaling: Scaling,
) -> Moments:
    """Moments of the kept samples' features, partial windows counting for less."""
    return moments(scaling.features(sums[keep]), data.state[keep], data.n_states, fullness[keep])


def fit_reader(m: Moments, scaling: Scaling, settings: Settings) -> Reader:
    """Fit with settings that were chosen."""
    embedding = fit_linear(m, settings.shrinkage)
    return Reader(scaling, embedding, fit_prototypes(embedding, m, cosine=settings.cosine), settings.factor)


def held_out(data: TrainingSet) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Training and held-out mask of each fold; held-out moments have a state that the rest shows too."""
    for fold in np.unique(data.fold[data.fold >= 0]):
        test = data.fold == fold
        train = (data.fold >= 0) & ~test
        if not train.any():
            continue
        seen = np.zeros(data.n_states, bool)
        seen[data.state[train]] = True
        test = test & seen[data.state]
        if test.sum() >= 10:
            yield train, test


def thinned(mask: NDArray[np.bool_], n_most: int) -> NDArray[np.int64]:
    """Indices of at most ``n_most`` of a mask's samples, evenly spread."""
    index = np.flatnonzero(mask)
    if len(index) <= n_most:
        return index
    return index[np.linspace(0, len(index) - 1, n_most).astype(np.int64)]


def choose_settings(
    data: TrainingSet, windows: Sequence[int], similarities: Sequence[bool], seed: int
) -> list[Settings]:
    """Choose shrinkage and similarity of each window by the log score of held-out moments.

    Parameters
    ----------
    data
        Training data.
    windows
        Window lengths to try, in samples.
    similarities
        Values of ``cosine`` to try.
    seed
        Of the random order of scenes.

    Returns
    -------
    settings
        The best of each window, the best window first.
    """
    folds = list(held_out(data))
    if not folds:
        return [Settings(windows[0], DEFAULT_SHRINKAGE, similarities[0], DEFAULT_FACTOR, float("nan"))]
    chosen = []
    for n_window in windows:
        scaling = scaling_of(data, n_window)
        sums, fullness = window_sums(data.clean, data.border, n_window)
        parts = [state_moments(data, sums, fullness, train, scaling) for train, _ in folds]
        asked = [_moments_asked(data, test, n_window, MAX_HELD_OUT // len(folds), seed) for _, test in folds]
        weight, truth = (np.concatenate([a[column] for a in asked]) for column in (1, 2))
        tried = []
        for shrinkage, cosine in product(SHRINKAGES, similarities):
            trial = Settings(n_window, shrinkage, cosine, 1.0, 0.0)
            logits = [fit_reader(m, scaling, trial).logits(a[0]) for m, a in zip(parts, asked, strict=True)]
            factor, score = calibrate(np.concatenate(logits), weight, truth)
            tried.append(replace(trial, factor=factor, log_score=score))
        chosen.append(max(tried, key=lambda settings: settings.log_score))
    return sorted(chosen, key=lambda settings: -settings.log_score)


def _moments_asked(
    data: TrainingSet, test: NDArray[np.bool_], n_window: int, n_most: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Window sums, fullness and truth of held-out moments, in order and (of a movie) with scenes shuffled."""
    asked = []
    for passage in passages(data, test, np.random.default_rng(seed)):
        sums, fullness = window_sums(passage.clean, passage.border, n_window)
        asked.append((sums, fullness, passage.state))
    sums, fullness, state = (np.concatenate([a[column] for a in asked]) for column in range(3))
    index = thinned(np.ones(len(state), bool), n_most)
    return sums[index], fullness[index], state[index]
