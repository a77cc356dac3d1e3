"""The channel in which a sender may count its samples: it shows exactly what is missing, late or sent twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

COUNTER_LABEL, COUNTER_FACT = "sequence", "sequence_channel"
"""Label of the channel that counts samples, unless this entry of the stream's description names another one."""

COUNTER_BACK = 64
"""A counter at most this far behind the newest is out of order; further back, the sender restarted its counter."""


UNCOUNTED_IN_A_ROW = 40
"""After so many samples in a row that are not numbered one by one, the channel is no counter."""


def counter_channel(labels: Sequence[str], facts: Mapping[str, str]) -> int | None:
    """Index of the channel of a neural stream that counts samples; None if there is none.

    Parameters
    ----------
    labels, facts
        Channel labels and NeuroReel's own entries of the stream's description.
    """
    label = facts.get(COUNTER_FACT, COUNTER_LABEL)
    return list(labels).index(label) if label in labels and len(labels) > 1 else None


def without(labels: Sequence[str], counter: int | None) -> tuple[str, ...]:
    """Channel labels without that of the counter.

    Parameters
    ----------
    labels
        Channel labels.
    counter
        Result of `counter_channel`.
    """
    return tuple(label for index, label in enumerate(labels) if index != counter)


class CounterTrust:
    """Whether a counter counts: not if many samples in a row are not numbered one by one, and not even in pairs.

    Attributes
    ----------
    lost
        Whether it does not.
    """

    __slots__ = ("_before", "_n", "_n_same", "_progress", "lost")

    def __init__(self) -> None:
        self.lost = False
        self._before: int | None = None
        self._n = self._n_same = self._progress = 0

    def follow(self, count: int) -> None:
        """Note the newest of samples that are numbered one by one.

        Parameters
        ----------
        count
            Its number.
        """
        self._before = count
        self._n = self._n_same = self._progress = 0

    def judge(self, count: int) -> bool:
        """Judge the number of the next sample, kept or not; True when trust is lost now.

        Parameters
        ----------
        count
            Its number.
        """
        step = 1 if self._before is None else count - self._before
        self._before = count
        if step == 1:
            self._n = self._n_same = self._progress = 0
            return False
        self._n += 1
        self._n_same += step == 0
        self._progress += step
        if self._n < UNCOUNTED_IN_A_ROW or self.lost:
            return False
        self.lost = self._n_same > 0.25 * self._n or not 0.5 * self._n <= self._progress <= 1.5 * self._n
        self._n = self._n_same = self._progress = 0
        return self.lost


class SampleCount:
    """What the counter of a stream shows, as its samples arrive; samples without a count are taken as the next ones.

    Attributes
    ----------
    first, last
        First and newest count; None before the first.
    missing
        Samples that the sender counted and that have not arrived; None if the channel turns out to be no counter.
    """

    def __init__(self) -> None:
        self.first: int | None = None
        self.last: int | None = None
        self.missing: int | None = 0
        self._trust = CounterTrust()

    def add(self, counts: ArrayLike) -> None:
        """Take the counts of the next samples.

        Parameters
        ----------
        counts
            In the order of arrival; NaN where unknown.
        """
        values: NDArray[np.float64] = np.asarray(counts, np.float64)
        if self.last is not None and bool((np.diff(values, prepend=self.last) == 1).all()):
            self.last += len(values)
            self._trust.follow(self.last)
            return
        for value in values.tolist():
            self._add(value)

    def _add(self, value: float) -> None:
        if self.missing is None:
            return
        if not abs(value) < 2**53:
            self.last = None if self.last is None else self.last + 1
            return
        count = int(value)
        if self._trust.judge(count):
            self.missing = None
            return
        if self.last is None:
            self.first = self.last = count
            return
        step = count - self.last
        if -COUNTER_BACK <= step < 0:
            self.missing -= self.missing > 0  # it was missing until now
        elif step:
            self.missing += max(step - 1, 0)
            self.last = count
