"""One stream that the display listens to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pylsl
from numpy.typing import NDArray

from stream.lsl.outlet import buffer_length, read_facts

OPEN_S = 2.0
KEEP_S = 30.0

_GONE = (pylsl.util.LostError, pylsl.util.TimeoutError, RuntimeError)


class DisplayInlet:
    """An inlet, not yet open; it never comes back by itself, so that a loss is noticed.

    Parameters
    ----------
    info
        As resolved, without its description.

    Raises
    ------
    StreamGone
        When the stream does not describe itself.
    """

    def __init__(self, info: pylsl.StreamInfo) -> None:
        rate = info.nominal_srate()
        length = buffer_length(rate, info.channel_count(), KEEP_S)
        self._inlet = pylsl.StreamInlet(info, max_buflen=length, recover=False)
        try:
            full = self._inlet.info(OPEN_S)
        except _GONE as error:
            raise StreamGone(info.name()) from error
        self.name = info.name()
        self.uid = info.uid()
        self.type = info.type()
        self.hostname = info.hostname()
        self.rate_hz = rate
        self.n_channels = info.channel_count()
        self.facts = read_facts(full)

    def open(self) -> None:
        """Begin to listen.

        Raises
        ------
        StreamGone
            When the stream cannot be opened.
        """
        try:
            self._inlet.open_stream(OPEN_S)
        except _GONE as error:
            raise StreamGone(self.name) from error

    def pull(self) -> tuple[NDArray[Any], NDArray[np.float64]] | None:
        """Everything that is there.

        Returns
        -------
        rows, stamps
            [n, channels] and float64 [n]; None when nothing came.

        Raises
        ------
        StreamGone
            When its sender has closed it.
        """
        parts = []
        try:
            while True:
                rows, stamps = self._inlet.pull_chunk(0.0, as_numpy=True)
                if not len(stamps):
                    break
                parts.append((np.asarray(rows), np.asarray(stamps, np.float64)))
        except pylsl.util.LostError as error:
            if not parts:
                raise StreamGone(self.name) from error
        if not parts:
            return None
        return np.concatenate([rows for rows, _ in parts]), np.concatenate([stamps for _, stamps in parts])

    def pull_texts(self) -> list[str]:
        """Every message that is there, of a text stream."""
        texts: list[str] = []
        try:
            while True:
                rows, stamps = self._inlet.pull_chunk(0.0)
                if not stamps:
                    return texts
                texts += [str(row[0]) for row in rows]
        except pylsl.util.LostError as error:
            if not texts:
                raise StreamGone(self.name) from error
        return texts

    def close(self) -> None:
        """Stop listening."""
        self._inlet.close_stream()


class StreamGone(Exception):
    """The sender of a stream is no longer there; the receiver looks for it again."""
