"""One stream out of several of the same name, one after the other: a sender that came back as somebody new.

LSL knows a sender by its source id. Software that makes up another at each start comes back as another stream, and so a
recording has two where the experiment had one.
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

_PLACES = ("segment_starts", "segment_events")  # facts that count samples from the beginning of a stream


def join_restarted(streams: Sequence[XdfStream]) -> list[XdfStream]:
    """Join streams that have everything in common and follow each other in time.

    Parameters
    ----------
    streams
        As a file has them.

    Returns
    -------
    joined
        In the order of the first of each. Streams that overlap in time, or of different channels, formats or
        rates, stay apart; one without samples is left out when another has some.
    """
    groups: dict[tuple[Any, ...], list[XdfStream]] = {}
    for found in streams:
        key = (found.name, found.type, found.fmt, found.labels, found.rate_hz, found.hostname)
        groups.setdefault(key, []).append(found)
    joined: list[XdfStream] = []
    for group in groups.values():
        parts = [part for part in group if len(part.stamps)] or group[:1]
        parts.sort(key=lambda part: float(part.stamps[0]) if len(part.stamps) else 0.0)
        joined += [_joined(parts)] if len(parts) > 1 and _follow(parts) else parts
    return joined


def _follow(parts: Sequence[XdfStream]) -> bool:
    """Whether each begins after the one before has ended, and none counts its own samples."""
    pairs = itertools.pairwise(parts)
    in_turn = all(before.stamps.max() < after.stamps.min() for before, after in pairs)
    return in_turn and not any(place in part.facts for part in parts for place in _PLACES)


def _joined(parts: Sequence[XdfStream]) -> XdfStream:
    """Several as one, with the description of the first."""
    first = parts[0]
    log.info("'%s' came back %d times as another stream; they are joined", first.name, len(parts) - 1)
    text = first.fmt == "string"
    return replace(
        first,
        samples=[row for part in parts for row in part.samples]
        if text
        else np.concatenate([part.samples for part in parts]),
        stamps=np.concatenate([part.stamps for part in parts]),
        clock_times=np.concatenate([part.clock_times for part in parts]),
        clock_offsets=np.concatenate([part.clock_offsets for part in parts]),
    )
