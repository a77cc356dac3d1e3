"""Validates an XDF file before a reader allocates the sizes that it declares.

pyxdf trusts the lengths in a file: 2 KB with one changed length made it allocate 1.3 GB. Here every length is compared
with the bytes present, and everything after the first damage is left out.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, fromstring

import numpy as np

from stream.errors import BadRecording
from stream.io.xdf_writer import (
    CLOCK_OFFSET,
    DTYPES,
    FILE_HEADER,
    MAGIC,
    SAMPLES,
    STREAM_FOOTER,
    STREAM_HEADER,
    sample_dtype,
)

log = logging.getLogger(__name__)

_WITH_STREAM = (STREAM_HEADER, SAMPLES, CLOCK_OFFSET, STREAM_FOOTER)
_MAX_CHANNELS = 1_000_000
_MAX_DEPTH = 50


class _DamagedFile(Exception):
    """The file is invalid at some point; carries the reason."""


@dataclass(slots=True)
class _Scan:
    """A file's content, and channel format and count of the streams found so far."""

    data: memoryview
    formats: dict[int, tuple[str, int]] = field(default_factory=dict)


def read_valid_part(path: Path) -> bytes:
    """Read the part of an XDF file that can be parsed safely; log a warning if it is not the whole file.

    Parameters
    ----------
    path
        XDF file.

    Returns
    -------
    content
        The whole file if it is intact, else everything before the damage, including the complete samples of a
        truncated chunk.

    Raises
    ------
    BadRecording
        If it is not an XDF file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadRecording(f"{path} cannot be read: {error.strerror}.") from error
    if content[:4] != MAGIC:
        raise BadRecording(f"{path} is not an XDF file: it begins with {content[:4]!r} instead of {MAGIC!r}.")
    scan = _Scan(memoryview(content))
    at = len(MAGIC)
    try:
        while at < len(content):
            at = _check_chunk(scan, at)[0]
    except _DamagedFile as damage:
        log.warning(
            "%s is truncated or damaged at byte %d of %d (%s); read up to there.",
            path,
            at,
            len(content),
            damage,
        )
        return content[:at] + _salvage_samples(scan, at)
    return content


def iter_chunks(
    content: memoryview, formats: dict[int, tuple[str, int]], name: str
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

    Raises
    ------
    BadRecording
        At the first damage.
    """
    scan = _Scan(content, formats)
    at = len(MAGIC)
    while at < len(content):
        try:
            end, tag, stream_id, body = _check_chunk(scan, at)
        except _DamagedFile as damage:
            raise BadRecording(
                f"{name} is truncated or damaged at byte {at} of {len(content)}: {damage}."
            ) from None
        yield tag, stream_id, body
        at = end


def header_problem(xml: bytes) -> str:
    """Return why a stream header would make a file unreadable; empty if it is valid.

    Parameters
    ----------
    xml
        The stream's XML description.
    """
    try:
        _check_header(memoryview(xml))
    except _DamagedFile as damage:
        return str(damage)
    return ""


def _check_chunk(scan: _Scan, at: int) -> tuple[int, int, int | None, memoryview]:
    """Check the chunk at a byte; return the position of the next chunk, and this one's tag, stream id and body."""
    length, start = read_length(scan.data, at)
    end = start + length
    if end > len(scan.data):
        raise _DamagedFile(f"a chunk declares {length} bytes, but {len(scan.data) - start} are left")
    tag, stream_id, body = _read_tag(scan.data[start:end])
    if stream_id is not None and tag != STREAM_HEADER and stream_id not in scan.formats:
        raise _DamagedFile(f"stream {stream_id} has data but no header")
    if tag == FILE_HEADER:
        _parse(body)
    elif tag == STREAM_HEADER:
        assert stream_id is not None
        if stream_id in scan.formats:
            raise _DamagedFile(f"stream {stream_id} has two headers")
        scan.formats[stream_id] = _check_header(body)
    elif tag == SAMPLES:
        assert stream_id is not None
        n_samples, first = read_length(body, 0)
        n_whole, used = _count_whole_samples(body[first:], n_samples, *scan.formats[stream_id])
        if n_whole != n_samples or first + used != len(body):
            raise _DamagedFile(f"a chunk declares {n_samples} samples, but holds {n_whole}")
    elif tag == CLOCK_OFFSET:
        if len(body) != 16 or not all(map(np.isfinite, struct.unpack("<dd", body))):
            raise _DamagedFile("a clock offset is not two finite numbers")
    elif tag == STREAM_FOOTER:
        _check_footer(body)
    return end, tag, stream_id, body


def _salvage_samples(scan: _Scan, at: int) -> bytes:
    """Return the complete samples of a truncated samples chunk as a valid chunk; empty if there are none."""
    try:
        length, start = read_length(scan.data, at)
        tag, stream_id, body = _read_tag(scan.data[start:])
        if start + length <= len(scan.data) or tag != SAMPLES or stream_id not in scan.formats:
            return b""
        n_samples, first = read_length(body, 0)
        n_whole, used = _count_whole_samples(body[first:], n_samples, *scan.formats[stream_id])
    except _DamagedFile:
        return b""
    chunk = struct.pack("<HIBI", SAMPLES, stream_id, 4, n_whole) + bytes(body[first : first + used])
    return b"\x08" + struct.pack("<Q", len(chunk)) + chunk


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
        raise _DamagedFile("a length is invalid")
    return int.from_bytes(data[at + 1 : at + 1 + size], "little"), at + 1 + size


def _read_tag(chunk: memoryview) -> tuple[int, int | None, memoryview]:
    """Split a chunk into tag, stream id and body."""
    if len(chunk) < 2:
        raise _DamagedFile("a chunk has no tag")
    (tag,) = struct.unpack("<H", chunk[:2])
    if tag not in _WITH_STREAM:
        return tag, None, chunk[2:]
    if len(chunk) < 6:
        raise _DamagedFile("a chunk has no stream id")
    return tag, struct.unpack("<I", chunk[2:6])[0], chunk[6:]


def _count_whole_samples(body: memoryview, n_samples: int, fmt: str, n_channels: int) -> tuple[int, int]:
    """Count the complete samples of a chunk, at most ``n_samples``; return the count and their size in bytes."""
    if fmt == "string":
        return _count_whole_text_samples(body, n_samples, n_channels)
    for stamped in (True, False):  # fast path: all samples have a timestamp, or none has
        dtype = sample_dtype(fmt, n_channels, stamped=stamped)
        if n_samples * dtype.itemsize == len(body):
            flags = np.frombuffer(body, dtype)["flag"]
            if np.all((flags == 8) if stamped else (flags == 0)):
                return n_samples, len(body)
    value_bytes = n_channels * DTYPES[fmt].itemsize
    at = n_whole = 0
    while n_whole < n_samples and at < len(body):
        end = at + 1 + _stamp_bytes(body, at) + value_bytes
        if end > len(body):
            break
        at, n_whole = end, n_whole + 1
    return n_whole, at


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
        except _DamagedFile:
            break
        at, n_whole = end, n_whole + 1
    return n_whole, at


def _stamp_bytes(body: memoryview, at: int) -> int:
    """Return the size of the timestamp of the sample at a byte: 8, or 0 if it has none."""
    if body[at] not in (0, 8):
        raise _DamagedFile(f"a sample begins with {body[at]} instead of 0 or 8")
    return body[at]


def _check_header(body: memoryview) -> tuple[str, int]:
    """Check a stream header; return channel format and count."""
    root = _parse(body)
    try:
        n_channels = int(root.findtext("channel_count", ""))
        rate_hz = float(root.findtext("nominal_srate", ""))
    except ValueError as error:
        raise _DamagedFile(f"a stream has no valid channel count or rate: {error}") from error
    fmt = root.findtext("channel_format", "")
    if root.tag != "info" or root.find("name") is None:
        raise _DamagedFile("a stream has no name")
    if fmt not in DTYPES and fmt != "string":
        raise _DamagedFile(f"unknown channel format {fmt!r}")
    if not 1 <= n_channels <= _MAX_CHANNELS or not 0 <= rate_hz < float("inf"):
        raise _DamagedFile(f"a stream declares {n_channels} channels at {rate_hz} Hz")
    return fmt, n_channels


def _check_footer(body: memoryview) -> None:
    """Check the fields that pyxdf reads from a stream footer."""
    root = _parse(body)
    count = root.findtext("sample_count", "0") or "0"
    if root.tag != "info" or not count.strip().isdecimal():
        raise _DamagedFile("a stream footer is invalid")


def _parse(body: memoryview) -> Element:
    """Parse XML, refusing entity definitions and deep nesting."""
    text = bytes(body)
    if b"<!" in text.replace(b"<![CDATA[", b"").replace(b"<!--", b""):
        raise _DamagedFile("XML has a document type")
    try:
        root = fromstring(text.decode("utf-8", "replace"))
    except (ParseError, ValueError) as error:
        raise _DamagedFile(f"XML is invalid: {error}") from error
    level, depth = [root], 0
    while level:
        level, depth = [child for element in level for child in element], depth + 1
        if depth > _MAX_DEPTH:
            raise _DamagedFile("XML is nested too deeply")
    return root
