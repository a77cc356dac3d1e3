"""Compare live with offline predictions: ``neuroreel replay`` sends a fold's test part, ``live`` decodes it."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.prediction import PREDICTION_CHANNELS, Predictions
from neuroreel.subprocesses import start_child
from stream.lsl.inlet import Inlet
from stream.lsl.resolve import find_stream
from stream.session import Session

ROLES = ("posterior", "continuous", "prediction")
"""Streams received; the engine starts when the last of them has a consumer."""

TIMEOUT_S = 120.0

Received = dict[str, NDArray[np.float32]]


def receive(session: Path, model: Path, name: str) -> Received:
    """Run replay and engine to their end at full speed; return the samples of each stream, [n, channels].

    Both processes inherit the network scope of this one.
    """
    replay = start_child(["replay", str(session), "--speed", "max"])
    options = ["--stream", name, "--await-consumer", "30"]
    engine = start_child(["live", str(model), *options], stdout=subprocess.DEVNULL)
    inlets: dict[str, Inlet] = {}
    parts: dict[str, list[NDArray[np.float32]]] = {role: [] for role in ROLES}
    try:
        for role in ROLES:
            inlets[role] = Inlet(find_stream(f"{name}-{role}", wait_s=30))
            inlets[role].open()
        deadline = time.monotonic() + TIMEOUT_S
        received = True
        while time.monotonic() < deadline and (received or engine.running):
            received = False
            for role, inlet in inlets.items():
                chunk = inlet.pull(0.05)
                if chunk is not None:
                    parts[role].append(chunk.samples)
                    received = True
    finally:
        for inlet in inlets.values():
            inlet.close()
        engine.stop()
        replay.stop()
    return {
        role: np.concatenate(part) if part else np.zeros((0, 1), np.float32) for role, part in parts.items()
    }


def compare(session: Session, offline: Predictions, received: Received) -> dict[str, object]:
    """Print and return the largest differences between received predictions and `Model.predict`."""
    channels = dict(zip(PREDICTION_CHANNELS, received["prediction"].T, strict=True))
    pairs: dict[str, tuple[NDArray[Any], NDArray[np.float32]]] = {
        "frame": (offline.frame, channels["frame"]),
        "confidence": (offline.confidence, channels["confidence"]),
        "next_frame": (offline.next_frame, channels["next_frame"]),
        "entropy_bits": (offline.entropy_bits, channels["entropy_bits"]),
        "posterior": (offline.posterior, received["posterior"]),
        "continuous": (offline.continuous, received["continuous"]),
    }
    worst = {name: largest_difference(ours, theirs) for name, (ours, theirs) in pairs.items()}
    n_received = len(received["prediction"])
    in_order = bool(np.array_equal(channels["sequence"], np.arange(session.n_samples)))
    print(
        f"{session.name} live: {n_received} predictions of {session.n_samples} samples, "
        f"{'each once and in order' if in_order else 'LOST OR REPEATED'}; largest difference from offline: "
        + ", ".join(f"{name} {value:.1e}" for name, value in worst.items())
    )
    return {"received": n_received, "sent": session.n_samples, "in_order": in_order, "differences": worst}


def largest_difference(offline: NDArray[Any], live: NDArray[np.float32]) -> float:
    """Return the largest absolute difference; infinite if the numbers of samples differ."""
    if len(offline) != len(live):
        return float("inf")
    return float(np.max(np.abs(np.asarray(offline, np.float64) - live), initial=0.0))
