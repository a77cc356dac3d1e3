"""The settings of the frame posterior, what they make of training data, and which parts of it are held out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.embedding.linear import (
    ClassStatistics,
    LinearEmbedding,
    class_statistics,
    fit_linear,
    unit_length,
)
from decoders.embedding.multiscale import multiscale_sums
from decoders.readouts.classifiers import Prototypes, Scaling, fit_prototypes
from decoders.readouts.combined import combined
from decoders.readouts.graph_smoothing import diffusion_kernels, smooth_over_graph
from decoders.readouts.secondary_classifier import SecondaryClassifier, SecondarySettings, fit_secondary
from stream.session import Kind

DEFAULT_SHRINKAGE = 0.5
MAX_HELD_OUT = 1200
"""Held-out moments that settings are compared on."""

Windows = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Window sums [time, channels] and how full each window was [time]."""


@dataclass(frozen=True, slots=True, eq=False)
class BatchReadout:
    """The way from window sums to calibrated logits.

    Attributes
    ----------
    scaling, embedding, prototypes
        Fitted.
    factor
        Inverse temperature of the prototypes; 0 = they do not count.
    opinion
        What is added to their logits, or None.
    """

    scaling: Scaling
    embedding: LinearEmbedding
    prototypes: Prototypes
    factor: float = 1.0
    secondary: SecondaryClassifier | None = None

    def points(self, sums: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embedded points, float32 [time, dimensions], not yet of unit length."""
        return self.embedding.project(self.scaling.features(sums))

    def similarity(self, sums: NDArray[np.float32]) -> NDArray[np.float32]:
        """To the prototypes, float32 [time, states]."""
        points = self.points(sums)
        return self.prototypes.similarity(unit_length(points) if self.prototypes.cosine else points)

    def logits(self, sums: NDArray[np.float32]) -> NDArray[np.float32]:
        """Calibrated for a full window, float32 [time, states]."""
        points = self.points(sums)
        directions = unit_length(points)
        return combined(
            self.prototypes.similarity(directions if self.prototypes.cosine else points),
            self.factor,
            self.secondary,
            sums,
            directions,
        )


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
        Inverse temperature of the prototypes; 0 = they do not count.
    log_score
        Mean log probability of held-out truths, in nats, half of exactly them and half of within one second; NaN when
        nothing could be held out.
    opinion
        What stands beside the prototypes or in their place, or None.
    share
        How many of the channels count in the linear embedding, see `decoders.embedding.linear.telling`.
    spans
        Samples in each of several windows side by side, the longest last; empty = one window.
    evening
        How far the prototypes of neighbouring places are evened out, see `decoders.readouts.graph_smoothing`.
    prior
        Weight of the time spent in each place, for the posterior without the playback model, which knows it already.
    """

    n_window: int
    shrinkage: float
    cosine: bool
    factor: float
    log_score: float
    secondary: SecondarySettings | None = None
    share: float = 1.0
    spans: tuple[int, ...] = ()
    smoothing: float = 0.0
    prior: float = 0.0

    @property
    def decoder(self) -> str:
        """The name of what was chosen."""
        prototypes = "cosine" if self.cosine else "lda"
        if self.secondary is None:
            return prototypes
        return f"{prototypes} + {self.secondary.name}" if self.factor else self.secondary.name

    def windows(self, clean: NDArray[np.float32], boundary: NDArray[np.bool_]) -> Windows:
        """Window sums and how full each window was, of clean samples float32 [time, channels]."""
        return multiscale_sums(clean, boundary, self.n_window, self.spans)


def feature_scaling(data: TrainingSet, n_window: int) -> Scaling:
    """How this recording's window sums become features."""
    return Scaling(n_window, data.kind is Kind.SPIKES)


def state_moments(
    data: TrainingSet,
    sums: NDArray[np.float32],
    fullness: NDArray[np.float32],
    keep: NDArray[np.bool_],
    scaling: Scaling,
) -> ClassStatistics:
    """Moments of the kept samples' features, partial windows counting for less."""
    return class_statistics(scaling.features(sums[keep]), data.state[keep], data.n_states, fullness[keep])


def fit_readout(
    data: TrainingSet, windows: Windows, keep: NDArray[np.bool_], settings: Settings
) -> BatchReadout:
    """Fit with settings that were chosen.

    Parameters
    ----------
    data
        Training data.
    windows
        Its window sums and how full each window was.
    keep
        Bool [time], which samples to use.
    settings
        What was chosen.
    """
    scaling = feature_scaling(data, settings.n_window)
    m = state_moments(data, *windows, keep, scaling)
    embedding = fit_linear(m, settings.shrinkage, share=settings.share)
    around = (
        smooth_over_graph(m, diffusion_kernels(data, keep, [settings.smoothing])[0])
        if settings.smoothing
        else m
    )
    prototypes = fit_prototypes(embedding, around, cosine=settings.cosine)
    secondary = None
    if settings.secondary is not None:
        secondary = fit_secondary(data, windows, keep, scaling, embedding, settings.secondary)
    return BatchReadout(scaling, embedding, prototypes, settings.factor, secondary)


def cross_validation_folds(data: TrainingSet) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
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


def evenly_spaced(mask: NDArray[np.bool_], n_most: int) -> NDArray[np.int64]:
    """Indices of at most ``n_most`` of a mask's samples, evenly spread."""
    index = np.flatnonzero(mask)
    if len(index) <= n_most:
        return index
    return index[np.linspace(0, len(index) - 1, n_most).astype(np.int64)]
