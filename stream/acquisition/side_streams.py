"""The streams beside a neural stream: stimulus, labels, markers, and the events of a replay."""

from __future__ import annotations

import json
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pylsl

from stream.acquisition.label_track import Labels
from stream.acquisition.stimulus_track import StimulusTrack
from stream.errors import StreamLost
from stream.lsl.connection import Connection
from stream.lsl.duplicate_senders import DuplicateSenders
from stream.lsl.event_inlet import EventInlet
from stream.lsl.resolve import quoted
from stream.notices import Notices

SEARCH_EVERY_S = 1.0
"""Interval between searches for new streams."""

MAX_MARKERS_PER_S = 20
"""At most this many markers per second become notices; the others are only counted."""

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
        Connection to the neural stream, to report a second sender of it; None if there is none.

    Attributes
    ----------
    track
        Movie frames on screen.
    labels
        Continuous labels.
    notices
        Receives ``following`` for every new stream; ``following_lost``, ``following_back``, ``following_mismatch`` and
        ``following_ambiguous`` after that; ``second_sender`` and ``second_sender_gone``, see
        `stream.lsl.duplicate_senders.DuplicateSenders`; and ``marker``.
    markers
        Markers received, by stream.
    ended
        Whether a replay has announced its end.
    announced
        Samples that the replay then reported to have sent; None if unknown.
    """

    def __init__(self, name: str, offset_s: float = 0.0, neural: Connection | None = None) -> None:
        self.track = StimulusTrack()
        self.labels = Labels()
        self.notices = Notices()
        self.markers: dict[str, int] = {}
        self.ended = False
        self.announced: int | None = None
        self._offset_s = offset_s
        self._name = name
        self._expected = {f"{name}-stimulus": "Stimulus", f"{name}-events": "Markers"}  # LSL type by name
        self._inlets: dict[str, EventInlet] = {}
        self._opening: dict[str, Future[EventInlet | None]] = {}
        self._reopening: dict[str, Future[None]] = {}  # until then, only the thread may use the inlet
        self._threads = ThreadPoolExecutor(_THREADS, "side-streams")
        self._duplicates = DuplicateSenders(self.notices)
        self._neural = neural
        named = dict(self._expected) if neural is None else {**self._expected, neural.name: neural.type}
        own = " or ".join(f"(name={quoted(full)} and type={quoted(type_)})" for full, type_ in named.items())
        labels = f"(type='Label' and starts-with(name,{quoted(name + '-')}))"
        announcing = " or ".join(f"contains(source_id,'/Markers/{role}')" for role in _OWN_ROLES)
        markers = f"(type='Markers' and not({announcing}))"
        # in parentheses, because LSL prepends a condition on the session with "and"
        self._resolver = pylsl.ContinuousResolver(pred=f"({own} or {labels} or {markers})")
        self._next_search = 0.0
        self._second = 0
        self._n_this_second = 0

    def __repr__(self) -> str:
        return f"<SideStreams: {self._name} | following {', '.join(self.following) or 'none'}>"

    @property
    def following(self) -> tuple[str, ...]:
        """Names of the streams found so far, open or about to be."""
        return (*self._inlets, *self._opening)

    def connect(self, wait_s: float) -> None:
        """Wait for the stimulus and event streams; streams that appear later are found by `poll`.

        Parameters
        ----------
        wait_s
            Longest wait, seconds.
        """
        deadline = time.monotonic() + wait_s
        while (
            self._opening or not self._expected.keys() <= self._inlets.keys()
        ) and time.monotonic() < deadline:
            self._search()
            time.sleep(0.02)

    def poll(self) -> None:
        """Read what has arrived; about once a second, also search for new streams."""
        for name, inlet in self._inlets.items():
            if not self._is_open(name, inlet):
                continue
            rows, stamps = inlet.pull()
            if len(stamps):
                self._store(name, rows, stamps)
            if inlet.notices:
                for notice in inlet.notices.take():
                    if notice.event in _FORWARDED:
                        self.notices.add(f"following_{notice.event}", notice.text, stream=name)
        now = time.monotonic()
        if now >= self._next_search:
            self._next_search = now + (SEARCH_EVERY_S / 10 if self._opening else SEARCH_EVERY_S)
            self._search()

    def _is_open(self, name: str, inlet: EventInlet) -> bool:
        """Whether an inlet can be pulled; if its sender is gone, a thread tries to reopen it."""
        reopening = self._reopening.get(name)
        if reopening is not None:
            if not reopening.done():
                return False
            del self._reopening[name]
            reopening.result()
        if not inlet.connected:
            self._reopening[name] = self._threads.submit(inlet.try_reconnect, _RECONNECT_WAIT_S)
            return False
        return True

    def close(self) -> None:
        """Close all inlets and wait for the threads to end."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._reopening.clear()
        for future in self._opening.values():
            if not future.cancelled() and (opened := future.result()) is not None:
                opened.close()
        self._opening.clear()
        for inlet in self._inlets.values():
            inlet.close()
        self._inlets.clear()

    def _search(self) -> None:
        """Open new streams, in threads so that one that does not answer does not delay the neural stream."""
        found = self._resolver.results()
        for info in found:
            name = info.name()
            if name not in self._inlets and name not in self._opening and not self._is_neural(info):
                self._opening[name] = self._threads.submit(_opened, info)
        for name, future in list(self._opening.items()):
            if not future.done():
                continue
            del self._opening[name]
            inlet = future.result()
            if inlet is not None:  # otherwise it is gone again, or the next search finds it
                self._inlets[name] = inlet
                kind = self._kind(name)
                self.notices.add("following", f"{name} ({kind})", stream=name, kind=kind)
        used = [inlet for name, inlet in self._inlets.items() if name not in self._reopening]
        self._duplicates.check(found, [*used, self._neural] if self._neural is not None else used)

    def _is_neural(self, info: pylsl.StreamInfo) -> bool:
        """Whether a stream is the neural one or a second sender of it."""
        neural = self._neural
        return neural is not None and (info.name(), info.type()) == (neural.name, neural.type)

    def _kind(self, name: str) -> str:
        """Kind of an open stream: stimulus, events, label or markers."""
        if name in self._expected:
            return "stimulus" if self._expected[name] == "Stimulus" else "events"
        return "label" if self._inlets[name].type == "Label" else "markers"

    def _store(self, name: str, rows: list[Any], stamps: Any) -> None:
        """Store what one stream has sent, according to its kind."""
        kind = self._kind(name)
        if kind == "stimulus":
            events = np.asarray(rows, np.int32)
            repeat = events[:, 1] if events.shape[1] > 1 else np.full(len(events), -1, np.int32)
            self.track.add(np.asarray(stamps) + self._offset_s, events[:, 0], repeat)
        elif kind == "events":
            for row in rows:
                self._read_event(row)
        elif kind == "label":
            if not isinstance(rows[0], str | list):
                self.labels.add(name.removeprefix(f"{self._name}-"), stamps, rows)
        else:
            self.markers[name] = self.markers.get(name, 0) + len(rows)
            for row, stamp in zip(rows, stamps, strict=True):
                self._report_marker(name, row, float(stamp))

    def _report_marker(self, name: str, row: Any, stamp: float) -> None:
        """Report a marker unless there are too many this second."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._n_this_second = second, 0
        self._n_this_second += 1
        if self._n_this_second <= MAX_MARKERS_PER_S:
            text = row if isinstance(row, str) else " ".join(map(str, row))
            self.notices.add("marker", f"{name}: {text}", stream=name, marker=text, stamp=stamp)

    def _read_event(self, text: Any) -> None:
        """Detect the end of a replay."""
        try:
            event = json.loads(text if isinstance(text, str) else text[0])
        except (ValueError, IndexError, TypeError):
            return  # not an event of this program
        if isinstance(event, dict) and event.get("event") == "end":
            self.ended = True
            self.announced = event.get("samples")


def _opened(info: pylsl.StreamInfo) -> EventInlet | None:
    """Open an inlet; None if the stream does not answer."""
    inlet = EventInlet(info)
    try:
        inlet.open(timeout_s=2.0)
    except StreamLost:
        return None
    return inlet
