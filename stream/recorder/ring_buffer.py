"""A buffer of fixed size whose rows are counted, for one that writes and any number that read.

Every row has a sequence number, from 0, and each reader its own cursor, so a reader always knows what it has not
seen, and what was overwritten before it could. Each row is kept twice, one capacity apart: whatever the
position, a window of up to the whole capacity lies in one piece and is handed out without a copy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from stream.errors import NeuroReelError, ShapeMismatch

_RELEASE_SHARE = 1 / 16
"""Memory of which a larger share was used since the last `RingBuffer.forget` is exchanged for new."""


class RowsOverwritten(NeuroReelError):
    """Rows that a reader wants have been overwritten."""


class RingBuffer:
    """The newest rows of a series; one thread appends, others may read meanwhile.

    Example: ``ring = RingBuffer(1000, (120,)); cursor = ring.reader(); ring.append(samples); rows = cursor.peek()``.

    Parameters
    ----------
    capacity
        How many rows are kept. Memory is twice that, as far as it was ever needed (see `clear`).
    shape
        Of a row; ``()`` for single values.
    dtype
        Of the values.
    """

    def __init__(self, capacity: int, shape: tuple[int, ...] = (), dtype: DTypeLike = np.float32) -> None:
        if capacity < 1:
            raise ShapeMismatch(f"a ring of {capacity} rows holds nothing; give it at least one.")
        self.capacity = capacity
        self._rows: NDArray[np.generic] = np.empty((2 * capacity, *shape), dtype)
        self._end = 0
        self._reserved = (
            0  # ahead of _end while rows are being written, so that no reader trusts what they replace
        )
        self._origin = 0  # a row that lies at the front of the memory

    def __repr__(self) -> str:
        return f"<Ring: rows {self.begin} to {self.end} of {self.capacity}>"

    @property
    def begin(self) -> int:
        """Sequence number of the oldest row that is still there."""
        return max(self._origin, self._reserved - self.capacity)

    @property
    def end(self) -> int:
        """Sequence number that the next row will have."""
        return self._end

    def append(self, rows: ArrayLike) -> None:
        """Add rows; the oldest make room.

        Parameters
        ----------
        rows
            [n, *shape], any n. Of more than ``capacity`` only the last are kept, and all are counted.

        Raises
        ------
        ShapeMismatch
            When the rows are not of the ring's shape.
        """
        new = np.asarray(rows, self._rows.dtype)
        if new.shape[1:] != self._rows.shape[1:] or not new.ndim:
            raise ShapeMismatch(f"rows of shape {new.shape[1:]} do not fit a ring of {self._rows.shape[1:]}.")
        after = self._end + len(new)
        self._reserved = after
        new = new[-self.capacity :]
        at = (after - len(new) - self._origin) % self.capacity
        straight = min(len(new), self.capacity - at)
        for copy in (0, self.capacity):
            self._rows[copy + at : copy + at + straight] = new[:straight]
            self._rows[copy : copy + len(new) - straight] = new[straight:]
        self._end = after

    def clear(self) -> None:
        """Forget every row; the next ones begin at the front of the memory again, with the numbers that come next.

        Memory is only taken where rows have been: a ring that is forgotten whenever everybody has read everything takes
        what its readers lag behind, not its capacity. What a long lag has taken is given back here. For the thread
        that appends; a reader that has not read everything counts the rest as missed.
        """
        used = self._end - self._origin
        self._origin = self._end
        if used > self.capacity * _RELEASE_SHARE:
            self._rows = np.empty_like(self._rows)

    def window(self, first: int, stop: int) -> NDArray[np.generic]:
        """Rows by sequence number, as a view in one piece.

        It holds until they are overwritten: ask `intact` after use when another thread appends.

        Parameters
        ----------
        first, stop
            Sequence numbers; ``stop`` is not included.

        Raises
        ------
        RowsOverwritten
            When the first of them are gone.
        ShapeMismatch
            When some have not come yet, or ``stop`` lies before ``first``.
        """
        if not first <= stop <= self.end:
            raise ShapeMismatch(f"no window from {first} to {stop}: {self.end} rows have come.")
        if first < self.begin:
            raise RowsOverwritten(f"rows {first} to {min(stop, self.begin) - 1} are overwritten.")
        at = (first - self._origin) % self.capacity
        return self._rows[at : at + stop - first]

    def intact(self, first: int) -> bool:
        """Whether everything from this sequence number on is still there.

        Parameters
        ----------
        first
            Of a window that was used.
        """
        return first >= self.begin

    def cursor(self) -> Cursor:
        """A reader of its own pace, which begins with the next row."""
        return Cursor(self)


class Cursor:
    """One reader's place in a `RingBuffer`.

    Parameters
    ----------
    ring
        What it reads.

    Attributes
    ----------
    position
        Sequence number of the next row it will get.
    missed
        How many rows were overwritten before it took them.
    """

    def __init__(self, ring: RingBuffer) -> None:
        self.position = ring.end
        self.n_missed = 0
        self._ring = ring

    def __repr__(self) -> str:
        return f"<Cursor: at {self.position}, {self.lag} behind, {self.n_missed} missed>"

    @property
    def lag(self) -> int:
        """How many rows have come that it has not taken, those overwritten included."""
        return self._ring.end - self.position

    def view(self, max_rows: int | None = None) -> NDArray[np.generic]:
        """The next rows, as a view in one piece; `advance` when they are done with.

        Rows that were overwritten are skipped and counted in ``n_missed``.

        Parameters
        ----------
        most
            How many at the most; None = all that are there.
        """
        while True:
            self._skip()
            stop = self._ring.end if max_rows is None else min(self._ring.end, self.position + max_rows)
            try:
                return self._ring.window(self.position, max(stop, self.position))
            except RowsOverwritten:  # the writer was faster
                continue

    def advance(self, n_rows: int) -> int:
        """Step over rows that were used.

        Parameters
        ----------
        n_rows
            How many of what `view` gave.

        Returns
        -------
        overwritten
            How many of them were overwritten meanwhile, so that what was read is not to be trusted; they
            count as missed.
        """
        if n_rows < 0 or self.position + n_rows > self._ring.end:
            raise ShapeMismatch(f"cannot step over {n_rows} rows: {self.lag} are there.")
        overwritten = min(n_rows, max(0, self._ring.begin - self.position))
        self.n_missed += overwritten
        self.position += n_rows
        return overwritten

    def _skip(self) -> None:
        """Step over what was overwritten."""
        gone = self._ring.begin - self.position
        if gone > 0:
            self.n_missed += gone
            self.position += gone
