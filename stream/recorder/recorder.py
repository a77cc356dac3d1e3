"""Recording any streams into one XDF file, every sample as it was sent.

One thread pulls from all inlets into the memory of a `stream.recorder.disk_writer.DiskWriter`, whose own thread writes;
each stream has a thread that opens it and then compares clocks. None waits for another. What cannot be pulled in time
waits in LSL's buffers (360 s or 60,000 samples, less above half a gigabyte).
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pylsl
from pylsl.util import LostError
from pylsl.util import TimeoutError as LslTimeoutError

from stream.errors import CannotWrite, NoStream
from stream.io.xdf_writer import XdfWriter
from stream.lsl.network import configure
from stream.lsl.outlet import NEURAL_TYPES
from stream.lsl.resolve import resolver_of
from stream.recorder.disk_writer import BUFFER_BYTES, DiskWriter
from stream.recorder.pending_streams import STREAM_TIMEOUT_S, PendingStreams
from stream.recorder.recorded_stream import CLOCK_EVERY_S, RecordedStream
from stream.recorder.verify import verify_recording

log = logging.getLogger(__name__)

BOUNDARY_EVERY_S = 10.0
LOW_SPACE_S = 300.0
"""Less room than for this long is warned of."""

_PULL_EVERY_S = 0.05
_UPDATE_EVERY_S = 0.1
_LOST_AFTER_S = 2.0  # a sender that has not answered for so long is gone
_SETTLE_S = {"loopback": 0.3, "lab": 1.0}  # after the first stream, for the others to answer
_GROUP_S = 3.0
_DRAIN_S = 0.3
_RETRY_S = 2.0  # after a stream could not be opened
_GIVE_UP_S = 5.0


class Recorder:
    """Records streams until it is told to stop; those that appear later are added.

    Example: ``recorder = Recorder("a.xdf"); recorder.begin(); recorder.poll(); summary = recorder.stop()``.

    Parameters
    ----------
    path
        The file; it must not exist.
    queries
        Which streams: names or conditions, see `stream.lsl.resolve.find_stream`; each may match several. Empty = all.
    hold
        Name of a neural stream that is made ready, but opened only after `open_held`: a replay that waits for a consumer
        begins when the first comes.
    expected
        Names of streams that are known to be there: `start` waits for them, too.
    buffer_bytes
        Memory between streams and disk.

    Raises
    ------
    OutputExists
        When ``path`` is there.
    CannotWrite
        When it cannot be made.
    BadUsage
        When a query cannot be understood.
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
        self._settle_s = _SETTLE_S[configure().scope] * (3 if hold else 1)
        self._resolvers = {query: resolver_of(query, _LOST_AFTER_S) for query in (queries or ("",))}
        self.disk_writer = DiskWriter(path, buffer_bytes=buffer_bytes)
        self.streams: list[RecordedStream] = []
        self.unmatched = set(self._resolvers)
        self._writer = XdfWriter(path, sink=self.disk_writer)
        self._hold = hold
        self._expected = set(expected) | ({hold} if hold else set())
        self._held_released = threading.Event()
        self._stopping = threading.Event()
        self._events: deque[dict[str, Any]] = deque()
        self._pending: PendingStreams | None = None
        self._first_seen_s: dict[str, float] = {}
        self._retry_at: dict[str, float] = {}
        self._stream_threads: dict[str, tuple[threading.Thread, threading.Event]] = {}
        self._active: list[RecordedStream] = []
        self._ids = itertools.count(1)
        self._next_update_s = 0.0
        self._started_s = time.monotonic()
        self._warned = False
        self._pull_thread = threading.Thread(target=self._run_puller, name="pull", daemon=True)

    def __repr__(self) -> str:
        state = (
            "STOPPED" if self._stopping.is_set() else "FAILING" if self.disk_writer.problem else "RECORDING"
        )
        return f"<Recorder: {state} | {len(self.streams)} streams to {self.disk_writer.path}>"

    def start(self, timeout_s: float = 10.0, *, stopped: Callable[[], bool] = lambda: False) -> None:
        """Find streams and begin to record them; those found first wait a moment for the others.

        Neural streams are opened last, so that a replay starts when everything listens.

        Parameters
        ----------
        timeout_s
            How long to wait for a first one.
        stopped
            Asked meanwhile whether to give up.

        Raises
        ------
        NoStream
            When none appeared; the empty file is removed.
        """
        deadline = time.monotonic() + timeout_s
        found: dict[str, pylsl.StreamInfo] = {}
        settled = deadline
        while time.monotonic() < min(deadline, settled) and not stopped():
            now = self._find_matching()
            if set(now) - set(found):
                settled = time.monotonic() + self._settle_s
                deadline = max(deadline, settled)
            found |= now
            if self._expected - {info.name() for info in found.values()}:
                settled = deadline
            time.sleep(_UPDATE_EVERY_S / 2)
        if not found:
            self._stopping.set()
            self.disk_writer.discard()
            raise NoStream(
                f"no stream to record appeared within {timeout_s:g} s (network scope: {configure().scope}). "
                "Start its sender, or see 'neuroreel streams' for what is there."
            )
        self._pull_thread.start()
        for group in (0, 1, 2):
            members = [info for info in found.values() if _opening_order(info) == group]
            for info in members:
                self._add_stream(info)
            self._wait_until_open([info.uid() for info in members])
        self._started_s = time.monotonic()

    def open_held(self) -> None:
        """Open the stream that was held."""
        self._held_released.set()

    def watch_for(self, names: Sequence[str], timeout_s: float = STREAM_TIMEOUT_S) -> None:
        """Let `poll` say when streams of these names are recorded, or which are not after ``timeout_s`` (``awaited``).

        Parameters
        ----------
        names, timeout_s
            Of streams that are there, whoever found them; how long to wait for them.
        """
        self._pending = PendingStreams(frozenset(names), time.monotonic() + timeout_s)

    def poll(self) -> list[dict[str, Any]]:
        """Look for streams that came or went; call it several times a second.

        Returns
        -------
        events
            What happened since the last call, each with ``event``: ``recording`` (a stream is recorded), ``lost``,
            ``back``, ``failed``, ``low_space``, ``awaited`` (see `watch_for`; ``unmatched`` names some).
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
    def elapsed_s(self) -> float:
        """Seconds since the first streams were opened."""
        return time.monotonic() - self._started_s

    @property
    def seconds_left(self) -> float:
        """How long the disk's free space will last at the present rate; by nominal rates in the first seconds."""
        nominal = sum(stream.bytes_per_sample * stream.rate_hz for stream in list(self.streams))
        measured = (
            self.disk_writer.tell() / max(self.elapsed_s, 1e-3) if self.elapsed_s > BOUNDARY_EVERY_S else 0.0
        )
        rate = max(nominal, measured)
        return self.disk_writer.free_bytes / rate if rate > 0 else float("inf")

    def missing_for_s(self, name: str) -> float:
        """How long the neural stream of that name has been gone, seconds; 0 while it is there or not yet known.

        Parameters
        ----------
        name
            Of the stream.
        """
        named = [stream for stream in self.streams if stream.name == name and stream.type in NEURAL_TYPES]
        if not named or any(stream.present for stream in named):
            return 0.0
        return min(stream.age_s for stream in named)

    def stop(self) -> dict[str, Any]:
        """Take in what is still coming, end the file, and read it back.

        Returns
        -------
        summary
            ``streams`` (each with ``samples``, ``lost`` and so on), ``bytes``, ``high_water_bytes``, ``problems``,
            ``verified``; see ``docs/recording.md``.
        """
        seconds = self.elapsed_s
        self._held_released.set()
        self._stopping.set()
        if self._pull_thread.ident is not None:
            self._pull_thread.join(_GIVE_UP_S)
        if self._pull_thread.is_alive():
            self.disk_writer.abandon()
            self._pull_thread.join()
        for thread, _ in list(self._stream_threads.values()):
            thread.join(_GIVE_UP_S)
        with contextlib.suppress(CannotWrite):
            for stream in list(self.streams):
                stream.finish()
        self.disk_writer.close()
        return {"seconds": seconds} | verify_recording(self.disk_writer, self.streams)

    def _find_matching(self) -> dict[str, pylsl.StreamInfo]:
        """What matches now, by outlet."""
        there: dict[str, pylsl.StreamInfo] = {}
        for query, resolver in self._resolvers.items():
            infos = {info.uid(): info for info in resolver.results()}
            if infos:
                self.unmatched.discard(query)
            there |= infos
        return there

    def _update_streams(self, now: float) -> None:
        """Add what is new; note what is gone, and what came back."""
        there = self._find_matching()
        for stream in list(self.streams):
            if stream.present and stream.uid not in there and stream.age_s > _LOST_AFTER_S:
                stream.present = False
                self._report("lost", stream, f"the sender of '{stream.name}' is gone")
            elif not stream.present and stream.uid in there:
                stream.present = True
                self._report("back", stream, f"'{stream.name}' is back")
        for uid, info in there.items():
            if uid in self._stream_threads or uid in (stream.uid for stream in list(self.streams)):
                continue
            if now >= self._retry_at.get(uid, 0.0):
                self._handle_outlet(info, now - self._first_seen_s.setdefault(uid, now), there)

    def _handle_outlet(
        self, info: pylsl.StreamInfo, known_s: float, there: dict[str, pylsl.StreamInfo]
    ) -> None:
        """Decide what an outlet is: a new stream, or the return of one, which LSL takes up by itself."""
        for stream in list(self.streams):
            if not stream.is_same_sender(info):
                continue
            if stream.uid in there and known_s < 2 * _LOST_AFTER_S:
                return  # its list entry may outlive it; if not, this is a second sender of the same name
            if stream.uid in there:
                continue
            if stream.rate_hz != info.nominal_srate():
                stream.superseded = True
                continue
            stream.uid, stream.present = info.uid(), True
            self._report("back", stream, f"'{stream.name}' is back")
            return
        self._add_stream(info)

    def _add_stream(self, info: pylsl.StreamInfo) -> None:
        """Begin to record a stream."""
        stream = RecordedStream(info, next(self._ids), self._writer)
        self.streams.append(stream)
        settled = threading.Event()
        thread = threading.Thread(
            target=self._run_stream, args=(stream, settled), name=f"keep {stream.name}", daemon=True
        )
        self._stream_threads[stream.uid] = thread, settled
        thread.start()

    def _wait_until_open(self, uids: Sequence[str]) -> None:
        """Wait until streams are open, or ready and held."""
        deadline = time.monotonic() + _GROUP_S
        for uid in uids:
            if uid in self._stream_threads:
                self._stream_threads[uid][1].wait(max(0.0, deadline - time.monotonic()))

    def _run_stream(self, stream: RecordedStream, settled: threading.Event) -> None:
        """Open a stream, then compare clocks until the end (a thread for each)."""
        try:
            stream.write_header()
            if self._hold and stream.name == self._hold and stream.type in NEURAL_TYPES:
                stream.measure_clock()
                settled.set()
                self._held_released.wait()
            if self._stopping.is_set():
                return
            stream.open()
        except Exception as error:
            if not isinstance(error, LostError | LslTimeoutError | CannotWrite):
                log.exception("opening '%s' failed", stream.name)
            self._report("failed", stream, f"'{stream.name}' was found but cannot be recorded: {error}")
            self._retry_at[stream.uid] = time.monotonic() + _RETRY_S
            self.streams.remove(stream)
            self._stream_threads.pop(stream.uid, None)  # it is tried again while it is listed
            return
        finally:
            settled.set()
        self._active.append(stream)
        self._report("recording", stream, f"recording '{stream.name}'")
        while not self._stopping.is_set():
            due = time.monotonic() + CLOCK_EVERY_S
            with contextlib.suppress(CannotWrite):
                stream.measure_clock()
            self._stopping.wait(max(0.0, due - time.monotonic()))

    def _run_puller(self) -> None:
        """Pull from every stream, over and over (a thread of its own)."""
        next_boundary = time.monotonic() + BOUNDARY_EVERY_S
        last_round = float("inf")
        try:
            while time.monotonic() < last_round:
                if self._stopping.is_set() and last_round == float("inf"):
                    last_round = time.monotonic() + _DRAIN_S
                for stream in list(self._active):
                    self._pull_stream(stream)
                if time.monotonic() >= next_boundary:
                    next_boundary += BOUNDARY_EVERY_S
                    self._writer.boundary()
                time.sleep(_PULL_EVERY_S)
        except CannotWrite as error:
            log.error("%s", error)

    def _pull_stream(self, stream: RecordedStream) -> None:
        """Pull from one stream; whatever goes wrong with it harms no other."""
        try:
            stream.pull()
            if stream.superseded:
                self._active.remove(stream)
                stream.close()
        except LostError:
            self._active.remove(stream)
            stream.present = False
            self._report(
                "lost", stream, f"the sender of '{stream.name}' is gone; it has no source id to return by"
            )
        except CannotWrite:
            raise
        except Exception as error:
            self._active.remove(stream)
            stream.present = False
            log.exception("recording '%s' failed", stream.name)
            self._report("failed", stream, f"recording '{stream.name}' failed: {error!r}")

    def _check_pending(self, now: float) -> None:
        """Say whether what is awaited is there."""
        if self._pending is not None:
            settled = {uid for uid, (_, event) in list(self._stream_threads.items()) if event.is_set()}
            there = {stream.name for stream in list(self.streams) if stream.uid in settled}
            result = self._pending.result(there, now)
            if result is not None:
                self._pending = None
                self._events.append(result)

    def _check_space(self) -> None:
        """Warn once when the disk will soon be full."""
        left_s = self.seconds_left
        if left_s < LOW_SPACE_S and not self._warned:
            text = f"the disk has room for {left_s / 60:.1f} more minutes"
            self._events.append({"event": "low_space", "reason": text, "seconds_left": left_s})
            log.warning("%s", text)
        self._warned = left_s < (2 * LOW_SPACE_S if self._warned else LOW_SPACE_S)

    def _report(self, event: str, stream: RecordedStream, reason: str) -> None:
        """Note what happened to a stream."""
        self._events.append({"event": event, "stream": stream.name, "reason": reason})
        log.log(logging.WARNING if event == "failed" else logging.INFO, "%s", reason)


def _opening_order(info: pylsl.StreamInfo) -> int:
    """When to open a stream: events first, neural streams last."""
    if info.type() in NEURAL_TYPES:
        return 2
    return 0 if info.nominal_srate() == 0 else 1
