"""Outlets with complete metadata, and the reading of that metadata."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping, Sequence

import pylsl

from stream.errors import ShapeMismatch
from stream.lsl.network import LOOPBACK_PORTS, configure
from stream.session import Kind

log = logging.getLogger(__name__)

LSL_TYPES = {
    Kind.SPIKES: "Spikes",
    Kind.FLUORESCENCE: "Fluorescence",
    Kind.BOLD: "BOLD",
    Kind.EEG: "EEG",
    Kind.OTHER: "Other",
}
"""LSL type of a neural stream, by kind."""

NEURAL_TYPES = tuple(LSL_TYPES.values())
"""All LSL types of neural streams."""

UNITS = {Kind.SPIKES: "count", Kind.FLUORESCENCE: "dF/F", Kind.BOLD: "au", Kind.EEG: "uV", Kind.OTHER: "au"}
"""Default unit of a neural stream, by kind."""

FORMATS = ("float32", "double64", "string", "int32", "int16", "int8", "int64")
"""Channel formats in the order of LSL's numbers, which begin at 1."""

LEAST_RATE_HZ, LARGEST_RATE_HZ = 1e-4, 1e6
"""Bounds of a nominal rate; anybody may announce any number, also none."""

MIN_BUFFER = 60_000
"""Least number of samples that buffers hold, so that a replay at full speed loses nothing."""

LSL_PORTS = range(16572, 16572 + LOOPBACK_PORTS)
"""Ports on which LSL searches for outlets on loopback."""

_MAX_BUFFER_BYTES = 1 << 29
_SERVICE_PORT = re.compile(r"<v4service_port>(\d+)</v4service_port>")


def make_outlet(
    name: str,
    type_: str,
    labels: Sequence[str],
    rate_hz: float,
    fmt: str = "float32",
    *,
    unit: str | Sequence[str] = "",
    facts: Mapping[str, object] | None = None,
    role: str = "",
) -> pylsl.StreamOutlet:
    """Open an outlet, with a source id that is the same every time.

    Parameters
    ----------
    name
        Name of the stream, with its suffix (``V1-stimulus``).
    type_
        LSL type of the stream.
    labels
        Channel labels.
    rate_hz
        Nominal sampling rate in Hz; 0 for irregular streams.
    fmt
        Channel format, one of `FORMATS`.
    unit
        Unit of all channels, or one per channel.
    facts
        Entries of the description under ``<neuroreel>``, such as ``mode``.
    role
        Kind of sender (``rig``, ``replay``, ``engine``), the last part of the source id.

    Returns
    -------
    outlet
        LSL's outlet; it closes when it is deleted.
    """
    configure()
    source_id = f"neuroreel/{name}/{type_}/{role}"
    info = pylsl.StreamInfo(name, type_, len(labels), rate_hz, FORMATS.index(fmt) + 1, source_id)
    describe(info, labels, unit, **(facts or {}))
    outlet = pylsl.StreamOutlet(info, max_buffered=buffer_length(rate_hz, len(labels)))
    _warn_when_hidden(outlet, name)
    return outlet


def _warn_when_hidden(outlet: pylsl.StreamOutlet, name: str) -> None:
    """Warn if the outlet got none of the ports on which others search."""
    described = _SERVICE_PORT.search(outlet.get_info().as_xml())
    beyond = described is not None and int(described[1]) not in LSL_PORTS
    if beyond and configure().scope == "loopback":
        log.warning(
            "'%s' got no port between %d and %d, so others may not find it: stop other programs with LSL streams, "
            "see 'neuroreel doctor'", name, LSL_PORTS[0], LSL_PORTS[-1],
        )  # fmt: skip


def check_rate(info: pylsl.StreamInfo) -> None:
    """Refuse a stream whose nominal rate cannot be: LSL sizes its buffers by it, and pulling may then never return.

    Parameters
    ----------
    info
        Stream that LSL has found.

    Raises
    ------
    ShapeMismatch
        If the rate is neither 0 nor within `LEAST_RATE_HZ` and `LARGEST_RATE_HZ`.
    """
    rate_hz = info.nominal_srate()
    if rate_hz and not nominal_rate(info):
        raise ShapeMismatch(
            f"it announces a nominal rate of {rate_hz:g} Hz; it must be 0 (irregular) or from {LEAST_RATE_HZ:g} to "
            f"{LARGEST_RATE_HZ:g} Hz."
        )


def nominal_rate(info: pylsl.StreamInfo) -> float:
    """Nominal sampling rate of a stream in Hz; 0 if it has none, or announces one that cannot be.

    Parameters
    ----------
    info
        Stream that LSL has found.
    """
    rate_hz: float = info.nominal_srate()
    return rate_hz if LEAST_RATE_HZ <= rate_hz <= LARGEST_RATE_HZ else 0.0


def buffer_length(rate_hz: float, n_channels: int, seconds: float = 360) -> int:
    """Length of an LSL buffer in LSL's own unit: seconds, or hundreds of samples for irregular streams.

    Parameters
    ----------
    rate_hz
        Nominal sampling rate in Hz; 0 for irregular streams.
    n_channels
        Number of channels.
    seconds
        Wanted length; longer if that is fewer than `MIN_BUFFER` samples, shorter above half a gigabyte.
    """
    per_unit = rate_hz if rate_hz > 0 else 100.0
    units = max(seconds, MIN_BUFFER / per_unit)
    most = _MAX_BUFFER_BYTES / (per_unit * n_channels * 4)
    return max(1, math.ceil(min(units, most)))


def describe(
    info: pylsl.StreamInfo, labels: Sequence[str], unit: str | Sequence[str] = "", **facts: object
) -> None:
    """Write channel labels, units and facts into a stream's description.

    Parameters
    ----------
    info
        Stream whose outlet has not been opened yet.
    labels
        Channel labels.
    unit
        Unit of all channels, or one per channel; empty for none.
    **facts
        Entries under ``<neuroreel>``, written as text; None values are omitted.
    """
    channels = info.desc().append_child("channels")
    units = [unit] * len(labels) if isinstance(unit, str) else unit
    for label, channel_unit in zip(labels, units, strict=True):
        channel = channels.append_child("channel")
        channel.append_child_value("label", str(label))
        if channel_unit:
            channel.append_child_value("unit", channel_unit)
    element = info.desc().append_child("neuroreel")
    for key, value in facts.items():
        if value is not None:
            element.append_child_value(key, str(value))


def read_facts(info: pylsl.StreamInfo) -> dict[str, str]:
    """Read the entries under ``<neuroreel>`` that `describe` wrote; empty for streams of other software.

    Parameters
    ----------
    info
        Stream with its description, from an open inlet.
    """
    facts = {}
    element = info.desc().child("neuroreel").first_child()
    while not element.empty():
        facts[element.name()] = element.child_value()
        element = element.next_sibling()
    return facts


def channel_labels(info: pylsl.StreamInfo) -> tuple[str, ...]:
    """Channel labels of a stream; ``ch0``, ``ch1`` ... unless every channel has a label of its own.

    Parameters
    ----------
    info
        Stream with its description, from an open inlet.
    """
    labels = []
    channel = info.desc().child("channels").child("channel")
    while not channel.empty():
        labels.append(channel.child_value("label"))
        channel = channel.next_sibling("channel")
    return usable_labels(labels, info.channel_count())


def usable_labels(labels: Sequence[str], n_channels: int) -> tuple[str, ...]:
    """Labels as given if there is one unique, non-empty label per channel, else ``ch0``, ``ch1`` ...

    Parameters
    ----------
    labels
        Labels from a description.
    n_channels
        Number of channels.
    """
    if len(labels) == n_channels and len(set(labels)) == n_channels and all(labels):
        return tuple(labels)
    return tuple(f"ch{index}" for index in range(n_channels))
