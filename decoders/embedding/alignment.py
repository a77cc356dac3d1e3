"""Maps between the whitened windows of recordings of different channels, found from the means of common labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from decoders.embedding.encoder import DIMENSIONS, N_HIDDEN, Encoder, initial_weights
from stream.errors import BadRecording, BadUsage

Means = NDArray[np.float64]
"""Float64 [states, inputs], mean whitened window of each state."""

Reference = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Means of the states' inputs, float32 [states, inputs], and the samples behind each, int64 [states]."""


def state_means(
    inputs: NDArray[np.float32], state: NDArray[np.int64], n_states: int
) -> tuple[Means, NDArray[np.int64]]:
    """Return the means of the states, and the number of samples of each; samples of state -1 are left out.

    Parameters
    ----------
    inputs
        Float32 [time, inputs].
    state
        Int64 [time].
    n_states
        Number of states.
    """
    known = state >= 0
    count = np.bincount(state[known], minlength=n_states)
    total = np.zeros((n_states, inputs.shape[1]))
    np.add.at(total, state[known], inputs[known])
    return total / np.maximum(count, 1)[:, None], count


def shared_maps(
    means: Sequence[Means], counts: Sequence[NDArray[np.int64]], n_most: int
) -> list[NDArray[np.float32]]:
    """Map the inputs of each recording to dimensions that all have in common, in the order of agreement.

    This is a canonical correlation of several sets (Kettenring 1971), with the noise of the means as ridge.

    Parameters
    ----------
    means
        Means of the same states in each recording.
    counts
        Int64 [states] for each recording: samples behind each mean.
    n_most
        Largest number of common dimensions.

    Returns
    -------
    maps
        Float32 [inputs, dimensions] for each recording.
    """
    weighted = []
    for mean, count in zip(means, counts, strict=True):
        left, spread, _ = np.linalg.svd(mean - mean.mean(0), full_matrices=False)
        weighted.append(left * (spread**2 / (spread**2 + _noise(count))))
    left, spread, _ = np.linalg.svd(np.hstack(weighted), full_matrices=False)
    n_kept = min(n_most, int(np.sum(spread > 1e-6 * spread[0])))
    common = left[:, :n_kept] * np.sqrt(len(left))
    return [map_to(mean, count, common) for mean, count in zip(means, counts, strict=True)]


def map_to(means: Means, count: NDArray[np.int64], target: Means) -> NDArray[np.float32]:
    """Map the inputs of a recording to those of another, or to common dimensions, by ridge regression of the means.

    Parameters
    ----------
    means
        Means of some states.
    count
        Int64 [states], samples behind each mean.
    target
        Float64 [states, dimensions], what the states are mapped to.

    Returns
    -------
    map
        Float32 [inputs, dimensions].
    """
    centred = means - means.mean(0)
    gram = centred.T @ centred + _noise(count) * np.eye(means.shape[1])
    return np.asarray(np.linalg.solve(gram, centred.T @ (target - target.mean(0))), np.float32)


def joined(
    starts: Sequence[Encoder], references: Sequence[Reference], dimensions: int | None, seed: int
) -> list[Encoder]:
    """Give encoders of several recordings input layers that lead to the same common dimensions.

    Parameters
    ----------
    starts
        Untrained encoder of each recording.
    references
        Means of the states of each recording.
    dimensions
        Dimensions of the points; None for as many as possible, at most those of the encoders.
    seed
        Random seed of the first layer.

    Raises
    ------
    BadRecording
        When the recordings have fewer than two states in common.
    BadUsage
        When the states that they have in common span fewer dimensions than the encoders have.
    """
    common = common_states([count for _, count in references])
    means = [mean[common].astype(np.float64) for mean, _ in references]
    n_most = min(DIMENSIONS[1], *(start.projection.shape[1] for start in starts))
    maps = shared_maps(means, [count[common] for _, count in references], n_most)
    n_common = maps[0].shape[1]
    n_dimensions = dimensions or min(n_common, *(start.n_dimensions for start in starts))
    if n_common < n_dimensions:
        raise BadUsage(
            f"'dimensions' is {n_dimensions}, but the {len(common)} labels in common span only {n_common}. Give at most "
            "that."
        )
    first = initial_weights(n_common, N_HIDDEN, np.random.default_rng(seed))
    skip = np.eye(n_common, n_dimensions, dtype=np.float32)
    last, last_bias = starts[0].last[:, :n_dimensions], starts[0].last_bias[:n_dimensions]
    return [
        replace(start, first=to_common @ first, skip=to_common @ skip, last=last, last_bias=last_bias)
        for start, to_common in zip(starts, maps, strict=True)
    ]


def adapted(start: Encoder, new: Reference, fitted: Encoder, reference: Reference) -> Encoder:
    """Give a new recording the layers of a fitted encoder, after a map onto the inputs of that.

    Parameters
    ----------
    start
        Untrained encoder of the new recording.
    new, reference
        Means of the states of the new and of the fitted recording.
    fitted
        Fitted encoder.

    Raises
    ------
    BadRecording
        When the recordings have fewer than two states in common.
    """
    common = common_states([new[1], reference[1]])
    to_fitted = map_to(
        new[0][common].astype(np.float64), new[1][common], reference[0][common].astype(np.float64)
    )
    return replace(
        fitted,
        spans=start.spans,
        root=start.root,
        mean=start.mean,
        projection=start.projection,
        first=to_fitted @ fitted.first,
        skip=to_fitted @ fitted.skip,
    )


def common_states(counts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the states that all recordings have, int64 [states].

    Parameters
    ----------
    counts
        Int64 [states] for each recording: samples of each state.

    Raises
    ------
    BadRecording
        When there are fewer than two.
    """
    common = np.flatnonzero(np.all([count > 0 for count in counts], axis=0))
    if len(common) < 2:
        raise BadRecording(
            f"the recordings have {len(common)} labels in common, so nothing ties them together. Give recordings of the "
            "same frames, or of a label with overlapping values."
        )
    return common


def _noise(count: NDArray[np.int64]) -> float:
    """Energy of the noise of the means in one direction; the noise of a sample has unit variance."""
    return float(np.sum(1 / np.maximum(count, 1)))
