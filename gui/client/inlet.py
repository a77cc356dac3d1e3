"""An inlet of the display."""

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
    """A stream that the display receives. It is opened by `open` and does not reconnect, so that a loss is noticed.

    Parameters
    ----------
    info
        Stream as resolved, without its description.

    Raises
    ------
    StreamGone
        If the sender does not return the stream's description.
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
        """Start receiving.

        Raises
        ------
        StreamGone
            If the stream cannot be opened.
        """
        try:
            self._inlet.open_stream(OPEN_S)
        except _GONE as error:
            raise StreamGone(self.name) from error

    def pull(self) -> tuple[NDArray[Any], NDArray[np.float64]] | None:
        """Pull all samples that have arrived.

        Returns
        -------
        rows, stamps
            Samples [n, channels] and their timestamps, float64 [n]; None if nothing arrived.

        Raises
        ------
        StreamGone
            If the sender has closed the stream.
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
        """Pull all messages that have arrived on a text stream."""
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
        """Stop receiving."""
        self._inlet.close_stream()


class StreamGone(Exception):
    """The sender of a stream is gone; the receiver searches for it again."""
