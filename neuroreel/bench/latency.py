"""Latency of the whole way, in one cell of a grid: sender, floor, engine, second process and window, each a process."""

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

from neuroreel.bench.process_stats import process_figures
from neuroreel.subprocesses import Child, end_all, start_child
from stream.errors import StreamLost
from stream.quantiles import figures

NAME = "bench"
READY_S = 40.0
WINDOW_S = 3.0  # for the window to have drawn everything once
SETTLE_S = 1.0  # until the first frames, which find cold caches, are over
DRAIN_S = 2.0  # for the last frames to arrive everywhere

Times = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the grid.

    Attributes
    ----------
    n_channels, rate_hz
        Of the neural stream.
    seconds
        How long it counts.
    window
        Paint the window meanwhile, at 60 fps.
    peers
        Who else receives the stream.
    """

    n_channels: int
    rate_hz: float
    seconds: float
    window: bool = False
    peers: tuple[str, ...] = ()


def run_cell(cell: Cell, model: Path, folder: Path) -> dict[str, Any]:
    """Measure one cell.

    Parameters
    ----------
    cell
        What to measure.
    model
        Of so many channels.
    folder
        For what the processes write.

    Returns
    -------
    result
        See `docs/latency.md`; ages are counted from the moment of the push.

    Raises
    ------
    StreamLost
        When one of the processes did not receive anything.
    """
    names = ("sender", "floor", "engine", "received", *cell.peers)
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
        for peer in cell.peers:
            start(peer, "bench", "receive", NAME, "--by", peer)
        start("engine", "live", str(model), "--stream", NAME)
        start("received", "bench", "receive", f"{NAME}-prediction")
        if cell.window:
            arguments = ["display", "--name", NAME, "--fps", "60", "--json", str(window_json)]
            children["window"] = start_child(arguments, stdout=subprocess.DEVNULL)
        await_ready({name: children[name] for name in ("floor", "received", *cell.peers)})
        time.sleep(WINDOW_S if cell.window else SETTLE_S)
        used = _measure(children, cell.seconds)
        load = max(load, os.getloadavg()[0])
        for name in ("window", "received", "floor", *cell.peers, "engine", "sender"):
            if name in children:
                children[name].stop()
    finally:
        end_all(children.values())
    taken = {name: load_trace(path, name) for name, path in traces.items()}
    result, ages = judged(cell, taken)
    result |= {"engine_process": used, "load_average": round(load, 2), "ages_ms": ages}
    if window_json.exists():
        import json

        result["window"] = json.loads(window_json.read_text())
    return result


def await_ready(children: dict[str, Child]) -> None:
    """Wait until each has its first sample.

    Parameters
    ----------
    children
        Receivers, by name.

    Raises
    ------
    StreamLost
        When one has none within `READY_S`.
    """
    deadline = time.monotonic() + READY_S
    for name, child in children.items():
        stdout = child.process.stdout
        assert stdout is not None
        left = max(0.0, deadline - time.monotonic())
        if not select.select([stdout], [], [], left)[0] or not os.read(stdout.fileno(), 64):
            raise StreamLost(f"'{name}' received nothing within {READY_S:g} s. See the messages above.")


def _measure(children: dict[str, Child], seconds: float) -> dict[str, float] | None:
    """Let the sender count, and watch what the engine uses meanwhile."""
    pid = children["engine"].pid
    children["sender"].send("go")
    before, begun = process_figures(pid), time.monotonic()
    time.sleep(seconds)
    after, took_s = process_figures(pid), time.monotonic() - begun
    time.sleep(DRAIN_S)
    if before is None or after is None:
        return None
    return {
        "cpu_of_one_core": round((after.cpu_s - before.cpu_s) / took_s, 4),
        "memory_mb": round(after.memory_mb, 1),
        "memory_growth_mb": round(after.memory_mb - before.memory_mb, 2),
    }


def load_trace(path: Path, name: str) -> Times:
    """What a process has noted, see `judged`.

    Parameters
    ----------
    path
        That it wrote.
    name
        Of the process.

    Raises
    ------
    StreamLost
        When it wrote nothing.
    """
    with contextlib.suppress(OSError, ValueError, KeyError), np.load(path) as arrays:
        rows: Times = arrays[name if name in ("engine", "sender") else "received"]
        return rows
    raise StreamLost(f"nothing was measured by '{name}'. See the messages above.")


def judged(cell: Cell, taken: dict[str, Times]) -> tuple[dict[str, Any], dict[str, Times]]:
    """What the processes noted, put together by the stamps of the samples.

    Parameters
    ----------
    cell
        What was measured.
    taken
        ``sender`` float64 [n, 2]: stamp, moment of the push. ``engine`` [n, 4]: stamp, arrival, decoded, published.
        ``floor``, ``received`` and peers [n, 3]: stamp, moment it was there, sequence number. ``engine`` may be missing.

    Returns
    -------
    result
        Figures, for JSON.
    ages
        Float64 [sent] of each stage: milliseconds from the push, NaN = lost.
    """
    due, pushed = taken["sender"].T
    tolerance = 0.25 / cell.rate_hz

    def ages(rows: Times, column: int) -> Times:
        """Milliseconds from push, float64 [sent], NaN = lost."""
        out = np.full(len(due), np.nan)
        if len(rows):
            at = np.clip(np.searchsorted(due, rows[:, 0] - tolerance), 0, len(due) - 1)
            hit = np.abs(due[at] - rows[:, 0]) <= tolerance
            out[at[hit]] = (rows[hit, column] - pushed[at[hit]]) * 1e3
        return out

    stages = {}
    if "engine" in taken:
        within = enumerate(("arrived", "decoded", "published"), 1)
        stages = {name: ages(taken["engine"], column) for column, name in within}
    stages["received"] = ages(taken["received"], 1)
    floor = ages(taken["floor"], 1)
    others = {name: ages(taken[name], 1) for name in cell.peers}
    said = {name: _figures(of) for name, of in stages.items()}
    ground = _figures(floor)
    result = {
        "channels": cell.n_channels,
        "rate_hz": cell.rate_hz,
        "seconds": cell.seconds,
        "sent": len(due),
        "sender_late_ms": _figures((pushed - due) * 1e3),
        "floor_ms": ground,
        "stages_ms": said,
        "above_floor_ms": {
            name: {key: of[key] - ground[key] for key in ("p50", "p99")} for name, of in said.items()
        },
        "lost": {name: int(np.isnan(of).sum()) for name, of in {"floor": floor, **stages, **others}.items()},
        "lag_growth_ms": _growth(stages["received"]),
        "peers_ms": {name: _figures(of) for name, of in others.items()},
    }
    return result, {"floor": floor, **stages}


def _figures(ages: Times) -> dict[str, float]:
    return figures(ages[~np.isnan(ages)])


def _growth(ages: Times) -> float:
    """Median of the last tenth minus that of the first, milliseconds."""
    tenth = max(1, len(ages) // 10)
    first, last = ages[:tenth], ages[-tenth:]
    if np.isnan(first).all() or np.isnan(last).all():
        return float("nan")
    return float(np.nanmedian(last) - np.nanmedian(first))


@dataclass(frozen=True, slots=True)
class Budget:
    """What a cell may take.

    Attributes
    ----------
    published_ms
        Above the floor, median.
    """

    published_ms: float

    def misses(self, result: dict[str, Any]) -> list[str]:
        """What was not kept, in words; empty when all was.

        Parameters
        ----------
        result
            Of `run_cell`.
        """
        above, lost = result["above_floor_ms"]["published"]["p50"], result["lost"]
        out = []
        if not above <= self.published_ms:
            out.append(f"published {above:.2f} ms above the floor, allowed are {self.published_ms:g}")
        out += [
            f"{lost[stage]} frames lost until {stage}" for stage in ("published", "received") if lost[stage]
        ]
        if result["lag_growth_ms"] > max(5.0, 0.5e3 / result["rate_hz"]):
            out.append(f"the lag grew by {result['lag_growth_ms']:.1f} ms")
        return out


def parse_grid(text: str) -> list[tuple[int, float]]:
    """Channels and rates of ``120x30,1000x1000``.

    Parameters
    ----------
    text
        Cells by commas.

    Raises
    ------
    BadUsage
        When it is not of that form.
    """
    from stream.errors import BadUsage

    cells = []
    for part in text.split(","):
        channels, _, rate = part.strip().partition("x")
        try:
            cells.append((int(channels), float(rate)))
        except ValueError:
            raise BadUsage(f"{part!r} is not channels x rate, as in 120x30 or 1000x1000.") from None
        if not (1 <= cells[-1][0] <= 20_000 and 0.1 <= cells[-1][1] <= 5_000):
            raise BadUsage(f"{part!r}: 1 to 20000 channels and 0.1 to 5000 Hz can be measured.")
    return cells


def make_model(n_channels: int, rate_hz: float, folder: Path) -> Path:
    """The bundled model in a file of its own, its channels repeated, as if fitted at that rate.

    Parameters
    ----------
    n_channels, rate_hz
        Of the neural stream.
    folder
        Where the file goes.
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
    peers: tuple[str, ...],
    budget_ms: float,
) -> dict[str, Any]:
    """Measure every cell, one after the other.

    Parameters
    ----------
    grid
        Channels and rates.
    seconds, window, peers
        See `Cell`.
    budget_ms
        Allowed above the floor, median.
    """
    import tempfile

    budget = Budget(budget_ms)
    cells = []
    with tempfile.TemporaryDirectory(prefix="neuroreel-") as folder:
        for n_channels, rate_hz in grid:
            model = make_model(n_channels, rate_hz, Path(folder))
            place = Path(folder) / f"{n_channels}x{rate_hz:g}"
            place.mkdir(exist_ok=True)
            result = run_cell(Cell(n_channels, rate_hz, seconds, window, peers), model, place)
            result["misses"] = budget.misses(result)
            cells.append(result)
    within = not any(cell["misses"] for cell in cells)
    return {"cells": cells, "budget_ms": budget_ms, "within_budget": within}
