"""The streams beside a neural stream: stimulus, labels, markers, and the events of a replay."""

from __future__ import annotations

import json
import math
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pylsl
from numpy.typing import NDArray

from stream.acquisition.event_clock import EventClock
from stream.acquisition.label_track import Labels
from stream.acquisition.sample_timing import SampleTiming
from stream.acquisition.side_stream import SideStream, opened_inlet
from stream.acquisition.stimulus_track import StimulusTrack, beyond_int32, stimulus_events
from stream.errors import NeuroReelError
from stream.lsl.connection import Connection
from stream.lsl.duplicate_senders import DuplicateSenders
from stream.lsl.event_inlet import EventInlet
from stream.lsl.resolve import begins_with, equals, readable
from stream.notices import Notices
from stream.session import NO_FRAME

SEARCH_EVERY_S = 1.0
"""Interval between searches for new streams."""

MAX_MARKERS_PER_S = 20
"""At most this many markers per second become notices; the others are only counted."""

MAX_MARKER_LENGTH = 1000
"""Longer markers are cut in notices."""

_MAX_EVENT_LENGTH = 10_000  # an event of a replay is far shorter
_CLOCK_WAIT_S = 2.0  # for the first clock offset of another computer
_SAME_CLOCK_S = 0.001  # on one computer, offsets that differ by less beyond their uncertainty are one clock's
_FOREIGN_RETRY_S = 3.0  # when to look again at an events stream that is not the neural stream's
_RECONNECT_WAIT_S = 0.05  # duration of one attempt to reconnect
_THREADS = 3  # so that a stream that does not answer delays few others
_FORWARDED = ("lost", "back", "mismatch", "ambiguous")
# last part of the source id of this program's own streams of type Markers
_OWN_ROLES = ("engine", "replay", "recorder")


class SideStreams:
    """Finds, opens and reads the streams that belong to a neural stream, whenever they appear.

    These are ``<name>-stimulus``, ``<name>-events``, every ``<name>-<label>`` of type Label, and every stream of type
    Markers that is not this program's own. Threads open and reopen them, so that `poll` never waits for a sender.

    Parameters
    ----------
    name
        Name of the neural stream.
    offset_s
        Seconds added to the timestamps of the stimulus: the latency of the monitor.
    neural
        Connection to the neural stream, whose sender may announce the end, and of which a second sender is reported;
        None if there is none.
    timing
        Timing of the neural samples. With it, timestamps are converted to the local clock, each stream's by its own
        offset, unless they do not advance in real time; without it they are stored as sent.

    Attributes
    ----------
    track
        Movie frames on screen.
    labels
        Continuous labels.
    notices
        Receives ``following`` for every new stream; ``following_lost``, ``following_back``, ``following_mismatch`` and
        ``following_ambiguous`` after that; ``following_dropped`` for one that cannot be used; ``second_sender`` and
        ``second_sender_gone``, see `stream.lsl.duplicate_senders.DuplicateSenders`; and ``marker``.
    markers
        Markers received, by stream.
    ended
        Whether the sender of the neural stream, a replay, has announced its end; nobody else can.
    announced
        Samples that the replay then reported to have sent; None if unknown.
    """

    def __init__(
        self,
        name: str,
        offset_s: float = 0.0,
        neural: Connection | None = None,
        timing: SampleTiming | None = None,
    ) -> None:
        self.track = StimulusTrack()
        self.labels = Labels()
        self.notices = Notices()
        self.markers: dict[str, int] = {}
        self.ended = False
        self.announced: int | None = None
        self._monitor_s = offset_s
        self._name = name
        # by name and kind
        self._streams: dict[tuple[str, str], SideStream] = {}
        self._opening: dict[tuple[str, str], Future[EventInlet | None]] = {}
        self._opening_uid: dict[tuple[str, str], str] = {}
        self._ignored: dict[str, float] = {}  # by LSL's unique id, until this time, seconds
        self._threads = ThreadPoolExecutor(_THREADS, "side-streams")
        self._duplicates = DuplicateSenders(self.notices)
        self._neural = neural
        self._timing = timing if timing is not None and timing.paced else None
        named = {f"{name}-stimulus": "Stimulus", f"{name}-events": "Markers"}
        if neural is not None:
            named[neural.name] = neural.type
        own = " or ".join(
            f"({equals('name', full)} and {equals('type', type_)})" for full, type_ in named.items()
        )
        labels = f"(type='Label' and {begins_with('name', f'{name}-')})"
        announcing = " or ".join(f"contains(source_id,'/Markers/{role}')" for role in _OWN_ROLES)
        markers = f"(type='Markers' and not({announcing}))"
        # in parentheses, because LSL prepends a condition on the session with "and"
        self._resolver = pylsl.ContinuousResolver(pred=f"({own} or {labels} or {markers})")
        self._next_search = 0.0
        self._second = 0
        self._n_this_second = 0
        self._n_events = self._n_frames = 0  # of the stimulus: all, and those with a frame
        self._stimulus_problem = ""

    def __repr__(self) -> str:
        return f"<SideStreams: {self._name} | following {', '.join(self.following) or 'none'}>"

    @property
    def following(self) -> tuple[str, ...]:
        """Names of the streams found so far, open or about to be."""
        return (*(name for name, _ in self._streams), *(name for name, _ in self._opening))

    @property
    def no_truth(self) -> str:
        """Why no sample has a true frame, as text; asked only when none has."""
        name = f"{self._name}-stimulus"
        if self._stimulus_problem and not self._n_frames:
            return self._stimulus_problem
        if self._n_frames:
            return f"'{name}' sent {self._n_frames} frames, but none at the time of a decoded sample; see its clock"
        if self._n_events:
            return f"none of the {self._n_events} events of '{name}' had a frame"
        if (name, "stimulus") in self._streams:
            return f"'{name}' sent nothing"
        return "there was no stimulus stream to compare with"

    def connect(self, wait_s: float) -> None:
        """Wait for the stimulus and event streams; streams that appear later are found by `poll`.

        Parameters
        ----------
        wait_s
            Longest wait, seconds.
        """
        deadline = time.monotonic() + wait_s
        while (
            self._opening or not {"stimulus", "events"} <= {side.kind for side in self._streams.values()}
        ) and time.monotonic() < deadline:
            self._search()
            time.sleep(0.02)

    def poll(self) -> None:
        """Read what has arrived; about once a second, also search for new streams. Raises nothing."""
        failed: dict[tuple[str, str], Exception] = {}
        for key, side in self._streams.items():
            try:
                if self._is_open(side):
                    self._read(side)
            except Exception as error:  # whatever a sender does must not end the decoding
                failed[key] = error.with_traceback(None)  # which would keep this call alive
        for key, cause in failed.items():
            self._drop(key, cause)
        now = time.monotonic()
        if now >= self._next_search:
            self._next_search = now + (SEARCH_EVERY_S / 10 if self._opening else SEARCH_EVERY_S)
            self._search()

    def close(self) -> None:
        """Close all inlets and wait for the threads to end."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for future in self._opening.values():
            if not future.cancelled() and future.exception() is None and (opened := future.result()):
                opened.close()
        self._opening.clear()
        for side in self._streams.values():
            side.inlet.close()
        self._streams.clear()

    def _is_open(self, side: SideStream) -> bool:
        """Whether an inlet can be pulled; if its sender is gone, a thread tries to reopen it."""
        if side.reopening is not None:
            if not side.reopening.done():
                return False
            reopened, side.reopening = side.reopening, None
            reopened.result()
        if not side.inlet.connected:
            side.reopening = self._threads.submit(side.inlet.try_reconnect, _RECONNECT_WAIT_S)
            return False
        return True

    def _read(self, side: SideStream) -> None:
        """Read what one stream has sent, and pass on what happened to it."""
        inlet = side.inlet
        rows, stamps = inlet.pull()
        times = stamps.tolist()
        if self._timing is not None and side.kind != "events":
            rows, times = self._on_local_clock(side, rows, stamps, self._timing)
        if times:
            self._store(side, rows, np.array(times))
        if inlet.notices:
            for notice in inlet.notices.take():
                if notice.event in _FORWARDED:
                    self.notices.add(f"following_{notice.event}", notice.text, stream=inlet.name)
                if notice.event == "lost" and side.kind == "stimulus" and self._timing is not None:
                    none = np.array([NO_FRAME], np.int32)  # what is on screen from here on is unknown
                    self.track.add(np.array([pylsl.local_clock()]), none, none)

    def _on_local_clock(
        self, side: SideStream, rows: list[Any], stamps: NDArray[np.float64], timing: SampleTiming
    ) -> tuple[list[Any], list[float]]:
        """Events and their times on the local clock; some may be held back, or come from an earlier call."""
        inlet = side.inlet
        if inlet.n_connections != side.connection:
            side.connection, side.clock = inlet.n_connections, EventClock()
        clock = side.clock
        if not len(stamps) and not clock.holds:
            return [], []
        offset_s, shared = self._offset_s(inlet, timing)
        shift_s = clock.shift_s
        if shared:
            shift_s = timing.usual_delay_s - offset_s if timing.foreign_clock else timing.shift_s
        events = clock.convert(rows, stamps, pylsl.local_clock(), offset_s, shift_s)
        jumped_s = clock.take_jump()
        if jumped_s:
            self.notices.add(
                "following_clock_jump",
                f"the clock of '{inlet.name}' jumped by {jumped_s:+.3f} s, or was corrected; this is undone",
                stream=inlet.name,
                seconds=round(jumped_s, 6),
            )
        return events

    def _offset_s(self, inlet: EventInlet, timing: SampleTiming) -> tuple[float, bool]:
        """Clock offset of a stream, and whether it shares the clock of the neural stream: host and offset agree."""
        own_s, neural = inlet.time_correction_s, self._neural
        if neural is None or inlet.hostname == neural.hostname:
            possible_s = inlet.clock.uncertainty_s + (
                neural.clock.uncertainty_s if neural is not None else 0.0
            )
            if not abs(own_s - timing.offset_s) > possible_s + _SAME_CLOCK_S:  # or unknown
                return timing.offset_s, True
        return (0.0 if math.isnan(own_s) else own_s), False

    def _drop(self, key: tuple[str, str], error: Exception) -> None:
        """Stop following a stream that has caused an error."""
        inlet = self._streams.pop(key).inlet
        self._ignore(inlet.name, inlet.uid, error)
        inlet.close()

    def _ignore(self, name: str, uid: str, error: Exception) -> None:
        """Report a stream that cannot be used; it is not opened again unless its sender restarts."""
        self._ignored[uid] = math.inf
        reason = str(error) if isinstance(error, NeuroReelError) else f"{type(error).__name__}: {error}"
        self.notices.add(
            "following_dropped", f"'{name}' is not followed: {reason}", stream=name, reason=reason
        )
        if name == f"{self._name}-stimulus":
            self._stimulus_problem = f"'{name}' was not followed: {reason}"

    def _search(self) -> None:
        """Open new streams, in threads so that one that does not answer does not delay the neural stream."""
        now = time.monotonic()
        found = readable(self._resolver.results())
        for info in sorted(
            found, key=self._is_elsewhere
        ):  # where several could be meant, those beside the neural one
            key = info.name(), self._kind(info)
            if key in self._streams or key in self._opening or self._is_neural(info):
                continue
            if now >= self._ignored.get(info.uid(), -math.inf):
                wait_s = _CLOCK_WAIT_S if self._is_elsewhere(info) else 0.0
                self._opening[key] = self._threads.submit(opened_inlet, info, key[1], wait_s)
                self._opening_uid[key] = info.uid()
        for key, future in list(self._opening.items()):
            if future.done():
                del self._opening[key]
                self._follow(key, self._opening_uid.pop(key), future)
        used = [side.inlet for side in self._streams.values() if side.reopening is None]
        self._duplicates.check(found, [*used, self._neural] if self._neural is not None else used)

    def _follow(self, key: tuple[str, str], uid: str, opened: Future[EventInlet | None]) -> None:
        """Follow a stream that a thread has opened, unless it cannot be used."""
        name, kind = key
        try:
            inlet = opened.result()
        except Exception as error:  # a description that cannot be read, a shape that cannot be used
            self._ignore(name, uid, error)
            return
        if inlet is None:  # it is gone again, or the next search finds it
            return
        if kind == "events" and not self._sends_neural(inlet):
            if inlet.source_id.endswith("/replay") or (name, "markers") in self._streams:
                self._ignored[uid] = time.monotonic() + _FOREIGN_RETRY_S
                inlet.close()
                return
            kind = "markers"  # of a rig, for example, beside a replay
        self._streams[name, kind] = SideStream(inlet, kind, connection=inlet.n_connections)
        facts: dict[str, Any] = {"stream": name, "kind": kind}
        text, clock = f"{name} ({kind})", inlet.clock
        if self._neural is not None and inlet.hostname != self._neural.hostname:
            known = math.isfinite(clock.offset_s)
            text += f" on {inlet.hostname}, its clock " + (f"{clock!r}" if known else "unknown")
            if known:
                facts["offset_ms"] = round(clock.offset_s * 1e3, 4)
                facts["uncertainty_ms"] = round(clock.uncertainty_s * 1e3, 4)
        self.notices.add("following", text, **facts)

    def _is_neural(self, info: pylsl.StreamInfo) -> bool:
        """Whether a stream is the neural one or a second sender of it."""
        neural = self._neural
        return neural is not None and (info.name(), info.type()) == (neural.name, neural.type)

    def _is_elsewhere(self, info: pylsl.StreamInfo) -> bool:
        """Whether a stream comes from another computer than the neural one."""
        return self._neural is not None and info.hostname() != self._neural.hostname

    def _sends_neural(self, inlet: EventInlet) -> bool:
        """Whether the sender of a stream is that of the neural stream, whose end it may announce."""
        return self._neural is None or inlet.is_same_sender(self._neural)

    def _kind(self, info: pylsl.StreamInfo) -> str:
        """Kind of a stream: stimulus, events, label or markers.

        A stream ``<name>-events`` whose source id is not this program's, or that of the neural stream, holds markers.
        """
        name, type_ = info.name(), info.type()
        if type_ == "Markers":
            own = f"neuroreel/{name}/Markers/"
            neural_id = self._neural.source_id if self._neural is not None else ""
            announces = info.source_id().startswith(own) or info.source_id() == neural_id != ""
            return "events" if name == f"{self._name}-events" and announces else "markers"
        return "stimulus" if type_ == "Stimulus" else "label"

    def _store(self, side: SideStream, rows: list[Any], stamps: Any) -> None:
        """Store what one stream has sent, according to its kind."""
        name = side.inlet.name
        if side.kind == "stimulus":
            events = stimulus_events(rows)
            self._check_frames(name, np.asarray(rows)[:, 0], events[:, 0])
            repeat = events[:, 1] if events.shape[1] > 1 else np.full(len(events), -1, np.int32)
            self.track.add(np.asarray(stamps) + self._monitor_s, events[:, 0], repeat)
        elif side.kind == "events":
            if self._sends_neural(side.inlet):
                for row in rows:
                    self._read_event(row)
        elif side.kind == "label":
            self.labels.add(name.removeprefix(f"{self._name}-"), stamps, rows)
        else:
            self.markers[name] = self.markers.get(name, 0) + len(rows)
            for row, stamp in zip(rows, stamps, strict=True):
                self._report_marker(name, row, float(stamp))

    def _check_frames(self, name: str, sent: NDArray[Any], frame: NDArray[np.int32]) -> None:
        """Count the events of the stimulus; report, once, numbers that can be no frames."""
        self._n_events += len(frame)
        self._n_frames += int(np.count_nonzero(frame >= 0))
        wrong = beyond_int32(sent)
        if wrong.any() and not self._stimulus_problem:
            self._stimulus_problem = (
                f"'{name}' sends {sent[wrong][0]:.0f} as a frame, but frames are at most {np.iinfo(np.int32).max}; what "
                "it shows is unknown then"
            )
            self.notices.add(
                "invalid_frame", self._stimulus_problem, stream=name, frame=float(sent[wrong][0])
            )

    def _report_marker(self, name: str, row: Any, stamp: float) -> None:
        """Report a marker unless there are too many this second."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._n_this_second = second, 0
        self._n_this_second += 1
        if self._n_this_second > MAX_MARKERS_PER_S:
            return
        text = row if isinstance(row, str) else " ".join(map(str, row))
        if len(text) > MAX_MARKER_LENGTH:
            text = text[:MAX_MARKER_LENGTH] + " ..."
        self.notices.add("marker", f"{name}: {text}", stream=name, marker=text, stamp=stamp)

    def _read_event(self, text: Any) -> None:
        """Detect the end of a replay."""
        text = text if isinstance(text, str) else str(text[0])
        if len(text) > _MAX_EVENT_LENGTH:
            return
        try:
            event = json.loads(text)
        except (ValueError, RecursionError):
            return  # not an event of this program
        if isinstance(event, dict) and event.get("event") == "end":
            samples = event.get("samples")
            self.ended = True
            self.announced = samples if isinstance(samples, int) else None
