"""A replay that injects faults and announces them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.errors import BadUsage
from stream.replay.faults import PACED_ONLY_FAULTS, Fault, Faults, plan_faults
from stream.replay.player import Replay, ReplayReport
from stream.session import Session


class FaultyReplay(Replay):
    """Plays a recording over LSL with faults in the neural stream.

    A clock jump and a wrong rate also affect stimulus and labels, since one sender has one clock. In a loop the faults
    repeat in each round.

    Parameters
    ----------
    session
        Recording to play.
    faults
        Faults to inject, see `stream.replay.faults.parse_faults`.
    **options
        Keyword arguments of `Replay`.

    Raises
    ------
    BadUsage
        If the faults do not fit the recording or the speed.
    """

    _MAX_CHUNK = 1

    def __init__(self, session: Session, faults: Faults, **options: Any) -> None:
        super().__init__(session, **options)
        unavailable = sorted(faults.kinds() & set(PACED_ONLY_FAULTS)) if self._full_speed else []
        if unavailable:
            raise BadUsage(
                f"--faults: {', '.join(unavailable)} cannot be injected at --speed max; give a speed."
            )
        self._plan = plan_faults(
            faults, self._schedule.times_s, session.channel_names, self._schedule.first_sample
        )
        self._actual_speed *= faults.rate
        self._labels_sent = session.channel_names
        self._closed_by: Fault | None = None
        self._held: list[int] = []
        self._sent_s = np.zeros(0)
        self._injected: list[dict[str, Any]] = []

    def run(self) -> ReplayReport:
        """Play the recording, see `Replay.run`; the report lists the injected faults."""
        report = super().run()
        return ReplayReport(
            report.samples, report.late_p50_ms, report.late_p99_ms, report.stopped, tuple(self._injected)
        )

    def _play(self, first: int) -> None:
        """Play from a sample, with jitter added to the deadlines."""
        self._held.clear()
        times_s = (self._schedule.times_s + self._offset_s) / self._actual_speed
        self._sent_s = np.maximum.accumulate(times_s + self._plan.delay_s)
        super()._play(first)

    def _wait_for_last_fetch(self) -> None:
        """Wait for consumers, unless a fault has closed the stream."""
        if self._closed_by is None:
            super()._wait_for_last_fetch()

    def _on_sample_due(self, index: int) -> None:
        """Announce faults that begin, set the clock error, close or reopen the stream."""
        plan = self._plan
        for first, facts in plan.injected:
            if first == index:
                self._injected.append(facts)
                self._announce("fault", **facts)
        self._clock_error_s = float(plan.clock_error_s[index])
        number = int(plan.restart[index])
        if number >= 0 and self._closed_by is None:
            self._closed_by = plan.restarts[number]
            del self._outlet
        elif number < 0 and self._closed_by is not None:
            self._reopen(self._closed_by)

    def _reopen(self, fault: Fault) -> None:
        """Reopen the stream as the fault specifies."""
        self._closed_by = None
        role = "replay-other" if fault.kind == "restart-other" else "replay"
        if fault.kind == "restart-channels":
            names = self._session.channel_names
            n_channels = int(fault.target) if fault.target else max(1, len(names) - 1)
            extra = tuple(f"extra{i}" for i in range(len(names), n_channels))
            self._labels_sent = names[:n_channels] + extra
        self._outlet = self._open_neural_outlet(self._labels_sent, role)
        self._announce("reopened", fault=fault.kind, channels=len(self._labels_sent))

    def _push_neural(self, begin: int, end: int, times_s: NDArray[np.float64]) -> None:
        """Push the samples that are sent together with each of a block: none, one, or all held back so far."""
        plan = self._plan
        for index in range(begin, end):
            if plan.copies[index]:
                self._held.append(index)
            ready = [held for held in self._held if plan.sent_with[held] <= index]
            if not ready:
                continue
            sent_s = float(self._sent_s[index])
            if not self._full_speed and sent_s > times_s[index] and not self._sleep_until(sent_s):
                return
            self._held = [held for held in self._held if plan.sent_with[held] > index]
            rows = sorted(ready, key=lambda held: plan.order[held])
            self._push_rows([row for row in rows for _ in range(plan.copies[row])])

    def _push_rows(self, rows: list[int]) -> None:
        """Push samples with their timestamps."""
        plan, n_channels = self._plan, len(self._labels_sent)
        samples = np.zeros((len(rows), n_channels), np.float32)
        for sample, row in zip(samples, rows, strict=True):
            values = self._neural[self._schedule.first_sample + row].copy()
            plan.overwrite(row, values)
            sample[: len(values)] = values[:n_channels]
        stamps = self._start + self._sent_s[rows] + plan.clock_error_s[rows]
        self._outlet.push_chunk(samples, stamps.tolist())
        self._n_sent += len(rows)
