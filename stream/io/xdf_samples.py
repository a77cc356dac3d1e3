"""Converts the validated sample chunks of an XDF stream to arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.io.xdf_validate import are_stamped, read_length, sample_positions
from stream.io.xdf_writer import DTYPES, sample_dtype


class SamplesChunk(NamedTuple):
    """One chunk of samples.

    Attributes
    ----------
    n_samples
        Number of samples.
    body
        The samples as stored.
    """

    n_samples: int
    body: memoryview

    @classmethod
    def of(cls, body: memoryview) -> SamplesChunk:
        """Split the content of a validated chunk.

        Parameters
        ----------
        body
            Content of the chunk.
        """
        n_samples, first = read_length(body, 0)
        return cls(n_samples, body[first:])


def read_samples(chunks: Sequence[SamplesChunk], fmt: str, n_channels: int) -> NDArray[Any]:
    """Read the values of a numeric stream.

    Parameters
    ----------
    chunks
        Its chunks.
    fmt, n_channels
        Channel format and count.

    Returns
    -------
    samples
        Values [n, channels] in the stream's own format.
    """
    dtype = DTYPES[fmt]
    out = np.empty((sum(chunk.n_samples for chunk in chunks), n_channels), dtype)
    at = 0
    for n_samples, body in chunks:
        stamped = are_stamped(body, n_samples, fmt, n_channels)
        if stamped is not None:
            records: Any = np.frombuffer(body, sample_dtype(fmt, n_channels, stamped=stamped))
            out[at : at + n_samples] = records["values"]
        else:
            starts, flags = _mixed(n_samples, body, fmt, n_channels)
            out[at : at + n_samples] = _gather(
                body, starts + 1 + flags, dtype.itemsize * n_channels, dtype
            ).reshape(n_samples, n_channels)
        at += n_samples
    return out


def read_stamps(
    chunks: Sequence[SamplesChunk], fmt: str, n_channels: int, rate_hz: float
) -> NDArray[np.float64]:
    """Read the timestamps of a stream; a sample without one follows the previous one by a period, as the format says.

    Parameters
    ----------
    chunks
        Its chunks.
    fmt, n_channels, rate_hz
        Channel format and count, and nominal rate in Hz; 0 for irregular streams.

    Returns
    -------
    stamps
        Float64 [n], in seconds.
    """
    n_all = sum(chunk.n_samples for chunk in chunks)
    stamps, has_stamp = np.zeros(n_all), np.ones(n_all, bool)
    at = 0
    for n_samples, body in chunks:
        part = slice(at, at + n_samples)
        stamped = None if fmt == "string" else are_stamped(body, n_samples, fmt, n_channels)
        if stamped:
            records: Any = np.frombuffer(body, sample_dtype(fmt, n_channels))
            stamps[part] = records["stamp"]
        elif stamped is not None:
            has_stamp[part] = False
        else:
            starts, flags = _mixed(n_samples, body, fmt, n_channels)
            has_stamp[part] = flags > 0
            known = flags > 0
            stamps[part][known] = _gather(body, starts[known] + 1, 8, np.dtype("<f8"))
        at += n_samples
    if has_stamp.all():
        return stamps
    index = np.arange(n_all)
    last = np.maximum.accumulate(np.where(has_stamp, index, -1))
    period = 1 / rate_hz if rate_hz > 0 else 0.0
    before = np.where(last >= 0, stamps[np.maximum(last, 0)], 0.0)
    return np.where(has_stamp, stamps, before + (index - last) * period)


def read_text(chunks: Sequence[SamplesChunk], n_channels: int) -> list[list[str]]:
    """Read the values of a stream of text; bytes that are not UTF-8 are replaced.

    Parameters
    ----------
    chunks
        Its chunks.
    n_channels
        Channel count.

    Returns
    -------
    rows
        One list of texts per sample.
    """
    return [
        [value.decode("utf-8", "replace") for value in row]
        for chunk in chunks
        for row in text_rows(chunk, n_channels)
    ]


def text_rows(chunk: SamplesChunk, n_channels: int) -> Iterator[list[bytes]]:
    """Yield the values of each sample of a stream of text, as stored.

    Parameters
    ----------
    chunk
        One of its chunks.
    n_channels
        Channel count.
    """
    n_samples, body = chunk
    at = 0
    for _ in range(n_samples):
        at += 1 + body[at]
        row = []
        for _ in range(n_channels):
            length, start = read_length(body, at)
            at = start + length
            row.append(bytes(body[start:at]))
        yield row


def _mixed(
    n_samples: int, body: memoryview, fmt: str, n_channels: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each sample begins, and the size of its timestamp: 8 or 0 bytes."""
    if fmt == "string":
        starts = np.zeros(n_samples, np.int64)
        at = 0
        for index in range(n_samples):
            starts[index] = at
            at += 1 + body[at]
            for _ in range(n_channels):
                length, begin = read_length(body, at)
                at = begin + length
    else:
        starts = sample_positions(body, n_samples, n_channels * DTYPES[fmt].itemsize)
    return starts, np.frombuffer(body, np.uint8)[starts].astype(np.int64)


def _gather(body: memoryview, starts: NDArray[np.int64], size: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Read values of ``size`` bytes at several positions, in blocks so that the index stays small."""
    raw = np.frombuffer(body, np.uint8)
    block = max(1, (1 << 20) // max(1, size))
    parts = [
        raw[starts[at : at + block, None] + np.arange(size)].reshape(-1).view(dtype)
        for at in range(0, len(starts), block)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, dtype)
