"""Records any number of LSL streams into one XDF file, every sample as it was sent.

One thread pulls from all outlets into the buffer of a `stream.recorder.disk_writer.DiskWriter`, whose own thread
writes; each outlet has a thread that opens it and then measures clock offsets (`stream.recorder.connections`). None
blocks another. What is not pulled in time stays in LSL's buffers (360 s or 60,000 samples, less above half a gigabyte).
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pylsl

from stream.errors import CannotWrite, NoStream
from stream.io.xdf_writer import XdfWriter
from stream.lsl.network import configure
from stream.lsl.outlet import NEURAL_TYPES, nominal_rate
from stream.recorder.connections import Connections
from stream.recorder.discovery import LOST_AFTER_S, Discovery
from stream.recorder.disk_writer import BUFFER_BYTES, DiskWriter
from stream.recorder.pending_streams import STREAM_TIMEOUT_S, PendingStreams
from stream.recorder.recorded_stream import RecordedStream
from stream.recorder.successors import has_ended, lost_reason
from stream.recorder.verify import verify_recording

log = logging.getLogger(__name__)

BOUNDARY_EVERY_S = 10.0
"""Interval of boundary marks, in seconds; readers of a damaged file resume at a mark."""

LOW_SPACE_S = 300.0
"""The recorder warns if the disk will be full in less than this time, in seconds."""

_PULL_EVERY_S = 0.05
_PULL_OFTEN_S = 0.005  # where LSL drops what has not been pulled when a sender without source id dies
_UPDATE_EVERY_S = 0.04
_DRAIN_S = 0.3  # pull for this long after stop() to receive the last samples
_JOIN_TIMEOUT_S = 5.0


class Recorder:
    """Records streams until `stop`; streams that appear later are added.

    Example: ``recorder = Recorder("a.xdf"); recorder.start(); recorder.poll(); summary = recorder.stop()``.

    Parameters
    ----------
    path
        Output file; it must not exist.
    queries
        Names or LSL predicates of the streams to record, see `stream.lsl.resolve.find_stream`; each may match several.
        Empty records all streams.
    hold
        Name of a neural stream that is prepared but opened only by `open_held`, as a replay that waits for a consumer
        starts with the first one.
    expected
        Names of streams that are known to exist; `start` waits for them.
    buffer_bytes
        Capacity of the buffer between streams and disk, in bytes.

    Attributes
    ----------
    streams
        Streams recorded so far.
    disk_writer
        Writer of the file, with its size and problems.

    Raises
    ------
    OutputExists
        If ``path`` exists.
    CannotWrite
        If the file cannot be created.
    BadUsage
        If a query is invalid.
    """

    def __init__(
        self,
        path: Path | str,
        queries: Sequence[str] = (),
        *,
        hold: str = "",
        expected: Sequence[str] = (),
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        self._discovery = Discovery(queries)
        self.disk_writer = DiskWriter(path, buffer_bytes=buffer_bytes)
        self._writer = XdfWriter(path, sink=self.disk_writer)
        self._connections = Connections(self._writer, hold, self._report)
        self.streams: list[RecordedStream] = self._connections.streams
        self._hold = hold
        self._expected = set(expected) | ({hold} if hold else set())
        self._stopping = threading.Event()
        self._events: deque[dict[str, Any]] = deque()
        self._failures: list[str] = []
        self._pending: PendingStreams | None = None
        self._next_update_s = 0.0
        self._started_s = time.monotonic()
        self._low_space_reported = False
        self._pull_thread = threading.Thread(target=self._run_puller, name="pull", daemon=True)

    def __repr__(self) -> str:
        failing = bool(self.disk_writer.problem)
        state = "STOPPED" if self._stopping.is_set() else "FAILING" if failing else "RECORDING"
        return f"<Recorder: {state} | {len(self.streams)} streams to {self.disk_writer.path}>"

    def start(self, timeout_s: float = 10.0, *, stopped: Callable[[], bool] = lambda: False) -> None:
        """Find streams and start recording them, once no further stream has appeared for a moment.

        Neural streams are opened last, so that a replay, which starts with its first consumer, finds all of them open.

        Parameters
        ----------
        timeout_s
            Maximum wait for the first stream, in seconds.
        stopped
            Called repeatedly; the wait ends when it returns True.

        Raises
        ------
        NoStream
            If no stream appeared; the empty file is removed.
        """
        patience = 3 if self._hold else 1
        found = self._discovery.wait(timeout_s, self._expected, patience=patience, stopped=stopped)
        if not found:
            self._stopping.set()
            self.disk_writer.discard()
            raise NoStream(
                f"no stream to record appeared within {timeout_s:g} s (network scope: {configure().scope}). "
                "Start its sender; 'neuroreel streams' lists the streams that are online."
            )
        self._pull_thread.start()
        for group in (0, 1, 2):
            members = [info for info in found.values() if _opening_order(info) == group]
            self._connections.start(members)
        self._started_s = time.monotonic()

    def open_held(self) -> None:
        """Open the stream that ``hold`` names."""
        self._connections.release_held()

    def watch_for(self, names: Sequence[str], timeout_s: float = STREAM_TIMEOUT_S) -> None:
        """Have `poll` return an event ``awaited`` once these streams are recorded, or on timeout.

        Parameters
        ----------
        names
            Names of streams that are known to exist.
        timeout_s
            Maximum wait in seconds; then the event lists those ``missing``.
        """
        self._pending = PendingStreams(frozenset(names), time.monotonic() + timeout_s)

    def poll(self) -> list[dict[str, Any]]:
        """Update the list of streams and return new events; call it several times a second.

        Returns
        -------
        events
            Events since the last call, each with ``event`` and ``reason``: ``recording`` (of a stream), ``lost``,
            ``back``, ``new_sender``, ``failed``, ``low_space``, ``awaited`` (see `watch_for`).
        """
        now = time.monotonic()
        if now >= self._next_update_s and not self._stopping.is_set():
            self._next_update_s = now + _UPDATE_EVERY_S
            self._update_streams(now)
            self._check_space()
        self._check_pending(now)
        events = []
        while self._events:
            events.append(self._events.popleft())
        return events

    @property
    def unmatched(self) -> set[str]:
        """Queries that no stream has matched yet."""
        return self._discovery.unmatched

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first streams were opened."""
        return time.monotonic() - self._started_s

    @property
    def seconds_left(self) -> float:
        """Seconds until the disk is full, at the larger of measured and nominal data rate."""
        nominal = sum(stream.bytes_per_sample * stream.rate_hz for stream in list(self.streams))
        elapsed_s = self.elapsed_s
        measured = self.disk_writer.tell() / elapsed_s if elapsed_s > BOUNDARY_EVERY_S else 0.0
        rate = max(nominal, measured)
        return self.disk_writer.free_bytes / rate if rate > 0 else float("inf")

    def missing_for_s(self, name: str) -> float:
        """Return for how many seconds a neural stream has been lost; 0 while it is online or was never found.

        Parameters
        ----------
        name
            Name of the stream.
        """
        named = [stream for stream in self.streams if stream.name == name and stream.type in NEURAL_TYPES]
        if not named or any(stream.present for stream in named):
            return 0.0
        return min(stream.age_s for stream in named)

    def stop(self) -> dict[str, Any]:
        """Receive the last samples, close the file, and verify it.

        Returns
        -------
        summary
            ``seconds`` and the entries of `stream.recorder.verify.verify_recording`; see ``docs/recording.md``.
        """
        seconds = self.elapsed_s
        online = self._discovery.online()
        self._connections.stop(online)
        self._stopping.set()
        if self._pull_thread.ident is not None:
            self._pull_thread.join(_JOIN_TIMEOUT_S)
        if self._pull_thread.is_alive():
            self.disk_writer.abandon()
            self._pull_thread.join()
        self._connections.join()
        with contextlib.suppress(CannotWrite):
            for stream in list(self.streams):
                stream.finish()
        self.disk_writer.close()
        summary = verify_recording(self.disk_writer, self.streams)
        summary["problems"] += [*self._failures, *self._connections.problems(online)]
        return {"seconds": seconds} | summary

    def _update_streams(self, now: float) -> None:
        """Add new streams; report those that were lost or came back."""
        online = self._discovery.online()
        for stream in list(self.streams):
            if stream.present and stream.uid not in online and stream.age_s > LOST_AFTER_S:
                stream.present = False
                self._report("lost", stream.name, lost_reason(stream))
            elif has_ended(stream, online):
                stream.link.give_up()
            elif not stream.present and stream.uid in online and stream.link.is_open:
                stream.present = True
                self._report("back", stream.name, f"'{stream.name}' is back")
        self._connections.update(online, now)

    def _run_puller(self) -> None:
        """Pull from all streams until stopped (the pulling thread)."""
        next_boundary = time.monotonic() + BOUNDARY_EVERY_S
        last_round = float("inf")
        try:
            while time.monotonic() < last_round:
                if self._stopping.is_set() and last_round == float("inf"):
                    last_round = time.monotonic() + _DRAIN_S
                streams = [stream for stream in list(self.streams) if stream.receiving]
                for stream in streams:
                    self._pull_stream(stream)
                if time.monotonic() >= next_boundary:
                    next_boundary += BOUNDARY_EVERY_S
                    self._writer.boundary()
                recovers = all(stream.link.recovers for stream in streams)
                time.sleep(_PULL_EVERY_S if recovers else _PULL_OFTEN_S)
        except CannotWrite as error:
            log.error("%s", error)

    def _pull_stream(self, stream: RecordedStream) -> None:
        """Pull from one stream; an error ends only this stream."""
        try:
            stream.pull()
        except CannotWrite:
            raise
        except Exception as error:
            stream.link.close()
            self._connections.forget(stream.link)  # connected again while it is online
            stream.present = False
            log.exception("recording '%s' failed", stream.name)
            reason = f"recording '{stream.name}' failed, so samples are missing: {error!r}"
            if reason not in self._failures:
                self._failures.append(reason)
            self._report("failed", stream.name, reason)
            return
        if stream.link.closed.is_set():
            self._connections.forget(stream.link)
            if stream.present:
                stream.present = False
                self._report("lost", stream.name, lost_reason(stream))

    def _check_pending(self, now: float) -> None:
        """Add the event of `watch_for` when it is due."""
        if self._pending is not None:
            open_names = {stream.name for stream in list(self.streams) if stream.link.settled.is_set()}
            result = self._pending.result(open_names, now)
            if result is not None:
                self._pending = None
                self._events.append(result)

    def _check_space(self) -> None:
        """Warn once if the disk will soon be full."""
        left_s = self.seconds_left
        if left_s < LOW_SPACE_S and not self._low_space_reported:
            text = f"the disk will be full in {left_s / 60:.1f} minutes"
            self._events.append({"event": "low_space", "reason": text, "seconds_left": left_s})
            log.warning("%s", text)
        threshold_s = 2 * LOW_SPACE_S if self._low_space_reported else LOW_SPACE_S  # hysteresis
        self._low_space_reported = left_s < threshold_s

    def _report(self, event: str, stream: str, reason: str) -> None:
        """Log an event of a stream and return it with the next `poll`."""
        self._events.append({"event": event, "stream": stream, "reason": reason})
        log.log(logging.WARNING if event == "failed" else logging.INFO, "%s", reason)


def _opening_order(info: pylsl.StreamInfo) -> int:
    """Return the group a stream opens with: 0 event streams, 1 other regular streams, 2 neural streams."""
    if info.type() in NEURAL_TYPES:
        return 2
    return 0 if nominal_rate(info) == 0 else 1
