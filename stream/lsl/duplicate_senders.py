"""Telling of a second sender of a stream, which appeared while the first one sends and is not listened to."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pylsl

from stream.lsl.connection import Connection
from stream.lsl.resolve import FoundStream
from stream.notices import Notices

SURE_S = 1.5
"""A second sender must have been seen for so long: the loss of the first, whose place it takes, is noticed later than it
is seen, when the first had been silent."""


class DuplicateSenders:
    """Remembers which second senders were told of.

    LSL lists a stream for some seconds after its sender is gone; those that were lost are no rivals.

    Parameters
    ----------
    notices
        Told of ``second_sender``, once for each, and of ``second_sender_gone``.
    """

    def __init__(self, notices: Notices) -> None:
        self._notices = notices
        self._since: dict[str, float] = {}
        self._told: dict[str, FoundStream] = {}

    def look(self, there: Iterable[pylsl.StreamInfo], used: Iterable[Connection]) -> None:
        """Compare what is on the network with what is listened to.

        Parameters
        ----------
        there
            As resolved now.
        used
            Streams that are listened to.
        """
        now, senders = time.monotonic(), {(stream.name, stream.type): stream for stream in used}
        rivals = {}
        for info in there:
            stream = senders.get((info.name(), info.type()))
            if stream is not None and stream.connected and not stream.knows(info.uid()):
                rivals[info.uid()] = info
        self._since = {uid: self._since.get(uid, now) for uid in rivals}
        for uid, info in rivals.items():
            if uid not in self._told and now - self._since[uid] >= SURE_S:
                self._told[uid] = FoundStream.of(info)
                self._say("second_sender", uid, "sends, too, and is not listened to; stop one of the two")
        for uid in self._told.keys() - rivals.keys():
            self._say("second_sender_gone", uid, "does not send beside the other any more")
            del self._told[uid]

    def _say(self, event: str, uid: str, what: str) -> None:
        found = self._told[uid]
        self._notices.add(
            event,
            f"a second sender of '{found.name}', source '{found.source_id}' on {found.hostname}, {what}",
            stream=found.name,
            source_id=found.source_id,
            hostname=found.hostname,
        )
