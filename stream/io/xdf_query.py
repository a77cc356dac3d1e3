"""Selects streams of a file by name, or by a condition as live streams are selected."""

from __future__ import annotations

import re
from collections.abc import Sequence

from stream.errors import BadUsage
from stream.io.xdf_reader import XdfStream

_TERM = re.compile(
    r"""\s*(?:(?P<function>starts-with|contains)\(\s*(?P<first>[\w]+)\s*,\s*(?P<part>'[^']*'|"[^"]*")\s*\)"""
    r"""|(?P<key>[\w]+)\s*(?P<sign>!?=)\s*(?P<value>'[^']*'|"[^"]*"|[\d.]+))\s*"""
)
_JOINT = re.compile(r"\s*(and|or)\b")


def select(streams: Sequence[XdfStream], query: str) -> list[XdfStream]:
    """Return the streams that match a query.

    Parameters
    ----------
    streams
        Streams of a file.
    query
        Name, or condition such as ``name='EEG' and hostname='pc-b'``.

    Raises
    ------
    BadUsage
        If the condition cannot be understood.
    """
    named = [stream for stream in streams if stream.name == query]
    if named or not ("=" in query or "(" in query):
        return named
    alternatives = _parse(query)
    return [one for one in streams if any(all(_holds(term, one) for term in terms) for terms in alternatives)]


def _parse(query: str) -> list[list[re.Match[str]]]:
    """Split a condition into alternatives ("or") of terms that must all hold ("and")."""
    alternatives: list[list[re.Match[str]]] = [[]]
    at = 0
    while True:
        term = _TERM.match(query, at)
        if term is None:
            raise BadUsage(
                f"the stream query {query!r} cannot be understood at {query[at:][:20]!r}. Give a name, or a condition "
                "such as \"name='EEG' and hostname='pc-b'\"."
            )
        alternatives[-1].append(term)
        at = term.end()
        if at == len(query):
            return alternatives
        joint = _JOINT.match(query, at)
        if joint is None:
            at = len(query)  # the message shows what is left over
        elif joint[1] == "or":
            alternatives.append([])
        at = joint.end() if joint is not None else at


def _holds(term: re.Match[str], stream: XdfStream) -> bool:
    """Return whether a term is true for a stream."""
    text = stream.header.get(term["key"] or term["first"])
    if text is None:
        return False
    if term["function"]:
        part = term["part"][1:-1]
        return text.startswith(part) if term["function"] == "starts-with" else part in text
    value = term["value"]
    if value[0] in "'\"":
        equal = text == value[1:-1]
    else:
        try:
            equal = float(text) == float(value)
        except ValueError:
            equal = False
    return equal == (term["sign"] == "=")
