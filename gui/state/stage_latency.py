"""Latency of each stage: the engine reports its own, the display measures its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gui.untrusted import finite_number
from stream.quantiles import SUMMARY_KEYS, RollingQuantiles, histogram

KEPT = 1_000
"""Number of measurements kept for each stage."""

ENGINE_STAGES = {"arrival_ms": "arrived", "decoded_ms": "decoded", "latency_ms": "published"}
"""Keys of the engine's ``stats`` messages, and the window's names of those stages."""

STAGES = (*ENGINE_STAGES.values(), "received", "painted")
"""Each latency counts from the timestamp of a neural frame; the display measures the last two."""


@dataclass(frozen=True, slots=True, eq=False)
class LatencyFigures:
    """Latency figures to show.

    Attributes
    ----------
    stages
        Milliseconds for each known stage, by the names in `stream.quantiles.SUMMARY_KEYS`.
    counts, top_ms
        Histogram of the painted latency, int64 [bins] from 0 to ``top_ms``.
    """

    stages: Mapping[str, Mapping[str, float]]
    counts: NDArray[np.int64]
    top_ms: float


class StageLatency:
    """Collects the stage latencies of one engine."""

    def __init__(self) -> None:
        self._engine: dict[str, dict[str, float]] = {}
        self._received = RollingQuantiles(KEPT)
        self._painted = RollingQuantiles(KEPT)

    def add_engine_stats(self, stats: Mapping[str, Any]) -> None:
        """Store the latencies that the engine reports once per second.

        Parameters
        ----------
        stats
            A ``stats`` message of the status stream.
        """
        for key, stage in ENGINE_STAGES.items():
            figures = stats.get(key)
            if isinstance(figures, dict):
                values = {name: finite_number(figures.get(name)) for name in SUMMARY_KEYS}
                self._engine[stage] = {name: value for name, value in values.items() if math.isfinite(value)}

    def receive(self, ages_s: NDArray[np.float64]) -> None:
        """Add the ages of predictions when this display received them, float64 [n] in seconds."""
        for age_s in ages_s.tolist():
            self._received.add(age_s * 1e3)

    def paint(self, age_s: float) -> None:
        """Add the age of the newest prediction when it had been painted, in seconds."""
        self._painted.add(age_s * 1e3)

    def figures(self) -> LatencyFigures:
        """The latency figures to show."""
        stages: dict[str, Mapping[str, float]] = {name: of for name, of in self._engine.items() if of}
        for name, ring in (("received", self._received), ("painted", self._painted)):
            if len(ring):
                stages[name] = ring.summary()
        return LatencyFigures(stages, *histogram(self._painted.values))
