"""Measure the latency that refits cost a running engine: ``python -m benchmarks.rolling_latency``.

A model of the bundled recording's first three repeats decodes a replay of the others in two engines at once, with and
without ``--rolling``. Before that the engine without runs alone. Latency is from the neural frame's timestamp to the
prediction's push, as the engine measures it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.prediction import PREDICTION_CHANNELS
from neuroreel.subprocesses import start_child
from replay_data.bundle import demo_recording
from stream.io.session_io import load_session
from stream.lsl.inlet import Inlet
from stream.lsl.network import configure
from stream.lsl.resolve import find_stream

TRAIN, TEST = (0, 1, 2), "3-11"
LAG, SEQUENCE, VERSION = (PREDICTION_CHANNELS.index(name) for name in ("lag_ms", "sequence", "model_version"))
NEAR_S = 1.0
"""Seconds before and after a swap that are also reported separately; weights are loaded before it."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.rolling_latency", description=__doc__)
    parser.add_argument("--speed", type=float, default=4.0)
    parser.add_argument("--rolling", type=int, default=4)
    arguments = parser.parse_args()
    configure("loopback", f"rolling-{uuid.uuid4().hex}")
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.safetensors"
        fit_model(load_session(demo_recording()), FitOptions(train_repeats=TRAIN)).save(model)
        plain: dict[str, list[str]] = {"without": []}
        both = {**plain, "rolling": ["--rolling", str(arguments.rolling)]}
        for title, engines in (("alone", plain), ("side by side", both)):
            results = run(model, engines, arguments.speed)
            for name, (rows, summary) in results.items():
                show(f"{title}, {name}", rows, summary)
        show_swaps(results["rolling"][0], results["without"][0], 30 * arguments.speed)


def run(
    model: Path, engines: dict[str, list[str]], speed: float
) -> dict[str, tuple[NDArray[np.float32], dict[str, Any]]]:
    """Replay once to several engines; return the predictions that each published, and its report."""
    stream = f"demo-{uuid.uuid4().hex[:6]}"
    reports = {name: model.parent / f"{stream}-{name}.json" for name in engines}
    rows: dict[str, list[NDArray[np.float32]]] = {name: [] for name in engines}
    children, threads = [], []
    try:
        for name, options in engines.items():
            arguments = ["live", str(model), "--stream", stream, "--name", f"{stream}-{name}", "--wait", "30"]
            arguments += ["--await-consumer", "20", "--json", str(reports[name]), *options]
            children.append(start_child(arguments, control=True))
        sender = ["replay", str(demo_recording()), "--name", stream, "--speed", str(speed), "--repeats", TEST]
        replay = start_child(sender, control=True)
        for name, engine in zip(engines, children, strict=True):
            inlet = Inlet(find_stream(f"{stream}-{name}-prediction", wait_s=30))
            inlet.open()

            def receive(inlet: Inlet = inlet, into: list[Any] = rows[name], engine: Any = engine) -> None:
                while engine.running:
                    chunk = inlet.pull(0.2)
                    if chunk is not None:
                        into.append(chunk.samples)

            threads.append(threading.Thread(target=receive))
            threads[-1].start()
        for thread in threads:
            thread.join()
        replay.stop()
    finally:
        for child in children:
            child.stop()
    return {name: (np.concatenate(rows[name]), json.loads(reports[name].read_text())) for name in engines}


def show(title: str, rows: NDArray[np.float32], summary: dict[str, Any]) -> None:
    """Print the latency of all frames, and the accuracy by repeat."""
    lag = rows[:, LAG]
    line = (
        f"{title:<24} p50 {np.median(lag):6.2f} ms  p99 {np.quantile(lag, 0.99):6.2f}  max {lag.max():6.2f}"
    )
    n_different = len(np.unique(rows[:, SEQUENCE]))
    line += (
        f"; {len(lag)} frames, {summary['announced'] - n_different} missing, {len(lag) - n_different} twice"
    )
    print(line, flush=True)
    parts = {name: summary[f"{name}_ms"] for name in ("arrival", "compute")}
    print(
        "  " + "; ".join(f"{name} p50 {ms['p50']:.2f} ms, p99 {ms['p99']:.2f}" for name, ms in parts.items())
    )
    score = summary["score"]["without_playback"]["per_repeat"]
    print("  without playback: " + " ".join(f"{s['accuracy_within_1s']:.3f}" for s in score.values()))
    print(f"  {summary['rolling']}" if summary["rolling"] else "  fixed", flush=True)


def show_swaps(rolling: NDArray[np.float32], without: NDArray[np.float32], rate_hz: float) -> None:
    """Print how much later than in the other engine the same frames came, near swaps and over all."""
    n = min(len(rolling), len(without))  # a receiver may miss the last frames
    later = rolling[:n, LAG] - without[:n, LAG]
    swaps = np.flatnonzero(np.diff(rolling[:n, VERSION]))
    reach = round(NEAR_S * rate_hz)
    for at in swaps:
        near = later[max(0, at - reach) : at + reach]
        print(
            f"  swap at frame {at + 1}: later by p50 {np.median(near):.2f} ms, max {near.max():.2f} within {NEAR_S:g} s"
        )
    print(f"  over all frames later by p50 {np.median(later):.2f} ms, p99 {np.quantile(later, 0.99):.2f}")


if __name__ == "__main__":
    main()
