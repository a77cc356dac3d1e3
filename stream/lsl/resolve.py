"""Search for streams on the network: one that matches a query, or all."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pylsl

from stream.errors import AmbiguousStream, BadUsage, NoStream
from stream.lsl.network import configure
from stream.lsl.outlet import nominal_rate
from stream.printable import printable

log = logging.getLogger(__name__)

_CONDITION = re.compile(
    r"\b(name|type|channel_count|channel_format|source_id|nominal_srate|version|created_at|uid|session_id|hostname|desc)"
    r"\b[^=<>]*[=<>]|\b(starts-with|contains|not|count|string-length|normalize-space|translate)\s*\("
)
"""What makes a query a condition; a name may have '=' and parentheses, too."""

_LINE_BREAK = re.compile(r"[\r\n]+")

_SLICE_S = 0.5  # duration of one call to LSL; between two, Ctrl-C takes effect


@dataclass(frozen=True, slots=True, eq=False)
class FoundStream:
    """A stream on the network.

    Attributes
    ----------
    info
        LSL's own object, without description.
    name, type, source_id
        Identity of the stream.
    hostname
        Computer of its sender.
    n_channels
        Number of channels.
    rate_hz
        Nominal sampling rate in Hz; 0 for irregular streams.
    """

    info: pylsl.StreamInfo
    name: str
    type: str
    source_id: str
    hostname: str
    n_channels: int
    rate_hz: float

    @classmethod
    def from_info(cls, info: pylsl.StreamInfo) -> FoundStream:
        """Read the fields from LSL's object.

        Parameters
        ----------
        info
            Stream that LSL has found.
        """
        return cls(
            info,
            info.name(),
            info.type(),
            info.source_id(),
            info.hostname(),
            info.channel_count(),
            nominal_rate(info),
        )

    def __str__(self) -> str:
        rate = f"{self.rate_hz:g} Hz" if self.rate_hz else "irregular"
        keys = ("name", "type", "source_id", "hostname")
        identity = " ".join(f"{key}='{printable(getattr(self, key), limit=200)}'" for key in keys)
        return f"{identity} ({self.n_channels} channels, {rate})"


def list_streams(wait_s: float = 1.0) -> list[FoundStream]:
    """List all streams on the network, sorted by name.

    Parameters
    ----------
    wait_s
        Duration of the search in seconds; outlets usually answer within half a second.
    """
    configure()
    found = map(FoundStream.from_info, _unique(pylsl.resolve_streams(wait_s)))
    return sorted(found, key=lambda stream: stream.name)


def find_stream(query: str | None, *, types: Sequence[str] = (), wait_s: float = 10.0) -> pylsl.StreamInfo:
    """Find the one stream that matches a query.

    Parameters
    ----------
    query
        Name, or condition such as ``name='V1' and type='Spikes'``; None for any stream of ``types``.
    types
        Accepted LSL types; empty for all.
    wait_s
        Longest wait for the stream to appear, seconds.

    Returns
    -------
    info
        LSL's own object, without description, to open an inlet with.

    Raises
    ------
    NoStream
        If no stream matches within ``wait_s``.
    AmbiguousStream
        If several streams match; the message lists them.
    BadUsage
        If LSL cannot parse the query.
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
                "Start its sender, or list the streams with 'neuroreel streams'."
            )
        found = _resolve(predicate, 1, min(left, _SLICE_S), query)
    # a second match may take a little longer to answer
    more_s = 0.2 if network.scope == "loopback" else 0.6
    found = _unique(found + _resolve(predicate, len(found) + 1, more_s, query))
    if len(found) > 1:
        candidates = [FoundStream.from_info(info) for info in found]
        keys = ("type", "source_id", "hostname")
        key = next(
            (key for key in keys if len({getattr(one, key) for one in candidates}) == len(found)), "uid"
        )
        value = found[0].uid() if key == "uid" else getattr(candidates[0], key)
        listed = "\n".join(f"  {one}" for one in candidates)
        raise AmbiguousStream(
            f"{len(found)} streams match {query or 'any neural stream'!r}; choose one, for example with "
            f"\"name='{candidates[0].name}' and {key}='{value}'\":\n{listed}"
        )
    return found[0]


def predicate_of(query: str | None, types: Sequence[str] = ()) -> str:
    """XPath condition of a query.

    Parameters
    ----------
    query, types
        See `find_stream`.
    """
    conditions = []
    if query:
        condition = _LINE_BREAK.sub(" ", query)
        conditions.append(f"({condition})" if _CONDITION.search(query) else equals("name", query))
    if types:
        conditions.append("(" + " or ".join(equals("type", type_) for type_ in types) + ")")
    return " and ".join(conditions) or "count(name)>0"


def resolver_of(query: str, forget_after_s: float) -> pylsl.ContinuousResolver:
    """Start a background search for the streams of a query.

    Parameters
    ----------
    query
        See `find_stream`; empty for all streams.
    forget_after_s
        Seconds without an answer after which a stream counts as gone.

    Raises
    ------
    BadUsage
        If LSL cannot parse the query.
    """
    predicate = predicate_of(query or None)
    try:
        pylsl.resolve_bypred(predicate, 1, 0.01)  # raises if it cannot be parsed
        return pylsl.ContinuousResolver(pred=predicate, forget_after=forget_after_s)
    except (RuntimeError, ValueError) as error:
        raise _bad_query(query, error) from error


def equals(field: str, text: str) -> str:
    """XPath condition that a field of a stream has a value.

    LSL sends conditions line by line, so a line break in the value is compared as if it were a space. What is found can
    have either.

    Parameters
    ----------
    field
        Such as ``name``.
    text
        Value with at most one kind of quotation mark, because XPath 1.0 has no escapes.

    Raises
    ------
    BadUsage
        If it has both kinds.
    """
    field, literal = _comparable(field, text)
    return f"{field}={literal}"


def begins_with(field: str, text: str) -> str:
    """XPath condition that a field of a stream begins with a text, see `equals`.

    Parameters
    ----------
    field, text
        See `equals`.
    """
    field, literal = _comparable(field, text)
    return f"starts-with({field},{literal})"


def _comparable(field: str, text: str) -> tuple[str, str]:
    """A field and a text as XPath literal, both without line breaks."""
    if _LINE_BREAK.search(text):
        field, text = f"normalize-space({field})", " ".join(text.split())
    for mark in "'\"":
        if mark not in text:
            return field, f"{mark}{text}{mark}"
    raise BadUsage(f"{text!r} has both kinds of quotation mark; a stream query can have only one of them.")


def _resolve(predicate: str, minimum: int, timeout_s: float, query: str | None) -> list[pylsl.StreamInfo]:
    """Search once, with a helpful message for a query that LSL cannot parse."""
    try:
        found = _unique(pylsl.resolve_bypred(predicate, minimum, timeout_s))
    except (RuntimeError, ValueError) as error:
        raise _bad_query(query, error) from error
    by_name = query is not None and not _CONDITION.search(query)
    name = re.sub("\r\n?", "\n", query or "")  # as XML does, in which it comes
    return [info for info in found if not by_name or info.name() == name]  # `equals` may match another one


def _bad_query(query: str | None, error: Exception) -> BadUsage:
    return BadUsage(
        f"the stream query {query!r} cannot be understood ({error}). "
        "Give a name, or a condition such as \"name='V1' and type='Spikes'\"."
    )


def readable(infos: Iterable[pylsl.StreamInfo]) -> list[pylsl.StreamInfo]:
    """Leave out streams that cannot be read.

    pylsl raises if a name, type, source id or computer is no UTF-8. LSL gives a stream without channels and id where an
    answer has no valid numbers, such as a nominal rate of NaN.

    Parameters
    ----------
    infos
        Streams that LSL has found.
    """
    usable = []
    for info in infos:
        try:
            FoundStream.from_info(info)
        except UnicodeDecodeError as error:
            log.debug("a stream is ignored, because its name or source is not UTF-8: %s", error)
        else:
            if info.channel_count() > 0 and info.uid():
                usable.append(info)
    return usable


def _unique(infos: list[pylsl.StreamInfo]) -> list[pylsl.StreamInfo]:
    """One entry per outlet, even if it answered on several network interfaces."""
    return list({info.uid(): info for info in readable(infos)}.values())
