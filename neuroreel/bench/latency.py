"""End-to-end latency for a grid of channels and rates: sender, floor, engine, receiver and window in own processes."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuroreel.bench.process_stats import process_stats
from neuroreel.subprocesses import Child, end_all, start_child
from stream.errors import StreamLost
from stream.quantiles import latency_summary

NAME = "bench"
READY_S = 40.0
"""How long the receivers may take until their first sample, seconds."""

WINDOW_S = 3.0  # before the measurement: the window draws everything once
SETTLE_S = 1.0  # the same without a window: the first samples meet cold caches
DRAIN_S = 2.0  # after the measurement: the last samples reach all processes

Times = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cell:
    """One measurement of the grid.

    Attributes
    ----------
    n_channels, rate_hz
        Number of channels and sampling rate (Hz) of the neural stream.
    seconds
        Duration of the measurement, seconds.
    window
        Also run the window, at 60 Hz.
    libraries
        Other libraries that receive the stream, of `neuroreel.bench.receivers.LIBRARIES`.
    """

    n_channels: int
    rate_hz: float
    seconds: float
    window: bool = False
    libraries: tuple[str, ...] = ()


def run_cell(cell: Cell, model: Path, folder: Path) -> dict[str, Any]:
    """Measure one cell.

    Parameters
    ----------
    cell
        The measurement.
    model
        Model file with the cell's number of channels.
    folder
        Folder for the files that the processes write.

    Returns
    -------
    result
        For JSON, see `docs/latency.md`; latencies are counted from the push of the sample.

    Raises
    ------
    StreamLost
        When one of the processes received nothing.
    """
    names = ("sender", "floor", "engine", "received", *cell.libraries)
    traces = {name: folder / f"{name}.npz" for name in names}
    window_json = folder / "window.json"
    children: dict[str, Child] = {}
    load = os.getloadavg()[0]

    def start(name: str, *arguments: str) -> None:
        children[name] = start_child(
            [*arguments, "--trace", str(traces[name])], control=True, stdout=subprocess.PIPE
        )

    shape = ("--channels", str(cell.n_channels), "--rate", f"{cell.rate_hz:g}")
    try:
        start("sender", "bench", "send", NAME, *shape, "--seconds", f"{cell.seconds:g}")
        start("floor", "bench", "receive", NAME)
        for library in cell.libraries:
            start(library, "bench", "receive", NAME, "--by", library)
        start("engine", "live", str(model), "--stream", NAME)
        start("received", "bench", "receive", f"{NAME}-prediction")
        if cell.window:
            arguments = ["display", "--name", NAME, "--fps", "60", "--json", str(window_json)]
            children["window"] = start_child(arguments, stdout=subprocess.DEVNULL)
        await_ready({name: children[name] for name in ("floor", "received", *cell.libraries)})
        time.sleep(WINDOW_S if cell.window else SETTLE_S)
        engine_use = _measure(children, cell.seconds)
        load = max(load, os.getloadavg()[0])
        for name in ("window", "received", "floor", *cell.libraries, "engine", "sender"):
            if name in children:
                children[name].stop()
    finally:
        end_all(children.values())
    times = {name: load_trace(path, name) for name, path in traces.items()}
    result, latencies = summarize(cell, times)
    result |= {"engine_process": engine_use, "load_average": round(load, 2), "ages_ms": latencies}
    if window_json.exists():
        import json

        result["window"] = json.loads(window_json.read_text())
    return result


def await_ready(children: dict[str, Child]) -> None:
    """Wait until every receiver has its first sample.

    Parameters
    ----------
    children
        Receivers by name; each writes to its standard output when it is ready.

    Raises
    ------
    StreamLost
        When a receiver has no sample within `READY_S`.
    """
    deadline = time.monotonic() + READY_S
    for name, child in children.items():
        stdout = child.process.stdout
        assert stdout is not None
        remaining = max(0.0, deadline - time.monotonic())
        if not select.select([stdout], [], [], remaining)[0] or not os.read(stdout.fileno(), 64):
            raise StreamLost(f"'{name}' received nothing within {READY_S:g} s; see the messages above.")


def _measure(children: dict[str, Child], seconds: float) -> dict[str, float] | None:
    """Start the measurement, wait for its end, and return the engine's resource use; None where it is unknown."""
    pid = children["engine"].pid
    children["sender"].send("go")
    before, start = process_stats(pid), time.monotonic()
    time.sleep(seconds)
    after, elapsed_s = process_stats(pid), time.monotonic() - start
    time.sleep(DRAIN_S)
    if before is None or after is None:
        return None
    return {
        "cpu_of_one_core": round((after.cpu_s - before.cpu_s) / elapsed_s, 4),
        "memory_mb": round(after.memory_mb, 1),
        "memory_growth_mb": round(after.memory_mb - before.memory_mb, 2),
    }


def load_trace(path: Path, name: str) -> Times:
    """Load the times that a process has written; for the columns see `summarize`.

    Parameters
    ----------
    path
        File written by the process.
    name
        Name of the process.

    Raises
    ------
    StreamLost
        When the file is missing or unreadable.
    """
    with contextlib.suppress(OSError, ValueError, KeyError), np.load(path) as arrays:
        rows: Times = arrays[name if name in ("engine", "sender") else "received"]
        return rows
    raise StreamLost(f"'{name}' has measured nothing; see the messages above.")


def summarize(cell: Cell, times: dict[str, Times]) -> tuple[dict[str, Any], dict[str, Times]]:
    """Match the times of all processes by the samples' timestamps, and summarize the latencies.

    Parameters
    ----------
    cell
        The measurement.
    times
        Times in seconds by process. ``sender`` float64 [n, 2]: timestamp, push. ``engine`` [n, 4]: timestamp, arrival,
        decoded, published; may be missing. ``floor``, ``received`` and libraries [n, 3]: timestamp, arrival, sequence.

    Returns
    -------
    result
        Percentiles and counts, for JSON.
    latencies
        Milliseconds from the push for each stage, float64 [samples sent]; NaN = lost.
    """
    due, pushed = times["sender"].T
    tolerance = 0.25 / cell.rate_hz

    def latency(rows: Times, column: int) -> Times:
        """Milliseconds from the push, float64 [samples sent]; NaN = lost."""
        out = np.full(len(due), np.nan)
        if len(rows):
            nearest = np.clip(np.searchsorted(due, rows[:, 0] - tolerance), 0, len(due) - 1)
            match = np.abs(due[nearest] - rows[:, 0]) <= tolerance
            out[nearest[match]] = (rows[match, column] - pushed[nearest[match]]) * 1e3
        return out

    stages = {}
    if "engine" in times:
        columns = enumerate(("arrived", "decoded", "published"), 1)
        stages = {name: latency(times["engine"], column) for column, name in columns}
    stages["received"] = latency(times["received"], 1)
    floor = latency(times["floor"], 1)
    others = {name: latency(times[name], 1) for name in cell.libraries}
    stage_percentiles = {name: _percentiles(values) for name, values in stages.items()}
    floor_percentiles = _percentiles(floor)
    result = {
        "channels": cell.n_channels,
        "rate_hz": cell.rate_hz,
        "seconds": cell.seconds,
        "sent": len(due),
        "sender_late_ms": _percentiles((pushed - due) * 1e3),
        "floor_ms": floor_percentiles,
        "stages_ms": stage_percentiles,
        "above_floor_ms": {
            name: {key: values[key] - floor_percentiles[key] for key in ("p50", "p99")}
            for name, values in stage_percentiles.items()
        },
        "lost": {
            name: int(np.isnan(values).sum()) for name, values in {"floor": floor, **stages, **others}.items()
        },
        "lag_growth_ms": _lag_growth(stages["received"]),
        "peers_ms": {name: _percentiles(values) for name, values in others.items()},
    }
    return result, {"floor": floor, **stages}


def _percentiles(latencies: Times) -> dict[str, float]:
    return latency_summary(latencies[~np.isnan(latencies)])


def _lag_growth(latencies: Times) -> float:
    """Median of the last tenth minus that of the first, milliseconds."""
    tenth = max(1, len(latencies) // 10)
    first, last = latencies[:tenth], latencies[-tenth:]
    if np.isnan(first).all() or np.isnan(last).all():
        return float("nan")
    return float(np.nanmedian(last) - np.nanmedian(first))


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits that a cell must keep.

    Attributes
    ----------
    published_ms
        Largest median latency of a published prediction above the floor, milliseconds.
    """

    published_ms: float

    def misses(self, result: dict[str, Any]) -> list[str]:
        """List the limits exceeded, as messages; empty when all were kept.

        Parameters
        ----------
        result
            Result of `run_cell`.
        """
        above, lost = result["above_floor_ms"]["published"]["p50"], result["lost"]
        messages = []
        if not above <= self.published_ms:
            messages.append(
                f"published {above:.2f} ms above the floor, but the budget is {self.published_ms:g} ms"
            )
        messages += [
            f"{lost[stage]} samples lost before '{stage}'"
            for stage in ("published", "received")
            if lost[stage]
        ]
        if result["lag_growth_ms"] > max(5.0, 0.5e3 / result["rate_hz"], self.published_ms):
            messages.append(f"the lag grew by {result['lag_growth_ms']:.1f} ms")
        return messages


def parse_grid(text: str) -> list[tuple[int, float]]:
    """Parse a grid such as ``120x30,1000x1000``; returns channels and rate (Hz) of each cell.

    Parameters
    ----------
    text
        Cells separated by commas.

    Raises
    ------
    BadUsage
        When the text has another form, or a value is out of range.
    """
    from stream.errors import BadUsage

    cells = []
    for part in text.split(","):
        channels, _, rate = part.strip().partition("x")
        try:
            cells.append((int(channels), float(rate)))
        except ValueError:
            raise BadUsage(f"--grid: {part!r} is not channels x rate, such as 120x30 or 1000x1000.") from None
        if not (1 <= cells[-1][0] <= 20_000 and 0.1 <= cells[-1][1] <= 5_000):
            raise BadUsage(f"--grid: {part!r} is out of range; give 1 to 20000 channels and 0.1 to 5000 Hz.")
    return cells


def make_model(n_channels: int, rate_hz: float, folder: Path) -> Path:
    """Write the bundled model, scaled to a number of channels and a rate, to a file; returns its path.

    Parameters
    ----------
    n_channels, rate_hz
        Number of channels and sampling rate (Hz) of the neural stream.
    folder
        Folder for the file.
    """
    from decoders.model.model import Model
    from neuroreel.bench.scaled_model import repeated_model
    from replay_data.bundle import demo_model

    path = folder / f"model-{n_channels}x{rate_hz:g}.safetensors"
    if not path.exists():
        repeated_model(Model.load(demo_model()), n_channels, rate_hz).save(path)
    return path


def run_grid(
    grid: Sequence[tuple[int, float]],
    seconds: float,
    *,
    window: bool,
    libraries: tuple[str, ...],
    budget_ms: float,
) -> dict[str, Any]:
    """Measure every cell of a grid, one after the other.

    Parameters
    ----------
    grid
        Channels and rate (Hz) of each cell.
    seconds, window, libraries
        See `Cell`.
    budget_ms
        See `Budget`.

    Returns
    -------
    result
        For JSON: ``cells`` (see `run_cell`, with ``misses`` from `Budget.misses`), and whether all kept the budget.
    """
    import tempfile

    budget = Budget(budget_ms)
    cells = []
    with tempfile.TemporaryDirectory(prefix="neuroreel-") as folder:
        for n_channels, rate_hz in grid:
            model = make_model(n_channels, rate_hz, Path(folder))
            place = Path(folder) / f"{n_channels}x{rate_hz:g}"
            place.mkdir(exist_ok=True)
            result = run_cell(Cell(n_channels, rate_hz, seconds, window, libraries), model, place)
            result["misses"] = budget.misses(result)
            cells.append(result)
    within = not any(cell["misses"] for cell in cells)
    return {"cells": cells, "budget_ms": budget_ms, "within_budget": within}
