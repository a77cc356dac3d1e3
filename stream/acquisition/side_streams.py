"""Follow what belongs to a neural stream: the truth about the stimulus, labels, markers, announcements of a replay."""

from __future__ import annotations

import json
import logging
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

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often streams that were not there yet are looked for."""

_RETURN_S = 0.05  # how often one that is gone is looked for
_THREADS = 3  # one that does not answer holds up few others

MARKERS_A_SECOND = 20
"""So many markers are passed on each second; more are only counted."""

_PASSED_ON = ("lost", "back", "mismatch", "ambiguous")
_OWN = ("engine", "replay", "recorder")  # roles, at the end of source ids, whose announcements are no markers


class SideStreams:
    """Collects what is sent beside a neural stream, whenever it appears.

    That is ``<name>-stimulus``, ``<name>-events``, every ``<name>-<label>`` of type Label, and every stream of type
    Markers that is not this program's own. They are opened, and opened again, in threads.

    Parameters
    ----------
    name
        Of the neural stream.
    offset_s
        Added to the stamps of the stimulus: the time the monitor takes to show a frame.
    neural
        The neural stream, which others watch; a second sender of it is told, too.

    Attributes
    ----------
    track
        What was on screen, by the stimulus stream's stamps.
    labels
        Continuous labels, by their own stamps.
    notices
        ``following`` a stream; ``following_lost``, ``following_back``, ``following_mismatch`` and
        ``following_ambiguous`` of one that was followed; ``second_sender`` and ``second_sender_gone``, see
        `stream.lsl.duplicate_senders.DuplicateSenders`; and each ``marker``.
    markers
        How many markers each stream has sent.
    ended
        Whether a replay has announced its end.
    announced
        How many samples it then said it sent, or None.
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
        self._roles = {f"{name}-stimulus": "Stimulus", f"{name}-events": "Markers"}
        self._inlets: dict[str, EventInlet] = {}
        self._opening: dict[str, Future[EventInlet | None]] = {}
        self._returning: dict[str, Future[None]] = {}  # these inlets are a thread's own meanwhile
        self._threads = ThreadPoolExecutor(_THREADS, "follow")
        self._rivals = DuplicateSenders(self.notices)
        self._neural = neural
        own = " or ".join(f"(name={quoted(full)} and type='{type_}')" for full, type_ in self._roles.items())
        labels = f"(type='Label' and starts-with(name,{quoted(name + '-')}))"
        announcing = " or ".join(f"contains(source_id,'/Markers/{role}')" for role in _OWN)
        markers = f"(type='Markers' and not({announcing}))"
        if neural is not None:
            own += f" or (name={quoted(neural.name)} and type={quoted(neural.type)})"
        # In parentheses, for LSL puts "this session, and" before it.
        self._resolver = pylsl.ContinuousResolver(pred=f"({own} or {labels} or {markers})")
        self._next_look = 0.0
        self._second = 0
        self._n_passed_on = 0

    @property
    def following(self) -> tuple[str, ...]:
        """Names of the streams that have been found, open or not yet."""
        return (*self._inlets, *self._opening)

    def connect(self, wait_s: float) -> None:
        """Wait until stimulus and events are there, or as long as ``wait_s``; all may still come later."""
        deadline = time.monotonic() + wait_s
        while (
            self._opening or not self._roles.keys() <= self._inlets.keys()
        ) and time.monotonic() < deadline:
            self._look()
            time.sleep(0.02)

    def poll(self) -> None:
        """Take what has arrived; look for late streams about once a second."""
        for name, inlet in self._inlets.items():
            if not self._is_open(name, inlet):
                continue
            rows, stamps = inlet.pull()
            if len(stamps):
                self._take(name, rows, stamps)
            if inlet.notices:
                for notice in inlet.notices.take():
                    if notice.event in _PASSED_ON:
                        self.notices.add(f"following_{notice.event}", notice.text, stream=name)
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + (LOOK_S / 10 if self._opening else LOOK_S)
            self._look()

    def _is_open(self, name: str, inlet: EventInlet) -> bool:
        """Whether an inlet can be pulled; one whose sender is gone is opened again in a thread."""
        returning = self._returning.get(name)
        if returning is not None:
            if not returning.done():
                return False
            del self._returning[name]
            returning.result()
        if not inlet.connected:
            self._returning[name] = self._threads.submit(inlet.look_for_return, _RETURN_S)
            return False
        return True

    def close(self) -> None:
        """Close the inlets."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._returning.clear()
        for future in self._opening.values():
            if not future.cancelled() and (opened := future.result()) is not None:
                opened.close()
        self._opening.clear()
        for inlet in self._inlets.values():
            inlet.close()
        self._inlets.clear()

    def _look(self) -> None:
        """Open what is new; in a thread, for a stream that does not answer must not hold up the neural one."""
        there = self._resolver.results()
        for info in there:
            name = info.name()
            if name not in self._inlets and name not in self._opening and not self._is_neural(info):
                self._opening[name] = self._threads.submit(_opened, info)
        for name, future in list(self._opening.items()):
            if not future.done():
                continue
            del self._opening[name]
            inlet = future.result()
            if inlet is not None:  # else it is gone again; the next look will tell
                self._inlets[name] = inlet
                kind = self._kind(name)
                self.notices.add("following", f"{name} ({kind})", stream=name, kind=kind)
        used = [inlet for name, inlet in self._inlets.items() if name not in self._returning]
        self._rivals.look(there, [*used, self._neural] if self._neural is not None else used)

    def _is_neural(self, info: pylsl.StreamInfo) -> bool:
        """Whether it is the neural stream, or a second sender of it."""
        neural = self._neural
        return neural is not None and (info.name(), info.type()) == (neural.name, neural.type)

    def _kind(self, name: str) -> str:
        """What a stream that is followed is."""
        if name in self._roles:
            return "stimulus" if self._roles[name] == "Stimulus" else "events"
        return "label" if self._inlets[name].type == "Label" else "markers"

    def _take(self, name: str, rows: list[Any], stamps: Any) -> None:
        """Sort in what one stream has sent."""
        kind = self._kind(name)
        if kind == "stimulus":
            events = np.asarray(rows, np.int32)
            repeat = events[:, 1] if events.shape[1] > 1 else np.full(len(events), -1, np.int32)
            self.track.add(np.asarray(stamps) + self._offset_s, events[:, 0], repeat)
        elif kind == "events":
            for row in rows:
                self._hear(row)
        elif kind == "label":
            if not isinstance(rows[0], str | list):
                self.labels.add(name.removeprefix(f"{self._name}-"), stamps, rows)
        else:
            self.markers[name] = self.markers.get(name, 0) + len(rows)
            for row, stamp in zip(rows, stamps, strict=True):
                self._pass_on(name, row, float(stamp))

    def _pass_on(self, name: str, row: Any, stamp: float) -> None:
        """Note a marker, unless there are too many."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._n_passed_on = second, 0
        self._n_passed_on += 1
        if self._n_passed_on <= MARKERS_A_SECOND:
            text = row if isinstance(row, str) else " ".join(map(str, row))
            self.notices.add("marker", f"{name}: {text}", stream=name, marker=text, stamp=stamp)

    def _hear(self, text: Any) -> None:
        try:
            event = json.loads(text if isinstance(text, str) else text[0])
        except (ValueError, IndexError, TypeError):
            return  # somebody else's marker
        if isinstance(event, dict) and event.get("event") == "end":
            self.ended = True
            self.announced = event.get("samples")


def _opened(info: pylsl.StreamInfo) -> EventInlet | None:
    """An inlet that is open; None when the stream does not answer."""
    inlet = EventInlet(info)
    try:
        inlet.open(timeout_s=2.0)
    except StreamLost:
        return None
    return inlet
