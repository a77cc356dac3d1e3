"""Neural and stimulus streams of several computers, for tests of XDF files."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream.io.xdf_writer import XdfWriter, stream_xml

N, RATE_HZ = 3000, 30
STAMPS = 1000 + np.arange(1, N + 1) / RATE_HZ
FRAMES = np.arange(N)


def header(name: str, type_: str, fmt: str, host: str, n_channels: int = 1) -> str:
    """Return a stream header with a host name."""
    labels = [f"c{index}" for index in range(n_channels)]
    xml = stream_xml(name, type_, labels, RATE_HZ if type_ != "Stimulus" else 0, fmt)
    return xml.replace("<desc>", f"<hostname>{host}</hostname><desc>")


def add_neural(writer: XdfWriter, stream_id: int = 1, host: str = "rig", *, offsets: bool = True) -> None:
    """Write a neural stream whose clock is the recorder's."""
    writer.header(stream_id, header("V1", "Spikes", "int16", host, 2), "int16", 2)
    for begin in range(0, N, 150):
        part = slice(begin, begin + 150)
        writer.samples(stream_id, STAMPS[part], np.stack([FRAMES[part]] * 2, 1))
        if offsets:
            writer.clock_offset(stream_id, float(STAMPS[begin]), 0.0)


def add_stimulus(
    writer: XdfWriter,
    host: str,
    offset_s: float | NDArray[np.float64] = 0.0,
    wrong: dict[int, float] | None = None,
    *,
    stream_id: int = 2,
    name: str = "V1-stimulus",
    stop: int = N,
    offsets: bool = True,
) -> None:
    """Write a stimulus whose clock plus ``offset_s`` is the recorder's; some of 20 measurements are wrong."""
    writer.header(stream_id, header(name, "Stimulus", "int32", host, 2), "int32", 2)
    offset = np.broadcast_to(np.asarray(offset_s, float), N)
    stamps = STAMPS - 1 / RATE_HZ - offset
    for index, begin in enumerate(range(0, stop, 150)):
        part = slice(begin, min(stop, begin + 150))
        writer.samples(stream_id, stamps[part], np.stack([FRAMES[part], 0 * FRAMES[part]], 1))
        if offsets:
            writer.clock_offset(
                stream_id, stamps[begin], float(offset[begin]) + (wrong or {}).get(index, 0.0)
            )
