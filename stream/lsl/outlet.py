"""Outlets with full metadata, and how to read that metadata back."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping, Sequence

import pylsl

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
"""The LSL type of a neural stream, by kind."""

NEURAL_TYPES = tuple(LSL_TYPES.values())
"""Every LSL type that counts as neural."""

UNITS = {Kind.SPIKES: "count", Kind.FLUORESCENCE: "dF/F", Kind.BOLD: "au", Kind.EEG: "uV", Kind.OTHER: "au"}
"""The usual unit of a neural stream, by kind."""

FORMATS = ("float32", "double64", "string", "int32", "int16", "int8", "int64")
"""Channel formats by LSL number, from 1."""

MIN_BUFFER = 60_000
"""Samples that in- and outlets can hold at the least, so that a replay at full speed loses nothing."""

LSL_PORTS = range(16572, 16572 + LOOPBACK_PORTS)
"""Where outlets on loopback are looked for, one port after the other."""

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
    """Open an outlet whose source id is the same whenever it is made again.

    Parameters
    ----------
    name, type_
        Of the stream; ``name`` includes the suffix (``V1-stimulus``).
    labels
        One per channel.
    rate_hz
        Nominal rate; 0 = irregular.
    fmt
        One of `FORMATS`.
    unit
        Of every channel, or one for each.
    facts
        What the description shall say under ``<neuroreel>``; ``mode`` among them.
    role
        Who sends it (``rig``, ``replay``, ``engine``): the last part of the source id.
    """
    configure()
    source_id = f"neuroreel/{name}/{type_}/{role}"
    info = pylsl.StreamInfo(name, type_, len(labels), rate_hz, FORMATS.index(fmt) + 1, source_id)
    describe(info, labels, unit, **(facts or {}))
    outlet = pylsl.StreamOutlet(info, max_buffered=buffer_length(rate_hz, len(labels)))
    _warn_when_hidden(outlet, name)
    return outlet


def _warn_when_hidden(outlet: pylsl.StreamOutlet, name: str) -> None:
    """Say it when no port was left where others look: on loopback they find only the outlet that came last."""
    described = _SERVICE_PORT.search(outlet.get_info().as_xml())
    beyond = described is not None and int(described[1]) not in LSL_PORTS
    if beyond and configure().scope == "loopback":
        log.warning(
            "'%s' got no port between %d and %d, so others may not find it: end something that holds LSL ports, "
            "see 'neuroreel doctor'", name, LSL_PORTS[0], LSL_PORTS[-1],
        )  # fmt: skip


def buffer_length(rate_hz: float, n_channels: int, seconds: float = 360) -> int:
    """Length of an LSL buffer in LSL's own unit (seconds; hundreds of samples when irregular).

    Parameters
    ----------
    rate_hz, n_channels
        Of the stream.
    seconds
        What it holds at the least; more when that is under `MIN_BUFFER` samples, less above half a gigabyte.
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
        Before its outlet is made.
    labels
        One per channel.
    unit
        Of every channel, or one for each; empty = none.
    **facts
        Written as text under ``<neuroreel>``; None values are left out.
    """
    channels = info.desc().append_child("channels")
    units = [unit] * len(labels) if isinstance(unit, str) else unit
    for label, of_channel in zip(labels, units, strict=True):
        channel = channels.append_child("channel")
        channel.append_child_value("label", str(label))
        if of_channel:
            channel.append_child_value("unit", of_channel)
    element = info.desc().append_child("neuroreel")
    for key, value in facts.items():
        if value is not None:
            element.append_child_value(key, str(value))


def read_facts(info: pylsl.StreamInfo) -> dict[str, str]:
    """What `describe` wrote under ``<neuroreel>``; empty for a stream of other software.

    Parameters
    ----------
    info
        With its description, as an open inlet gives it.
    """
    facts = {}
    element = info.desc().child("neuroreel").first_child()
    while not element.empty():
        facts[element.name()] = element.child_value()
        element = element.next_sibling()
    return facts


def channel_labels(info: pylsl.StreamInfo) -> tuple[str, ...]:
    """Labels of a stream's channels; ``ch0``, ``ch1`` ... when it does not give one unique label for each.

    Parameters
    ----------
    info
        With its description, as an open inlet gives it.
    """
    labels = []
    channel = info.desc().child("channels").child("channel")
    while not channel.empty():
        labels.append(channel.child_value("label"))
        channel = channel.next_sibling("channel")
    return usable_labels(labels, info.channel_count())


def usable_labels(labels: Sequence[str], n_channels: int) -> tuple[str, ...]:
    """The labels when there is one unique, non-empty label per channel, else ``ch0``, ``ch1`` ...

    Parameters
    ----------
    labels
        As found.
    n_channels
        How many there should be.
    """
    if len(labels) == n_channels and len(set(labels)) == n_channels and all(labels):
        return tuple(labels)
    return tuple(f"ch{index}" for index in range(n_channels))
