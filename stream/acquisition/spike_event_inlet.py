"""Inlet that receives spike events and yields spike counts per bin."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence

import numpy as np
import pylsl
from numpy.typing import NDArray
from pylsl.util import LostError

from stream.acquisition.event_binner import TICK, EventBinner
from stream.chunk import Chunk
from stream.errors import BadUsage, ShapeMismatch
from stream.lsl.connection import MAX_PULL, Connection, carries_text
from stream.lsl.outlet import usable_labels
from stream.stream_facts import parse_facts

SPIKE_EVENTS = "SpikeEvents"
"""LSL type of a stream of spike events."""

SILENT_S = 1.0
"""After this long without any event the sender may be frozen, and no more empty bins are produced."""

_FOREIGN_CLOCK_S = 10.0  # timestamps further than this from the local clock come from another clock


class SpikeEventInlet(Connection):
    """Receives spike events and yields counts per bin, with the interface of `stream.lsl.inlet.Inlet`.

    In a stream of one channel each event is a unit number, or `TICK` or `BEGIN` to tell how time passes. In a stream of
    several channels there is one per unit, with its number of spikes at that time.

    Parameters
    ----------
    info
        Stream to open, from `stream.lsl.resolve.find_stream`.
    rate_hz
        Bins per second of recorded time.
    units
        Labels of the units, for a stream whose description has none (``units``, a JSON list).
    max_buffer_s
        See `Connection`.

    Attributes
    ----------
    rate_hz
        Bins per second of the timestamps; in a replay at another speed it differs from that of the recording.
    channel_labels
        Labels of the units, once open.

    Raises
    ------
    BadUsage
        If the stream carries text.
    """

    def __init__(
        self, info: pylsl.StreamInfo, rate_hz: float, units: Sequence[str] = (), *, max_buffer_s: float = 360
    ) -> None:
        if carries_text(info):
            raise BadUsage(
                f"stream '{info.name()}' carries text instead of unit numbers; choose another one."
            )
        super().__init__(info, max_buffer_s=max_buffer_s)
        self._n_event_channels = self.n_channels
        self._bin_rate_hz = rate_hz
        self._units = tuple(units)
        self._ticks = False
        self._foreign: bool | None = None
        self._n_late_reported = self._n_unknown_reported = 0
        self._n_received = 0
        self._next_report_s = 0.0
        self._binner: EventBinner | None = None
        self.stale_after_s = SILENT_S

    @property
    def n_received(self) -> int:
        """Bins produced so far."""
        return self._n_received

    @property
    def late(self) -> int:
        """Events that arrived after their bin had closed."""
        return 0 if self._binner is None else self._binner.late

    def prepare(self, timeout_s: float = 5.0, *, sync_timeout_s: float = 2.0) -> pylsl.StreamInlet:
        """Read the description: units, settling delay, whether the sender sends ticks; see `Connection.prepare`."""
        inlet = super().prepare(timeout_s, sync_timeout_s=sync_timeout_s)
        facts = parse_facts(self.facts, self.name)
        if self._n_event_channels == 1:
            self.channel_labels = _described_units(self.facts.get("units"), self.name) or self._units
        self.n_channels = len(self.channel_labels)
        self.rate_hz = self._bin_rate_hz * facts.stamp_rate
        self._ticks = facts.ticks
        self._foreign = None
        self._n_late_reported = self._n_unknown_reported = 0
        self._binner = EventBinner(self.n_channels, self.rate_hz, facts.settle_s)
        return inlet

    def pull(self, timeout_s: float = 0.1) -> Chunk | None:
        """Wait until a bin closes, and return all closed bins; see `stream.lsl.inlet.Inlet.pull`.

        Parameters
        ----------
        timeout_s
            Longest wait, seconds.

        Returns
        -------
        chunk
            Spike counts, each with the timestamp of the end of its bin; None if no bin closed in time.
        """
        if self._inlet is None or self._binner is None:
            self._reconnect(timeout_s)
            return None
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self._drain()
            except LostError:
                self._lose()
                return None
            self._report_unknown()
            now = self._sender_clock()
            counts, stamps = self._binner.close_bins(now)
            if len(stamps):
                return self._chunk(counts, stamps)
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                self._silent(self.stale_after_s)
                return None
            due_s = self._binner.next_due - now if math.isfinite(now) else math.inf
            time.sleep(min(left_s, max(due_s, 0.0002), 0.002 if math.isinf(due_s) else math.inf))

    def _drain(self) -> None:
        """Bin all events that have arrived."""
        assert self._inlet is not None
        assert self._binner is not None
        n = MAX_PULL
        while n == MAX_PULL:
            rows, stamps = self._inlet.pull_chunk(timeout=0.0, max_samples=MAX_PULL, as_numpy=True)
            n = len(stamps)
            if not n:
                return
            self._received(stamps)
            self._binner.add(*_events(np.asarray(rows), np.asarray(stamps, float)))
            if self._foreign is None:
                self._foreign = self._is_foreign()
            self._foreign |= (
                self._binner.jumps > 0
            )  # the jump itself is reported by whoever receives the bins

    def _is_foreign(self) -> bool:
        """Whether timestamps come from a clock other than the local one; then only events close bins."""
        assert self._binner is not None
        correction_s = self.time_correction_s
        now = pylsl.local_clock() - (0.0 if math.isnan(correction_s) else correction_s)
        return bool(abs(now - self._binner.newest) > _FOREIGN_CLOCK_S)

    def _sender_clock(self) -> float:
        """Current time on the sender's clock, which closes bins; -inf if only events may close them."""
        if self._ticks or self._foreign is not False or self.age_s > SILENT_S:
            return -math.inf
        correction_s = self.clock.offset_s
        return float(pylsl.local_clock()) - (0.0 if math.isnan(correction_s) else correction_s)

    def _report_unknown(self) -> None:
        """Report events that were not counted, at most once a second."""
        assert self._binner is not None
        n, now = self._binner.unknown - self._n_unknown_reported, time.monotonic()
        if n and now >= self._next_report_s:
            self._n_unknown_reported += n
            self._next_report_s = now + 1.0
            self.notices.add(
                "unknown_events",
                f"{n} events of '{self.name}' were not counted: their unit is not from 0 to {self.n_channels - 1}, or "
                "their timestamp or count is not finite or out of bounds",
                n=n,
            )

    def _chunk(self, counts: NDArray[np.float32], stamps: NDArray[np.float64]) -> Chunk:
        assert self._binner is not None
        n_late = self._binner.late - self._n_late_reported
        if n_late:
            self._n_late_reported += n_late
            self.notices.add("late_events", f"{n_late} events arrived after their bin had closed", n=n_late)
        first = self._n_received
        self._n_received += len(stamps)
        return Chunk(counts, stamps, np.arange(first, self._n_received, dtype=np.int64))


def _events(
    rows: NDArray[np.generic], stamps: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64] | None]:
    """Timestamps, unit numbers and counts of received samples.

    With one channel per unit, every sample also counts as a tick, because one without spikes is proof of time passing.
    """
    if rows.shape[1] == 1:
        return stamps, np.rint(np.nan_to_num(rows[:, 0].astype(float), nan=1e9)).astype(np.int64), None
    counts = np.nan_to_num(rows.astype(float))
    ticks = np.arange(len(rows))
    sample, unit = np.nonzero(counts)
    order = np.argsort(np.r_[ticks, sample], kind="stable")
    units = np.r_[np.full(len(ticks), TICK), unit]
    return (
        stamps[np.r_[ticks, sample]][order],
        units[order],
        np.r_[np.ones(len(ticks)), counts[sample, unit]][order],
    )


def _described_units(text: str | None, name: str) -> tuple[str, ...]:
    """Labels of the units from the description; empty if it has none."""
    if not text:
        return ()
    try:
        labels = json.loads(text)
    except ValueError:
        labels = None
    if not isinstance(labels, list) or not labels:
        raise ShapeMismatch(
            f"'units' in the description of '{name}' must be a JSON list of labels, got {text[:60]!r}."
        )
    return usable_labels([str(label) for label in labels], len(labels))
