"""Reads the streams of an XDF file as plain arrays, without any correction."""

from __future__ import annotations

import gzip
import io
import logging
import math
import mmap
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from stream.errors import BadRecording
from stream.io.limits import check_fits_memory
from stream.io.xdf_samples import SamplesChunk, read_samples, read_stamps, read_text
from stream.io.xdf_validate import Loss, iter_chunks
from stream.io.xdf_writer import CLOCK_OFFSET, FILE_HEADER, MAGIC, SAMPLES, STREAM_FOOTER, STREAM_HEADER
from stream.io.xdf_xml import has_invalid_characters, parse_xml, rate_of
from stream.lsl.outlet import usable_labels
from stream.session import MAX_SECONDS

log = logging.getLogger(__name__)

_GZIP_MAGIC = b"\x1f\x8b"
_MAX_GZIP_RATIO = 100  # neural data compress by 2 to 20
_GZIP_SLACK_BYTES = 1 << 24
_BLOCK_BYTES = 1 << 20
_MAX_LINES = 8  # that describe damage


@dataclass(frozen=True, eq=False)
class XdfStream:
    """One stream of an XDF file.

    Attributes
    ----------
    name, type, hostname
        Name, type and sending computer, from the stream header.
    fmt
        Channel format, such as ``float32`` or ``string``.
    rate_hz
        Nominal sampling rate in Hz; 0 for irregular streams.
    labels
        One label per channel; ``ch0``, ``ch1`` ... if the file has none.
    facts
        Entries under ``<neuroreel>`` in the description.
    chunks
        Samples as they are stored.
    stamps
        Timestamps as recorded, float64 [n], in seconds; they may be invalid, see ``valid``.
    clock_times
        Times of the clock offset measurements on the sender's clock, float64 [k], in seconds.
    clock_offsets
        Offsets that convert the sender's clock to the recorder's when added, float64 [k], in seconds.
    header
        Every entry of the stream header that is a text, such as ``source_id``.
    n_announced
        Number of samples according to the stream footer; None without a footer.
    stated_end
        Last timestamp according to the stream footer, in seconds; NaN without one.
    parts
        The streams that were joined into this one; empty for a stream of the file.
    """

    name: str
    type: str
    fmt: str
    hostname: str
    rate_hz: float
    labels: tuple[str, ...]
    facts: dict[str, str]
    chunks: Sequence[SamplesChunk]
    stamps: NDArray[np.float64]
    clock_times: NDArray[np.float64]
    clock_offsets: NDArray[np.float64]
    header: Mapping[str, str] = field(default_factory=dict)
    n_announced: int | None = None
    stated_end: float = np.nan
    parts: tuple[XdfStream, ...] = ()

    @cached_property
    def samples(self) -> Any:
        """Values [n, channels] in the stream's own format; a list of rows of text for ``string``."""
        if self.fmt == "string":
            return read_text(self.chunks, len(self.labels))
        n_bytes = sum(len(body) for _, body in self.chunks)
        check_fits_memory(2 * n_bytes, f"stream '{self.name}'")
        return read_samples(self.chunks, self.fmt, len(self.labels))

    @cached_property
    def valid(self) -> NDArray[np.bool_]:
        """Which timestamps are finite numbers of seconds, bool [n]."""
        out: NDArray[np.bool_] = np.abs(self.stamps) < MAX_SECONDS
        return out

    @property
    def extent(self) -> tuple[float, float]:
        """First and last valid timestamp in seconds; NaN without one."""
        stamps = self.stamps[self.valid]
        return (float(stamps.min()), float(stamps.max())) if len(stamps) else (np.nan, np.nan)

    def __str__(self) -> str:
        host = f" and hostname='{self.hostname}'" if self.hostname else ""
        first, last = self.extent
        time = f"{first:.3f} to {last:.3f} s" if len(self.stamps) else "empty"
        return f"name='{self.name}' and type='{self.type}'{host} ({len(self.stamps)} samples, {time})"


def read_xdf(path: Path | str) -> list[XdfStream]:
    """Read all streams of an XDF file; what is damaged is left out, with a warning in the log.

    Parameters
    ----------
    path
        File to read; it may be compressed by gzip.

    Raises
    ------
    BadRecording
        If the file is missing or not XDF.
    """
    streams, losses, notes = read_xdf_with_losses(path)
    for loss in [*losses, *notes]:
        log.warning("%s %s", path, loss)
    return streams


def read_xdf_with_losses(path: Path | str) -> tuple[list[XdfStream], list[str], list[str]]:
    """Read all streams like `read_xdf`, and return what was left out instead of logging it.

    Parameters
    ----------
    path
        File to read.

    Returns
    -------
    streams
        In the order of their headers.
    losses
        What is damaged and was left out, one phrase each that follows the file's name.
    notes
        Likewise, what cost nothing that the file holds: that it ends early, or invalid characters.
    """
    path = Path(path)
    content, problem = _content(path)
    if content[:4] != MAGIC:
        raise BadRecording(
            f"{path} is not an XDF file: it begins with {bytes(content[:4])!r} instead of {MAGIC!r}."
        )
    formats: dict[int, tuple[str, int]] = {}
    found: dict[int, _Collected] = {}
    losses: list[Loss] = []
    notes: list[str] = []
    for tag, stream_id, body in iter_chunks(content, formats, str(path), losses):
        if tag in (FILE_HEADER, STREAM_HEADER, STREAM_FOOTER) and has_invalid_characters(body):
            owner = "itself" if stream_id is None else f"stream {stream_id}"
            notes.append(f"describes {owner} with invalid characters, which are replaced")
        if stream_id is None:
            continue
        if tag == STREAM_HEADER:
            found[stream_id] = _Collected(parse_xml(body))
        elif tag == SAMPLES:
            found[stream_id].chunks.append(SamplesChunk.of(body))
        elif tag == CLOCK_OFFSET:
            found[stream_id].clock.append(np.frombuffer(body, "<f8"))
        elif tag == STREAM_FOOTER:
            found[stream_id].footer = parse_xml(body)
    for one in found.values():
        if math.isnan(rate_of(one.header)):
            name, rate = one.header.findtext("name"), one.header.findtext("nominal_srate")
            notes.append(f"gives '{name}' the impossible rate {rate!r}; it is read as irregular")
    streams = [_stream(one, *formats[stream_id]) for stream_id, one in found.items()]
    short = [
        f"holds {len(one.stamps)} samples of '{one.name}' where its end announces {one.n_announced}"
        for one in streams
        if one.n_announced is not None and len(one.stamps) < one.n_announced
    ]
    damage = [_describe(loss, len(content)) for loss in losses if not loss.is_cut]
    if len(damage) > _MAX_LINES:
        damage = [*damage[:_MAX_LINES], f"has {len(damage) - _MAX_LINES} further kinds of damage"]
    cut = [_describe(loss, len(content)) for loss in losses if loss.is_cut]
    return streams, damage + short, ([problem] if problem else []) + cut + notes


@dataclass(slots=True)
class _Collected:
    """The chunks of one stream."""

    header: Element
    chunks: list[SamplesChunk] = field(default_factory=list)
    clock: list[NDArray[np.float64]] = field(default_factory=list)
    footer: Element | None = None


def _content(path: Path) -> tuple[memoryview, str]:
    """Map a file into memory, or unpack it if it is compressed; return also what is wrong with the compression."""
    if not path.is_file():
        raise BadRecording(f"no such recording: {path}.")
    try:
        with path.open("rb") as file:
            if file.read(2) == _GZIP_MAGIC:
                file.seek(0)
                return _unpack(file, path)
            if not path.stat().st_size:
                return memoryview(b""), ""
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)), ""
    except (OSError, ValueError) as error:
        raise BadRecording(f"{path} cannot be read: {error}.") from error


def _unpack(file: Any, path: Path) -> tuple[memoryview, str]:
    """Unpack a gzip file, up to its damage if it has one."""
    most = _MAX_GZIP_RATIO * path.stat().st_size + _GZIP_SLACK_BYTES
    out, problem = io.BytesIO(), ""
    try:
        with gzip.GzipFile(fileobj=file) as packed:
            while block := packed.read1(_BLOCK_BYTES):
                out.write(block)
                if out.tell() > most:
                    raise BadRecording(
                        f"{path} unpacks to more than {most} bytes, {_MAX_GZIP_RATIO} times its size. Unpack it with "
                        "gunzip if this is right."
                    )
                if not out.tell() & 0x3FFFFFF:
                    check_fits_memory(2 * out.tell(), str(path))
    except (EOFError, zlib.error, OSError) as error:
        if not out.tell():
            raise BadRecording(f"{path} cannot be unpacked: {error}.") from error
        problem = f"cannot be unpacked to its end ({error}); {out.tell()} bytes are read"
    return memoryview(out.getvalue()), problem


def _describe(loss: Loss, n_bytes: int) -> str:
    """Say where and how much of a file was lost."""
    if loss.is_cut:
        return f"is truncated at byte {loss.at} of {n_bytes} ({loss.reason}); read up to there"
    places = "" if loss.n_places == 1 else f", and at {loss.n_places - 1} later places"
    return (
        f"is damaged at byte {loss.at} of {n_bytes}{places} ({loss.reason}): "
        f"{loss.n_bytes} bytes ({100 * loss.n_bytes / n_bytes:.3g} % of the file) were left out"
    )


def _stream(found: _Collected, fmt: str, n_channels: int) -> XdfStream:
    """Build a stream from its chunks."""
    root = found.header
    rate_hz = rate_of(root)
    rate_hz = 0.0 if math.isnan(rate_hz) else rate_hz
    facts = root.find("desc/neuroreel")
    labels = [channel.findtext("label") or "" for channel in root.iterfind("desc/channels/channel")]
    clock = np.array(found.clock, np.float64).reshape(-1, 2)
    header = {child.tag: child.text or "" for child in root if not len(child)}
    footer = Element("info") if found.footer is None else found.footer
    count = (footer.findtext("sample_count") or "").strip()
    return XdfStream(
        name=root.findtext("name") or "",
        type=root.findtext("type") or "",
        fmt=fmt,
        hostname=root.findtext("hostname") or "",
        rate_hz=rate_hz,
        labels=usable_labels(labels, n_channels),
        facts={child.tag: child.text or "" for child in (() if facts is None else facts)},
        chunks=found.chunks,
        stamps=read_stamps(found.chunks, fmt, n_channels, rate_hz),
        clock_times=clock[:, 0],
        clock_offsets=clock[:, 1],
        header=header,
        n_announced=int(count) if count.isdecimal() else None,
        stated_end=_number(footer.findtext("last_timestamp") or ""),
    )


def _number(text: str) -> float:
    """Parse a number; NaN if it is none."""
    try:
        return float(text)
    except ValueError:
        return float("nan")
