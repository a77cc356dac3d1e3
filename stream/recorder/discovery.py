"""Finds the streams that a recorder's queries match."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence, Set

import pylsl

from stream.lsl.network import configure
from stream.lsl.resolve import readable, resolver_of

LOST_AFTER_S = 2.0
"""A sender that has not responded for this long is lost, in seconds."""

_SETTLE_S = {"loopback": 0.3, "lab": 1.0}  # without a further stream before the wait ends
_POLL_S = 0.05


class Discovery:
    """Searches the network for streams in the background.

    Parameters
    ----------
    queries
        Names or LSL predicates, see `stream.lsl.resolve.find_stream`; each may match several streams. Empty matches all.

    Attributes
    ----------
    unmatched
        Queries that no stream has matched yet.

    Raises
    ------
    BadUsage
        If a query is invalid.
    """

    def __init__(self, queries: Sequence[str]) -> None:
        self._resolvers = {query: resolver_of(query, LOST_AFTER_S) for query in (queries or ("",))}
        self.unmatched = set(self._resolvers)

    def online(self) -> dict[str, pylsl.StreamInfo]:
        """Return the matching outlets that are online, by uid."""
        online: dict[str, pylsl.StreamInfo] = {}
        for query, resolver in self._resolvers.items():
            infos = {info.uid(): info for info in readable(resolver.results())}
            if infos:
                self.unmatched.discard(query)
            online |= infos
        return online

    def wait(
        self, timeout_s: float, expected: Set[str], *, patience: float, stopped: Callable[[], bool]
    ) -> dict[str, pylsl.StreamInfo]:
        """Wait until streams have appeared and no further one follows for a moment.

        Parameters
        ----------
        timeout_s
            Maximum wait for the first stream, in seconds.
        expected
            Names of streams that must be among them; until then the wait lasts to its timeout.
        patience
            Factor by which to prolong the wait for a further stream.
        stopped
            Called repeatedly; the wait ends when it returns True.

        Returns
        -------
        found
            Outlets that appeared, by uid; empty on timeout.
        """
        settle_s = _SETTLE_S[configure().scope] * patience
        deadline = time.monotonic() + timeout_s
        found: dict[str, pylsl.StreamInfo] = {}
        settled = deadline
        while time.monotonic() < min(deadline, settled) and not stopped():
            online = self.online()
            if set(online) - set(found):
                settled = time.monotonic() + settle_s
                deadline = max(deadline, settled)
            found |= online
            if expected - {info.name() for info in found.values()}:
                settled = deadline
            time.sleep(_POLL_S)
        return found
