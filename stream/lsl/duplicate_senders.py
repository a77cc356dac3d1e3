"""Detection of a second sender of a stream, which appears while the first one sends and is ignored."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pylsl

from stream.lsl.connection import Connection
from stream.lsl.resolve import FoundStream
from stream.notices import Notices

CONFIRM_S = 1.5
"""A second sender is reported once it has been seen for this long. If the first one had been silent, its successor
becomes visible before its loss is noticed."""


class DuplicateSenders:
    """Reports every second sender once.

    LSL lists a stream for some seconds after its sender is gone; former senders do not count.

    Parameters
    ----------
    notices
        Receives ``second_sender``, once for each, and ``second_sender_gone``.
    """

    def __init__(self, notices: Notices) -> None:
        self._notices = notices
        self._since: dict[str, float] = {}
        self._reported: dict[str, FoundStream] = {}

    def check(self, found: Iterable[pylsl.StreamInfo], used: Iterable[Connection]) -> None:
        """Compare the streams on the network with those in use.

        Parameters
        ----------
        found
            Streams that are visible now.
        used
            Connections in use.
        """
        now = time.monotonic()
        by_name: dict[tuple[str, str], list[Connection]] = {}
        for stream in used:
            by_name.setdefault((stream.name, stream.type), []).append(stream)
        duplicates = {}
        for info in found:
            streams = by_name.get((info.name(), info.type()), [])
            connected = any(stream.connected for stream in streams)
            if connected and not any(stream.has_seen(info.uid()) for stream in streams):
                duplicates[info.uid()] = info
        self._since = {uid: self._since.get(uid, now) for uid in duplicates}
        for uid, info in duplicates.items():
            if uid not in self._reported and now - self._since[uid] >= CONFIRM_S:
                self._reported[uid] = FoundStream.from_info(info)
                self._report("second_sender", uid, "is ignored; stop one of the two")
        for uid in self._reported.keys() - duplicates.keys():
            self._report("second_sender_gone", uid, "has stopped")
            del self._reported[uid]

    def _report(self, event: str, uid: str, what: str) -> None:
        found = self._reported[uid]
        self._notices.add(
            event,
            f"a second sender of '{found.name}' (source '{found.source_id}' on {found.hostname}) {what}",
            stream=found.name,
            source_id=found.source_id,
            hostname=found.hostname,
        )
