"""Windows and class statistics of the training data, in pieces: none needs memory in proportion to the recording.

The statistics are kept by cross-validation fold, so that one pass over the data serves every fold and the fit on all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.embedding.linear import ClassStatistics, class_statistics
from decoders.embedding.multiscale import multiscale_sums

PIECE_VALUES = 2_000_000
"""Values of window sums that are computed at a time."""

MAX_STORED_BYTES = 128_000_000
"""Statistics that are kept for another use, besides the newest."""


class Features(Protocol):
    """Conversion of window sums to features; equal conversions compare equal."""

    def features(self, sums: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return features float32 [time, features] for window sums."""

    def __hash__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Layout:
    """Windows that are summed.

    Attributes
    ----------
    n_window
        Samples in the longest window.
    spans
        Samples in each of several windows that end together; empty for one window.
    """

    n_window: int
    spans: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _FoldSums:
    """Sums over the samples of each fold, about a common centre.

    Attributes
    ----------
    fold
        Int64 [folds], fold numbers.
    centre
        Float32 [features].
    n_samples
        Int64 [folds].
    count
        Float64 [folds, states], sum of the weights.
    total
        Float64 [folds, states, features], weighted sum of features.
    product
        Float64 [folds, features, features], weighted sum of outer products.
    """

    fold: NDArray[np.int64]
    centre: NDArray[np.float32]
    n_samples: NDArray[np.int64]
    count: NDArray[np.float64]
    total: NDArray[np.float64]
    product: NDArray[np.float64]

    @property
    def n_bytes(self) -> int:
        return self.total.nbytes + self.product.nbytes

    def statistics(self, keep: NDArray[np.bool_], data: TrainingSet) -> ClassStatistics:
        """Return the class statistics of the samples to keep, bool [time]: whole folds."""
        use = np.isin(self.fold, data.fold[keep])
        assert self.n_samples[use].sum() == keep.sum(), "only whole folds are summed"
        count, total = self.count[use].sum(0), self.total[use].sum(0)
        observed = count > 0
        between = total[observed] / np.sqrt(count[observed])[:, None]
        # Each observed state costs one degree of freedom: a state with a single sample tells nothing about noise.
        n_samples, weight = int(self.n_samples[use].sum()), float(count.sum())
        freedom = max(weight - observed.sum() * weight / max(n_samples, 1), 1.0)
        within = (self.product[use].sum(0) - between.T @ between) / freedom
        mean = total / np.maximum(count, 1e-12)[:, None] + self.centre
        mean[~observed] = mean[observed].mean(0)
        return ClassStatistics(mean, count, within)


@dataclass(frozen=True, slots=True, eq=False)
class _Samples:
    """Features of all samples, where samples are fewer than features: less than the products of the features.

    Attributes
    ----------
    features, weight
        Float32 [time, features] and [time].
    """

    features: NDArray[np.float32]
    weight: NDArray[np.float32]

    @property
    def n_bytes(self) -> int:
        return self.features.nbytes

    def statistics(self, keep: NDArray[np.bool_], data: TrainingSet) -> ClassStatistics:
        """Return the class statistics of the samples to keep, bool [time]."""
        return class_statistics(self.features[keep], data.state[keep], data.n_states, self.weight[keep])


def training_statistics(
    data: TrainingSet,
    layout: Layout,
    scaling: Features,
    keep: NDArray[np.bool_],
    *,
    by_fullness: bool = True,
) -> ClassStatistics:
    """Return means and within-class covariance of the features by state.

    Parameters
    ----------
    data
        Training data.
    layout
        Windows.
    scaling
        From window sums to features.
    keep
        Bool [time], samples to use: whole folds.
    by_fullness
        Whether each sample is weighted by the fullness of its window.
    """
    key = (layout, scaling, by_fullness)
    if key not in data.cache:
        few = len(data.clean) < _n_columns(data, layout)
        summed = (_samples if few else _fold_sums)(data, layout, scaling, by_fullness=by_fullness)
        while data.cache and sum(stored.n_bytes for stored in data.cache.values()) > MAX_STORED_BYTES:
            del data.cache[next(iter(data.cache))]
        data.cache[key] = summed
    stored: _FoldSums | _Samples = data.cache[key]
    return stored.statistics(keep, data)


def training_windows(
    data: TrainingSet, layout: Layout
) -> Iterator[tuple[slice, NDArray[np.float32], NDArray[np.float32]]]:
    """Yield consecutive pieces of the training data: their samples, window sums, and the fullness of each window.

    Parameters
    ----------
    data
        Training data.
    layout
        Windows.
    """
    n_piece = _piece_length(data, layout)
    for first in range(0, len(data.clean), n_piece):
        yield _piece(data, layout, first, min(first + n_piece, len(data.clean)))


def windows_at(
    data: TrainingSet, layout: Layout, index: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the window sums float32 [samples, columns] and their fullness float32 [samples] at some samples.

    Parameters
    ----------
    data
        Training data.
    layout
        Windows.
    index
        Int64 [samples], positions in the training data, in any order.
    """
    sums = np.empty((len(index), _n_columns(data, layout)), np.float32)
    fullness = np.empty(len(index), np.float32)
    piece = index // _piece_length(data, layout)
    for number in np.unique(piece):
        at = np.flatnonzero(piece == number)
        first, last = int(index[at].min()), int(index[at].max())
        _, of_piece, full = _piece(data, layout, first, last + 1)
        sums[at], fullness[at] = of_piece[index[at] - first], full[index[at] - first]
    return sums, fullness


def _n_columns(data: TrainingSet, layout: Layout) -> int:
    return int(data.clean.shape[1]) * max(1, len(layout.spans))


def _piece_length(data: TrainingSet, layout: Layout) -> int:
    return max(PIECE_VALUES // max(1, _n_columns(data, layout)), layout.n_window)


def _piece(
    data: TrainingSet, layout: Layout, first: int, end: int
) -> tuple[slice, NDArray[np.float32], NDArray[np.float32]]:
    begin = max(0, first - layout.n_window)
    boundary = data.boundary[begin:end].copy()
    boundary[:1] = True
    sums, fullness = multiscale_sums(data.clean[begin:end], boundary, layout.n_window, layout.spans)
    return slice(first, end), sums[first - begin :], fullness[first - begin :]


def _samples(data: TrainingSet, layout: Layout, scaling: Features, *, by_fullness: bool) -> _Samples:
    features = np.empty((len(data.clean), _n_columns(data, layout)), np.float32)
    weight = np.ones(len(features), np.float32)
    for where, sums, fullness in training_windows(data, layout):
        features[where] = scaling.features(sums)
        if by_fullness:
            weight[where] = fullness
    return _Samples(features, weight)


def _fold_sums(data: TrainingSet, layout: Layout, scaling: Features, *, by_fullness: bool) -> _FoldSums:
    folds = np.unique(data.fold)
    out: _FoldSums | None = None
    for where, sums, fullness in training_windows(data, layout):
        features = scaling.features(sums)
        if out is None:
            n = features.shape[1]
            out = _FoldSums(
                folds,
                features.mean(0),
                np.zeros(len(folds), np.int64),
                np.zeros((len(folds), data.n_states)),
                np.zeros((len(folds), data.n_states, n)),
                np.zeros((len(folds), n, n)),
            )
        features = features - out.centre
        for number, fold in enumerate(folds):
            at = np.flatnonzero(data.fold[where] == fold)
            if not len(at):
                continue
            at = at[np.argsort(data.state[where][at], kind="stable")]
            state = data.state[where][at]
            weight = fullness[at] if by_fullness else np.ones(len(at), np.float32)
            first = np.flatnonzero(np.r_[True, np.diff(state) > 0])
            out.n_samples[number] += len(at)
            out.count[number] += np.bincount(state, weight, data.n_states)
            weighted = features[at] * np.sqrt(weight)[:, None]
            out.product[number] += weighted.T @ weighted
            weighted *= np.sqrt(weight)[:, None]
            out.total[number, state[first]] += np.add.reduceat(weighted, first, axis=0, dtype=np.float64)
    assert out is not None, "training data are never empty"
    return out
