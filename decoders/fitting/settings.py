"""Settings of the frame decoder, the readout fitted with them, and the cross-validation folds that select them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.data.training_statistics import Layout, training_statistics
from decoders.embedding.linear import ClassStatistics, LinearEmbedding, fit_linear, unit_length
from decoders.embedding.multiscale import multiscale_sums
from decoders.readouts.classifiers import Prototypes, Scaling, fit_prototypes
from decoders.readouts.secondary_classifier import (
    SecondaryClassifier,
    SecondarySettings,
    fit_secondary,
)
from decoders.readouts.smoothing import MeanSmoother, smooth_over_frames
from stream.session import Kind

DEFAULT_SHRINKAGE = 0.5
MAX_HELD_OUT = 1200
"""Largest number of held-out samples on which candidate settings are compared."""

N_TYPICALITY_LEVELS = 256
"""Quantiles kept of the similarity of held-out samples to their nearest prototype."""

Windows = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Window sums float32 [time, channels] and the fullness of each window float32 [time], 0 to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class BatchReadout:
    """A fitted frame decoder: maps window sums of a whole recording to calibrated logits.

    Attributes
    ----------
    scaling, embedding, prototypes
        Fitted stages from window sums to similarities.
    inverse_temperature
        Inverse temperature of the prototypes.
    secondary
        Secondary classifier whose logits are added, or None.
    """

    scaling: Scaling
    embedding: LinearEmbedding
    prototypes: Prototypes
    inverse_temperature: float = 1.0
    secondary: SecondaryClassifier | None = None

    def points(self, sums: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed window sums: float32 [time, dimensions], not normalised."""
        return self.embedding.project(self.scaling.features(sums))

    def similarity(self, sums: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the similarity to each prototype, float32 [time, states]."""
        points = self.points(sums)
        return self.prototypes.similarity(unit_length(points) if self.prototypes.cosine else points)

    def logits(self, sums: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return calibrated logits, float32 [time, states], as of full windows."""
        logits = self.similarity(sums) * np.float32(self.inverse_temperature)
        return logits if self.secondary is None else logits + self.secondary.logits(sums)


@dataclass(frozen=True, slots=True)
class ReadoutSettings:
    """Selected hyperparameters of the frame decoder.

    Attributes
    ----------
    n_window
        Samples in the context window.
    shrinkage, diagonal
        Shrinkage of the within-state covariance, 0 to 1, and whether towards its diagonal, see
        `decoders.embedding.linear.ShrinkagePath`.
    cosine
        Whether prototypes are compared by cosine similarity; otherwise by distance (LDA).
    inverse_temperature
        Inverse temperature of the prototypes.
    log_score
        Held-out log score in nats: the mean of the log probability of exactly the true state and of all states within
        one second of it. NaN when no data could be held out.
    secondary
        Settings of the secondary classifier, or None.
    channel_share
        Share of the channels that the linear embedding uses, see `decoders.embedding.linear.informative_features`.
    spans
        Samples in each of several windows that end together, the longest last; empty for one window.
    smoothing
        How much the prototypes of neighbouring frames or places are smoothed, see `decoders.readouts.smoothing`.
    blank_bias
        Added to the logit of "no stimulus", so that it is decoded as often as is right on held-out data.
    prior_weight
        Weight of the log occupancy of each place in the posterior without the playback model, which has its own.
    """

    n_window: int
    shrinkage: float
    cosine: bool
    inverse_temperature: float
    log_score: float
    secondary: SecondarySettings | None = None
    channel_share: float = 1.0
    spans: tuple[int, ...] = ()
    smoothing: float = 0.0
    prior_weight: float = 0.0
    blank_bias: float = 0.0
    diagonal: bool = False

    @property
    def decoder(self) -> str:
        """Name of the decoder, such as ``cosine + naive_bayes``."""
        prototypes = "cosine" if self.cosine else "lda"
        return prototypes if self.secondary is None else f"{prototypes} + naive_bayes"

    @property
    def layout(self) -> Layout:
        """Windows that the decoder uses."""
        return Layout(self.n_window, self.spans)

    def windows(self, clean: NDArray[np.float32], boundary: NDArray[np.bool_]) -> Windows:
        """Sum samples over the windows.

        Parameters
        ----------
        clean
            Float32 [time, channels], preprocessed samples.
        boundary
            Bool [time], true where windows restart.
        """
        return multiscale_sums(clean, boundary, self.n_window, self.spans)


def feature_scaling(data: TrainingSet, n_window: int) -> Scaling:
    """Return the scaling from window sums to features: square roots for spikes, means for other signals."""
    return Scaling(n_window, data.kind is Kind.SPIKES)


def state_statistics(
    data: TrainingSet, layout: Layout, keep: NDArray[np.bool_], scaling: Scaling
) -> ClassStatistics:
    """Return mean and covariance of the features by state, each sample weighted by the fullness of its window.

    Parameters
    ----------
    data
        Training data.
    layout
        Windows.
    keep
        Bool [time], samples to use: whole folds.
    scaling
        From window sums to features.
    """
    return smooth_over_frames(training_statistics(data, layout, scaling, keep), data, 0.0)


def fit_readout(data: TrainingSet, keep: NDArray[np.bool_], settings: ReadoutSettings) -> BatchReadout:
    """Fit a frame decoder with given settings.

    Parameters
    ----------
    data
        Training data.
    keep
        Bool [time], samples to use: whole folds.
    settings
        Selected hyperparameters.
    """
    scaling = feature_scaling(data, settings.n_window)
    raw = training_statistics(data, settings.layout, scaling, keep)
    statistics = smooth_over_frames(raw, data, 0.0)
    embedding = fit_linear(
        statistics, settings.shrinkage, share=settings.channel_share, diagonal=settings.diagonal
    )
    smooth = MeanSmoother(data, keep)(raw, settings.smoothing)
    prototypes = fit_prototypes(embedding, smooth, cosine=settings.cosine)
    bias = add_to_blank(prototypes.bias, settings.blank_bias / settings.inverse_temperature)
    prototypes = replace(prototypes, bias=bias)
    secondary = None
    if settings.secondary is not None:
        secondary = fit_secondary(data, settings.n_window, keep, settings.secondary)
    return BatchReadout(scaling, embedding, prototypes, settings.inverse_temperature, secondary)


def add_to_blank(logits: NDArray[np.float32], bias: float) -> NDArray[np.float32]:
    """Return logits float32 [..., states] with a bias added to "no stimulus", the last state."""
    out = logits.copy()
    out[..., -1] += np.float32(bias)
    return out


def cross_validation_folds(data: TrainingSet) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Yield the training and the held-out mask of each fold, bool [time] each.

    Held-out samples whose state the fold's training data tell nothing about are left out, and so are folds in which
    fewer than ten held-out samples show a stimulus.
    """
    for fold in np.unique(data.fold[data.fold >= 0]):
        test = data.fold == fold
        train = (data.fold >= 0) & ~test
        if not train.any():
            continue
        test = test & data.known_states(data.state[train])[data.state]
        if np.sum(test & (data.state < data.n_frames)) >= 10:
            yield train, test


def evenly_spaced(mask: NDArray[np.bool_], n_most: int) -> NDArray[np.int64]:
    """Return the indices of at most ``n_most`` true samples of a mask, evenly spaced."""
    index = np.flatnonzero(mask)
    if len(index) <= n_most:
        return index
    return index[np.linspace(0, len(index) - 1, n_most).astype(np.int64)]
