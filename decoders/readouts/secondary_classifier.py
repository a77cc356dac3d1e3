"""Secondary classifier, which complements the prototypes or replaces them.

Prototypes compare whitened activity patterns, naive Bayes counts single spikes. Their errors differ, so the sum of their
logits is often better than either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.data.training_statistics import Layout, training_statistics, training_windows
from decoders.embedding.linear import LinearEmbedding, top_eigenvectors, unit_length
from decoders.errors import BadModel
from decoders.readouts.classifiers import Scaling, fit_lda, fit_poisson
from decoders.readouts.smoothing import smooth_over_frames
from decoders.serialization import Arrays, pack, unpack

MAX_RANK = 128
"""Rank of the weights of classifiers with more than `FULL_RANK` channels; it keeps a step fast."""

FULL_RANK = 256
"""Largest number of channels with full-rank weights."""

GAUSSIAN_SHRINKAGE = 0.1
"""Shrinkage of the variances in Gaussian naive Bayes."""


@dataclass(frozen=True, slots=True)
class SecondarySettings:
    """Settings of a secondary classifier.

    Attributes
    ----------
    name
        ``naive_bayes``, ``gaussian_naive_bayes`` or ``knn``.
    smooth_frames
        Standard deviation in frames of the Gaussian that smooths neighbouring frames of a clip; 0 disables it.
    gain_shape
        Shape of the prior on the common gain (see `decoders.readouts.classifiers.fit_poisson`).
    k
        Number of neighbours.
    sharpness
        Exponent of the neighbours' weights: higher values favour the nearest ones.
    inverse_temperature
        Inverse temperature of the logits.
    """

    name: str
    smooth_frames: float = 0.0
    gain_shape: float = 0.0
    k: int = 0
    sharpness: float = 0.0
    inverse_temperature: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class LinearSecondary:
    """Linear classifier, with weights of low rank when there are many channels.

    Attributes
    ----------
    n_window, root
        Conversion of window sums to features (see `decoders.readouts.classifiers.Scaling`).
    left
        Float32 [channels, rank], left factor of the weights; rank 0 means full-rank weights.
    weights
        Float32 [channels or rank, states].
    bias
        Float32 [states].
    inverse_temperature
        Inverse temperature of the logits.
    """

    n_window: int
    root: bool
    left: NDArray[np.float32]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    inverse_temperature: float

    FILE_NAMES: ClassVar[dict[str, str]] = {"inverse_temperature": "factor"}

    def logits(self, sums: NDArray[np.float32], directions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits float32 [..., states] for window sums float32 [..., channels]."""
        features = Scaling(self.n_window, self.root).features(sums) if self.root else sums
        if self.left.shape[1]:
            features = features @ self.left
        out: NDArray[np.float32] = features @ self.weights
        out += self.bias
        out *= np.float32(self.inverse_temperature)
        return out


@dataclass(frozen=True, slots=True, eq=False)
class NeighbourSecondary:
    """k-nearest-neighbour classifier in the embedding, with votes weighted by similarity.

    Attributes
    ----------
    points
        Float32 [training samples, dimensions], of unit length.
    state
        Int64 [training samples].
    n_states
        Number of states.
    k, sharpness
        See `SecondarySettings`.
    inverse_temperature
        Inverse temperature of the logits.
    """

    points: NDArray[np.float32]
    state: NDArray[np.int64]
    n_states: int
    k: int
    sharpness: float
    inverse_temperature: float

    FILE_NAMES: ClassVar[dict[str, str]] = {"inverse_temperature": "factor"}

    def logits(self, sums: NDArray[np.float32], directions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits float32 [..., states] for embedded points of unit length, float32 [..., dimensions]."""
        flat = directions.reshape(-1, directions.shape[-1])
        votes = np.full((len(flat), self.n_states), 0.1 / self.n_states)
        k = min(self.k, len(self.points))
        for row, similarity in enumerate(flat @ self.points.T):
            nearest = np.argpartition(similarity, -k)[-k:]
            relative = similarity[nearest] - similarity[nearest].max()
            weight = np.exp(np.float32(self.sharpness) * relative)
            np.add.at(votes[row], self.state[nearest], weight / weight.sum())
        logits = np.log(votes).astype(np.float32) * np.float32(self.inverse_temperature)
        return np.asarray(logits.reshape(*directions.shape[:-1], -1))


SecondaryClassifier = LinearSecondary | NeighbourSecondary


def fit_secondary(
    data: TrainingSet,
    layout: Layout,
    keep: NDArray[np.bool_],
    scaling: Scaling,
    embedding: LinearEmbedding,
    settings: SecondarySettings,
) -> SecondaryClassifier:
    """Fit a secondary classifier with given settings.

    Parameters
    ----------
    data
        Training data.
    layout
        Windows.
    keep
        Bool [time], samples to use: whole folds.
    scaling
        Conversion of window sums to the features of the prototypes.
    embedding
        Embedding fitted on the same samples, in which neighbours are found.
    settings
        Settings of the classifier.
    """
    if settings.name == "knn":
        points = unit_length(
            np.concatenate(
                [
                    embedding.project(scaling.features(sums[keep[where]]))
                    for where, sums, _ in training_windows(data, layout)
                ]
            )
        )
        return NeighbourSecondary(
            points,
            data.state[keep],
            data.n_states,
            settings.k,
            settings.sharpness,
            settings.inverse_temperature,
        )
    poisson = settings.name == "naive_bayes"
    m = training_statistics(data, layout, Scaling(1, root=False) if poisson else scaling, keep)
    m = smooth_over_frames(m, data, settings.smooth_frames)
    if poisson:
        readout = fit_poisson(m.mean, m.observed, gain_shape=settings.gain_shape)
        left, weights = _low_rank(readout.weights, np.sqrt(m.mean[m.observed].mean(0) + 1e-6))
        return LinearSecondary(
            scaling.n_window, False, left, weights, readout.bias, settings.inverse_temperature
        )
    readout = fit_lda(m, GAUSSIAN_SHRINKAGE, diagonal=True)
    no_factor = np.zeros((len(readout.weights), 0), np.float32)
    root = scaling.root
    weights = readout.weights if root else readout.weights / np.float32(scaling.n_window)
    return LinearSecondary(
        scaling.n_window, root, no_factor, weights, readout.bias, settings.inverse_temperature
    )


def _low_rank(
    weights: NDArray[np.float32], spread: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Approximate weights by a product of two narrow matrices, with errors weighted by the channels' spread."""
    if len(weights) <= FULL_RANK:
        return np.zeros((len(weights), 0), np.float32), weights
    # The mean over states cancels in the posterior and must not use up rank.
    scaled = (weights - weights.mean(1, keepdims=True)) * spread[:, None]
    n_channels, n_states = scaled.shape
    if n_states < n_channels:
        right = top_eigenvectors((scaled.T @ scaled).astype(np.float64), MAX_RANK)[1]
        left = scaled @ right
        return (left / spread[:, None]).astype(np.float32), right.T.astype(np.float32)
    left = top_eigenvectors((scaled @ scaled.T).astype(np.float64), MAX_RANK)[1]
    return (left / spread[:, None]).astype(np.float32), (left.T @ scaled).astype(np.float32)


def pack_secondary(secondary: SecondaryClassifier | None) -> Arrays:
    """Return the named arrays of a model file; none without a secondary classifier."""
    return {} if secondary is None else pack(secondary, "opinion")


def unpack_secondary(
    arrays: Mapping[str, NDArray[Any]], n_channels: int, n_dimensions: int, n_states: int
) -> SecondaryClassifier | None:
    """Read the secondary classifier from the arrays of a model file; None when the model has none.

    Parameters
    ----------
    arrays
        Arrays of the model file.
    n_channels, n_dimensions, n_states
        Sizes of the model.

    Raises
    ------
    BadModel
        When an array is missing or does not match the sizes.
    """
    if not any(name.startswith("opinion.") for name in arrays):
        return None
    secondary: SecondaryClassifier
    if "opinion.points" in arrays:
        secondary = unpack(NeighbourSecondary, arrays, "opinion")
        state = secondary.state
        good = (
            secondary.points.ndim == 2 and secondary.points.shape == (len(state), n_dimensions) and len(state)
        )
        good = good and state.dtype.kind == "i" and secondary.n_states == n_states and secondary.k >= 1
        good = good and state.min() >= 0 and state.max() < n_states
    else:
        secondary = unpack(LinearSecondary, arrays, "opinion")
        rank = secondary.left.shape[-1]
        good = secondary.left.shape == (n_channels, rank) and secondary.bias.shape == (n_states,)
        good = good and secondary.weights.shape == (rank or n_channels, n_states)
    if not good:
        raise BadModel(
            "the model's secondary classifier does not fit its channels and frames. Fit the model again."
        )
    return secondary


def settings_card(settings: SecondarySettings | None) -> dict[str, Any] | None:
    """Convert the settings to their form on a model's card."""
    if settings is None:
        return None
    card = asdict(settings)
    card["factor"] = card.pop("inverse_temperature")
    return card


def settings_from_card(card: Mapping[str, Any]) -> SecondarySettings | None:
    """Read the settings from a model's card; None when the model has no secondary classifier.

    Raises
    ------
    BadModel
        When they are unusable.
    """
    stored = card.get("opinion")
    if stored is None:
        return None
    try:
        settings = dict(stored)
        inverse_temperature = settings.pop("factor", 1.0)
        return SecondarySettings(**settings, inverse_temperature=inverse_temperature)
    except (TypeError, ValueError) as error:
        raise BadModel(
            f"the model's card holds unusable settings of the secondary classifier: {stored!r}. Fit the model again."
        ) from error
