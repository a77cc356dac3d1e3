"""Writes XDF files chunk by chunk (XDF 1.0, https://github.com/sccn/xdf/wiki/Specifications)."""

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
"""First bytes of every XDF file."""

FILE_HEADER, STREAM_HEADER, SAMPLES, CLOCK_OFFSET, BOUNDARY, STREAM_FOOTER = range(1, 7)
"""Tags of the chunks."""

BOUNDARY_CONTENT = bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4")
"""Content of a boundary chunk, fixed by the specification."""

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

DTYPES: dict[str, np.dtype[Any]] = {
    "float32": np.dtype("<f4"),
    "double64": np.dtype("<f8"),
    "int8": np.dtype("<i1"),
    "int16": np.dtype("<i2"),
    "int32": np.dtype("<i4"),
    "int64": np.dtype("<i8"),
}
"""Numeric channel formats and how they are stored."""


class Sink(Protocol):
    """Output of an `XdfWriter`: a file, or the recorder's `DiskWriter`. Each chunk is one call of `write`."""

    def write(self, data: bytes, /) -> int:
        """Write all of the data; return its size in bytes."""
        ...

    def tell(self) -> int:
        """Return the number of bytes written so far."""
        ...

    def flush(self) -> None:
        """Write out buffered data."""
        ...

    def close(self) -> None:
        """Close the output."""
        ...


class XdfWriter:
    """Writes one XDF file; usable as a context manager.

    Parameters
    ----------
    path
        Output file; never overwritten if it exists.
    sink
        Output to use instead of opening ``path``. If it is thread-safe, so is the writer.

    Raises
    ------
    OutputExists
        If ``path`` exists and no ``sink`` is given.
    """

    def __init__(self, path: Path | str, *, sink: Sink | None = None) -> None:
        self.path = Path(path)
        try:
            self._file: Sink = self.path.open("xb") if sink is None else sink
        except FileExistsError:
            raise OutputExists(
                f"{self.path} exists, and recordings are never overwritten; give another name."
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
        """Size of the file so far, in bytes."""
        return self._file.tell()

    def header(self, stream_id: int, xml: str, fmt: str, n_channels: int) -> None:
        """Write a stream header.

        Parameters
        ----------
        stream_id
            Id of the stream, unique in the file.
        xml
            Description of the stream, from `stream_xml` or LSL.
        fmt
            Channel format: a key of `DTYPES`, or ``string``.
        n_channels
            Channel count, as in ``xml``.
        """
        self._formats[stream_id] = (fmt, n_channels)
        self._chunk(STREAM_HEADER, xml.encode(), stream_id)

    def samples(
        self,
        stream_id: int,
        stamps: NDArray[np.float64],
        samples: NDArray[np.generic] | Sequence[Sequence[str | bytes]],
    ) -> None:
        """Write samples, each with its timestamp.

        Parameters
        ----------
        stream_id
            Id of a stream whose header was written.
        stamps
            Timestamps, float64 [n], in seconds.
        samples
            Values [n, channels]: rows of text for a ``string`` stream, else numbers.

        Raises
        ------
        ShapeMismatch
            If the shapes do not fit together or the stream.
        """
        fmt, n_channels = self._formats[stream_id]
        if not len(stamps):
            return
        if len(samples) != len(stamps) or any(len(row) != n_channels for row in samples):
            raise ShapeMismatch(
                f"{len(stamps)} timestamps need samples of shape [{len(stamps)}, {n_channels}]; "
                f"got {len(samples)} rows of {sorted({len(row) for row in samples})} values."
            )
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
        """Write a clock offset measurement of a stream.

        Parameters
        ----------
        stream_id
            Id of a stream whose header was written.
        time
            Time of the measurement on the sender's clock, in seconds.
        offset
            Seconds to add to the stream's timestamps to get the recorder's clock.
        """
        self._chunk(CLOCK_OFFSET, struct.pack("<dd", time, offset), stream_id)

    def boundary(self) -> None:
        """Write a boundary mark, at which readers of a damaged file can resume."""
        self._chunk(BOUNDARY, BOUNDARY_CONTENT)

    def footer(
        self, stream_id: int, first: float, last: float, n_samples: int, *, measured_hz: float | None = None
    ) -> None:
        """Write a stream footer.

        Parameters
        ----------
        stream_id
            Id of a stream whose header was written.
        first, last
            First and last timestamp in seconds.
        n_samples
            Number of samples written.
        measured_hz
            Rate in Hz measured from the timestamps; None omits it.
        """
        rate = "" if measured_hz is None else f"<measured_srate>{measured_hz!r}</measured_srate>"
        self._chunk(
            STREAM_FOOTER,
            f"<?xml version='1.0'?><info><first_timestamp>{first!r}</first_timestamp>"
            f"<last_timestamp>{last!r}</last_timestamp><sample_count>{n_samples}</sample_count>{rate}</info>".encode(),
            stream_id,
        )

    def flush(self) -> None:
        """Pass all data to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _chunk(self, tag: int, content: bytes, stream_id: int | None = None) -> None:
        """Write one chunk, preceded by its length."""
        head = struct.pack("<H", tag) + (b"" if stream_id is None else struct.pack("<I", stream_id))
        self._file.write(_length(len(head) + len(content)) + head + content)


def sample_dtype(fmt: str, n_channels: int, *, stamped: bool = True) -> np.dtype[np.void]:
    """Return the memory layout of one numeric sample in a file.

    Parameters
    ----------
    fmt
        Channel format, a key of `DTYPES`.
    n_channels
        Channel count.
    stamped
        Whether the sample has its own timestamp.
    """
    stamp = [("stamp", "<f8")] if stamped else []
    return np.dtype([("flag", "u1"), *stamp, ("values", DTYPES[fmt], (n_channels,))])


def text_row(row: Sequence[str | bytes]) -> bytes:
    """Encode the values of one text sample.

    Parameters
    ----------
    row
        Values [channels]; text is encoded as UTF-8, bytes are stored unchanged.
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
    """Return the XML description of a stream, in LSL's form.

    Parameters
    ----------
    name, type_, labels, rate_hz, fmt, unit, facts
        Properties of the stream, see `stream.lsl.outlet.make_outlet`.
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
    """Escape text for XML; invalid characters become replacement characters."""
    return escape(_NOT_XML.sub("\ufffd", text), {"\r": "&#13;"})


def _length(n: int) -> bytes:
    """Encode a length as a variable-length integer."""
    if n < 1 << 8:
        return b"\x01" + struct.pack("<B", n)
    if n < 1 << 32:
        return b"\x04" + struct.pack("<I", n)
    return b"\x08" + struct.pack("<Q", n)


def _text(value: str | bytes) -> bytes:
    """Encode a text value, preceded by its length."""
    raw = value.encode() if isinstance(value, str) else value
    return _length(len(raw)) + raw
