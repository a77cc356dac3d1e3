"""Decides whether an outlet that looks like a known sender is its return or a second sender, and words the changes."""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Mapping

import pylsl

from stream.lsl.resolve import FoundStream
from stream.lsl.sender import is_return
from stream.recorder.discovery import LOST_AFTER_S
from stream.recorder.recorded_stream import RecordedStream
from stream.recorder.sender_link import SenderLink

_ENDED_S = 10.0
"""A sender that neither sends nor is listed for so long, while its computer has other outlets, has ended. A program that
is only busy stays listed, as LSL answers in threads of its own; one that is suspended is connected again later."""


def decide(
    link: SenderLink, streams: Iterable[RecordedStream], online: Container[str], *, final: bool = False
) -> tuple[bool, RecordedStream | None]:
    """Decide which stream of the file an outlet continues.

    The network lists an outlet for a while after its end, so for that time the outlet of a restarted sender cannot be
    told from a second sender. Its samples wait in LSL's buffer.

    Parameters
    ----------
    link
        Open connection to the outlet.
    streams
        Streams of the file.
    online
        Ids of the outlets that the network lists.
    final
        Whether to decide at once: a stream that has been silent since the outlet appeared is continued.

    Returns
    -------
    decided
        Whether it is known.
    stream
        Stream to continue; None if the outlet becomes a new one.
    """
    known = [
        stream
        for stream in streams
        if stream.may_continue_with(link.info) and not stream.link.difference(link)
    ]
    for_s = time.monotonic() - link.since_s
    gone = [
        stream
        for stream in known
        if stream.link.closed.is_set()
        or (stream.uid not in online and stream.age_s > LOST_AFTER_S)
        or (final and stream.age_s > for_s)
    ]
    if gone:
        return True, min(gone, key=lambda stream: stream.age_s)
    return final or not known or for_s > 2 * LOST_AFTER_S, None


def changed_sender(new: RecordedStream, streams: Iterable[RecordedStream]) -> str:
    """Return the notice that a stream comes from another sender than one of the same name; empty if there is none.

    Parameters
    ----------
    new
        New stream of the file.
    streams
        Streams of the file so far.
    """
    named = [stream for stream in streams if (stream.name, stream.type) == (new.name, new.type)]
    if not named:
        return ""
    before, info = named[-1], new.link.info
    differs = before.link.difference(new.link) if is_return(before.link.info, info) else ""
    what = f"the same sender with {differs}" if differs else "another sender"
    if any(stream.present for stream in named):
        what = "a second sender"
    return f"{what} of '{new.name}' is recorded as a new stream of the file: {FoundStream.from_info(info)}"


def has_ended(stream: RecordedStream, online: Mapping[str, pylsl.StreamInfo]) -> bool:
    """Return whether the sender of a lost stream has ended, so that its connection can be closed.

    While its computer cannot be reached, the connection is kept: the sender still holds what it could not deliver.

    Parameters
    ----------
    stream
        Stream of the file.
    online
        Outlets that the network lists, by uid.
    """
    lost = not stream.present and stream.link.is_open and stream.uid not in online
    return (
        lost
        and stream.age_s > _ENDED_S
        and any(info.hostname() == stream.hostname for info in online.values())
    )


def lost_reason(stream: RecordedStream) -> str:
    """Return the notice that the sender of a stream is gone, with what may be missing.

    Parameters
    ----------
    stream
        Stream whose sender is gone.
    """
    reason = f"the sender of '{stream.name}' is lost"
    if not stream.link.recovers:
        reason += "; it has no source id, so samples of its last milliseconds may be missing"
    if stream.link.n_unknown:
        reason += f"; {stream.link.n_unknown} samples that may be of another sender are left out"
    return reason
