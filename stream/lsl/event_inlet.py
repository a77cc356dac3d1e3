"""Inlet for events: text markers and irregular numeric streams."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pylsl.util import LostError

from stream.lsl.connection import MAX_PULL, Connection


class EventInlet(Connection):
    """Receives an irregular stream, such as ``V1-stimulus`` or ``V1-events``; it never becomes stale.

    See `Connection` for the parameters and attributes.
    """

    def pull(self, timeout_s: float = 0.0) -> tuple[list[Any], NDArray[np.float64]]:
        """Return the events that have arrived since the last call.

        Parameters
        ----------
        timeout_s
            Longest wait for a first event, seconds.

        Returns
        -------
        events
            For each event, a str (text stream of one channel), a list of str (text stream of several channels) or an
            array [channels] (numeric stream). Bytes that are not UTF-8 become U+FFFD.
        stamps
            Float64 [events], timestamps as sent, seconds.
        """
        rows: list[Any] = []
        parts: list[NDArray[np.float64]] = [np.zeros(0)]
        if self._inlet is None:
            self._reconnect(timeout_s)
            return rows, parts[0]
        try:
            while True:
                samples, stamps = self._pull_once(0.0 if rows else timeout_s)
                rows.extend(samples)
                parts.append(np.asarray(stamps, np.float64))
                if len(stamps) < MAX_PULL:
                    break
        except LostError:
            self._lose()
        all_stamps = np.concatenate(parts)
        if rows:
            self._received(all_stamps)
        return rows, all_stamps

    def _pull_once(self, timeout_s: float) -> tuple[Any, Any]:
        """Pull up to `MAX_PULL` events, as text or numbers."""
        assert self._inlet is not None
        samples, stamps = self._inlet.pull_chunk(
            timeout=timeout_s, max_samples=MAX_PULL, min_samples=1, as_numpy=True
        )
        if not self.carries_text:
            return samples, stamps
        # as bytes, because pylsl's own decoding raises at text that is not UTF-8, and loses the chunk
        rows = [[value.decode("utf-8", "replace") for value in row] for row in samples]
        return [row[0] for row in rows] if self.n_channels == 1 else rows, stamps

    def open(self, timeout_s: float = 5.0, *, sync_timeout_s: float = 0.0) -> None:
        """Connect; without clock offset by default, because events share the clock of the neural stream.

        Parameters
        ----------
        timeout_s, sync_timeout_s
            See `Connection.open`.
        """
        super().open(timeout_s, sync_timeout_s=sync_timeout_s)
