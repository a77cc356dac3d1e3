"""What an XDF file holds, stream by stream: counted and summed without loading it."""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.errors import BadRecording
from stream.io.xdf_validate import iter_chunks, read_length
from stream.io.xdf_writer import CLOCK_OFFSET, MAGIC, SAMPLES, STREAM_FOOTER, sample_dtype, text_row


@dataclass(slots=True)
class StreamStats:
    """Counts and checksums of one stream; the same samples give the same, in whatever pieces they come.

    Attributes
    ----------
    n_samples
        So far.
    first, last
        The first and the last stamp, seconds; NaN when there is none.
    stamps_crc, samples_crc
        CRC-32 of the stamps, and of the values as they lie in a file.
    clock_offsets
        How many were measured.
    ended
        Whether a footer was written.
    """

    n_samples: int = 0
    first: float = float("nan")
    last: float = float("nan")
    stamps_crc: int = 0
    samples_crc: int = 0
    clock_offsets: int = 0
    ended: bool = False

    def add(
        self, stamps: NDArray[np.float64], samples: NDArray[np.generic] | Sequence[Sequence[str | bytes]]
    ) -> None:
        """Count samples.

        Parameters
        ----------
        stamps
            Float64 [n], seconds.
        samples
            [n, channels]: numbers in the stream's own format, or text.
        """
        if not len(stamps):
            return
        if not self.n_samples:
            self.first = float(stamps[0])
        self.last = float(stamps[-1])
        self.n_samples += len(stamps)
        self.stamps_crc = zlib.crc32(np.ascontiguousarray(stamps, "<f8").data, self.stamps_crc)
        if isinstance(samples, np.ndarray) and samples.dtype != object:
            self.samples_crc = zlib.crc32(np.ascontiguousarray(samples).data, self.samples_crc)
        else:
            self.samples_crc = zlib.crc32(b"".join(map(text_row, samples)), self.samples_crc)

    def same_samples(self, other: StreamStats) -> bool:
        """Whether another tally is of the same samples with the same stamps.

        Parameters
        ----------
        other
            What it is compared with.
        """
        mine, others = ((tally.n_samples, tally.stamps_crc, tally.samples_crc) for tally in (self, other))
        return mine == others


def read_xdf_stats(path: Path | str) -> tuple[dict[int, StreamStats], str]:
    """Count what a file holds; every length in it is checked.

    Parameters
    ----------
    path
        The file. It is read in place: memory does not grow with its size.

    Returns
    -------
    tallies
        By stream number.
    damage
        Why the file cannot be read, or where it is cut off, in words; then what comes before that is counted.
        Empty when it is sound.
    """
    tallies: dict[int, StreamStats] = {}
    formats: dict[int, tuple[str, int]] = {}
    try:
        with Path(path).open("rb") as file:
            content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        if content[:4] != MAGIC:
            return tallies, f"{path} is not an XDF file."
        for tag, stream_id, body in iter_chunks(content, formats, str(path)):
            if stream_id is not None:
                tally = tallies.setdefault(stream_id, StreamStats())
                if tag == SAMPLES:
                    _add_chunk(tally, body, *formats[stream_id])
                tally.clock_offsets += tag == CLOCK_OFFSET
                tally.ended |= tag == STREAM_FOOTER
    except (OSError, ValueError) as error:
        return tallies, f"{path} cannot be read: {error}."
    except BadRecording as error:
        return tallies, str(error)
    return tallies, ""


def _add_chunk(tally: StreamStats, body: memoryview, fmt: str, n_channels: int) -> None:
    """Count one chunk of samples, each with its stamp."""
    n_samples, at = read_length(body, 0)
    if fmt != "string":
        records: NDArray[Any] = np.frombuffer(body[at:], sample_dtype(fmt, n_channels))
        tally.add(records["stamp"], records["values"])
        return
    stamps, rows = np.zeros(n_samples), []
    for index in range(n_samples):
        stamps[index] = np.frombuffer(body[at + 1 : at + 9], "<f8")[0]
        at += 9
        row = []
        for _ in range(n_channels):
            length, start = read_length(body, at)
            at = start + length
            row.append(bytes(body[start:at]))
        rows.append(row)
    tally.add(stamps, rows)
