"""The soak test: a long run that watches memory, handles and threads, and counts losses and latency by the minute."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.stats import theilslopes

from neuroreel.bench.latency import NAME, Cell, await_ready, load_trace, make_model, summarize
from neuroreel.bench.process_stats import ProcessStats, process_stats
from neuroreel.subprocesses import Child, end_all, start_child
from stream.errors import StreamLost

SAMPLE_S = 5.0
WARM_UP_S = 120.0
"""Time until buffers, caches and the allocator settle: LSL keeps the memory of the last 128 messages of a text stream,
and the engine sends one per second. In runs under four minutes, the first half; memory is then not judged."""

LEVEL_S = 30.0
"""Memory, handles and threads are medians over this time, because they fluctuate from second to second."""

DRAIN_S = 3.0
STOP_S = 180.0  # the recorder verifies its file at the end
MAX_GROWTH_MB = 5.0
WATCHED = ("sender", "engine", "recorder", "window")
MAX_MORE = {"handles": 3, "threads": 1}
"""Largest growth allowed: every search for streams opens sockets for a moment, a leak grows beyond this."""


@dataclass(frozen=True, slots=True)
class SoakSettings:
    """Settings of a soak test.

    Attributes
    ----------
    minutes
        Duration, minutes.
    n_channels, rate_hz
        Number of channels and sampling rate (Hz) of the neural stream.
    window, record
        Whether to run the window and the recorder as well.
    """

    minutes: float
    n_channels: int
    rate_hz: float
    window: bool = True
    record: bool = True


class Watchable(Protocol):
    """A process: its id, and whether it runs."""

    @property
    def pid(self) -> int:
        """Process id."""
        ...

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        ...


def run_soak(
    soak: SoakSettings, folder: Path, each_minute: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Run all processes and watch them.

    Parameters
    ----------
    soak
        Settings.
    folder
        Folder for the files that the processes write.
    each_minute
        Called after each minute with the newest sample of the processes' resource use.

    Returns
    -------
    result
        For JSON; ``problems`` lists what is wrong, ``passed`` is True when the list is empty.

    Raises
    ------
    StreamLost
        When a process did not start, or ended early.
    """
    seconds = soak.minutes * 60
    traces = {name: folder / f"{name}.npz" for name in ("sender", "floor", "received")}
    model = make_model(soak.n_channels, soak.rate_hz, folder)
    children: dict[str, Child] = {}
    codes: dict[str, int] = {}

    def start(name: str, *arguments: str) -> None:
        more = ("--trace", str(traces[name])) if name in traces else ()
        stdout = subprocess.PIPE if name in traces else subprocess.DEVNULL
        children[name] = start_child([*arguments, *more], control=name != "window", stdout=stdout)

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
        samples = watch(watched, seconds, each_minute)
        time.sleep(DRAIN_S)
        for name in ("window", "recorder", "received", "floor", "engine", "sender"):
            if name in children:
                # closing the input at once would tell the recorder that its parent has died, which is no clean end
                if children[name].send("stop"):
                    children[name].wait(STOP_S)
                codes[name] = children[name].stop(timeout_s=STOP_S)
    finally:
        end_all(children.values())
    times = {name: load_trace(path, name) for name, path in traces.items()}
    return _result(soak, times, samples, codes)


def watch(
    children: Mapping[str, Watchable], seconds: float, each_minute: Callable[[dict[str, Any]], None]
) -> list[dict[str, Any]]:
    """Sample the resource use of each process, and the drift of the wall clock, every `SAMPLE_S`.

    Parameters
    ----------
    children
        The processes by name.
    seconds
        Duration.
    each_minute
        See `run_soak`.

    Returns
    -------
    samples
        See `growth`.

    Raises
    ------
    StreamLost
        When a process ended early.
    """
    samples: list[dict[str, Any]] = []
    start = time.monotonic()
    wall = time.time() - start
    minute = 1
    while (at := time.monotonic() - start) < seconds:
        ended = [name for name, child in children.items() if not child.running]
        if ended:
            raise StreamLost(f"ended early, after {at:.0f} s: {', '.join(ended)}; see the messages above.")
        sample: dict[str, Any] = {"at_s": round(at, 1), "load_average": os.getloadavg()[0]}
        sample["clock_drift_ms"] = (time.time() - time.monotonic() - wall) * 1e3
        for name, child in children.items():
            stats = process_stats(child.pid)
            sample[name] = asdict(stats) if stats is not None else None
        samples.append(sample)
        if at >= 60 * minute:
            minute += 1
            each_minute(sample)
        time.sleep(max(0.0, min(SAMPLE_S, seconds - at)))
    return samples


def _result(
    soak: SoakSettings, times: dict[str, Any], samples: list[dict[str, Any]], codes: dict[str, int]
) -> dict[str, Any]:
    """Summary of latencies, losses and resource use, with the problems found."""
    seconds = soak.minutes * 60
    cell = Cell(soak.n_channels, soak.rate_hz, seconds)
    result, latencies = summarize(cell, times)
    received = latencies["received"]
    per_minute = max(1, round(60 * soak.rate_hz))
    result["minutes"] = [
        {
            "p50_ms": float(np.nanmedian(part)) if not np.isnan(part).all() else None,
            "p99_ms": float(np.nanquantile(part, 0.99)) if not np.isnan(part).all() else None,
            "lost": int(np.isnan(part).sum()),
        }
        for part in (received[i : i + per_minute] for i in range(0, len(received), per_minute))
    ]
    names = [name for name in WATCHED if samples and samples[0].get(name)]
    result["holds_judged"] = seconds >= 2 * WARM_UP_S
    result["processes"] = {name: growth(name, samples, seconds) for name in names}
    result["clock_drift_ms"] = samples[-1]["clock_drift_ms"] if samples else None
    result["exit_codes"] = codes
    result["samples"] = samples
    result["problems"] = problems(result)
    result["passed"] = not result["problems"]
    return result


def growth(name: str, samples: list[dict[str, Any]], seconds: float) -> dict[str, float]:
    """Growth of one process's memory, handles and threads after the warm-up.

    Parameters
    ----------
    name
        Name of the process.
    samples
        Samples in order; each has ``at_s`` and, by process, a dict of `ProcessStats` or None.
    seconds
        Duration of the run.

    Returns
    -------
    growth
        Growth of memory, handles and threads: the highest level after the warm-up minus the first one, where a level
        is the median over `LEVEL_S`; memory that was freed later still counts. ``memory_mb_per_hour`` is the slope
        (Theil-Sen estimator). Empty with fewer than two samples.
    """
    warm = min(WARM_UP_S, seconds / 2)
    rows = [(s["at_s"], ProcessStats(**s[name])) for s in samples if s.get(name) and s["at_s"] >= warm]
    if len(rows) < 2:
        return {}
    stats = [row for _, row in rows]
    at_s = np.array([at for at, _ in rows])
    n = max(1, min(round(LEVEL_S / SAMPLE_S), len(rows) // 2))

    def levels(attribute: str) -> NDArray[np.float64]:
        values = np.array([getattr(row, attribute) for row in stats], float)
        return np.asarray(np.median(sliding_window_view(values, n), axis=1), float)

    memory = levels("memory_mb")
    counts = {f"{kind}_growth": float(np.max(levels(kind)) - levels(kind)[0]) for kind in MAX_MORE}
    slope = theilslopes([row.memory_mb for row in stats], at_s / 3600)[0]
    return {
        "memory_mb": round(float(memory[-1]), 2),
        "memory_growth_mb": round(float(memory.max() - memory[0]), 2),
        "memory_mb_per_hour": round(float(slope), 2),
        **counts,
        "cpu_of_one_core": round(
            (stats[-1].cpu_s - stats[0].cpu_s) / max(float(at_s[-1] - at_s[0]), 1e-9), 4
        ),
    }


def problems(result: dict[str, Any]) -> list[str]:
    """List the problems of a run, as messages; empty when there are none.

    Parameters
    ----------
    result
        Result with ``processes``, ``exit_codes``, ``lost``, ``lag_growth_ms``, ``rate_hz`` and ``holds_judged``:
        whether the run was long enough to judge the growth of the processes.
    """
    messages = resource_problems(result)
    if result["lost"]["received"]:
        messages.append(f"{result['lost']['received']} samples lost")
    if result["lag_growth_ms"] > max(5.0, 500 / result["rate_hz"]):
        messages.append(f"the lag grew by {result['lag_growth_ms']:.1f} ms")
    return messages


def resource_problems(result: dict[str, Any]) -> list[str]:
    """List the processes that grew or failed, as messages.

    Parameters
    ----------
    result
        Result with ``processes``, ``exit_codes`` and ``holds_judged``, see `problems`.
    """
    messages = []
    for name, grown in result["processes"].items() if result["holds_judged"] else ():
        if grown.get("memory_growth_mb", 0.0) > MAX_GROWTH_MB:
            messages.append(f"the memory of the {name} grew by {grown['memory_growth_mb']:.1f} MB")
        for kind, most in MAX_MORE.items():
            if grown.get(f"{kind}_growth", 0.0) > most:
                messages.append(
                    f"the {name} has {grown[f'{kind}_growth']:.0f} more {kind} than after the warm-up"
                )
    return messages + [
        f"the {name} ended with exit code {code}" for name, code in result["exit_codes"].items() if code
    ]
