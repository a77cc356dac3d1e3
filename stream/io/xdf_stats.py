"""Counts and checksums of the streams of an XDF file, computed without loading it."""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream.errors import BadRecording
from stream.io.xdf_samples import SamplesChunk, read_samples, read_stamps, text_rows
from stream.io.xdf_validate import iter_chunks
from stream.io.xdf_writer import CLOCK_OFFSET, MAGIC, SAMPLES, STREAM_FOOTER, text_row


@dataclass(slots=True)
class StreamStats:
    """Counts and checksums of one stream, independent of how its samples are split into chunks.

    Attributes
    ----------
    n_samples
        Number of samples.
    first, last
        First and last timestamp in seconds; NaN if there is none.
    stamps_crc, samples_crc
        CRC-32 of the timestamps, and of the values as stored in a file.
    clock_offsets
        Number of clock offset measurements.
    ended
        Whether the stream has a footer.
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
        """Add samples.

        Parameters
        ----------
        stamps
            Timestamps, float64 [n], in seconds.
        samples
            Values [n, channels]: numbers in the stream's own format, or text.
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
        """Return whether both have the same number of samples and the same checksums.

        Parameters
        ----------
        other
            Statistics to compare with.
        """
        mine, others = ((stats.n_samples, stats.stamps_crc, stats.samples_crc) for stats in (self, other))
        return mine == others


def read_xdf_stats(path: Path | str) -> tuple[dict[int, StreamStats], str]:
    """Compute the statistics of every stream of a file, checking every length in it.

    Parameters
    ----------
    path
        XDF file; it is memory-mapped, so memory use does not grow with its size.

    Returns
    -------
    stats
        Statistics by stream id, of everything before the damage.
    damage
        Why the file cannot be read, or where it is truncated; empty if it is intact.
    """
    stats: dict[int, StreamStats] = {}
    formats: dict[int, tuple[str, int]] = {}
    try:
        with Path(path).open("rb") as file:
            content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        if content[:4] != MAGIC:
            return stats, f"{path} is not an XDF file."
        for tag, stream_id, body in iter_chunks(content, formats, str(path)):
            if stream_id is not None:
                stream_stats = stats.setdefault(stream_id, StreamStats())
                if tag == SAMPLES:
                    _add_chunk(stream_stats, body, *formats[stream_id])
                stream_stats.clock_offsets += tag == CLOCK_OFFSET
                stream_stats.ended |= tag == STREAM_FOOTER
    except (OSError, ValueError) as error:
        return stats, f"{path} cannot be read: {error}."
    except BadRecording as error:
        return stats, str(error)
    return stats, ""


def _add_chunk(stats: StreamStats, body: memoryview, fmt: str, n_channels: int) -> None:
    """Add a chunk of samples."""
    chunk = SamplesChunk.of(body)
    values = list(text_rows(chunk, n_channels)) if fmt == "string" else read_samples([chunk], fmt, n_channels)
    stats.add(read_stamps([chunk], fmt, n_channels, 0.0), values)
