"""Validates the chunks of an XDF file before anything is allocated for the sizes that they declare.

2 KB with one changed length can declare gigabytes. Here every length is compared with the bytes present, and channels,
XML elements and their depth have one budget per file. Reading continues behind damage: at the next chunk if the damaged
one ends where another begins, else behind the next boundary chunk.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.errors import BadRecording
from stream.io.xdf_writer import (
    BOUNDARY,
    BOUNDARY_CONTENT,
    CLOCK_OFFSET,
    DTYPES,
    FILE_HEADER,
    MAGIC,
    SAMPLES,
    STREAM_FOOTER,
    STREAM_HEADER,
    sample_dtype,
)
from stream.io.xdf_xml import DamagedChunk, XmlBudget, check_footer, check_header, parse

_WITH_STREAM = (STREAM_HEADER, SAMPLES, CLOCK_OFFSET, STREAM_FOOTER)
_TAGS = (FILE_HEADER, *_WITH_STREAM, BOUNDARY)
_MAX_RUNS = 200_000  # changes between samples with and without a timestamp in one chunk
_MAX_CHUNK_BYTES = 1 << 30
_MAX_SEARCH_BYTES = 1 << 28  # the largest distance to the next boundary chunk
_MAX_CUT_BYTES = 4096  # a file that was cut lacks at most a part of a sample or of a description
_MAX_DAMAGED = 200_000  # damaged chunks after which a file is given up


@dataclass(slots=True)
class Loss:
    """A kind of damage that was skipped.

    Attributes
    ----------
    at
        Position of the first damaged byte.
    n_bytes
        Bytes that were skipped.
    n_places
        Number of places with this damage.
    reason
        What is wrong.
    is_cut
        Whether the file merely ends in the middle of a chunk.
    """

    at: int
    n_bytes: int
    n_places: int
    reason: str
    is_cut: bool = False


@dataclass(slots=True)
class _Scan:
    """A file's content, channel format and count of the streams found so far, and the budget of descriptions."""

    data: memoryview
    formats: dict[int, tuple[str, int]] = field(default_factory=dict)
    budget: XmlBudget = field(default_factory=XmlBudget)


def iter_chunks(
    content: memoryview, formats: dict[int, tuple[str, int]], name: str, losses: list[Loss] | None = None
) -> Iterator[tuple[int, int | None, memoryview]]:
    """Yield tag, stream id (or None) and validated body of every chunk of an XDF file.

    Parameters
    ----------
    content
        Content of the file.
    formats
        Filled with channel format and count by stream id, as the stream headers are read.
    name
        Name of the file for error messages.
    losses
        Filled with what was skipped; None refuses every damage.

    Raises
    ------
    BadRecording
        At the first damage, if ``losses`` is None.
    """
    scan = _Scan(content, formats)
    at, kinds, n_damaged = len(MAGIC), dict[str, Loss](), 0
    while at < len(content):
        try:
            end, tag, stream_id, body = _check_chunk(scan, at)
            if tag == STREAM_HEADER and not body:  # declared again
                at = end
                continue
        except DamagedChunk as damage:
            if losses is None:
                raise BadRecording(
                    f"{name} is truncated or damaged at byte {at} of {len(content)}: {damage}."
                ) from None
            rest = _salvage_samples(scan, at) if n_damaged < _MAX_DAMAGED else None
            if rest is not None and rest[1]:  # only the length of the chunk was wrong
                yield rest[0]
                at = rest[1]
                continue
            end = _next_chunk(scan, at) if n_damaged < _MAX_DAMAGED else len(content)
            n_damaged += 1
            key = re.sub(r"[\d.]+", "", str(damage))
            if key not in kinds:
                kinds[key] = Loss(at, 0, 0, str(damage))
                losses.append(kinds[key])
            kinds[key].n_bytes += end - at
            kinds[key].n_places += 1
            if end == len(content) and rest is not None:
                kinds[key].n_bytes -= len(rest[0][2])
                yield rest[0]
            is_last = end == len(content) and _is_cut(scan.data, at)
            kinds[key].is_cut = is_last and kinds[key].n_bytes < _MAX_CUT_BYTES
            at = end
            continue
        yield tag, stream_id, body
        at = end


def _next_chunk(scan: _Scan, at: int) -> int:
    """Return where reading continues after damage: where the chunk ends, or behind the next boundary chunk."""
    try:
        length, start = read_length(scan.data, at)
        end = start + length
        if end == len(scan.data) or _is_chunk(scan.data, end):
            return end
    except DamagedChunk:
        pass
    source: Any = scan.data.obj  # memoryviews cannot be searched, but bytes and memory maps can
    limit = min(len(scan.data), at + _MAX_SEARCH_BYTES)
    found = source.find(struct.pack("<H", BOUNDARY) + BOUNDARY_CONTENT, at + 1, limit)
    return found + 2 + len(BOUNDARY_CONTENT) if found >= 0 else len(scan.data)


def _is_chunk(data: memoryview, at: int) -> bool:
    """Return whether something that looks like a chunk begins at a byte."""
    try:
        length, start = read_length(data, at)
    except DamagedChunk:
        return False
    return 2 <= length <= len(data) - start and int.from_bytes(data[start : start + 2], "little") in _TAGS


def _is_cut(data: memoryview, at: int) -> bool:
    """Return whether the file ends in the middle of the chunk at a byte."""
    try:
        length, start = read_length(data, at)
    except DamagedChunk:
        return at + 9 > len(data)
    return start + length > len(data)


def _check_chunk(scan: _Scan, at: int) -> tuple[int, int, int | None, memoryview]:
    """Check the chunk at a byte; return the position of the next chunk, and this one's tag, stream id and body."""
    length, start = read_length(scan.data, at)
    end = start + length
    if end > len(scan.data):
        raise DamagedChunk(f"a chunk declares {length} bytes, but {len(scan.data) - start} are left")
    if length > _MAX_CHUNK_BYTES:
        raise DamagedChunk(f"a chunk has {length} bytes; at most {_MAX_CHUNK_BYTES} are read")
    tag, stream_id, body = _read_tag(scan.data[start:end])
    if stream_id is not None and tag != STREAM_HEADER and stream_id not in scan.formats:
        raise DamagedChunk(f"stream {stream_id} has data but no valid header")
    if tag == FILE_HEADER:
        parse(scan.budget, body)
    elif tag == STREAM_HEADER:
        assert stream_id is not None
        body = _add_header(scan, stream_id, body)
    elif tag == SAMPLES:
        assert stream_id is not None
        n_samples, first = read_length(body, 0)
        n_whole, used = _count_whole_samples(body[first:], n_samples, *scan.formats[stream_id])
        if n_whole != n_samples or first + used != len(body):
            raise DamagedChunk(
                f"a chunk of stream {stream_id} holds {n_whole} of {n_samples} samples in {first + used} of "
                f"its {len(body)} bytes"
            )
    elif tag == CLOCK_OFFSET:
        if len(body) != 16 or not all(map(np.isfinite, struct.unpack("<dd", body))):
            raise DamagedChunk("a clock offset is not two finite numbers")
    elif tag == BOUNDARY:
        if body != BOUNDARY_CONTENT:
            raise DamagedChunk("a boundary chunk is not the one of the format")
    elif tag == STREAM_FOOTER:
        check_footer(scan.budget, body)
    else:
        raise DamagedChunk(f"a chunk has the unknown tag {tag}")
    return end, tag, stream_id, body


def _add_header(scan: _Scan, stream_id: int, body: memoryview) -> memoryview:
    """Add a stream; return its header, or nothing if it was declared before."""
    declared = check_header(scan.budget, body)
    if stream_id in scan.formats:
        if declared != scan.formats[stream_id]:
            raise DamagedChunk(f"stream {stream_id} has a second header of another format, which is ignored")
        return body[:0]
    scan.formats[stream_id] = declared
    return body


def _salvage_samples(scan: _Scan, at: int) -> tuple[tuple[int, int, memoryview], int] | None:
    """Read a samples chunk by its number of samples instead of its length.

    Returns its complete samples as `iter_chunks` yields them, and the position of the next chunk: 0 if samples are
    missing or no chunk follows. None if it has no complete sample.
    """
    try:
        start = read_length(scan.data, at)[1]
        tag, stream_id, body = _read_tag(scan.data[start : start + _MAX_CHUNK_BYTES])
        if tag != SAMPLES or stream_id not in scan.formats:
            return None
        n_samples, first = read_length(body, 0)
        n_whole, used = _count_whole_samples(body[first:], n_samples, *scan.formats[stream_id])
    except DamagedChunk:
        return None
    if not n_whole:
        return None
    assert stream_id is not None
    content = struct.pack("<BQ", 8, n_whole) + bytes(body[first : first + used])
    end = start + 6 + first + used
    follows = n_whole == n_samples and (end == len(scan.data) or _is_chunk(scan.data, end))
    return (tag, stream_id, memoryview(content)), end if follows else 0


def read_length(data: memoryview, at: int) -> tuple[int, int]:
    """Read a variable-length integer of XDF; return its value and the position after it.

    Parameters
    ----------
    data
        Part of a file.
    at
        Position of the integer.
    """
    size = data[at] if at < len(data) else 0
    if size not in (1, 4, 8) or at + 1 + size > len(data):
        raise DamagedChunk("a length is invalid")
    return int.from_bytes(data[at + 1 : at + 1 + size], "little"), at + 1 + size


def _read_tag(chunk: memoryview) -> tuple[int, int | None, memoryview]:
    """Split a chunk into tag, stream id and body."""
    if len(chunk) < 2:
        raise DamagedChunk("a chunk has no tag")
    (tag,) = struct.unpack("<H", chunk[:2])
    if tag not in _WITH_STREAM:
        return tag, None, chunk[2:]
    if len(chunk) < 6:
        raise DamagedChunk("a chunk has no stream id")
    return tag, struct.unpack("<I", chunk[2:6])[0], chunk[6:]


def _count_whole_samples(body: memoryview, n_samples: int, fmt: str, n_channels: int) -> tuple[int, int]:
    """Count the complete samples of a chunk, at most ``n_samples``; return the count and their size in bytes."""
    if fmt == "string":
        return _count_whole_text_samples(body, n_samples, n_channels)
    if are_stamped(body, n_samples, fmt, n_channels) is not None:  # fast path
        return n_samples, len(body)
    positions = sample_positions(body, n_samples, n_channels * DTYPES[fmt].itemsize)
    if not len(positions):
        return 0, 0
    last = int(positions[-1])
    return len(positions), last + 1 + body[last] + n_channels * DTYPES[fmt].itemsize


def are_stamped(body: memoryview, n_samples: int, fmt: str, n_channels: int) -> bool | None:
    """Whether all samples of a chunk have a timestamp (True), or none (False); None if only some have.

    Parameters
    ----------
    body
        Numeric samples, which fill it.
    n_samples
        Number of samples.
    fmt, n_channels
        Channel format and count.
    """
    for stamped in (True, False):
        dtype = sample_dtype(fmt, n_channels, stamped=stamped)
        if n_samples * dtype.itemsize == len(body):
            flags: Any = np.frombuffer(body, dtype)["flag"]
            if np.all(flags == (8 if stamped else 0)):
                return stamped
    return None


def sample_positions(body: memoryview, n_samples: int, value_bytes: int) -> NDArray[np.int64]:
    """Find the complete samples of a chunk in which only some have a timestamp.

    Parameters
    ----------
    body
        Numeric samples.
    n_samples
        Largest number of samples.
    value_bytes
        Size of the values of one sample.

    Returns
    -------
    positions
        Int64 [samples], where each begins in ``body``.
    """
    raw = np.frombuffer(body, np.uint8)
    parts: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    at = n_whole = 0
    while n_whole < n_samples and at < len(raw):
        size = 1 + _stamp_bytes(body, at) + value_bytes
        most, length = min(n_samples - n_whole, (len(raw) - at) // size), 1
        while length < most:  # samples of the same size, in steps that grow
            flags = raw[at : at + 2 * length * size : size][:most]
            other = np.flatnonzero(flags != raw[at])
            length = int(other[0]) if len(other) else len(flags)
            if len(other):
                break
        if not most:
            break
        parts.append(at + size * np.arange(length))
        at, n_whole = at + size * length, n_whole + length
        if len(parts) > _MAX_RUNS:
            raise DamagedChunk(
                f"a chunk mixes samples with and without timestamps more than {_MAX_RUNS} times"
            )
    return np.concatenate(parts)


def _count_whole_text_samples(body: memoryview, n_samples: int, n_channels: int) -> tuple[int, int]:
    """`_count_whole_samples` for a stream of text."""
    at = n_whole = 0
    while n_whole < n_samples and at < len(body):
        end = at + 1 + _stamp_bytes(body, at)
        try:
            for _ in range(n_channels):
                length, start = read_length(body, end)
                end = start + length
                if end > len(body):
                    return n_whole, at
        except DamagedChunk:
            break
        at, n_whole = end, n_whole + 1
    return n_whole, at


def _stamp_bytes(body: memoryview, at: int) -> int:
    """Return the size of the timestamp of the sample at a byte: 8, or 0 if it has none."""
    if body[at] not in (0, 8):
        raise DamagedChunk(f"a sample begins with {body[at]} instead of 0 or 8")
    return body[at]
