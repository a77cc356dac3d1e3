"""From chunks as they arrive to the samples that are decoded: nothing twice, nothing too late, every loss told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.acquisition.arrivals import Arrivals
from stream.acquisition.channel_health import ChannelHealth
from stream.acquisition.screen import Screen
from stream.chunk import Chunk
from stream.lsl.connection import Connection

KEEP_S = 0.25
"""When samples are skipped, so much before the newest is still decoded, to begin with."""

PATIENCE_S = 2.0
"""When samples stay late for so long, that is how they come: decoding goes on."""


@dataclass(slots=True, eq=False)
class Taken:
    """Samples to be decoded.

    Attributes
    ----------
    samples
        Float32 [n, channels]; dead channels are NaN.
    stamps
        Float64 [n], seconds, as sent.
    local
        Float64 [n], the same moments by this computer's clock.
    segment
        Int32 [n].
    sequence
        Int64 [n], as `Chunk.sequence`.
    """

    samples: NDArray[np.float32]
    stamps: NDArray[np.float64]
    local: NDArray[np.float64]
    segment: NDArray[np.int32]
    sequence: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.stamps)

    def part(self, which: slice | NDArray[np.bool_]) -> Taken:
        """Some of them."""
        return Taken(
            self.samples[which],
            self.stamps[which],
            self.local[which],
            self.segment[which],
            self.sequence[which],
        )


@dataclass(slots=True)
class _Behind:
    """While samples are skipped: since when, from which stamp on, how many, and how long nobody had asked for them."""

    since_s: float
    first: float
    n: int = 0
    away_s: float = 0.0


class Intake:
    """Takes in what an inlet yields.

    Parameters
    ----------
    inlet
        Its notices say what happens here, too.
    rate_hz
        Of the stamps as they are sent; 0 = irregular.
    health
        Of the channels.
    lag_budget_s
        When samples are later than usual by more than this, decoding goes on with the newest; `math.inf` = never.
    paced
        Whether stamps advance with time; at a replay's full speed they do not.

    Attributes
    ----------
    screen, arrivals, health
        What was found out.
    skipped
        Samples that were left out to catch up.
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
        self.screen = Screen(rate_hz, inlet.notices, paced=paced)
        self.arrivals = Arrivals(inlet.rate_hz, inlet.notices, paced=paced)
        self.health = health
        self.skipped = 0
        self._inlet = inlet
        self._rate_hz = rate_hz
        self._budget_s = lag_budget_s if paced else math.inf
        self._connection = 0
        self._segment = np.zeros(1, np.int32)  # of the last chunk: the next has the same, as a rule
        self._behind: _Behind | None = None
        self._n_looked = self._n_taken = 0
        self._waiting: tuple[NDArray[np.float32], float] | None = None

    def take(self, chunk: Chunk, arrival_s: float, away_s: float = 0.0) -> Taken | None:
        """Judge a chunk.

        Parameters
        ----------
        chunk
            As it came.
        arrival_s
            When, by this computer's clock.
        away_s
            How long nobody had asked for samples.

        Returns
        -------
        taken
            None when nothing of it is to be decoded.
        """
        if self._inlet.n_connections != self._connection:
            if self._connection:
                self.screen.restart()
                self.arrivals.restart()
            self._connection = self._inlet.n_connections
            self._behind = None
        arrivals, screen = self.arrivals, self.screen
        stamps = chunk.stamps
        keep, segment = screen.check(chunk.samples, stamps, chunk.counter, arrival_s, arrivals.usual_s)
        local = stamps + arrivals.correction_s
        if isinstance(segment, int):
            if segment != self._segment[0] or len(stamps) != len(self._segment):
                self._segment = np.full(len(stamps), segment, np.int32)
            segment = self._segment
        else:
            arrivals.interrupted()
            if screen.jump is not None:
                row, seconds = screen.jump
                arrivals.rebase(seconds)
                local[row:] -= seconds
        taken = Taken(chunk.samples, stamps, local, segment, chunk.sequence)
        if keep is not None:
            if not keep.any():
                return None
            taken = taken.part(keep)
        arrivals.note(float(taken.stamps[-1]), len(chunk), arrival_s)
        if arrivals.foreign:
            taken.local = np.full(len(taken), arrival_s)
        if arrivals.lag_s > self._budget_s or self._behind is not None or away_s > self._budget_s:
            first = self._catch_up(taken.stamps, arrival_s, away_s)
            if first == len(taken):
                return None
            if first:
                taken = taken.part(slice(first, None))
            if screen.segment != taken.segment[-1]:
                taken.segment = taken.segment + (screen.segment - taken.segment[-1])
        self._waiting = taken.samples, float(taken.stamps[0])
        taken.samples = self.health.mask(taken.samples)
        return taken

    def decoded(self) -> None:
        """What can wait until the samples of the last `take` are decoded: a look at their values."""
        if self._waiting is not None:
            samples, stamp = self._waiting
            self.health.note(samples, stamp)
            self._n_taken += len(samples)
            self._waiting = None

    def tick(self, now_s: float) -> None:
        """Look at what is looked at about once a second.

        Parameters
        ----------
        now_s
            By this computer's clock.
        """
        self.arrivals.correct(self._inlet.time_correction_s)
        self.arrivals.tick()
        self.screen.flush(now_s)
        elapsed_s = (self._n_taken - self._n_looked) / self._rate_hz if self._rate_hz > 0 else 1.0
        self._n_looked = self._n_taken
        self.health.look(elapsed_s)

    def stats(self) -> dict[str, Any]:
        """Every count, and how the clock and the rate are."""
        counts, arrivals, health = self.screen.counts, self.arrivals, self.health
        return {
            "gaps": counts.gaps,
            "missing": counts.missing,
            "duplicates": counts.duplicates,
            "reordered": counts.reordered,
            "clock_jumps": counts.clock_jumps,
            "skipped": self.skipped,
            "nan_samples": health.n_nan,
            "dead_channels": int(health.dead.sum()),
            "input_hz": round(arrivals.measured_hz, 3) if math.isfinite(arrivals.measured_hz) else None,
            "behind_ms": round(arrivals.lag_s * 1e3, 3),
            "foreign_clock": arrivals.foreign,
        }

    def _catch_up(self, stamps: NDArray[np.float64], arrival_s: float, away_s: float) -> int:
        """How many samples of a chunk are left out; all of them while even the newest is too late."""
        n, newest = len(stamps), float(stamps[-1])
        behind = self._behind
        if behind is None:
            behind = self._behind = _Behind(arrival_s, float(stamps[0]))
        behind.away_s = max(behind.away_s, away_s)
        if self.arrivals.lag_s > self._budget_s:
            if arrival_s - behind.since_s < PATIENCE_S:
                behind.n += n
                self.skipped += n
                return n
            self.arrivals.accept_lag()
        old = stamps < newest - min(KEEP_S, self._budget_s)
        too_old = newest - behind.first > self._budget_s
        first = int(np.count_nonzero(old)) if too_old else 0
        behind.n += first
        self.skipped += first
        self._behind = None
        if behind.n:
            self.screen.new_segment()
            self.arrivals.interrupted()
            seconds = float(stamps[first]) - behind.first
            self._inlet.notices.add(
                "skipped",
                f"{behind.n} samples ({seconds:.2f} s) came too late and were skipped",
                samples=behind.n,
                seconds=round(seconds, 3),
                away_s=round(behind.away_s, 3),
            )
        return first
