"""Latency measurements as tables and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from stream.quantiles import FIGURES


def print_latency(result: dict[str, Any]) -> None:
    """Print a table for each cell, and the verdict.

    Parameters
    ----------
    result
        Of `neuroreel.bench.latency.run_grid`.
    """
    from rich.console import Console

    console = Console()
    for cell in result["cells"]:
        console.print(_table(cell))
        console.print(_remarks(cell), highlight=False)
    verdict = "Within" if result["within_budget"] else "OVER"
    console.print(
        f"{verdict} the budget of {result['budget_ms']:g} ms above the floor, median, and no frame lost."
    )


def _table(cell: dict[str, Any]) -> Any:
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(
        title=f"{cell['channels']} channels at {cell['rate_hz']:g} Hz, ms from the push; +: above the floor",
        box=SIMPLE,
        padding=(0, 1, 0, 0),
    )
    table.add_column("", no_wrap=True)
    for column in ("p50", "p95", "p99", "max", "jitter", "+p50", "+p99", "lost"):
        table.add_column(column, justify="right")

    def row(name: str, of: dict[str, float], lost: int, above: dict[str, float] | None) -> None:
        more = ("", "") if above is None else (_short(above["p50"]), _short(above["p99"]))
        table.add_row(name, *(_short(of[key]) for key in FIGURES), *more, str(lost))

    row("floor, raw pylsl", cell["floor_ms"], cell["lost"]["floor"], None)
    for name in cell["stages_ms"]:
        row(name, cell["stages_ms"][name], cell["lost"][name], cell["above_floor_ms"][name])
    for name, of in cell["peers_ms"].items():
        row(f"{name}, raw", of, cell["lost"][name], None)
    for name in ("received", "painted"):
        of = ((cell.get("window") or {}).get("stages_ms") or {}).get(name)
        if of is not None:
            table.add_row(f"window: {name}", *(_short(of[key]) for key in FIGURES))
    return table


def _short(milliseconds: float | None) -> str:
    if milliseconds is None or milliseconds != milliseconds:
        return "–"
    return f"{milliseconds:.2f}" if abs(milliseconds) < 99.995 else f"{milliseconds:.0f}"


def _remarks(cell: dict[str, Any]) -> str:
    used, window = cell["engine_process"], cell.get("window")
    parts = [f"{cell['sent']} frames sent"]
    if used is not None:
        parts.append(f"engine {used['cpu_of_one_core']:.0%} of a core, {used['memory_mb']:.0f} MB")
    parts.append(f"lag grew by {cell['lag_growth_ms']:+.2f} ms")
    if window is not None:
        parts.append(f"window painted at {window['painted_fps']:.0f} fps")
    parts.append(f"load average {cell['load_average']:.1f}")
    return "; ".join([*parts, *(f"[bold red]{miss}[/]" for miss in cell["misses"])])


def print_soak(result: dict[str, Any]) -> None:
    """Print what a long run held on to, and the verdict.

    Parameters
    ----------
    result
        Of `neuroreel.bench.soak.run_soak`.
    """
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    minutes = result["seconds"] / 60
    table = Table(
        title=f"{minutes:g} minutes, {result['channels']} channels at {result['rate_hz']:g} Hz", box=SIMPLE
    )
    names = {
        "memory_mb": "memory MB",
        "memory_growth_mb": "growth MB",
        "memory_mb_per_hour": "MB an hour",
        "handles_growth": "handles",
        "threads_growth": "threads",
        "cpu_of_one_core": "of a core",
    }
    table.add_column("")
    for title in names.values():
        table.add_column(title, justify="right")
    for name, held in result["processes"].items():
        table.add_row(
            name,
            *(
                f"{held[key]:+.2f}"
                if key.endswith(("growth", "growth_mb", "per_hour"))
                else f"{held[key]:.2f}"
                for key in names
                if key in held
            ),
        )
    console = Console()
    console.print(table)
    received, floor = result["stages_ms"]["received"], result["floor_ms"]
    console.print(
        f"{result['sent']} frames sent, {result['lost']['received']} lost; received by another process "
        f"p50 {received['p50']:.2f} ms, p99 {received['p99']:.2f} ms after the push (floor {floor['p50']:.2f}, "
        f"{floor['p99']:.2f}); the clocks drifted by {result['clock_drift_ms']:+.2f} ms"
    )
    if not result["holds_judged"]:
        console.print("Memory, handles and threads are not judged in under four minutes.")
    for problem in result["problems"]:
        console.print(f"[bold red]{problem}[/]")
    console.print("Passed." if result["passed"] else "FAILED.")


def plot_latency(result: dict[str, Any], path: Path) -> None:
    """Draw, for each cell, how the times from push to published are distributed, with the floor beside it.

    Parameters
    ----------
    result
        Of `neuroreel.bench.latency.run_grid`.
    path
        Of the picture; its ending says of which kind.
    """
    from matplotlib.figure import Figure

    cells = result["cells"]
    figure = Figure(figsize=(6.4, 2.4 * len(cells) + 0.4), layout="constrained")
    for axes, cell in zip(figure.subplots(len(cells), 1, squeeze=False)[:, 0], cells, strict=True):
        series = {
            name: (ages[~np.isnan(ages)], colour)
            for name, colour in (("floor", "#8b949e"), ("published", "#0072B2"))
            if not np.isnan(ages := cell["ages_ms"][name]).all()
        }
        top = max([1e-3, *(float(np.quantile(values, 0.995)) for values, _ in series.values())])
        edges = np.linspace(0, top, 80)
        for name, (values, colour) in series.items():
            label = f"{name}: p50 {np.median(values):.2f}, p99 {np.quantile(values, 0.99):.2f} ms"
            axes.hist(
                np.minimum(values, top), edges, histtype="stepfilled", alpha=0.6, color=colour, label=label
            )
        axes.set_title(f"{cell['channels']} channels at {cell['rate_hz']:g} Hz", fontsize=10)
        axes.set_xlabel("ms from push")
        axes.set_ylabel("frames")
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=150)
