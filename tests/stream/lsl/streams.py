"""Streams and inlets that the tests of `stream.lsl` share."""

from __future__ import annotations

import time

import numpy as np
import pylsl
from numpy.typing import NDArray

from stream.chunk import Chunk
from stream.lsl.inlet import Inlet, InletState
from stream.lsl.outlet import make_outlet


def spike_outlet(
    name: str, labels: tuple[str, ...] = ("a", "b"), rate_hz: float = 30.0, **more: str
) -> pylsl.StreamOutlet:
    """An outlet of spike counts."""
    return make_outlet(name, "Spikes", labels, rate_hz, facts={"mode": "live"}, role="rig", **more)


def pull_samples(
    inlet: Inlet, n_samples: int, within_s: float = 60.0
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]]:
    """Samples, timestamps and sequence numbers of the next samples."""
    chunks: list[Chunk] = []
    deadline = time.monotonic() + within_s
    while sum(map(len, chunks)) < n_samples and time.monotonic() < deadline:
        chunk = inlet.pull(0.1)
        if chunk is not None:
            chunks.append(chunk)
    parts = ("samples", "stamps", "sequence")
    samples, stamps, sequence = (np.concatenate([getattr(chunk, part) for chunk in chunks]) for part in parts)
    return samples, stamps, sequence


def pull_until(inlet: Inlet, state: InletState, reason: str = "", within_s: float = 60.0) -> None:
    """Pull until the inlet has a state, with some text in its reason."""
    deadline = time.monotonic() + within_s
    while inlet.state is not state or reason not in inlet.reason:
        assert time.monotonic() < deadline, f"{inlet} did not become {state}: {inlet.reason}"
        inlet.pull(0.05)
