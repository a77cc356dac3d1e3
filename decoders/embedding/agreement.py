"""Quality of embeddings: InfoNCE loss against chance, and consistency across training runs and recordings."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from decoders.embedding.linear import unit_length
from stream.errors import BadUsage, ShapeMismatch

N_BINS = 100
"""Bins of a label, by which recordings are aligned."""


MIN_WINDOWS, MAX_WINDOWS = 20, 1000
"""Fewest and most pairs of neighbouring windows that are compared."""

N_SHUFFLES = 200


def infonce_loss(
    anchor: NDArray[np.float32],
    positive: NDArray[np.float32],
    excluded: NDArray[np.bool_],
    temperature: float,
) -> tuple[float, float]:
    """Compute the InfoNCE loss of pairs (van den Oord, Li and Vinyals 2018), averaged over both directions.

    Parameters
    ----------
    anchor, positive
        Float32 [pairs, dimensions], points of the positive pairs.
    excluded
        Bool [pairs, pairs], pairs that are not negatives; false on the diagonal.
    temperature
        Temperature of the loss.

    Returns
    -------
    loss, chance
        The loss, and that of a constant embedding (the mean log number of candidates), both in nats.

    Examples
    --------
    >>> points = np.eye(2, dtype=np.float32)
    >>> loss, chance = infonce_loss(points, points, np.zeros((2, 2), bool), temperature=0.1)
    >>> loss < 1e-4, round(chance, 3)
    (True, 0.693)
    """
    similar = unit_length(anchor).astype(np.float64) @ unit_length(positive).T / temperature
    similar[excluded] = -np.inf
    loss = 0.0
    for matrix in (similar, similar.T):
        top = matrix.max(1, keepdims=True)
        log_sum = np.log(np.exp(matrix - top).sum(1)) + top[:, 0]
        loss += float(np.mean(log_sum - np.diag(matrix))) / 2
    return loss, float(np.mean(np.log((~excluded).sum(1))))


def time_infonce(
    points: NDArray[np.float32],
    segment: NDArray[np.int32],
    n_window: int,
    *,
    temperature: float = 0.1,
    seed: int = 0,
) -> tuple[float, float, float] | None:
    """Compute the InfoNCE loss of neighbouring windows, and its chance: the same windows in shuffled order.

    Neighbouring windows share no sample, so that points of noise without memory are independent, and chance is exact.

    Parameters
    ----------
    points
        Float32 [time, dimensions], points of unit length, each of a window that ends at its sample.
    segment
        Int32 [time], segments; no pair crosses a change.
    n_window
        Samples in a window.
    temperature
        Temperature of the loss.
    seed
        Random seed of the shuffling.

    Returns
    -------
    loss, chance, z
        Loss and its mean in shuffled order, in nats, and how many standard deviations of chance it is below that; None
        with fewer than `MIN_WINDOWS` pairs.
    """
    ends = np.arange(n_window - 1, len(points), n_window)
    whole = ends[segment[ends] == segment[ends - n_window + 1]]
    pairs = (np.diff(whole) == n_window) & (np.diff(segment[whole]) == 0)
    anchor, positive = whole[:-1][pairs][:MAX_WINDOWS], whole[1:][pairs][:MAX_WINDOWS]
    if len(anchor) < MIN_WINDOWS:
        return None
    similar = points[anchor].astype(np.float64) @ points[positive].T / temperature
    top = similar.max(1, keepdims=True)
    candidates = float(np.mean(np.log(np.exp(similar - top).sum(1)) + top[:, 0]))
    row, rng = np.arange(len(anchor)), np.random.default_rng(seed)
    shuffled = candidates - np.array(
        [similar[row, rng.permutation(len(row))].mean() for _ in range(N_SHUFFLES)]
    )
    loss, chance = candidates - float(np.diag(similar).mean()), float(shuffled.mean())
    return loss, chance, (chance - loss) / max(float(shuffled.std()), 1e-12)


def alignment(points: NDArray[np.float32], reference: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rotate points onto another embedding of the same samples: orthogonal Procrustes (Schönemann 1966).

    Parameters
    ----------
    points, reference
        Float32 [time, dimensions], embeddings of the same samples about the origin; the dimensions may differ.

    Returns
    -------
    rotation
        Float32 [dimensions of the points, those of the reference]; ``points @ rotation`` is closest to the reference.

    Examples
    --------
    >>> points = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    >>> bool(np.allclose(alignment(points, points[:, ::-1]), [[0, 1], [1, 0]], atol=1e-4))
    True
    """
    left, _, right = np.linalg.svd(points.astype(np.float64).T @ reference, full_matrices=False)
    return np.asarray(left @ right, np.float32)


def agreement_r2(points: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """Return the share of an embedding's variance that another one of the same samples, in the same place, explains.

    Parameters
    ----------
    points, reference
        Float32 [time, dimensions].
    """
    centred = reference.astype(np.float64) - reference.mean(0, dtype=np.float64)
    return float(1 - ((reference - points).astype(np.float64) ** 2).sum() / max((centred**2).sum(), 1e-300))


def consistency(embeddings: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Compute the consistency of embeddings of the same samples: R2 of a linear map between each pair.

    Parameters
    ----------
    embeddings
        Embedding of each run, float32 [time, dimensions]; the same samples in the same order.

    Returns
    -------
    r2
        Float64 [runs, runs]: R2 of the column's embedding, predicted linearly from the row's; 1 on the diagonal.
        The consistency of CEBRA (Schneider, Lee and Mathis 2023) is the mean off the diagonal.

    Raises
    ------
    BadUsage
        When fewer than two embeddings are given.
    ShapeMismatch
        When their lengths differ.

    Examples
    --------
    >>> points = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    >>> consistency([points, 2 * points[:, ::-1]]).round(3).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    if len(embeddings) < 2:
        raise BadUsage(f"consistency compares at least two embeddings, got {len(embeddings)}.")
    lengths = {len(e) for e in embeddings}
    if len(lengths) != 1:
        raise ShapeMismatch(
            f"the embeddings have {sorted(lengths)} samples; compare the same samples, or use consistency_by_label."
        )
    r2 = np.eye(len(embeddings))
    for i, j in permutations(range(len(embeddings)), 2):
        r2[i, j] = _linear_r2(embeddings[i], embeddings[j])
    return r2


def consistency_by_label(
    embeddings: Sequence[NDArray[np.float32]], labels: Sequence[NDArray[np.floating]], n_bins: int = N_BINS
) -> NDArray[np.float64]:
    """Compute the consistency of embeddings of different recordings, aligned by a label.

    Points are averaged in bins of the label; the bin means are compared by `consistency`.

    Parameters
    ----------
    embeddings
        Embedding of each recording, float32 [time, dimensions].
    labels
        Label of each recording, float [time], such as the frame or the position.
    n_bins
        Number of bins over the range common to all labels.

    Returns
    -------
    r2
        Float64 [recordings, recordings] (see `consistency`).

    Raises
    ------
    BadUsage
        When the labels share no range, or fewer than three bins.
    ShapeMismatch
        When the lengths of a label and its embedding differ.
    """
    for number, (e, label) in enumerate(zip(embeddings, labels, strict=True)):
        if len(e) != len(label):
            raise ShapeMismatch(f"recording {number} has {len(e)} points but {len(label)} labels.")
    low, high = max(label.min() for label in labels), min(label.max() for label in labels)
    if not low < high:
        raise BadUsage(
            f"the labels of the recordings share no range: their largest minimum is {low:g}, "
            f"their smallest maximum {high:g}."
        )
    edges = np.linspace(low, high, n_bins + 1)
    means, in_all = [], np.ones(n_bins, bool)
    for e, label in zip(embeddings, labels, strict=True):
        inside = (label >= low) & (label <= high)
        number = np.clip(np.searchsorted(edges, label[inside], side="right") - 1, 0, n_bins - 1)
        total = np.zeros((n_bins, e.shape[1]))
        np.add.at(total, number, e[inside])
        count = np.bincount(number, minlength=n_bins)
        means.append((total / np.maximum(count, 1)[:, None]).astype(np.float32))
        in_all &= count > 0
    if in_all.sum() < 3:
        raise BadUsage(
            f"only {in_all.sum()} of {n_bins} bins have samples in every recording; use fewer bins."
        )
    return consistency([mean[in_all] for mean in means])


def _linear_r2(source: NDArray[np.float32], target: NDArray[np.float32]) -> float:
    """Return the R2 of a linear regression with intercept, averaged over the target's dimensions."""
    x = np.column_stack([source.astype(np.float64), np.ones(len(source))])
    y = target.astype(np.float64)
    weights = np.linalg.lstsq(x, y, rcond=None)[0]
    residual = ((y - x @ weights) ** 2).sum(0)
    spread = ((y - y.mean(0)) ** 2).sum(0)
    varies = spread > 1e-12 * max(float(spread.max(initial=0)), 1e-300)
    return float(np.mean(1 - residual[varies] / spread[varies])) if varies.any() else float("nan")
