"""An inlet of the display."""

from __future__ import annotations

from typing import Any

import numpy as np
import pylsl
from numpy.typing import NDArray

from stream.lsl.clock_offset import ClockOffset
from stream.lsl.outlet import buffer_length, channel_labels, check_rate, nominal_rate, read_facts
from stream.printable import printable

OPEN_S = 2.0
KEEP_S = 30.0

MAX_CHUNKS = 64
"""Largest number of chunks in one pull, so that a stream that floods its consumers cannot hold up the others."""

MAX_CHUNK_VALUES = 1 << 22
"""Largest number of values in a chunk."""

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
        self.stream_info = info
        self.name: str = info.name()
        self.uid: str = info.uid()
        self.type: str = info.type()
        self.hostname: str = info.hostname()
        self.source_id: str = info.source_id()
        check_rate(info)
        self.rate_hz = nominal_rate(info)
        self.n_channels: int = info.channel_count()
        length = buffer_length(self.rate_hz, self.n_channels, KEEP_S)
        self._inlet = pylsl.StreamInlet(info, max_buflen=length, recover=False)
        self._clock = ClockOffset()
        self._max_samples = min(max(MAX_CHUNK_VALUES // self.n_channels, 1), 1024)
        try:
            full = self._inlet.info(OPEN_S)
            self.facts = read_facts(full)
            self.labels = channel_labels(full)
            self.unit: str = full.desc().child("channels").child("channel").child_value("unit")
        except _GONE as error:
            raise StreamGone(self.name) from error

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
        """Pull the samples that have arrived.

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
            for _ in range(MAX_CHUNKS):
                rows, stamps = self._inlet.pull_chunk(0.0, max_samples=self._max_samples, as_numpy=True)
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
        """Pull the messages that have arrived on a text stream."""
        texts: list[str] = []
        try:
            for _ in range(MAX_CHUNKS):
                rows, stamps = self._inlet.pull_chunk(0.0)
                if not stamps:
                    break
                texts += [str(row[0]) for row in rows]
        except pylsl.util.LostError as error:
            if not texts:
                raise StreamGone(self.name) from error
        return texts

    def clock_offset_s(self, timeout_s: float = 0.0) -> float:
        """Seconds to add to a timestamp to get this computer's time; NaN if unknown.

        Parameters
        ----------
        timeout_s
            Longest wait for the first offset; later ones cost microseconds.
        """
        self._clock.measure(self._inlet, timeout_s)
        return self._clock.offset_s

    def close(self) -> None:
        """Stop receiving."""
        self._inlet.close_stream()


class StreamGone(Exception):
    """The sender of a stream is gone; the receiver searches for it again."""


def describe_sender(info: pylsl.StreamInfo) -> str:
    """Computer and source id of a stream's sender, for messages."""
    return (
        f"{printable(info.hostname(), limit=60)} ({printable(info.source_id(), limit=80) or 'no source id'})"
    )
