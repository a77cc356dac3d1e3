"""The recorder's connections to outlets: each becomes a new stream of the file, or continues that of a known sender."""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
import time
from collections.abc import Callable, Container, Mapping, Sequence

import pylsl
from pylsl.util import LostError
from pylsl.util import TimeoutError as LslTimeoutError

from stream.errors import CannotWrite
from stream.io.xdf_writer import XdfWriter
from stream.lsl.outlet import NEURAL_TYPES
from stream.recorder.discovery import LOST_AFTER_S
from stream.recorder.recorded_stream import CLOCK_EVERY_S, RecordedStream
from stream.recorder.sender_link import SenderLink
from stream.recorder.successors import changed_sender, decide

log = logging.getLogger(__name__)

_OPEN_TIMEOUT_S = 3.0  # for all streams that open together
_RETRY_S = 2.0  # until the next attempt to open an outlet that failed
_JOIN_TIMEOUT_S = 5.0
_POLL_S = 0.05  # until the clock is measured again, if that failed


class Connections:
    """Connects to outlets and assigns them to streams of the file.

    Parameters
    ----------
    writer
        Writer of the file.
    hold
        Name of a neural stream that is opened only by `release_held`; empty for none.
    report
        Receives every event: ``event``, name of the stream, reason.

    Attributes
    ----------
    streams
        Streams recorded so far.
    """

    def __init__(self, writer: XdfWriter, hold: str, report: Callable[[str, str, str], None]) -> None:
        self.streams: list[RecordedStream] = []
        self._writer = writer
        self._hold = hold
        self._report = report
        self._held_released = threading.Event()
        self._stopping = False
        self._links: dict[str, SenderLink] = {}  # by uid of the outlet
        self._undecided: list[SenderLink] = []  # of a restarted sender, or of a second one
        self._threads: list[tuple[threading.Thread, SenderLink]] = []
        self._retry_at: dict[str, float] = {}
        self._failures: dict[str, list[str]] = {}  # reasons, by outlet that has not been opened yet
        self._ids = itertools.count(1)

    def __repr__(self) -> str:
        return f"<Connections: {len(self._links)} outlets, {len(self.streams)} streams>"

    def start(self, infos: Sequence[pylsl.StreamInfo]) -> None:
        """Record outlets as new streams, and wait until they are open, or prepared and held.

        Parameters
        ----------
        infos
            Outlets found by LSL.
        """
        links = [link for link in map(self._link, infos) if link is not None]
        for link in links:
            self._add_stream(link)
            self._open(link)
        deadline = time.monotonic() + _OPEN_TIMEOUT_S
        for link in links:
            link.settled.wait(max(0.0, deadline - time.monotonic()))

    def update(self, online: Mapping[str, pylsl.StreamInfo], now_s: float) -> None:
        """Connect to new outlets. If their sender may have restarted, find out whether it has.

        Parameters
        ----------
        online
            Outlets that the network lists, by uid.
        now_s
            Current time of the monotonic clock, in seconds.
        """
        self._decide(online)
        for uid, info in online.items():
            if uid in self._links or now_s < self._retry_at.get(uid, 0.0):
                continue
            link = self._link(info)
            if link is None:
                continue
            if any(stream.may_continue_with(info) for stream in self.streams):
                self._undecided.append(link)
            else:
                self._add_stream(link)
            self._open(link)

    def release_held(self) -> None:
        """Open the stream that ``hold`` names."""
        self._held_released.set()

    def forget(self, link: SenderLink) -> None:
        """Allow a new connection to an outlet, should it still be listed when outlets that died no longer are.

        Parameters
        ----------
        link
            Connection that is closed or about to be.
        """
        self._retry_at[link.uid] = time.monotonic() + LOST_AFTER_S + _RETRY_S
        self._links.pop(link.uid, None)

    def stop(self, online: Container[str]) -> None:
        """Assign every open outlet to a stream, and open no more.

        Parameters
        ----------
        online
            Ids of the outlets that the network lists.
        """
        self._decide(online, final=True)
        self._stopping = True
        self._held_released.set()

    def problems(self, online: Container[str]) -> list[str]:
        """Return why outlets that the network lists are not recorded; one attempt may fail, as one that ended is listed.

        Parameters
        ----------
        online
            Ids of the outlets that the network lists.
        """
        failures = list(self._failures.items())
        return [reasons[-1] for uid, reasons in failures if uid in online and len(reasons) > 1]

    def join(self) -> None:
        """Close all connections and wait for the threads to end."""
        for _, link in self._threads:
            link.closed.set()
        for thread, _ in self._threads:
            thread.join(_JOIN_TIMEOUT_S)

    def _link(self, info: pylsl.StreamInfo) -> SenderLink | None:
        """A connection to an outlet; None if its description makes one impossible, which ends nothing else."""
        try:
            return SenderLink(info)
        except Exception as error:
            reason = f"'{info.name()}' was found but cannot be recorded: {error}"
            if info.uid() not in self._failures:
                self._report("failed", info.name(), reason)
            self._failures.setdefault(info.uid(), []).append(reason)
            self._retry_at[info.uid()] = time.monotonic() + _RETRY_S
            return None

    def _add_stream(self, link: SenderLink) -> None:
        """Record an outlet as a new stream of the file."""
        stream = RecordedStream(link, next(self._ids), self._writer)
        notice = changed_sender(stream, self.streams)
        if notice:
            self._report("new_sender", stream.name, notice)
        if link.is_open:  # else its thread does this
            stream.write_header()
            self._report("recording", stream.name, f"recording '{stream.name}'")
        self.streams.append(stream)

    def _decide(self, online: Container[str], *, final: bool = False) -> None:
        """Continue streams whose sender has restarted, and record second senders as new streams."""
        for link in list(self._undecided):
            if not link.is_open:
                continue
            decided, stream = decide(link, self.streams, online, final=final)
            if not decided:
                continue
            self._undecided.remove(link)
            if stream is None:
                with contextlib.suppress(CannotWrite):
                    self._add_stream(link)
            else:
                self.forget(stream.link)
                stream.continue_with(link)
                self._report("back", stream.name, f"'{stream.name}' is back")

    def _open(self, link: SenderLink) -> None:
        """Start the thread of an outlet."""
        self._links[link.uid] = link
        self._threads = [(thread, other) for thread, other in self._threads if thread.is_alive()]
        thread = threading.Thread(
            target=self._run, args=(link, link.stream), name=f"record {link.info.name()}", daemon=True
        )
        self._threads.append((thread, link))
        thread.start()

    def _run(self, link: SenderLink, stream: RecordedStream | None) -> None:
        """Open an outlet, then measure its clock offset until the end (one thread per outlet)."""
        name = link.info.name()
        try:
            link.describe()
            if stream is not None:
                stream.write_header()
                held = not self._held_released.is_set() and name == self._hold
                if held and stream.type in NEURAL_TYPES:
                    _measure_clock(link)
                    link.settled.set()
                    self._held_released.wait()
            if self._stopping:
                return
            link.open()
        except Exception as error:
            if not isinstance(error, LostError | LslTimeoutError | CannotWrite):
                log.exception("opening '%s' failed", name)
            reason = f"'{name}' was found but cannot be recorded: {error}"
            self._failures.setdefault(link.uid, []).append(reason)
            self._report("failed", name, reason)
            link.close()
            if stream is None:
                self._undecided.remove(link)
            else:
                self.streams.remove(stream)
            self._retry_at[link.uid] = time.monotonic() + _RETRY_S
            self._links.pop(link.uid, None)  # retried while the outlet is online
            return
        finally:
            link.settled.set()
        self._failures.pop(link.uid, None)
        if stream is not None:
            self._report("recording", name, f"recording '{name}'")
        while not link.closed.is_set():
            begun = time.monotonic()
            every_s = CLOCK_EVERY_S if _measure_clock(link) else _POLL_S
            link.closed.wait(max(0.0, begun + every_s - time.monotonic()))


def _measure_clock(link: SenderLink) -> bool:
    """Write the clock offset of an outlet; False if it is not known, or not yet to which stream the outlet belongs."""
    if link.stream is None or (measured := link.measure_clock()) is None:
        return False
    with contextlib.suppress(CannotWrite):
        link.stream.add_clock_offset(*measured)
    return True
