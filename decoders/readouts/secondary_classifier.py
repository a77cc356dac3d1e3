"""Secondary classifier: Poisson naive Bayes, whose logits are added to those of the prototypes.

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
from decoders.data.training_statistics import Layout, training_statistics
from decoders.embedding.linear import top_eigenvectors
from decoders.errors import BadModel
from decoders.readouts.classifiers import Scaling, fit_poisson
from decoders.readouts.smoothing import smooth_over_frames
from decoders.serialization import Arrays, pack, unpack

MAX_RANK = 128
"""Rank of the weights of classifiers with more than `FULL_RANK` channels; it keeps a step fast."""

FULL_RANK = 256
"""Largest number of channels with full-rank weights."""


@dataclass(frozen=True, slots=True)
class SecondarySettings:
    """Settings of a secondary classifier.

    Attributes
    ----------
    smooth_frames
        Standard deviation in frames of the Gaussian that smooths neighbouring frames of a clip; 0 disables it.
    gain_shape
        Shape of the prior on the common gain (see `decoders.readouts.classifiers.fit_poisson`).
    inverse_temperature
        Inverse temperature of the logits.
    """

    smooth_frames: float = 0.0
    gain_shape: float = 0.0
    inverse_temperature: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class SecondaryClassifier:
    """Linear classifier of window sums, with weights of low rank when there are many channels.

    Attributes
    ----------
    left
        Float32 [channels, rank], left factor of the weights; rank 0 means full-rank weights.
    weights
        Float32 [channels or rank, states].
    bias
        Float32 [states].
    inverse_temperature
        Inverse temperature of the logits.
    """

    left: NDArray[np.float32]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    inverse_temperature: float

    FILE_NAMES: ClassVar[dict[str, str]] = {"inverse_temperature": "factor"}

    def logits(self, sums: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits float32 [..., states] for window sums float32 [..., channels]."""
        if self.left.shape[1]:
            sums = sums @ self.left
        out: NDArray[np.float32] = sums @ self.weights
        out += self.bias
        out *= np.float32(self.inverse_temperature)
        return out


def fit_secondary(
    data: TrainingSet, n_window: int, keep: NDArray[np.bool_], settings: SecondarySettings
) -> SecondaryClassifier:
    """Fit a secondary classifier with given settings.

    Parameters
    ----------
    data
        Training data, spike counts.
    n_window
        Samples in the window.
    keep
        Bool [time], samples to use: whole folds.
    settings
        Settings of the classifier.
    """
    m = training_statistics(data, Layout(n_window), Scaling(1, root=False), keep)
    m = smooth_over_frames(m, data, settings.smooth_frames)
    readout = fit_poisson(m.mean, m.observed, gain_shape=settings.gain_shape)
    left, weights = _low_rank(readout.weights, np.sqrt(m.mean[m.observed].mean(0) + 1e-6))
    return SecondaryClassifier(left, weights, readout.bias, settings.inverse_temperature)


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
    arrays: Mapping[str, NDArray[Any]], n_channels: int, n_states: int
) -> SecondaryClassifier | None:
    """Read the secondary classifier from the arrays of a model file; None when the model has none.

    Parameters
    ----------
    arrays
        Arrays of the model file.
    n_channels, n_states
        Sizes of the model.

    Raises
    ------
    BadModel
        When an array is missing or does not match the sizes.
    """
    if not any(name.startswith("opinion.") for name in arrays):
        return None
    secondary = unpack(SecondaryClassifier, arrays, "opinion")
    rank = secondary.left.shape[-1]
    good = secondary.left.shape == (n_channels, rank) and secondary.bias.shape == (n_states,)
    if not good or secondary.weights.shape != (rank or n_channels, n_states):
        raise BadModel(
            "the model's secondary classifier does not fit its channels and frames. Fit the model again."
        )
    return secondary


def settings_card(settings: SecondarySettings | None) -> dict[str, Any] | None:
    """Convert the settings to their form on a model's card."""
    if settings is None:
        return None
    card = {"name": "naive_bayes", **asdict(settings)}
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
        return SecondarySettings(stored["smooth_frames"], stored["gain_shape"], stored["factor"])
    except (TypeError, KeyError) as error:
        raise BadModel(
            f"the model's card holds unusable settings of the secondary classifier: {stored!r}. Fit the model again."
        ) from error
