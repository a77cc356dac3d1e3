"""From incoming chunks to the samples that are decoded: nothing twice, nothing too late, every loss reported."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.acquisition.channel_health import ChannelHealth
from stream.acquisition.sample_timing import SampleTiming
from stream.acquisition.timed_samples import TimedSamples
from stream.chunk import Chunk
from stream.lsl.connection import Connection

RECENT_S = 0.25
"""After a skip, decoding resumes this long before the newest sample."""

PATIENCE_S = 2.0
"""If samples stay late for this long, their delay becomes the usual one and decoding resumes."""


@dataclass(slots=True)
class _Skipping:
    """A skip in progress: its first arrival and timestamp, samples skipped, longest time without a pull."""

    since_s: float
    first_stamp: float
    n: int = 0
    away_s: float = 0.0


class Acceptance:
    """Context of an accepted chunk, see `Intake.accept`.

    Entering it yields the samples to be decoded, or None. Leaving it examines their values, so that this comes after
    the prediction.
    """

    __slots__ = ("_health", "_raw", "_samples")

    def __init__(self, health: ChannelHealth) -> None:
        self._health = health
        self._samples: TimedSamples | None = None

    def hold(self, samples: TimedSamples | None) -> Acceptance:
        """Hold the next samples, masked, and their values as received."""
        self._samples = samples
        if samples is not None:
            self._raw = samples.samples
            samples.samples = self._health.mask(self._raw)
        return self

    def __enter__(self) -> TimedSamples | None:
        return self._samples

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if self._samples is not None:
            self._health.update(self._raw, float(self._samples.stamps[0]))


class Intake:
    """Screens incoming chunks: drops duplicates, detects gaps, skips ahead when decoding falls behind.

    Parameters
    ----------
    inlet
        Source of the chunks; its notices also receive what happens here.
    rate_hz
        Sampling rate of the timestamps in Hz; 0 for irregular streams.
    health
        Watches the channels.
    lag_budget_s
        Samples later than usual by more than this are skipped, and decoding resumes with the newest; `math.inf`
        disables skipping.
    paced
        Whether timestamps advance in real time; in a replay at full speed they do not.

    Attributes
    ----------
    timing
        Timing of the samples.
    health
        State of the channels.
    skipped
        Samples skipped to catch up.
    """

    def __init__(
        self,
        inlet: Connection,
        rate_hz: float,
        health: ChannelHealth,
        *,
        lag_budget_s: float = math.inf,
        paced: bool = True,
    ) -> None:
        self.timing = SampleTiming(rate_hz, inlet.notices, nominal_hz=inlet.rate_hz, paced=paced)
        self.health = health
        self.skipped = 0
        self._inlet = inlet
        self._rate_hz = rate_hz
        self._budget_s = lag_budget_s if paced else math.inf
        self._connection = 0
        self._skipping: _Skipping | None = None
        self._acceptance = Acceptance(health)

    def __repr__(self) -> str:
        return f"<Intake: {self._inlet.name} | {self.timing!r}, {self.skipped} skipped>"

    @property
    def lag_s(self) -> float:
        """Delay of the newest sample in excess of the usual delay, seconds."""
        return self.timing.lag_s

    def correct_clock(self) -> None:
        """Use the clock offset that the inlet has measured last."""
        self.timing.correct_clock(self._inlet.time_correction_s)

    def accept(self, chunk: Chunk, arrival_s: float, away_s: float = 0.0) -> Acceptance:
        """Screen a chunk; decode its samples in the body of a ``with`` statement.

        Example: ``with intake.accept(chunk, now) as samples: ...``.

        Parameters
        ----------
        chunk
            Samples as they arrived.
        arrival_s
            Time of arrival, seconds, local clock.
        away_s
            Seconds for which the caller had not pulled before.

        Returns
        -------
        acceptance
            Context that yields the samples to be decoded, dead channels as NaN; None if there are none.
        """
        return self._acceptance.hold(self._screen(chunk, arrival_s, away_s))

    def tick(self, now_s: float) -> None:
        """Update clock, rate and channel health; call it about once a second.

        Parameters
        ----------
        now_s
            Local clock, seconds.
        """
        self.correct_clock()
        self.timing.tick(now_s)
        self.health.judge(self.health.n_new / self._rate_hz if self._rate_hz > 0 else 1.0)

    def stats(self) -> dict[str, Any]:
        """Counts of every fault, and the state of clock and rate, for the status stream."""
        counts, timing, health = self.timing.counts, self.timing, self.health
        return {
            "gaps": counts.gaps,
            "missing": counts.missing,
            "duplicates": counts.duplicates,
            "reordered": counts.reordered,
            "clock_jumps": counts.clock_jumps,
            "skipped": self.skipped,
            "nan_samples": health.n_nan,
            "dead_channels": int(health.dead.sum()),
            "input_hz": round(timing.measured_hz, 3) if math.isfinite(timing.measured_hz) else None,
            "behind_ms": round(timing.lag_s * 1e3, 3),
            "foreign_clock": timing.foreign_clock,
        }

    def _screen(self, chunk: Chunk, arrival_s: float, away_s: float) -> TimedSamples | None:
        """The samples of a chunk that are to be decoded; None if there are none."""
        timing = self.timing
        if self._inlet.n_connections != self._connection:
            if self._connection:
                timing.restart()
            self._connection = self._inlet.n_connections
            self._skipping = None
        samples = timing.accept(chunk, arrival_s)
        if samples is None:
            return None
        if not (timing.lag_s > self._budget_s or self._skipping is not None or away_s > self._budget_s):
            return samples
        n_skipped = self._skip(samples.stamps, arrival_s, away_s)
        if n_skipped == len(samples):
            return None
        if n_skipped:
            samples = samples.part(slice(n_skipped, None))
        if timing.segment != samples.segment[-1]:
            samples.segment = samples.segment + (timing.segment - samples.segment[-1])
        return samples

    def _skip(self, stamps: NDArray[np.float64], arrival_s: float, away_s: float) -> int:
        """How many samples of a chunk to skip: all of them while even the newest is too late."""
        n, newest = len(stamps), float(stamps[-1])
        skipping = self._skipping
        if skipping is None:
            skipping = self._skipping = _Skipping(arrival_s, float(stamps[0]))
        skipping.away_s = max(skipping.away_s, away_s)
        if self.timing.lag_s > self._budget_s:
            if arrival_s - skipping.since_s < PATIENCE_S:
                skipping.n += n
                self.skipped += n
                return n
            self.timing.accept_lag()
        too_late = newest - skipping.first_stamp > self._budget_s
        n_old = int(np.count_nonzero(stamps < newest - min(RECENT_S, self._budget_s))) if too_late else 0
        skipping.n += n_old
        self.skipped += n_old
        self._skipping = None
        if skipping.n:
            self.timing.begin_segment()
            seconds = float(stamps[n_old]) - skipping.first_stamp
            self._inlet.notices.add(
                "skipped",
                f"{skipping.n} samples ({seconds:.2f} s) arrived too late and were skipped",
                samples=skipping.n,
                seconds=round(seconds, 3),
                away_s=round(skipping.away_s, 3),
            )
        return n_old
