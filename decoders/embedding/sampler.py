"""Sampling of positive pairs for contrastive training.

As in CEBRA (Schneider, Lee and Mathis 2023), each anchor is paired with a positive, a sample alike in label or close in
time; the positives of the other anchors in a batch serve as its negatives.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Index = NDArray[np.int64]

MAX_GROUPS = 24
"""Largest number of groups of repeats with a label search of their own."""

FRAME_DISTANCE = 1e3
"""Distance between different frames in the label search, in standard deviations of the labels."""


class Positives(Protocol):
    """Draws a positive for each anchor."""

    def draw(self, anchor: Index, rng: np.random.Generator) -> Index:
        """Draw positives int64 [anchors] for anchors int64 [anchors]; both are sample indices."""
        ...


class FramePositives:
    """Positives of the same frame, from another repeat when there is one.

    Parameters
    ----------
    index
        Int64 [kept], samples that may be drawn.
    state, block
        Int64 [time], frame and repeat of every sample.

    Examples
    --------
    >>> state, repeat = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    >>> positives = FramePositives(np.arange(4), state, repeat)
    >>> positives.draw(np.array([0, 1, 2]), np.random.default_rng(0)).tolist()
    [2, 3, 0]
    """

    def __init__(self, index: Index, state: Index, block: Index) -> None:
        order = np.lexsort((index, block[index], state[index]))
        self._sorted = index[order]
        s, b = state[self._sorted], block[self._sorted]
        new_state = np.r_[True, np.diff(s) != 0]
        new_block = new_state | np.r_[True, np.diff(b) != 0]
        # For each sorted sample: first index and count of its frame, and of its repeat within the frame.
        self._where = np.full(len(state), -1, np.int64)
        self._where[self._sorted] = np.arange(len(order))
        self._frame_first, self._frame_count = _runs(new_state)
        self._block_first, self._block_count = _runs(new_block)

    def draw(self, anchor: Index, rng: np.random.Generator) -> Index:
        """Draw positives int64 [anchors] for anchors int64 [anchors]."""
        at = self._where[anchor]
        n_frame, n_own = self._frame_count[at], self._block_count[at]
        n_others = n_frame - n_own
        single_repeat = n_others == 0
        pick = np.floor(rng.random(len(at)) * np.where(single_repeat, n_frame, n_others)).astype(np.int64)
        own_first = self._block_first[at] - self._frame_first[at]
        pick += np.where(~single_repeat & (pick >= own_first), n_own, 0)
        return np.asarray(self._sorted[self._frame_first[at] + pick], np.int64)


class NearestPositives:
    """Positives with a similar continuous label, from another repeat when there is one.

    As in CEBRA (Schneider, Lee and Mathis 2023), the target label is the anchor's plus a label change that was observed
    within the time offset. The positive is a sample of the other repeats with the label nearest to the target.

    Parameters
    ----------
    index
        Int64 [kept], samples that may be drawn.
    labels
        Float32 [time, k], finite continuous labels.
    block
        Int64 [time], repeat of every sample.
    run
        Int64 [time], contiguous run of every sample (see `contiguous_runs`).
    n_offset
        Largest time offset of observed label changes, in samples.
    state
        Int64 [time], frame of every sample; positives have the same frame where possible. None ignores frames.
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
            self._labels = np.column_stack([self._labels, FRAME_DISTANCE * state])
        self._n_label = labels.shape[1]
        self._changes = _label_changes(index, self._labels[:, : self._n_label], run, n_offset)
        blocks, rank = np.unique(block[index], return_inverse=True)
        n_groups = min(MAX_GROUPS, len(blocks))
        self._group = np.full(len(labels), -1, np.int64)
        self._group[index] = rank * n_groups // len(blocks)
        self._search = []
        for group in range(n_groups):
            others = index[self._group[index] != group] if n_groups > 1 else index
            self._search.append(_LabelSearch(self._labels, others))

    def draw(self, anchor: Index, rng: np.random.Generator) -> Index:
        """Draw positives int64 [anchors] for anchors int64 [anchors]."""
        target = self._labels[anchor].copy()
        target[:, : self._n_label] += self._changes[rng.integers(0, len(self._changes), len(anchor))]
        positive = np.empty(len(anchor), np.int64)
        group = self._group[anchor]
        for number in np.unique(group):
            at = group == number
            positive[at] = self._search[number].nearest(target[at], rng)
        return positive


class TimePositives:
    """Positives close in time, within the same contiguous run.

    Parameters
    ----------
    index
        Int64 [kept], samples that may be drawn, ascending.
    run
        Int64 [time], contiguous run of every sample (see `contiguous_runs`).
    n_offset
        Largest distance to the anchor in samples.

    Examples
    --------
    >>> positives = TimePositives(np.arange(6), np.array([0, 0, 1, 1, 1, 1]), n_offset=1)
    >>> positives.draw(np.array([0, 2, 5]), np.random.default_rng(0)).tolist()
    [1, 3, 4]
    """

    def __init__(self, index: Index, run: Index, n_offset: int) -> None:
        self._index, self._n_offset = index, n_offset
        self._where = np.full(len(run), -1, np.int64)
        self._where[index] = np.arange(len(index))
        broken = np.r_[True, (np.diff(run[index]) != 0) | (np.diff(index) > 1)]
        self._first, count = _runs(broken)
        self._last = self._first + count - 1

    def draw(self, anchor: Index, rng: np.random.Generator) -> Index:
        """Draw positives int64 [anchors]; an anchor alone in its run is its own positive."""
        at = self._where[anchor]
        low = np.maximum(self._first[at], at - self._n_offset)
        high = np.minimum(self._last[at], at + self._n_offset)
        pick = low + np.floor(rng.random(len(at)) * np.maximum(high - low, 1)).astype(np.int64)
        pick += (pick >= at) & (high > low)  # the anchor itself is left out
        return np.asarray(self._index[pick], np.int64)


class Sampler:
    """Draws batches of anchors and positives.

    Parameters
    ----------
    index
        Int64 [kept], samples that may be anchors.
    positives
        Samplers of positives; several share each batch equally.
    seed
        Random seed. Each batch depends on the seed and its step only, so a resumed training draws the same batches.
    ends
        Int64 [recordings], end of each recording's samples: as many anchors are drawn from each. None for one recording.
    """

    def __init__(
        self, index: Index, positives: tuple[Positives, ...], seed: int, ends: Index | None = None
    ) -> None:
        self._positives, self._seed = positives, seed
        parts = [index] if ends is None else np.split(index, np.searchsorted(index, ends[:-1]))
        self._groups = [part for part in parts if len(part)]

    def batch(self, step: int, size: int) -> list[tuple[Index, Index]]:
        """Draw anchors and positives, int64 [size / kinds] each, for every kind of positive.

        Parameters
        ----------
        step
            Number of the training step.
        size
            Number of pairs of all kinds.
        """
        rng = np.random.default_rng([self._seed, step])
        out = []
        for positives in self._positives:
            n = size // (len(self._positives) * len(self._groups))
            anchor = np.concatenate([group[rng.integers(0, len(group), n)] for group in self._groups])
            out.append((anchor, positives.draw(anchor, rng)))
        return out


class _LabelSearch:
    """Nearest-neighbour search over the distinct labels of some samples."""

    def __init__(self, labels: NDArray[np.float64], index: Index) -> None:
        rows, inverse = np.unique(labels[index], axis=0, return_inverse=True)
        order = np.argsort(inverse.reshape(-1), kind="stable")
        self._sorted = index[order]
        self._count = np.bincount(inverse.reshape(-1), minlength=len(rows))
        self._first = np.cumsum(self._count) - self._count
        self._tree = cKDTree(rows)

    def nearest(self, target: NDArray[np.float64], rng: np.random.Generator) -> Index:
        row = self._tree.query(target)[1]
        pick = np.floor(rng.random(len(row)) * self._count[row]).astype(np.int64)
        return np.asarray(self._sorted[self._first[row] + pick], np.int64)


def contiguous_runs(boundary: NDArray[np.bool_], block: Index) -> Index:
    """Number the runs between segment boundaries and changes of repeat, int64 [time]."""
    return np.cumsum(boundary | np.r_[True, np.diff(block) != 0][: len(boundary)])


def _runs(starts: NDArray[np.bool_]) -> tuple[Index, Index]:
    """Return first index and length of the run that each element belongs to."""
    first = np.flatnonzero(starts)
    length = np.diff(np.r_[first, len(starts)])
    return np.repeat(first, length), np.repeat(length, length)


def _label_changes(
    index: Index, labels: NDArray[np.float64], run: Index, n_offset: int
) -> NDArray[np.float64]:
    """Collect label changes over up to ``n_offset`` samples within runs, float64 [changes, k]."""
    kept = np.zeros(len(run), bool)
    kept[index] = True
    changes = [np.zeros((1, labels.shape[1]))]
    for offset in range(1, min(n_offset, len(run) - 1) + 1):
        same = (run[offset:] == run[:-offset]) & kept[offset:] & kept[:-offset]
        change = (labels[offset:] - labels[:-offset])[same]
        changes += [change, -change]
    return np.concatenate(changes)
