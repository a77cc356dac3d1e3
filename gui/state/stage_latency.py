"""How late each stage is: the engine's as it reports them, the display's as it measures them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.quantiles import FIGURES, RollingQuantiles, histogram

KEPT = 1_000
"""Measurements that count, of each stage."""

ENGINE_STAGES = {"arrival_ms": "arrived", "decoded_ms": "decoded", "latency_ms": "published"}
"""What the engine's ``stats`` call a stage, and what the window does."""

STAGES = (*ENGINE_STAGES.values(), "received", "painted")
"""From the stamp of a neural frame until then; the last two are this display's."""


@dataclass(frozen=True, slots=True, eq=False)
class DelayFigures:
    """What is shown of the delays.

    Attributes
    ----------
    stages
        Of each stage that is known: milliseconds by the names in `stream.quantiles.FIGURES`.
    counts, top_ms
        Int64 [bins]: how many of the last frames were painted so late, from 0 to ``top_ms``.
    """

    stages: Mapping[str, Mapping[str, float]]
    counts: NDArray[np.int64]
    top_ms: float


class StageLatency:
    """Collects the delays of one source."""

    def __init__(self) -> None:
        self._engine: dict[str, dict[str, float]] = {}
        self._received = RollingQuantiles(KEPT)
        self._painted = RollingQuantiles(KEPT)

    def hear(self, stats: Mapping[str, Any]) -> None:
        """Take in what the engine says once a second.

        Parameters
        ----------
        stats
            A ``stats`` message of its status stream.
        """
        for key, stage in ENGINE_STAGES.items():
            said = stats.get(key)
            if isinstance(said, dict):
                known = {name: said.get(name) for name in FIGURES}
                self._engine[stage] = {
                    name: float(value) for name, value in known.items() if isinstance(value, int | float)
                }

    def receive(self, ages_s: NDArray[np.float64]) -> None:
        """Note how old predictions were when this display had them, float64 [n] seconds."""
        for age_s in ages_s.tolist():
            self._received.add(age_s * 1e3)

    def paint(self, age_s: float) -> None:
        """Note how old the newest prediction was when it had been painted, seconds."""
        self._painted.add(age_s * 1e3)

    def figures(self) -> DelayFigures:
        """What is to be shown."""
        stages: dict[str, Mapping[str, float]] = {name: of for name, of in self._engine.items() if of}
        for name, ring in (("received", self._received), ("painted", self._painted)):
            if len(ring):
                stages[name] = ring.figures()
        return DelayFigures(stages, *histogram(self._painted.values))
