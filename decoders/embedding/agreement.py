"""How good an embedding is: its contrastive loss against chance, and whether runs and recordings agree."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from decoders.embedding.linear import unit_length
from stream.errors import BadUsage, ShapeMismatch

N_BINS = 100


def infonce_loss(
    anchor: NDArray[np.float32], partner: NDArray[np.float32], same: NDArray[np.bool_], temperature: float
) -> tuple[float, float]:
    """The InfoNCE loss of pairs, and what an embedding that knows nothing has.

    Parameters
    ----------
    anchor, partner
        Float32 [pairs, dimensions].
    same
        Bool [pairs, pairs], which are no negatives; its diagonal is false.
    temperature
        Of the loss.

    Returns
    -------
    loss, chance
        Nats; chance is the mean log of how many there are to choose from.
    """
    similar = unit_length(anchor).astype(np.float64) @ unit_length(partner).T / temperature
    similar[same] = -np.inf
    loss = 0.0
    for matrix in (similar, similar.T):
        top = matrix.max(1, keepdims=True)
        log_sum = np.log(np.exp(matrix - top).sum(1)) + top[:, 0]
        loss += float(np.mean(log_sum - np.diag(matrix))) / 2
    return loss, float(np.mean(np.log((~same).sum(1))))


def consistency(embeddings: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """How well each embedding of the same moments is a linear function of each other.

    Parameters
    ----------
    embeddings
        Of each run, float32 [time, dimensions]; the same moments in the same order.

    Returns
    -------
    r2
        Float64 [runs, runs]: R2 of the column's embedding, predicted linearly from the row's; 1 on the diagonal.
        Consistency between runs as CEBRA defines it (Schneider, Lee and Mathis 2023) is the mean off the diagonal.

    Raises
    ------
    BadUsage
        When there are fewer than two.
    ShapeMismatch
        When their lengths differ.
    """
    if len(embeddings) < 2:
        raise BadUsage(f"{len(embeddings)} embedding given; consistency compares at least two.")
    lengths = {len(e) for e in embeddings}
    if len(lengths) != 1:
        raise ShapeMismatch(
            f"the embeddings have {sorted(lengths)} moments; compare the same moments, or use consistency_by_label."
        )
    r2 = np.eye(len(embeddings))
    for i, j in permutations(range(len(embeddings)), 2):
        r2[i, j] = _linear_r2(embeddings[i], embeddings[j])
    return r2


def consistency_by_label(
    embeddings: Sequence[NDArray[np.float32]], labels: Sequence[NDArray[np.floating]], n_bins: int = N_BINS
) -> NDArray[np.float64]:
    """The same for recordings of their own: moments are matched by their label.

    Parameters
    ----------
    embeddings
        Of each recording, float32 [time, dimensions].
    labels
        Of each, float [time], such as the frame or the position.
    n_bins
        Labels are cut into that many bins over their common range, and points averaged within each.

    Returns
    -------
    r2
        Float64 [recordings, recordings], as `consistency`.

    Raises
    ------
    BadUsage
        When the labels have too little in common.
    ShapeMismatch
        When a label's length differs from its embedding's.
    """
    for number, (e, label) in enumerate(zip(embeddings, labels, strict=True)):
        if len(e) != len(label):
            raise ShapeMismatch(f"recording {number} has {len(e)} points but {len(label)} labels.")
    low, high = max(label.min() for label in labels), min(label.max() for label in labels)
    if not low < high:
        raise BadUsage(f"the recordings' labels have no range in common (from {low:g} to {high:g}).")
    edges = np.linspace(low, high, n_bins + 1)
    means, seen = [], np.ones(n_bins, bool)
    for e, label in zip(embeddings, labels, strict=True):
        inside = (label >= low) & (label <= high)
        number = np.clip(np.searchsorted(edges, label[inside], side="right") - 1, 0, n_bins - 1)
        total = np.zeros((n_bins, e.shape[1]))
        np.add.at(total, number, e[inside])
        count = np.bincount(number, minlength=n_bins)
        means.append((total / np.maximum(count, 1)[:, None]).astype(np.float32))
        seen &= count > 0
    if seen.sum() < 3:
        raise BadUsage(f"only {seen.sum()} of {n_bins} bins are in every recording; use fewer bins.")
    return consistency([mean[seen] for mean in means])


def _linear_r2(source: NDArray[np.float32], target: NDArray[np.float32]) -> float:
    """Mean over the target's dimensions of the R2 of a linear regression with offset."""
    x = np.column_stack([source.astype(np.float64), np.ones(len(source))])
    y = target.astype(np.float64)
    weights = np.linalg.lstsq(x, y, rcond=None)[0]
    residual = ((y - x @ weights) ** 2).sum(0)
    spread = ((y - y.mean(0)) ** 2).sum(0)
    varies = spread > 1e-12 * max(float(spread.max(initial=0)), 1e-300)
    return float(np.mean(1 - residual[varies] / spread[varies])) if varies.any() else float("nan")
