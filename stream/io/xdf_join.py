"""Joins the streams of a sender that restarted with a new source id.

LSL identifies a sender by its source id. Software that invents a new one at each start returns as another stream, so the
recording holds several streams where the experiment had one.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from stream.io.xdf_reader import XdfStream

log = logging.getLogger(__name__)

_RESTART_S = 0.1
"""Least time between the samples of two senders that replace each other, seconds."""

_INDEX_FACTS = ("segment_starts", "segment_events")  # sample indices, which joining would invalidate


def join_restarted(streams: Sequence[XdfStream]) -> list[XdfStream]:
    """Join streams with the same description whose senders sent in turn.

    Parameters
    ----------
    streams
        Streams of a file.

    Returns
    -------
    joined
        Streams in the order of their first parts. Streams that were sent at the same time or differ in channels, format
        or rate stay separate; a stream without a valid timestamp is dropped if another of its description has some.
    """
    groups: dict[tuple[Any, ...], list[XdfStream]] = {}
    for found in streams:
        key = (found.name, found.type, found.fmt, found.labels, found.rate_hz, found.hostname)
        groups.setdefault(key, []).append(found)
    in_turn: set[tuple[str, str]] = set()  # names and computers of regular streams whose senders sent in turn
    joined: dict[tuple[Any, ...], list[XdfStream]] = {key: [] for key in groups}
    for key, group in sorted(groups.items(), key=lambda item: item[1][0].rate_hz == 0):
        parts = [part for part in group if part.valid.any()] or group[:1]
        parts.sort(key=lambda part: part.extent[0] if part.valid.any() else 0.0)
        if len(parts) > 1 and not any(fact in part.facts for part in parts for fact in _INDEX_FACTS):
            if not _are_consecutive(parts):
                pieces = _pieces(parts, in_turn)
                if pieces and parts[0].rate_hz > 0:
                    in_turn.add((parts[0].name, parts[0].hostname))
                parts = pieces or parts
            if _are_consecutive(parts):
                parts = [_concatenate(parts)]
        joined[key] = parts
    return [part for parts in joined.values() for part in parts]


def _are_consecutive(parts: Sequence[XdfStream]) -> bool:
    """Return whether each part begins after the previous one has ended."""
    return all(before.extent[1] < after.extent[0] for before, after in itertools.pairwise(parts))


def _pieces(parts: Sequence[XdfStream], in_turn: Collection[tuple[str, str]]) -> list[XdfStream]:
    """Cut the streams of senders that replaced each other several times (A, B, A) where another one begins to send.

    Senders that run at the same time send alternately as well, but within a sample period, and their streams stay
    separate. Events tell nothing about that: they are cut if the regular stream that they belong to was.

    Returns
    -------
    pieces
        In the order of time; empty if the senders ran at the same time.
    """
    name, hostname, rate_hz = parts[0].name, parts[0].hostname, parts[0].rate_hz
    if rate_hz <= 0 and not any(name.startswith(f"{base}-") and host == hostname for base, host in in_turn):
        return []
    restart_s = max(_RESTART_S, 1.5 / rate_hz) if rate_hz > 0 else 0.0
    edges = [np.cumsum([0, *(chunk.n_samples for chunk in part.chunks)]) for part in parts]
    chunks: list[tuple[float, float, int, int]] = []  # first and last timestamp, part, number
    for index, part in enumerate(parts):
        for number, (begin, end) in enumerate(itertools.pairwise(edges[index])):
            stamps = part.stamps[begin:end][part.valid[begin:end]]
            if len(stamps):
                chunks.append((float(stamps.min()), float(stamps.max()), index, number))
    begins: list[tuple[int, int]] = []  # part and number of the first chunk of each piece
    until_s, at = -np.inf, (-1, -1)
    for first, last, index, number in sorted(chunks):
        if index != at[0]:
            if first - until_s < restart_s:
                return []
            begins.append((index, number))
        elif number < at[1]:
            return []
        until_s, at = max(until_s, last), (index, number)
    cuts = {index: sorted(number for part, number in begins if part == index) for index in range(len(parts))}
    pieces = []
    for index, number in begins:
        place = cuts[index].index(number)
        begin = number if place else 0
        end = cuts[index][place + 1] if place + 1 < len(cuts[index]) else len(parts[index].chunks)
        stamps = parts[index].stamps[edges[index][begin] : edges[index][end]]
        pieces.append(replace(parts[index], chunks=parts[index].chunks[begin:end], stamps=stamps))
    return pieces


def _concatenate(parts: Sequence[XdfStream]) -> XdfStream:
    """Concatenate the parts, with the description of the first."""
    first = parts[0]
    log.info("'%s' restarted %d times as another sender; the parts are joined", first.name, len(parts) - 1)
    return replace(
        first,
        chunks=[chunk for part in parts for chunk in part.chunks],
        stamps=np.concatenate([part.stamps for part in parts]),
        clock_times=np.concatenate([part.clock_times for part in parts]),
        clock_offsets=np.concatenate([part.clock_offsets for part in parts]),
        parts=tuple(parts),
    )
