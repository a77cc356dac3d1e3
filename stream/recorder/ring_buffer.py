"""A ring buffer with numbered rows, for one writing thread and any number of readers.

Every row has a sequence number, and each reader a cursor, so a reader always knows what it has not read yet and what was
overwritten before it could. Each row is stored twice, one capacity apart: any window of up to the whole capacity is
contiguous in memory and is returned without a copy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from stream.errors import NeuroReelError, ShapeMismatch

_RELEASE_SHARE = 1 / 16
"""`RingBuffer.clear` frees the memory if more than this share of it was used."""


class RowsOverwritten(NeuroReelError):
    """The requested rows were overwritten by newer ones."""


class RingBuffer:
    """The newest rows of a series; one thread appends while others read.

    Parameters
    ----------
    capacity
        Number of rows to keep. They take twice their size in memory, as far as it was ever used (see `clear`).
    shape
        Shape of a row; ``()`` for single values.
    dtype
        Type of the values.

    Examples
    --------
    >>> ring = RingBuffer(1000, (2,))
    >>> cursor = ring.cursor()
    >>> ring.append([[1, 2], [3, 4]])
    >>> cursor.view().tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """

    def __init__(self, capacity: int, shape: tuple[int, ...] = (), dtype: DTypeLike = np.float32) -> None:
        if capacity < 1:
            raise ShapeMismatch(f"the capacity of a ring buffer is {capacity}; it must be at least one row.")
        self.capacity = capacity
        self._rows: NDArray[np.generic] = np.empty((2 * capacity, *shape), dtype)
        self._end = 0
        self._reserved = 0  # runs ahead of _end during a write, so that no reader trusts rows being replaced
        self._origin = 0  # sequence number of the row at the front of the memory

    def __repr__(self) -> str:
        return f"<RingBuffer: rows {self.begin} to {self.end}, capacity {self.capacity}>"

    @property
    def begin(self) -> int:
        """Sequence number of the oldest available row."""
        return max(self._origin, self._reserved - self.capacity)

    @property
    def end(self) -> int:
        """Sequence number of the next row."""
        return self._end

    def append(self, rows: ArrayLike) -> None:
        """Append rows, overwriting the oldest.

        Parameters
        ----------
        rows
            Rows [n, *shape] with any n; if n exceeds the capacity only the last are kept, but all are counted.

        Raises
        ------
        ShapeMismatch
            If the rows do not have the buffer's shape.
        """
        new = np.asarray(rows, self._rows.dtype)
        if new.shape[1:] != self._rows.shape[1:] or not new.ndim:
            raise ShapeMismatch(f"rows must have shape {self._rows.shape[1:]}, got {new.shape[1:]}.")
        after = self._end + len(new)
        self._reserved = after
        new = new[-self.capacity :]
        at = (after - len(new) - self._origin) % self.capacity
        n_before_wrap = min(len(new), self.capacity - at)
        for copy in (0, self.capacity):
            self._rows[copy + at : copy + at + n_before_wrap] = new[:n_before_wrap]
            self._rows[copy : copy + len(new) - n_before_wrap] = new[n_before_wrap:]
        self._end = after

    def clear(self) -> None:
        """Drop all rows and write the next ones at the front of the memory; sequence numbers continue.

        Memory is only allocated where rows were written: a buffer that is cleared whenever its readers have read
        everything takes as much as they lag behind. What a long lag has used is freed here. Only the appending thread
        may call this; a reader counts rows it has not read as missed.
        """
        n_used = self._end - self._origin
        self._origin = self._end
        if n_used > self.capacity * _RELEASE_SHARE:
            self._rows = np.empty_like(self._rows)

    def window(self, first: int, stop: int) -> NDArray[np.generic]:
        """Return a view of rows by sequence number; it is valid until they are overwritten.

        Parameters
        ----------
        first, stop
            Sequence numbers; ``stop`` is excluded.

        Raises
        ------
        RowsOverwritten
            If the first of the rows are overwritten.
        ShapeMismatch
            If the range is reversed, or some rows do not exist yet.
        """
        if not first <= stop <= self.end:
            raise ShapeMismatch(f"no window from {first} to {stop}: there are {self.end} rows so far.")
        if first < self.begin:
            raise RowsOverwritten(f"rows {first} to {min(stop, self.begin) - 1} are overwritten.")
        at = (first - self._origin) % self.capacity
        return self._rows[at : at + stop - first]

    def cursor(self) -> Cursor:
        """Return a new reading position, at the next row."""
        return Cursor(self)


class Cursor:
    """The reading position of one reader of a `RingBuffer`.

    Parameters
    ----------
    ring
        Buffer to read.

    Attributes
    ----------
    position
        Sequence number of the next row to read.
    n_missed
        Number of rows that were overwritten before they were read.
    """

    def __init__(self, ring: RingBuffer) -> None:
        self.position = ring.end
        self.n_missed = 0
        self._ring = ring

    def __repr__(self) -> str:
        return f"<Cursor: row {self.position}, {self.lag} unread, {self.n_missed} missed>"

    @property
    def lag(self) -> int:
        """Number of unread rows, including overwritten ones."""
        return self._ring.end - self.position

    def view(self, max_rows: int | None = None) -> NDArray[np.generic]:
        """Return a view of the next rows without reading past them; call `advance` after use.

        Rows that were overwritten are skipped and counted in ``n_missed``.

        Parameters
        ----------
        max_rows
            Maximum number of rows; None for all available.
        """
        while True:
            self._skip_overwritten()
            stop = self._ring.end if max_rows is None else min(self._ring.end, self.position + max_rows)
            try:
                return self._ring.window(self.position, max(stop, self.position))
            except RowsOverwritten:  # the writer overtook this reader in between
                continue

    def advance(self, n_rows: int) -> int:
        """Move past rows that were used.

        Parameters
        ----------
        n_rows
            Number of rows of the last `view`.

        Returns
        -------
        n_overwritten
            How many of them were overwritten during use, so that their values are invalid; they count as missed.

        Raises
        ------
        ShapeMismatch
            If ``n_rows`` is negative or exceeds the available rows.
        """
        if n_rows < 0 or self.position + n_rows > self._ring.end:
            raise ShapeMismatch(f"cannot advance by {n_rows} rows: {self.lag} are available.")
        n_overwritten = min(n_rows, max(0, self._ring.begin - self.position))
        self.n_missed += n_overwritten
        self.position += n_rows
        return n_overwritten

    def _skip_overwritten(self) -> None:
        """Move past rows that were overwritten."""
        n_overwritten = self._ring.begin - self.position
        if n_overwritten > 0:
            self.n_missed += n_overwritten
            self.position += n_overwritten
