"""Finding streams: one that matches, or a list of all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import pylsl

from stream.errors import AmbiguousStream, BadUsage, NoStream
from stream.lsl.network import configure

_SLICE_S = 0.5  # resolving is cut into slices so that Ctrl-C is heard


@dataclass(frozen=True, slots=True, eq=False)
class FoundStream:
    """A stream on the network.

    Attributes
    ----------
    info
        As LSL found it, without its description.
    name, type, source_id, hostname, n_channels, rate_hz
        From it; the rate is nominal, 0 = irregular.
    """

    info: pylsl.StreamInfo
    name: str
    type: str
    source_id: str
    hostname: str
    n_channels: int
    rate_hz: float

    @classmethod
    def of(cls, info: pylsl.StreamInfo) -> FoundStream:
        """Read the fields from LSL's description.

        Parameters
        ----------
        info
            As resolved.
        """
        return cls(
            info,
            info.name(),
            info.type(),
            info.source_id(),
            info.hostname(),
            info.channel_count(),
            info.nominal_srate(),
        )

    def __str__(self) -> str:
        rate = f"{self.rate_hz:g} Hz" if self.rate_hz else "irregular"
        return (
            f"name='{self.name}' type='{self.type}' source_id='{self.source_id}' hostname='{self.hostname}' "
            f"({self.n_channels} channels, {rate})"
        )


def list_streams(wait_s: float = 1.0) -> list[FoundStream]:
    """Every stream on the network, by name.

    Parameters
    ----------
    wait_s
        How long to listen; outlets answer within half a second as a rule.
    """
    configure()
    return sorted(map(FoundStream.of, _unique(pylsl.resolve_streams(wait_s))), key=lambda found: found.name)


def find_stream(query: str | None, *, types: Sequence[str] = (), wait_s: float = 10.0) -> pylsl.StreamInfo:
    """The one stream that matches.

    Parameters
    ----------
    query
        A name, or a condition such as ``name='V1' and type='Spikes'``; None = any stream of ``types``.
    types
        LSL types that count; empty = every type.
    wait_s
        How long to wait for it to appear.

    Returns
    -------
    info
        As LSL found it; open an inlet for its description.

    Raises
    ------
    NoStream
        When none matched within ``wait_s``.
    AmbiguousStream
        When several match; the message lists them.
    BadUsage
        When the query cannot be understood.
    """
    network = configure()
    predicate = predicate_of(query, types)
    deadline = time.monotonic() + wait_s
    found: list[pylsl.StreamInfo] = []
    while not found:
        left = deadline - time.monotonic()
        if left <= 0:
            wanted = f"stream {query!r}" if query else "stream"
            kinds = f" of type {', '.join(types)}" if types else ""
            raise NoStream(
                f"no {wanted}{kinds} appeared within {wait_s:g} s (network scope: {network.scope}). "
                "Start its sender, or see 'neuroreel streams' for what is there."
            )
        found = _resolve(predicate, 1, min(left, _SLICE_S), query)
    # another match may need a little longer to answer
    found = _unique(
        found + _resolve(predicate, len(found) + 1, 0.2 if network.scope == "loopback" else 0.6, query)
    )
    if len(found) > 1:
        candidates = "\n".join(f"  {FoundStream.of(info)}" for info in found)
        raise AmbiguousStream(
            f"{len(found)} streams match {query or 'any neural stream'!r}; say which, for example with "
            f"\"name='{found[0].name()}' and hostname='{found[0].hostname()}'\":\n{candidates}"
        )
    return found[0]


def predicate_of(query: str | None, types: Sequence[str] = ()) -> str:
    """The XPath condition of a query.

    Parameters
    ----------
    query, types
        See `find_stream`.
    """
    conditions = []
    if query:
        conditions.append(f"({query})" if "=" in query or "(" in query else f"name={quoted(query)}")
    if types:
        conditions.append("(" + " or ".join(f"type={quoted(type_)}" for type_ in types) + ")")
    return " and ".join(conditions) or "count(name)>0"


def resolver_of(query: str, forget_after_s: float) -> pylsl.ContinuousResolver:
    """What looks for the streams of a query in the background.

    Parameters
    ----------
    query
        See `find_stream`; empty = every stream.
    forget_after_s
        A stream that has not answered for so long is gone.

    Raises
    ------
    BadUsage
        When the query cannot be understood.
    """
    predicate = predicate_of(query or None)
    try:
        pylsl.resolve_bypred(predicate, 1, 0.01)  # says when it cannot be parsed
        return pylsl.ContinuousResolver(pred=predicate, forget_after=forget_after_s)
    except (RuntimeError, ValueError) as error:
        raise _not_understood(query, error) from error


def quoted(text: str) -> str:
    """A text as an XPath literal.

    Parameters
    ----------
    text
        Without one of the two quotation marks, for XPath 1.0 has no escapes.
    """
    if "'" not in text:
        return f"'{text}'"
    if '"' not in text:
        return f'"{text}"'
    raise BadUsage(f"{text!r} holds both kinds of quotation mark; a stream query can hold only one.")


def _resolve(predicate: str, minimum: int, timeout_s: float, query: str | None) -> list[pylsl.StreamInfo]:
    """Resolve, with a message for a query that LSL cannot parse."""
    try:
        return _unique(pylsl.resolve_bypred(predicate, minimum, timeout_s))
    except (RuntimeError, ValueError) as error:
        raise _not_understood(query, error) from error


def _not_understood(query: str | None, error: Exception) -> BadUsage:
    return BadUsage(
        f"the stream query {query!r} cannot be understood ({error}). Use a name, or name='V1' and type='Spikes'."
    )


def _unique(infos: list[pylsl.StreamInfo]) -> list[pylsl.StreamInfo]:
    """One of each outlet, even when it answered on several network interfaces."""
    return list({info.uid(): info for info in infos}.values())
