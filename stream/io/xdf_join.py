"""Joins the streams of a sender that restarted with a new source id.

LSL identifies a sender by its source id. Software that invents a new one at each start returns as another stream, so the
recording holds several streams where the experiment had one.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from stream.io.xdf_reader import XdfStream

log = logging.getLogger(__name__)

_INDEX_FACTS = ("segment_starts", "segment_events")  # sample indices, which joining would invalidate


def join_restarted(streams: Sequence[XdfStream]) -> list[XdfStream]:
    """Join streams with the same description that follow each other in time.

    Parameters
    ----------
    streams
        Streams of a file.

    Returns
    -------
    joined
        Streams in the order of their first parts. Streams that overlap in time or differ in channels, format or
        rate stay separate; a stream without a valid timestamp is dropped if another of its
        description has some.
    """
    groups: dict[tuple[Any, ...], list[XdfStream]] = {}
    for found in streams:
        key = (found.name, found.type, found.fmt, found.labels, found.rate_hz, found.hostname)
        groups.setdefault(key, []).append(found)
    joined: list[XdfStream] = []
    for group in groups.values():
        parts = [part for part in group if part.valid.any()] or group[:1]
        parts.sort(key=lambda part: part.extent[0] if part.valid.any() else 0.0)
        joined += [_concatenate(parts)] if len(parts) > 1 and _are_consecutive(parts) else parts
    return joined


def _are_consecutive(parts: Sequence[XdfStream]) -> bool:
    """Return whether each part begins after the previous one has ended, and no part lists sample indices."""
    pairs = itertools.pairwise(parts)
    in_turn = all(before.extent[1] < after.extent[0] for before, after in pairs)
    return in_turn and not any(fact in part.facts for part in parts for fact in _INDEX_FACTS)


def _concatenate(parts: Sequence[XdfStream]) -> XdfStream:
    """Concatenate the parts, with the description of the first."""
    first = parts[0]
    log.info("'%s' restarted %d times as another stream; the parts are joined", first.name, len(parts) - 1)
    return replace(
        first,
        chunks=[chunk for part in parts for chunk in part.chunks],
        stamps=np.concatenate([part.stamps for part in parts]),
        clock_times=np.concatenate([part.clock_times for part in parts]),
        clock_offsets=np.concatenate([part.clock_offsets for part in parts]),
        parts=tuple(parts),
    )
