"""Reads the streams of an XDF file as plain arrays, without any correction."""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.errors import BadRecording
from stream.io.xdf_validate import read_valid_part
from stream.lsl.outlet import usable_labels
from stream.session import MAX_SECONDS


@dataclass(frozen=True, slots=True, eq=False)
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
    samples
        Values [n, channels] in the stream's own format; a list of rows of text for ``string``.
    stamps
        Timestamps as recorded, float64 [n], in seconds.
    clock_times
        Times of the clock offset measurements on the sender's clock, float64 [k], in seconds.
    clock_offsets
        Offsets that convert the sender's clock to the recorder's when added, float64 [k], in seconds.
    """

    name: str
    type: str
    fmt: str
    hostname: str
    rate_hz: float
    labels: tuple[str, ...]
    facts: dict[str, str]
    samples: Any
    stamps: NDArray[np.float64]
    clock_times: NDArray[np.float64]
    clock_offsets: NDArray[np.float64]


def read_xdf(path: Path | str) -> list[XdfStream]:
    """Read all streams of an XDF file; a damaged file is read up to the damage, with a warning in the log.

    Parameters
    ----------
    path
        File to read.

    Raises
    ------
    BadRecording
        If the file is missing or not XDF.
    """
    import pyxdf

    path = Path(path)
    if not path.is_file():
        raise BadRecording(f"no such recording: {path}.")
    content = read_valid_part(path)
    logging.getLogger("pyxdf").setLevel(
        logging.CRITICAL
    )  # it warns of valid features, such as several clocks
    try:
        with np.errstate(all="ignore"):
            streams, _ = pyxdf.load_xdf(
                io.BytesIO(content), synchronize_clocks=False, dejitter_timestamps=False
            )
    except Exception as error:  # pyxdf raises many types at a damaged file
        raise BadRecording(f"{path} cannot be read as XDF: {error!r}.") from error
    return [_stream(found, path) for found in streams]


def _stream(found: dict[str, Any], path: Path) -> XdfStream:
    """Convert a stream that pyxdf read."""
    info = found["info"]
    for key in ("time_stamps", "clock_times", "clock_values"):
        if not np.all(np.abs(np.asarray(found[key], np.float64)) < MAX_SECONDS):
            raise BadRecording(
                f"stream '{_text(info, 'name')}' of {path} has timestamps that are not valid numbers of seconds."
            )
    desc = _first(info, "desc")
    channels = _first(desc, "channels").get("channel", []) if isinstance(desc, dict) else []
    labels = [_text(channel, "label") for channel in channels]
    facts = _first(desc, "neuroreel")
    return XdfStream(
        name=_text(info, "name"),
        type=_text(info, "type"),
        fmt=_text(info, "channel_format"),
        hostname=_text(info, "hostname"),
        rate_hz=float(_text(info, "nominal_srate")),
        labels=usable_labels(labels, int(_text(info, "channel_count"))),
        facts={key: _text(facts, key) for key in facts},
        samples=found["time_series"],
        stamps=np.asarray(found["time_stamps"], np.float64),
        clock_times=np.asarray(found["clock_times"], np.float64),
        clock_offsets=np.asarray(found["clock_values"], np.float64),
    )


def _first(element: Any, key: str) -> dict[str, Any]:
    """Return the first child of this name if it has children itself, else an empty dictionary."""
    children = element.get(key) if isinstance(element, dict) else None
    return children[0] if children and isinstance(children[0], dict) else {}


def _text(element: Any, key: str) -> str:
    """Return the text of the first child of this name, else an empty string."""
    children = element.get(key) if isinstance(element, dict) else None
    return children[0] if children and isinstance(children[0], str) else ""
