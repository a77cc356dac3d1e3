"""Follow what belongs to a neural stream: the truth about the stimulus, and the announcements of a replay."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import numpy as np
import pylsl

from stream.errors import StreamLost
from stream.events import EventInlet
from stream.find import quoted
from stream.truth import TruthTrack

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often streams that were not there yet are looked for."""


class TruthFollower:
    """Collects ``<name>-stimulus`` and ``<name>-events``, whenever they appear.

    Parameters
    ----------
    name
        Of the neural stream.
    offset_s
        Added to the stamps of the stimulus: the time the monitor takes to show a frame.

    Attributes
    ----------
    track
        What was on screen, by the stimulus stream's stamps.
    ended
        Whether a replay has announced its end.
    announced
        How many samples it then said it sent, or None.
    """

    def __init__(self, name: str, offset_s: float = 0.0) -> None:
        self.track = TruthTrack()
        self.ended = False
        self.announced: int | None = None
        self._offset_s = offset_s
        self._roles = {f"{name}-stimulus": "Stimulus", f"{name}-events": "Markers"}
        self._inlets: dict[str, EventInlet] = {}
        wanted = " or ".join(
            f"(name={quoted(full)} and type='{type_}')" for full, type_ in self._roles.items()
        )
        self._resolver = pylsl.ContinuousResolver(pred=wanted)
        self._next_look = 0.0

    def connect(self, wait_s: float) -> None:
        """Wait until both streams are there, or as long as ``wait_s``; either may still come later."""
        deadline = time.monotonic() + wait_s
        while len(self._inlets) < len(self._roles) and time.monotonic() < deadline:
            self._look()
            time.sleep(0.02)

    def poll(self) -> None:
        """Take what has arrived; look for late streams about once a second."""
        for name, inlet in self._inlets.items():
            rows, stamps = inlet.pull()
            if not len(stamps):
                continue
            if self._roles[name] == "Stimulus":
                events = np.asarray(rows, np.int32)
                repeat = events[:, 1] if events.shape[1] > 1 else np.full(len(events), -1, np.int32)
                self.track.add(np.asarray(stamps) + self._offset_s, events[:, 0], repeat)
            else:
                for row in rows:
                    self._hear(row)
        now = time.monotonic()
        if len(self._inlets) < len(self._roles) and now >= self._next_look:
            self._next_look = now + LOOK_S
            self._look()

    def close(self) -> None:
        """Close the inlets."""
        for inlet in self._inlets.values():
            inlet.close()
        self._inlets.clear()

    def _look(self) -> None:
        for info in self._resolver.results():
            if info.name() not in self._inlets:
                inlet = EventInlet(info)
                try:
                    inlet.open(timeout_s=2.0)
                except StreamLost:
                    continue  # gone again; the next look will tell
                self._inlets[info.name()] = inlet
                log.info("following %s", info.name())

    def _hear(self, text: Any) -> None:
        try:
            event = json.loads(text if isinstance(text, str) else text[0])
        except (ValueError, IndexError, TypeError):
            return  # somebody else's marker
        if isinstance(event, dict) and event.get("event") == "end":
            self.ended = True
            self.announced = event.get("samples")
