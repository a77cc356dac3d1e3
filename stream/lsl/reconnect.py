"""Looking for the return of a sender that is gone: the same source first, later one that can stand in for it."""

from __future__ import annotations

import time
from collections.abc import Set

import pylsl

from stream.lsl.network import configure
from stream.lsl.resolve import FoundStream, quoted

GRACE_S = {"loopback": 0.5, "lab": 2.0}
"""For so long after the loss only the same source is taken, by network scope."""

SEEN_S = {"loopback": 0.3, "lab": 2.0}
"""How long another source must have been seen: as long as the return of the same one, or of a third, may take to be
noticed (0.02 to 0.12 s on loopback)."""


class Reconnector:
    """Looks for a stream that can go on for one that is lost; close by dropping it.

    The same source id is taken at once. Another source of the same name and type on the same computer is taken when the
    grace is over and it has been seen for a while, if it is the only one: after a restart a sender without a source id
    of its own has another one. A stream of that name on another computer is not the same rig, and never taken.

    Parameters
    ----------
    info
        Of the stream that is lost.
    grace_s
        See `GRACE_S`; None = as the network scope says.
    seen_s
        See `SEEN_S`; None likewise.

    Attributes
    ----------
    ambiguous
        Streams among which there is no choice; empty when there is none or one.
    """

    def __init__(
        self, info: pylsl.StreamInfo, grace_s: float | None = None, seen_s: float | None = None
    ) -> None:
        self._source_id: str = info.source_id()
        self._hostname: str = info.hostname()
        scope = configure().scope
        self._grace_over = time.monotonic() + (GRACE_S[scope] if grace_s is None else grace_s)
        self._seen_s = SEEN_S[scope] if seen_s is None else seen_s
        self._since: dict[str, float] = {}
        self._resolver = pylsl.ContinuousResolver(
            pred=f"name={quoted(info.name())} and type={quoted(info.type())}", forget_after=1.0
        )
        self.ambiguous: tuple[str, ...] = ()

    def look(self, done_with: Set[str]) -> pylsl.StreamInfo | None:
        """The stream to go on with, if there is one now.

        Parameters
        ----------
        done_with
            Outlets that are gone or do not fit, by LSL's uid.
        """
        unique = {info.uid(): info for info in self._resolver.results()}
        found = [info for uid, info in unique.items() if uid not in done_with]
        among = [info for info in found if self._source_id and info.source_id() == self._source_id]
        if not among:
            now = time.monotonic()
            others = [info for info in found if info.hostname() == self._hostname]
            self._since = {info.uid(): self._since.get(info.uid(), now) for info in others}
            settled = all(now - since >= self._seen_s for since in self._since.values())
            among = others if settled and now >= self._grace_over else []
        self.ambiguous = tuple(sorted(f"{FoundStream.of(info)}" for info in among)) if len(among) > 1 else ()
        return among[0] if len(among) == 1 else None
