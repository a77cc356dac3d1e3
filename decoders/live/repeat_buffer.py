"""Collects samples and their true frames into whole repeats, or into pieces of equal length."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.session import NO_FRAME, Kind, Session

BLANK_S = 0.5
"""Duration of a blank that ends a repeat."""

LEAD_S = 5.0
"""Longest part of the blank before a repeat that belongs to it."""

LONGEST_S = 600.0
"""Longest repeat; longer ones are split."""

PIECE_S = 20.0
"""Duration of the pieces, each of which renews an embedding without labels."""

MIN_MOMENTS = 10
"""Shortest repeat in samples with a frame on screen; shorter ones are dropped."""

NO_LABELS = np.zeros(0, np.float32)


class Row(NamedTuple):
    """One sample with its true frame, repeat, and continuous labels side by side."""

    samples: NDArray[np.float32]
    stamp: float
    segment: int
    frame: int
    repeat: int
    labels: NDArray[np.float32]


class RepeatBuffer:
    """Joins samples and their true frames into whole repeats.

    Parameters
    ----------
    rate_hz
        Sampling rate in recorded time in Hz; 0 for irregular streams, treated as 1 Hz.
    first_frame
        The movie's first frame, at which a repeat of unknown number begins.
    """

    def __init__(self, rate_hz: float, first_frame: int = 0) -> None:
        self._first_frame = first_frame
        rate = rate_hz or 1.0
        self._n_blank = max(1, round(BLANK_S * rate))
        self._n_lead = max(1, round(LEAD_S * rate))
        self._n_longest = max(MIN_MOMENTS, round(LONGEST_S * rate))
        self._waiting: deque[tuple[NDArray[np.float32], float, int]] = deque()
        self._lead: deque[Row] = deque(maxlen=self._n_lead)
        self._rows: list[Row] = []
        self._blank: list[Row] = []

    def add(self, samples: NDArray[np.float32], stamp: float, segment: int) -> list[Row] | None:
        """Add a sample; `settle` adds its true frame later, and only then can a repeat be complete.

        Parameters
        ----------
        samples
            Raw sample, float32 [channels]; copied.
        stamp
            Timestamp in seconds of recorded time.
        segment
            Segment of the stream.
        """
        self._waiting.append((samples.copy(), stamp, segment))
        return None

    def settle(self, frame: int, repeat: int, labels: NDArray[np.float32] = NO_LABELS) -> list[Row] | None:
        """Add the true frame of the oldest sample that has none yet.

        Parameters
        ----------
        frame, repeat
            Frame on screen and its repeat; -1 = none, unknown.
        labels
            Continuous labels, float32 [columns]; NaN = unknown.

        Returns
        -------
        rows
            The last repeat with the blank before it if this sample ends it, else None.
        """
        row = Row(*self._waiting.popleft(), frame, repeat, labels)
        if frame < 0:
            return self._add_blank(row)
        finished = self._finish() if self._starts_repeat(row) else None
        self._rows.extend(self._blank)
        self._blank.clear()
        self._rows.append(row)
        return finished

    def _starts_repeat(self, row: Row) -> bool:
        if not self._rows:
            return False
        last = self._rows[-1]
        if len(self._rows) >= self._n_longest or row.repeat != last.repeat:
            return True
        return row.repeat < 0 and row.frame == self._first_frame and last.frame > self._first_frame

    def _add_blank(self, row: Row) -> list[Row] | None:
        if not self._rows:
            self._lead.append(row)
            return None
        self._blank.append(row)
        return self._finish() if len(self._blank) >= self._n_blank else None

    def _finish(self) -> list[Row] | None:
        """The repeat so far; the blank after it belongs to the next one."""
        rows = [*self._lead, *self._rows]
        n_shown = len(self._rows)
        self._lead.clear()
        self._lead.extend(self._blank)
        self._blank.clear()
        self._rows = []
        return rows if n_shown >= MIN_MOMENTS else None


class PieceBuffer:
    """Joins samples into pieces of equal length, for embeddings without labels.

    Parameters
    ----------
    rate_hz
        Sampling rate in recorded time in Hz.
    """

    def __init__(self, rate_hz: float) -> None:
        self._n = max(MIN_MOMENTS, round(PIECE_S * rate_hz))
        self._rows: list[Row] = []

    def add(self, samples: NDArray[np.float32], stamp: float, segment: int) -> list[Row] | None:
        """Add a sample, see `RepeatBuffer.add`; returns the piece that it completes."""
        self._rows.append(Row(samples.copy(), stamp, segment, NO_FRAME, NO_FRAME, NO_LABELS))
        if len(self._rows) < self._n:
            return None
        rows, self._rows = self._rows, []
        return rows

    def settle(self, frame: int, repeat: int, labels: NDArray[np.float32] = NO_LABELS) -> None:
        """Ignore the truth."""


def repeat_session(
    rows: list[Row],
    channel_names: tuple[str, ...],
    kind: Kind,
    rate_hz: float,
    labels: Sequence[tuple[str, int]] = (),
    *,
    simulated: bool = False,
) -> Session:
    """Convert a repeat to a session in which it has number 0.

    Parameters
    ----------
    rows
        Rows from `RepeatBuffer.settle`.
    channel_names, kind, rate_hz
        Channels, kind and sampling rate of the stream.
    labels
        Names of the continuous labels in the rows, and the number of columns of each; labels without any known value
        are left out.
    simulated
        Whether a simulator made the data.
    """
    frame = np.array([row.frame for row in rows], np.int32)
    side_by_side = np.stack([row.labels for row in rows])
    known, first = {}, 0
    for name, k in labels:
        values = side_by_side[:, first : first + k]
        first += k
        if np.isfinite(values).all(1).any():
            known[name] = values
    return Session(
        neural=np.stack([row.samples for row in rows]),
        stamps=np.array([row.stamp for row in rows]),
        frame=frame,
        repeat=np.where(frame >= 0, 0, -1).astype(np.int32),
        segment=np.array([row.segment for row in rows], np.int32),
        channel_names=channel_names,
        kind=kind,
        rate_hz=rate_hz,
        labels=known,
        simulated=simulated,
    )
