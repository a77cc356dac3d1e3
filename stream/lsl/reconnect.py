"""Search for the successor of a lost stream: the same source first, later one that can replace it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Set

import pylsl

from stream.lsl.network import configure
from stream.lsl.resolve import FoundStream, equals, readable
from stream.lsl.sender import is_return

GRACE_S = {"loopback": 0.5, "lab": 2.0}
"""Time after the loss during which only the same source is accepted, by network scope."""

CONFIRM_S = {"loopback": 0.3, "lab": 2.0}
"""Time for which another source must have been seen before it is accepted, by network scope: as long as it may take to
discover the same source, or a third one (0.02 to 0.12 s on loopback)."""


class Reconnector:
    """Searches the network for a stream that can replace a lost one.

    The same sender is accepted at once, see `stream.lsl.sender.is_return`. Another source of the same name and
    type on the same computer is accepted after a grace period, once it has been seen for a while and if it is the only
    one: a sender without a source id of its own has a new one after a restart. A stream of another computer is another
    rig and never accepted.

    Parameters
    ----------
    info
        The lost stream.
    grace_s
        Grace period in seconds; None for `GRACE_S`.
    confirm_s
        Time for which another source must have been seen, seconds; None for `CONFIRM_S`.

    Attributes
    ----------
    ambiguous
        Descriptions of the candidates if there are several, else empty.
    elsewhere
        Descriptions of the streams of that name on other computers, which are not used.
    """

    def __init__(
        self, info: pylsl.StreamInfo, grace_s: float | None = None, confirm_s: float | None = None
    ) -> None:
        self._info = info
        self._hostname: str = info.hostname()
        scope = configure().scope
        self._grace_ends = time.monotonic() + (GRACE_S[scope] if grace_s is None else grace_s)
        self._confirm_s = CONFIRM_S[scope] if confirm_s is None else confirm_s
        self._since: dict[str, float] = {}
        self._resolver = pylsl.ContinuousResolver(
            pred=f"{equals('name', info.name())} and {equals('type', info.type())}", forget_after=1.0
        )
        self.ambiguous: tuple[str, ...] = ()
        self.elsewhere: tuple[str, ...] = ()

    def search(self, excluded: Set[str]) -> pylsl.StreamInfo | None:
        """Return the stream to continue with, or None if there is none yet.

        Parameters
        ----------
        excluded
            LSL's unique ids of outlets that are gone or do not match.
        """
        unique = {info.uid(): info for info in readable(self._resolver.results())}
        name = self._info.name()  # the condition may match another one, see `equals`
        found = [info for uid, info in unique.items() if uid not in excluded and info.name() == name]
        candidates = [info for info in found if is_return(self._info, info)]
        if not candidates:
            now = time.monotonic()
            others = [info for info in found if info.hostname() == self._hostname]
            self._since = {info.uid(): self._since.get(info.uid(), now) for info in others}
            confirmed = all(now - since >= self._confirm_s for since in self._since.values())
            ended = self._info.uid() not in unique  # else only the connection broke
            candidates = others if ended and confirmed and now >= self._grace_ends else []
        self.ambiguous = _described(candidates) if len(candidates) > 1 else ()
        self.elsewhere = _described([info for info in found if info.hostname() != self._hostname])
        return candidates[0] if len(candidates) == 1 else None


def _described(infos: Iterable[pylsl.StreamInfo]) -> tuple[str, ...]:
    return tuple(sorted(f"{FoundStream.from_info(info)}" for info in infos))
