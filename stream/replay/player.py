"""Plays a recording as live streams: each sample when it is due, none lost, the end announced."""

from __future__ import annotations

import json
import logging
import math
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pylsl
from numpy.typing import NDArray

from stream.acquisition.stimulus_track import onset
from stream.control import ControlReader
from stream.errors import BadUsage
from stream.lsl.connection import SENDER_FACT
from stream.lsl.outlet import LSL_TYPES, UNITS, make_outlet
from stream.movie_metadata import movie_facts
from stream.quantiles import RollingQuantiles
from stream.replay.backpressure import Backpressure
from stream.replay.schedule import make_schedule
from stream.session import SIMULATED, Session

log = logging.getLogger(__name__)

MAX_SPEED = math.inf
"""Speed that is limited only by the engine and by `MAX_SPEED_HZ`."""

MAX_SPEED_HZ = 2000.0
"""Samples per second at `MAX_SPEED`: about half of what a typical engine can decode."""

_SPIN_S = 0.0002  # busy-wait for this long before a deadline: sleep is not more exact
_LEAD_S = 0.002  # push stimulus and labels this long before the neural sample, so that they do not delay it
_SLICE_S = 0.05  # longest sleep without handling commands
_SECONDARY_WAIT_S = 0.5  # for consumers of stimulus, labels and events, once the neural stream has one
_SETTLE_S = 1.0  # if those are there: an engine may open the neural stream together with a recorder, on a busy machine
_FETCH_TIMEOUT_S = 5.0  # for consumers to fetch the last samples


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """Summary of a replay.

    Attributes
    ----------
    samples
        Number of neural samples sent.
    late_p50_ms, late_p99_ms
        Median and 99th percentile of the lateness of the last thousand samples, in ms.
    stopped
        Whether the replay was stopped before its end.
    injected
        Injected faults, as announced on the events stream.
    """

    samples: int
    late_p50_ms: float
    late_p99_ms: float
    stopped: bool
    injected: tuple[dict[str, Any], ...] = ()


class Replay:
    """Plays a recording over LSL.

    Deadlines are relative to one absolute start, so that nothing drifts; each sample's timestamp is its deadline.
    Stimulus and labels of a sample are pushed before its neural data.

    Parameters
    ----------
    session
        Recording to play.
    name
        Name of the neural stream; None for the name in the recording.
    speed
        Recorded seconds per second; `MAX_SPEED` plays as fast as the engine decodes, with timestamps that count recorded
        seconds.
    loop
        Start again at the end, after a pause.
    start_s
        Start of the part to play, in recorded seconds.
    seconds
        Length of the part to play, in recorded seconds; None for the rest of the recording.
    shorten_gaps
        Play long gaps as short pauses, for example those of omitted repeats.
    wait
        Wait for the first consumer of the neural stream.
    recording
        File name that the streams declare as their source.
    control
        Source of commands: ``pause``, ``resume``, ``stop``, and ``seek`` with ``s`` (in recorded seconds, like
        ``start_s``) or ``repeat``.

    Raises
    ------
    BadUsage
        If the speed is not positive, or the part to play contains no sample.
    """

    _MAX_CHUNK = 20  # samples pushed at once at MAX_SPEED

    def __init__(
        self,
        session: Session,
        *,
        name: str | None = None,
        speed: float = 1.0,
        loop: bool = False,
        start_s: float = 0.0,
        seconds: float | None = None,
        shorten_gaps: bool = False,
        wait: bool = True,
        recording: str = "",
        control: ControlReader | None = None,
    ) -> None:
        if not speed > 0:
            raise BadUsage(f"the speed is {speed:g}; it must be positive, or 'max'.")
        self.name = name or session.name
        self._session = session
        self._neural = np.ascontiguousarray(session.neural, np.float32)
        self._schedule = make_schedule(session, start_s=start_s, seconds=seconds, shorten_gaps=shorten_gaps)
        self._start_s = start_s
        self._loop = loop
        self._wait = wait
        self._control = control
        self._full_speed = math.isinf(speed)
        self._declared_speed = 1.0 if self._full_speed else float(speed)
        self._actual_speed = self._declared_speed  # differs with an injected rate fault
        rate_hz = session.rate_hz * self._declared_speed
        self._lead_s = min(_LEAD_S, 0.25 / rate_hz) if rate_hz > 0 and not self._full_speed else 0.0
        self._late_ms = RollingQuantiles()
        self._start = 0.0  # LSL clock at which the first sample is due
        self._clock_error_s = 0.0  # of the sender, set by injected faults
        self._offset_s = 0.0  # recorded seconds to add to the schedule, after rounds of a loop and seeks
        self._reached_s = -math.inf  # when the last sample was due, in recorded seconds including the offset
        self._seek_target: int | None = None
        self._n_sent = 0
        self._n_scheduled = 0  # samples due so far, sent or not
        self._stopped = False
        self._backpressure = Backpressure(self.name, session.rate_hz) if self._full_speed else None
        self._open_outlets(
            {
                "mode": SIMULATED if session.simulated else "replay",
                "speed": "max" if self._full_speed else f"{speed:g}",
                "recording": recording,
            }
        )

    def __repr__(self) -> str:
        return f"<Replay: {self.name} | {self._n_sent} of {len(self._schedule.times_s)} samples>"

    def _open_outlets(self, facts: dict[str, object]) -> None:
        """Create the outlets."""
        session, name = self._session, self.name
        rate_hz = session.rate_hz * self._declared_speed
        facts |= {
            "stamp_rate": repr(self._declared_speed),
            "recorded_rate_hz": repr(float(session.rate_hz)),
            "first_original_stamp": repr(float(session.stamps[self._schedule.first_sample])),
            "waits": int(self._wait),
            SENDER_FACT: uuid.uuid4().hex,
        }
        # the neural stream comes last: a consumer that finds it can also find the others
        self._events = make_outlet(
            f"{name}-events", "Markers", ("event",), 0, "string", facts=facts, role="replay"
        )
        movie = facts | movie_facts(session.movie)
        self._stimulus = make_outlet(
            f"{name}-stimulus", "Stimulus", ("frame", "repeat"), 0, "int32", facts=movie, role="replay"
        )
        self._labels = []
        for label, values in session.labels.items():
            channels = tuple(f"{label}{column}" for column in range(values.shape[1]))
            outlet = make_outlet(f"{name}-{label}", "Label", channels, rate_hz, facts=facts, role="replay")
            self._labels.append((outlet, np.ascontiguousarray(values, np.float32)))
        self._facts = facts
        self._outlet = self._open_neural_outlet(session.channel_names)

    def _open_neural_outlet(self, labels: Sequence[str], role: str = "replay") -> pylsl.StreamOutlet:
        """Create the outlet of the neural stream."""
        kind = self._session.kind
        rate_hz = self._session.rate_hz * self._declared_speed
        return make_outlet(
            self.name, LSL_TYPES[kind], labels, rate_hz, unit=UNITS[kind], facts=self._facts, role=role
        )

    @property
    def longest_pause_s(self) -> float:
        """Longest time between two samples in seconds of real time; 0 at full speed."""
        if self._full_speed:
            return 0.0
        return float(np.max(np.diff(self._schedule.times_s), initial=0.0)) / self._declared_speed

    def run(self) -> ReplayReport:
        """Play to the end or until stopped, then wait for consumers to fetch the last samples."""
        try:
            if self._wait_for_consumers():
                self._start = pylsl.local_clock() + 0.01
                self._announce("start")
                begin: int | None = 0
                while begin is not None:
                    self._play(begin)
                    begin = self._next_start()
        except KeyboardInterrupt:
            self._stopped = True
        self._announce("end", stopped=self._stopped)
        self._wait_for_last_fetch()
        if self._backpressure is not None:
            self._backpressure.close()
        return ReplayReport(self._n_sent, self._late_ms.p50, self._late_ms.p99, self._stopped)

    def _wait_for_consumers(self) -> bool:
        """Wait for a consumer of the neural stream, and briefly for those of the other streams, or for a second one."""
        while self._wait and not self._outlet.wait_for_consumers(_SLICE_S):
            if self._handle_commands():
                return False
        secondary = [self._events, self._stimulus, *(outlet for outlet, _ in self._labels)]
        begun = time.monotonic()
        while self._wait and (waited_s := time.monotonic() - begun) < _SETTLE_S:
            if waited_s >= _SECONDARY_WAIT_S and not all(outlet.have_consumers() for outlet in secondary):
                break
            time.sleep(0.01)
        return True

    def _next_start(self) -> int | None:
        """Return the sample to continue with after a seek or a round of a loop; None to end."""
        target, self._seek_target = self._seek_target, None
        if self._stopped or (target is None and not self._loop):
            return None
        times_s, begin = self._schedule.times_s, target or 0
        pause_s = self._schedule.length_s - float(times_s[-1])
        reached_s = self._reached_s
        if target is not None and not self._full_speed:  # deadlines in the past would cause a burst
            now_s = (pylsl.local_clock() - self._start) * self._actual_speed
            reached_s = max(reached_s, now_s - pause_s)
        self._offset_s = max(reached_s + pause_s, 0.0) - float(times_s[begin])
        if target is not None:
            self._announce(
                "seek", sample=self._schedule.first_sample + begin, s=round(self._recorded_s(begin), 6)
            )
        return begin

    def _recorded_s(self, index: int) -> float:
        """Return the time of a sample in recorded seconds, as ``start_s`` and ``seek`` count them."""
        return self._start_s + float(self._schedule.times_s[index])

    def _play(self, first: int) -> None:
        """Play from a sample to the end of the recording, or until a stop or seek."""
        times_s = (self._schedule.times_s + self._offset_s) / self._actual_speed
        event_times_s = (self._schedule.event_times_s + self._offset_s) / self._actual_speed
        if first:
            self._push_current_frame(first, times_s)
        for begin, end, due_s in self._blocks(times_s, first):
            if not self._sleep_until(due_s - self._lead_s):
                return
            self._on_sample_due(begin)
            self._push_secondary(begin, end, times_s, event_times_s)
            if not self._sleep_until(due_s):
                return
            self._push_neural(begin, end, times_s)
            self._reached_s = float(times_s[end - 1]) * self._actual_speed
            if not self._full_speed:
                self._late_ms.add((pylsl.local_clock() - self._start - due_s) * 1e3)

    def _on_sample_due(self, index: int) -> None:
        """Handle that a sample will be due at once; a hook for subclasses."""

    def _push_current_frame(self, first: int, times_s: NDArray[np.float64]) -> None:
        """After a seek into a frame, push the stimulus event of that frame."""
        schedule = self._schedule
        event = int(np.searchsorted(schedule.event_sample, first, side="right")) - 1
        if schedule.event_sample[event] != first:
            stamp = onset(float(times_s[first]), -math.inf, self._session.rate_hz * self._actual_speed)
            self._stimulus.push_sample(
                schedule.events[event].tolist(), self._start + stamp + self._clock_error_s
            )

    def _blocks(self, times_s: NDArray[np.float64], first: int) -> Iterator[tuple[int, int, float]]:
        """Yield blocks of samples (begin, end) and their deadlines in seconds since the start."""
        if not self._full_speed:
            for index, due_s in enumerate(times_s[first:].tolist(), first):
                yield index, index + 1, due_s
            return
        before = self._n_scheduled - first
        for begin in range(first, len(times_s), self._MAX_CHUNK):
            end = min(begin + self._MAX_CHUNK, len(times_s))
            self._n_scheduled = before + end
            if self._backpressure is not None and begin > first:
                self._backpressure.wait(self._start + float(times_s[begin - 1]), self._handle_commands)
            yield begin, end, (before + begin) / MAX_SPEED_HZ

    def _push_secondary(
        self, begin: int, end: int, times_s: NDArray[np.float64], event_times_s: NDArray[np.float64]
    ) -> None:
        """Push the stimulus events and labels of a block of samples."""
        schedule, start = self._schedule, self._start + self._clock_error_s
        first, last = np.searchsorted(schedule.event_sample, (begin, end))
        if last > first:
            self._stimulus.push_chunk(
                schedule.events[first:last], (start + event_times_s[first:last]).tolist()
            )
        for outlet, values in self._labels:
            rows = slice(schedule.first_sample + begin, schedule.first_sample + end)
            outlet.push_chunk(values[rows], (start + times_s[begin:end]).tolist())

    def _push_neural(self, begin: int, end: int, times_s: NDArray[np.float64]) -> None:
        """Push the neural data of a block of samples."""
        rows = slice(self._schedule.first_sample + begin, self._schedule.first_sample + end)
        self._outlet.push_chunk(self._neural[rows], (self._start + times_s[begin:end]).tolist())
        self._n_sent += end - begin

    def _sleep_until(self, due_s: float) -> bool:
        """Sleep until a deadline in seconds since the start; False if a stop or seek ends the sleep."""
        if self._handle_commands():
            return False
        while (left := self._start + due_s - pylsl.local_clock()) > 0:
            if left > _SPIN_S:
                time.sleep(min(left - _SPIN_S, _SLICE_S))
                if left > _SLICE_S and self._handle_commands():
                    return False
        return True

    def _handle_commands(self) -> bool:
        """Handle pending commands; return True after a stop or seek."""
        while self._control is not None and not self._stopped and (command := self._control.poll()):
            if command["do"] == "stop":
                self._stopped = True
            elif command["do"] == "seek":
                self._seek(command)
            elif command["do"] == "pause":
                self._pause()
        return self._stopped or self._seek_target is not None

    def _pause(self) -> None:
        """Pause until resume or stop; deadlines move by the same time, so receivers see a gap."""
        assert self._control is not None
        self._announce("pause")
        paused_at = pylsl.local_clock()
        while not self._stopped:
            command = self._control.poll(1.0)
            if command is not None and command["do"] == "stop":
                self._stopped = True
            if command is not None and command["do"] == "seek":
                self._seek(command)
            if command is not None and command["do"] == "resume":
                break
        self._start += pylsl.local_clock() - paused_at
        if not self._stopped:
            self._announce("resume")

    def _seek(self, command: dict[str, Any]) -> None:
        """Set the sample to continue with; announce ``refused`` if the target does not exist."""
        seconds, repeat = command.get("s"), command.get("repeat")
        times_s, first = self._schedule.times_s, self._schedule.first_sample
        found = np.zeros(0, np.intp)
        if isinstance(seconds, int | float):
            found = np.flatnonzero(self._start_s + times_s >= float(seconds) - 1e-6)
        elif isinstance(repeat, int):
            found = np.flatnonzero(self._session.repeat[first : first + len(times_s)] == repeat)
        if len(found):
            self._seek_target = int(found[0])
            return
        wanted = {key: command[key] for key in ("s", "repeat") if key in command}
        last_s = round(self._recorded_s(len(times_s) - 1), 3)
        log.warning("cannot seek to %s: the replay ends at %g s", wanted, last_s)
        self._announce("refused", do="seek", **wanted, last_s=last_s)

    def _announce(self, event: str, **more: object) -> None:
        """Publish an event on the events stream."""
        message = {"event": event, "samples": self._n_sent, **more}
        self._events.push_sample([json.dumps(message)], pylsl.local_clock())
        log.info("replay of '%s': %s after %d samples", self.name, event, self._n_sent)

    def _wait_for_last_fetch(self) -> None:
        """Wait until the consumers have disconnected, because closing an outlet drops what they have not fetched.

        After a stop the wait is short.
        """
        timeout_s = _FETCH_TIMEOUT_S + (self._n_sent / 500 if self._full_speed else 0.0)
        deadline = time.monotonic() + timeout_s
        time.sleep(0.2)
        while time.monotonic() < deadline and self._outlet.have_consumers() and not self._handle_commands():
            time.sleep(_SLICE_S)
