"""A long run: what the processes hold on to, what is lost and how latency goes, minute by minute."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.stats import theilslopes

from neuroreel.bench.latency import NAME, Cell, await_ready, judged, load_trace, make_model
from neuroreel.bench.process_stats import ProcessFigures, process_figures
from neuroreel.subprocesses import Child, end_all, start_child
from stream.errors import StreamLost

SAMPLE_S = 5.0
WARM_UP_S = 120.0
"""Until buffers, caches and the allocator have settled: LSL keeps the room of the last 128 messages of a text stream, of
which an engine sends one a second. Of a run under four minutes its first half, and then nothing is judged by it."""

LEVEL_S = 30.0
"""What a process holds is the median of so long, for handles and the window's memory go up and down by the second."""

DRAIN_S = 3.0
STOP_S = 180.0  # a recording is read back at its end
MAX_GROWTH_MB = 5.0
WATCHED = ("sender", "engine", "recorder", "window")
MAX_MORE = {"handles": 3, "threads": 1}
"""Sockets come and go with every look for streams; a leak grows past this."""


@dataclass(frozen=True, slots=True)
class Soak:
    """What to run.

    Attributes
    ----------
    minutes
        How long it counts.
    n_channels, rate_hz
        Of the neural stream.
    window, record
        Run the window and the recorder too.
    """

    minutes: float
    n_channels: int
    rate_hz: float
    window: bool = True
    record: bool = True


def run_soak(soak: Soak, folder: Path, each_minute: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Run everything, and watch it.

    Parameters
    ----------
    soak
        What to run.
    folder
        For what the processes write.
    each_minute
        Called with the figures of each minute that is over.

    Raises
    ------
    StreamLost
        When a process did not begin, or ended before its time.
    """
    seconds = soak.minutes * 60
    traces = {name: folder / f"{name}.npz" for name in ("sender", "floor", "received")}
    model = make_model(soak.n_channels, soak.rate_hz, folder)
    children: dict[str, Child] = {}
    codes: dict[str, int] = {}

    def start(name: str, *arguments: str) -> None:
        more = ("--trace", str(traces[name])) if name in traces else ()
        said = subprocess.PIPE if name in traces else subprocess.DEVNULL
        children[name] = start_child([*arguments, *more], control=name != "window", stdout=said)

    shape = ("--channels", str(soak.n_channels), "--rate", f"{soak.rate_hz:g}")
    recording = folder / "soak.xdf"
    try:
        start("sender", "bench", "send", NAME, *shape, "--seconds", f"{seconds:g}")
        start("floor", "bench", "receive", NAME)
        start("engine", "live", str(model), "--stream", NAME, "--json", str(folder / "engine.json"))
        start("received", "bench", "receive", f"{NAME}-prediction")
        await_ready({name: children[name] for name in ("floor", "received")})
        if soak.record:
            start("recorder", "record", str(recording), "--stream", NAME, "--wait", "60")
        if soak.window:
            start("window", "display", "--name", NAME, "--json", str(folder / "window.json"))
        children["sender"].send("go")
        watched = {name: child for name, child in children.items() if name in WATCHED}
        samples = _watch(watched, seconds, each_minute)
        time.sleep(DRAIN_S)
        for name in ("window", "recorder", "received", "floor", "engine", "sender"):
            if name in children:
                # its input is kept open meanwhile: the recorder outlives a parent that died
                if children[name].send("stop"):
                    children[name].wait(STOP_S)
                codes[name] = children[name].stop(timeout_s=STOP_S)
    finally:
        end_all(children.values())
    taken = {name: load_trace(path, name) for name, path in traces.items()}
    return _result(soak, taken, samples, codes)


def _watch(
    children: dict[str, Child], seconds: float, each_minute: Callable[[dict[str, Any]], None]
) -> list[dict[str, Any]]:
    """Figures of each process every `SAMPLE_S`, and both clocks."""
    samples: list[dict[str, Any]] = []
    begun = time.monotonic()
    wall = time.time() - begun
    minute = 1
    while (at := time.monotonic() - begun) < seconds:
        ended = [name for name, child in children.items() if not child.running]
        if ended:
            raise StreamLost(f"ended after {at:.0f} s: {', '.join(ended)}. See the messages above.")
        sample: dict[str, Any] = {"at_s": round(at, 1), "load_average": os.getloadavg()[0]}
        sample["clock_drift_ms"] = (time.time() - time.monotonic() - wall) * 1e3
        for name, child in children.items():
            figures = process_figures(child.pid)
            sample[name] = asdict(figures) if figures is not None else None
        samples.append(sample)
        if at >= 60 * minute:
            minute += 1
            each_minute(sample)
        time.sleep(max(0.0, min(SAMPLE_S, seconds - at)))
    return samples


def _result(
    soak: Soak, taken: dict[str, Any], samples: list[dict[str, Any]], codes: dict[str, int]
) -> dict[str, Any]:
    """What was seen, and what of it is wrong."""
    seconds = soak.minutes * 60
    cell = Cell(soak.n_channels, soak.rate_hz, seconds)
    result, all_ages = judged(cell, taken)
    ages = all_ages["received"]
    per_minute = max(1, round(60 * soak.rate_hz))
    result["minutes"] = [
        {
            "p50_ms": float(np.nanmedian(part)) if not np.isnan(part).all() else None,
            "p99_ms": float(np.nanquantile(part, 0.99)) if not np.isnan(part).all() else None,
            "lost": int(np.isnan(part).sum()),
        }
        for part in (ages[i : i + per_minute] for i in range(0, len(ages), per_minute))
    ]
    names = [name for name in WATCHED if samples and samples[0].get(name)]
    result["holds_judged"] = seconds >= 2 * WARM_UP_S
    result["processes"] = {name: held(name, samples, seconds) for name in names}
    result["clock_drift_ms"] = samples[-1]["clock_drift_ms"] if samples else None
    result["exit_codes"] = codes
    result["samples"] = samples
    result["problems"] = problems(result)
    result["passed"] = not result["problems"]
    return result


def held(name: str, samples: list[dict[str, Any]], seconds: float) -> dict[str, float]:
    """How what one process holds has grown after the warm-up.

    Parameters
    ----------
    name
        Of the process.
    samples
        In order, each with ``at_s`` and a dict of `ProcessFigures` or None by process.
    seconds
        Length of the run.

    Returns
    -------
    growth
        Of memory, handles and threads: the highest level after the warm-up minus the first, each the median of
        `LEVEL_S`. So a leak counts from the end of the warm-up to the end of the run, and so does what was given back
        again. ``memory_mb_per_hour`` is the slope (Theil and Sen).
    """
    warm = min(WARM_UP_S, seconds / 2)
    rows = [(s["at_s"], ProcessFigures(**s[name])) for s in samples if s.get(name) and s["at_s"] >= warm]
    if len(rows) < 2:
        return {}
    figures = [row for _, row in rows]
    at_s = np.array([at for at, _ in rows])
    n = max(1, min(round(LEVEL_S / SAMPLE_S), len(rows) // 2))

    def levels(attribute: str) -> NDArray[np.float64]:
        values = np.array([getattr(of, attribute) for of in figures], float)
        return np.asarray(np.median(sliding_window_view(values, n), axis=1), float)

    memory = levels("memory_mb")
    more = {f"{what}_growth": float(np.max(levels(what)) - levels(what)[0]) for what in MAX_MORE}
    slope = theilslopes([of.memory_mb for of in figures], at_s / 3600)[0]
    return {
        "memory_mb": round(float(memory[-1]), 2),
        "memory_growth_mb": round(float(memory.max() - memory[0]), 2),
        "memory_mb_per_hour": round(float(slope), 2),
        **more,
        "cpu_of_one_core": round(
            (figures[-1].cpu_s - figures[0].cpu_s) / max(float(at_s[-1] - at_s[0]), 1e-9), 4
        ),
    }


def problems(result: dict[str, Any]) -> list[str]:
    """What is wrong with a long run, in words; empty when nothing is.

    Parameters
    ----------
    result
        With ``processes``, ``exit_codes``, ``lost``, ``lag_growth_ms`` and ``holds_judged``: whether the run was long
        enough to judge what the processes hold.
    """
    out = []
    for name, of in result["processes"].items() if result["holds_judged"] else ():
        if of.get("memory_growth_mb", 0.0) > MAX_GROWTH_MB:
            out.append(f"the memory of the {name} grew by {of['memory_growth_mb']:.1f} MB")
        for what, most in MAX_MORE.items():
            if of.get(f"{what}_growth", 0.0) > most:
                out.append(f"the {name} has {of[f'{what}_growth']:.0f} more {what} than in the beginning")
    out += [f"the {name} ended with exit code {code}" for name, code in result["exit_codes"].items() if code]
    if result["lost"]["received"]:
        out.append(f"{result['lost']['received']} frames lost")
    if result["lag_growth_ms"] > max(5.0, 500 / result["rate_hz"]):
        out.append(f"the lag grew by {result['lag_growth_ms']:.1f} ms")
    return out
