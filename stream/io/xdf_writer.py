"""Writing XDF files, chunk by chunk (XDF 1.0, https://github.com/sccn/xdf/wiki/Specifications)."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from stream.errors import OutputExists, ShapeMismatch

MAGIC = b"XDF:"
FILE_HEADER, STREAM_HEADER, SAMPLES, CLOCK_OFFSET, BOUNDARY, STREAM_FOOTER = range(1, 7)
BOUNDARY_CONTENT = bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4")

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

DTYPES: dict[str, np.dtype[Any]] = {
    "float32": np.dtype("<f4"),
    "double64": np.dtype("<f8"),
    "int8": np.dtype("<i1"),
    "int16": np.dtype("<i2"),
    "int32": np.dtype("<i4"),
    "int64": np.dtype("<i8"),
}
"""Numeric channel formats as they lie in a file."""


class Sink(Protocol):
    """Where an `XdfWriter` writes: a file, or the recorder's `DiskWriter`. Each chunk comes as one write."""

    def write(self, data: bytes, /) -> int:
        """Take all of the data; return how many bytes that were."""
        ...

    def tell(self) -> int:
        """How many bytes were written so far."""
        ...

    def flush(self) -> None:
        """Hand on what is held back."""
        ...

    def close(self) -> None:
        """End."""
        ...


class XdfWriter:
    """Writes one XDF file; usable as a context manager.

    Parameters
    ----------
    path
        Where to. An existing file is never overwritten.
    sink
        Written into in place of a new file at ``path``; when it takes writes from several threads, so does this.

    Raises
    ------
    OutputExists
        When ``path`` is there.
    """

    def __init__(self, path: Path | str, *, sink: Sink | None = None) -> None:
        self.path = Path(path)
        try:
            self._file: Sink = self.path.open("xb") if sink is None else sink
        except FileExistsError:
            raise OutputExists(
                f"{self.path} exists, and recordings are never overwritten. Give another name."
            ) from None
        self._formats: dict[int, tuple[str, int]] = {}
        self._file.write(MAGIC)
        self._chunk(FILE_HEADER, b"<?xml version='1.0'?><info><version>1.0</version></info>")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def n_bytes(self) -> int:
        """Size of the file so far."""
        return self._file.tell()

    def header(self, stream_id: int, xml: str, fmt: str, n_channels: int) -> None:
        """Declare a stream.

        Parameters
        ----------
        stream_id
            Any number, unique in the file.
        xml
            The stream's description, as `stream_xml` or LSL make it.
        fmt, n_channels
            Channel format (a key of `DTYPES`, or ``string``) and count, as in ``xml``.
        """
        self._formats[stream_id] = (fmt, n_channels)
        self._chunk(STREAM_HEADER, xml.encode(), stream_id)

    def samples(
        self,
        stream_id: int,
        stamps: NDArray[np.float64],
        samples: NDArray[np.generic] | Sequence[Sequence[str | bytes]],
    ) -> None:
        """Write samples, each with its stamp.

        Parameters
        ----------
        stream_id
            Of a declared stream.
        stamps
            Float64 [n], seconds.
        samples
            [n, channels]; for a ``string`` stream n rows of text, else numbers.
        """
        fmt, n_channels = self._formats[stream_id]
        if not len(stamps):
            return
        if len(samples) != len(stamps) or any(len(row) != n_channels for row in samples):
            raise ShapeMismatch(f"{len(stamps)} stamps need samples of shape [{len(stamps)}, {n_channels}].")
        if fmt == "string":
            content = b"".join(
                b"\x08" + struct.pack("<d", stamp) + text_row(row)
                for stamp, row in zip(stamps, samples, strict=True)
            )
        else:
            records = np.zeros(len(stamps), sample_dtype(fmt, n_channels))
            records["flag"], records["stamp"], records["values"] = 8, stamps, samples
            content = records.tobytes()
        self._chunk(SAMPLES, _length(len(stamps)) + content, stream_id)

    def clock_offset(self, stream_id: int, time: float, offset: float) -> None:
        """Note the clock offset of a stream.

        Parameters
        ----------
        stream_id
            Of a declared stream.
        time, offset
            Seconds: when it was measured, and what to add to the stream's stamps.
        """
        self._chunk(CLOCK_OFFSET, struct.pack("<dd", time, offset), stream_id)

    def boundary(self) -> None:
        """Write a mark from which a damaged file can be read on."""
        self._chunk(BOUNDARY, BOUNDARY_CONTENT)

    def footer(
        self, stream_id: int, first: float, last: float, n_samples: int, *, measured_hz: float | None = None
    ) -> None:
        """End a stream.

        Parameters
        ----------
        stream_id
            Of a declared stream.
        first, last
            Its first and last stamps, seconds.
        n_samples
            How many samples it has.
        measured_hz
            Their rate by their stamps.
        """
        rate = "" if measured_hz is None else f"<measured_srate>{measured_hz!r}</measured_srate>"
        self._chunk(
            STREAM_FOOTER,
            f"<?xml version='1.0'?><info><first_timestamp>{first!r}</first_timestamp>"
            f"<last_timestamp>{last!r}</last_timestamp><sample_count>{n_samples}</sample_count>{rate}</info>".encode(),
            stream_id,
        )

    def flush(self) -> None:
        """Hand everything to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _chunk(self, tag: int, content: bytes, stream_id: int | None = None) -> None:
        """Write one chunk with its length."""
        head = struct.pack("<H", tag) + (b"" if stream_id is None else struct.pack("<I", stream_id))
        self._file.write(_length(len(head) + len(content)) + head + content)


def sample_dtype(fmt: str, n_channels: int, *, stamped: bool = True) -> np.dtype[np.void]:
    """How one numeric sample lies in a file.

    Parameters
    ----------
    fmt, n_channels
        Of the stream.
    stamped
        With its own stamp, or without.
    """
    stamp = [("stamp", "<f8")] if stamped else []
    return np.dtype([("flag", "u1"), *stamp, ("values", DTYPES[fmt], (n_channels,))])


def text_row(row: Sequence[str | bytes]) -> bytes:
    """How the values of one sample of text lie in a file.

    Parameters
    ----------
    row
        [channels]; bytes are taken as they are.
    """
    return b"".join(map(_text, row))


def stream_xml(
    name: str,
    type_: str,
    labels: Sequence[str],
    rate_hz: float,
    fmt: str,
    *,
    unit: str = "",
    facts: Mapping[str, object] | None = None,
) -> str:
    """The description of a stream, as LSL would write it.

    Parameters
    ----------
    name, type_, labels, rate_hz, fmt, unit, facts
        See `stream.lsl.outlet.make_outlet`.
    """
    unit_xml = f"<unit>{_xml(unit)}</unit>" if unit else ""
    channels = "".join(f"<channel><label>{_xml(label)}</label>{unit_xml}</channel>" for label in labels)
    known = {key: value for key, value in (facts or {}).items() if value is not None}
    facts_xml = "".join(f"<{key}>{_xml(str(value))}</{key}>" for key, value in known.items())
    return (
        f"<?xml version='1.0'?><info><name>{_xml(name)}</name><type>{_xml(type_)}</type>"
        f"<channel_count>{len(labels)}</channel_count><nominal_srate>{float(rate_hz)!r}</nominal_srate>"
        f"<channel_format>{fmt}</channel_format><source_id>{_xml(f'neuroreel/{name}/{type_}/file')}</source_id>"
        f"<desc><channels>{channels}</channels><neuroreel>{facts_xml}</neuroreel></desc></info>"
    )


def _xml(text: str) -> str:
    """Text as XML content; what XML cannot hold becomes a replacement character."""
    return escape(_NOT_XML.sub("\ufffd", text), {"\r": "&#13;"})


def _length(n: int) -> bytes:
    """A number as XDF writes lengths."""
    if n < 1 << 8:
        return b"\x01" + struct.pack("<B", n)
    if n < 1 << 32:
        return b"\x04" + struct.pack("<I", n)
    return b"\x08" + struct.pack("<Q", n)


def _text(value: str | bytes) -> bytes:
    """A text value with its length."""
    raw = value.encode() if isinstance(value, str) else value
    return _length(len(raw)) + raw
