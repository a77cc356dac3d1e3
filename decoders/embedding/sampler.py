"""Which pairs of moments the contrastive training pulls together."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from decoders.embedding.windows import segment_begins

Index = NDArray[np.int64]

MAX_GROUPS = 24
"""Repeats are put together to at most this many groups where labels are searched."""

APART = 1e3
"""Distance, in standard deviations of the labels, that different frames are apart."""


class Positives(Protocol):
    """Draws a partner for each anchor."""

    def draw(self, anchor: Index, rng: np.random.Generator) -> Index:
        """Int64 [anchors], indices of samples, for anchors int64 [anchors]."""
        ...


class FramePositives:
    """Moments of the same frame, from another repeat when there is one.

    Parameters
    ----------
    index
        Int64 [kept], the samples that may be drawn.
    state, block
        Int64 [time], frame and repeat of every sample.
    """

    def __init__(self, index: Index, state: Index, block: Index) -> None:
        order = np.lexsort((index, block[index], state[index]))
        self._sorted = index[order]
        s, b = state[self._sorted], block[self._sorted]
        new_state = np.r_[True, np.diff(s) != 0]
        new_block = new_state | np.r_[True, np.diff(b) != 0]
        # Of each sample: where its frame begins and how many it has, and the same of its repeat within the frame.
        self._where = np.full(len(state), -1, np.int64)
        self._where[self._sorted] = np.arange(len(order))
        self._frame_first, self._frame_count = _runs(new_state)
        self._block_first, self._block_count = _runs(new_block)

    def draw(self, anchor: Index, rng: np.random.Generator) -> Index:
        """Int64 [anchors], partners."""
        at = self._where[anchor]
        n_frame, n_own = self._frame_count[at], self._block_count[at]
        n_others = n_frame - n_own
        alone = n_others == 0
        pick = np.floor(rng.random(len(at)) * np.where(alone, n_frame, n_others)).astype(np.int64)
        own_first = self._block_first[at] - self._frame_first[at]
        pick += np.where(~alone & (pick >= own_first), n_own, 0)
        return np.asarray(self._sorted[self._frame_first[at] + pick], np.int64)


class NearestPositives:
    """Moments whose continuous labels are as near as those of moments close in time; from another repeat if possible.

    As in CEBRA (Schneider, Lee and Mathis 2023) the wanted label is the anchor's plus a change that the label really
    made within the time offset. It is searched among the distinct labels of the other repeats.

    Parameters
    ----------
    index
        Int64 [kept], the samples that may be drawn.
    labels
        Float32 [time, k], finite.
    block
        Int64 [time], repeat of every sample.
    run
        Int64 [time], stretches without a border.
    n_offset
        Samples within which labels are compared.
    state
        Int64 [time], frames that must agree too where they can; None = only the labels count.
    """

    def __init__(
        self,
        index: Index,
        labels: NDArray[np.float32],
        block: Index,
        run: Index,
        n_offset: int,
        state: Index | None = None,
    ) -> None:
        spread = labels[index].std(0)
        self._labels = (labels / np.where(spread > 0, spread, 1)).astype(np.float64)
        if state is not None:
            self._labels = np.column_stack([self._labels, APART * state])
        self._n_label = labels.shape[1]
        self._change = _changes(index, self._labels[:, : self._n_label], run, n_offset)
        blocks, rank = np.unique(block[index], return_inverse=True)
        n_groups = min(MAX_GROUPS, len(blocks))
        self._group = np.full(len(labels), -1, np.int64)
        self._group[index] = rank * n_groups // len(blocks)
        self._search = []
        for group in range(n_groups):
            others = index[self._group[index] != group] if n_groups > 1 else index
            self._search.append(_Unique(self._labels, others))

    def draw(self, anchor: Index, rng: np.random.Generator) -> Index:
        """Int64 [anchors], partners."""
        wanted = self._labels[anchor].copy()
        wanted[:, : self._n_label] += self._change[rng.integers(0, len(self._change), len(anchor))]
        partner = np.empty(len(anchor), np.int64)
        group = self._group[anchor]
        for number in np.unique(group):
            at = group == number
            partner[at] = self._search[number].nearest(wanted[at], rng)
        return partner


class TimePositives:
    """Moments close in time, never across a border.

    Parameters
    ----------
    index
        Int64 [kept], the samples that may be drawn, ascending.
    run
        Int64 [time], stretches without a border.
    n_offset
        The most samples apart.
    """

    def __init__(self, index: Index, run: Index, n_offset: int) -> None:
        self._index, self._n_offset = index, n_offset
        self._where = np.full(len(run), -1, np.int64)
        self._where[index] = np.arange(len(index))
        broken = np.r_[True, (np.diff(run[index]) != 0) | (np.diff(index) > 1)]
        self._first, count = _runs(broken)
        self._last = self._first + count - 1

    def draw(self, anchor: Index, rng: np.random.Generator) -> Index:
        """Int64 [anchors], partners; an anchor alone in its stretch is its own."""
        at = self._where[anchor]
        low = np.maximum(self._first[at], at - self._n_offset)
        high = np.minimum(self._last[at], at + self._n_offset)
        pick = low + np.floor(rng.random(len(at)) * np.maximum(high - low, 1)).astype(np.int64)
        pick += (pick >= at) & (high > low)  # itself is left out
        return np.asarray(self._index[pick], np.int64)


class Sampler:
    """Batches of anchors and partners from a generator of its own.

    Parameters
    ----------
    index
        Int64 [kept], the samples that may be anchors.
    positives
        How partners are found; several take turns within a batch.
    seed
        With the step's number, of everything drawn: a resumed training draws as an unbroken one.
    """

    def __init__(self, index: Index, positives: tuple[Positives, ...], seed: int) -> None:
        self._index, self._positives, self._seed = index, positives, seed

    def batch(self, step: int, size: int) -> list[tuple[Index, Index]]:
        """Anchors and partners, int64 [size] each, for every kind of positive.

        Parameters
        ----------
        step
            Its number.
        size
            Pairs in all.
        """
        rng = np.random.default_rng([self._seed, step])
        out = []
        for positives in self._positives:
            anchor = self._index[rng.integers(0, len(self._index), size // len(self._positives))]
            out.append((anchor, positives.draw(anchor, rng)))
        return out


class _Unique:
    """Nearest-neighbour search over the distinct rows of some samples."""

    def __init__(self, labels: NDArray[np.float64], index: Index) -> None:
        rows, inverse = np.unique(labels[index], axis=0, return_inverse=True)
        order = np.argsort(inverse.reshape(-1), kind="stable")
        self._sorted = index[order]
        self._count = np.bincount(inverse.reshape(-1), minlength=len(rows))
        self._first = np.cumsum(self._count) - self._count
        self._tree = cKDTree(rows)

    def nearest(self, wanted: NDArray[np.float64], rng: np.random.Generator) -> Index:
        row = self._tree.query(wanted)[1]
        pick = np.floor(rng.random(len(row)) * self._count[row]).astype(np.int64)
        return np.asarray(self._sorted[self._first[row] + pick], np.int64)


def contiguous_runs(boundary: NDArray[np.bool_], block: Index) -> Index:
    """Int64 [time], numbers of the stretches that neither a border nor a change of repeat breaks."""
    return np.cumsum(boundary | np.r_[True, np.diff(block) != 0][: len(boundary)])


def window_index(boundary: NDArray[np.bool_], at: Index, n_context: int) -> tuple[Index, NDArray[np.int64]]:
    """The samples of causal windows, none of which crosses a border.

    Parameters
    ----------
    border
        Bool [time].
    at
        Int64 [windows], the newest sample of each.
    n_context
        Samples in a window.

    Returns
    -------
    index
        Int64 [windows, n_context], the oldest first; where the segment had not begun, its first sample stands in.
    held
        Int64 [windows], how many are real.
    """
    begins = segment_begins(boundary)[at]
    index = at[:, None] + np.arange(1 - n_context, 1)
    return np.maximum(index, begins[:, None]), np.minimum(at - begins + 1, n_context)


def _runs(starts: NDArray[np.bool_]) -> tuple[Index, Index]:
    """Of each element, where its run begins and how long the run is."""
    first = np.flatnonzero(starts)
    length = np.diff(np.r_[first, len(starts)])
    return np.repeat(first, length), np.repeat(length, length)


def _changes(index: Index, labels: NDArray[np.float64], run: Index, n_offset: int) -> NDArray[np.float64]:
    """Changes of the labels over ``n_offset`` samples or less, float64 [changes, k]; never across a border."""
    kept = np.zeros(len(run), bool)
    kept[index] = True
    changes = [np.zeros((1, labels.shape[1]))]
    for offset in range(1, min(n_offset, len(run) - 1) + 1):
        same = (run[offset:] == run[:-offset]) & kept[offset:] & kept[:-offset]
        change = (labels[offset:] - labels[:-offset])[same]
        changes += [change, -change]
    return np.concatenate(changes)
