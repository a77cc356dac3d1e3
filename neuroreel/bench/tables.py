"""Results of the benchmarks as tables and plots."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neuroreel.terminal import console, echo
from stream.output_files import replacing
from stream.quantiles import SUMMARY_KEYS

if TYPE_CHECKING:
    from rich.table import Table


def print_latency(result: dict[str, Any]) -> None:
    """Print a table for each cell, and the verdict.

    Parameters
    ----------
    result
        Result of `neuroreel.bench.latency.run_grid`.
    """
    output = console()
    for cell in result["cells"]:
        output.print(_latency_table(cell))
        output.print(_remarks(cell), highlight=False)
    verdict = "Within" if result["within_budget"] else "OVER"
    output.print(
        f"{verdict} the budget: median latency at most {result['budget_ms']:g} ms above the floor, no sample lost."
    )


def _latency_table(cell: dict[str, Any]) -> Any:
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(
        title=f"{cell['channels']} channels at {cell['rate_hz']:g} Hz: ms from the push; +: above the floor",
        box=SIMPLE,
        padding=(0, 1, 0, 0),
    )
    table.add_column("", no_wrap=True)
    for column in ("p50", "p95", "p99", "max", "jitter", "+p50", "+p99", "lost"):
        table.add_column(column, justify="right")

    def row(name: str, latency: dict[str, float], lost: int, above: dict[str, float] | None) -> None:
        difference = ("", "") if above is None else (_ms(above["p50"]), _ms(above["p99"]))
        table.add_row(name, *(_ms(latency[key]) for key in SUMMARY_KEYS), *difference, str(lost))

    row("floor (plain pylsl)", cell["floor_ms"], cell["lost"]["floor"], None)
    for name in cell["stages_ms"]:
        row(name, cell["stages_ms"][name], cell["lost"][name], cell["above_floor_ms"][name])
    for name, latency in cell["peers_ms"].items():
        row(f"{name} (receive only)", latency, cell["lost"][name], None)
    for name in ("received", "painted"):
        latency = ((cell.get("window") or {}).get("stages_ms") or {}).get(name)
        if latency is not None:
            table.add_row(f"window: {name}", *(_ms(latency[key]) for key in SUMMARY_KEYS))
    return table


def _ms(milliseconds: float | None) -> str:
    if milliseconds is None or milliseconds != milliseconds:
        return "–"
    return f"{milliseconds:.2f}" if abs(milliseconds) < 99.995 else f"{milliseconds:.0f}"


def _remarks(cell: dict[str, Any]) -> str:
    engine, window = cell["engine_process"], cell.get("window")
    parts = [f"{cell['sent']} samples sent"]
    if engine is not None:
        parts.append(f"engine {engine['cpu_of_one_core']:.0%} of a core, {engine['memory_mb']:.0f} MB")
    parts.append(f"lag change {cell['lag_growth_ms']:+.2f} ms")
    if window is not None:
        parts.append(f"window refreshed at {window['painted_fps']:.0f} Hz")
    parts.append(f"load average {cell['load_average']:.1f}")
    return "; ".join([*parts, *(f"[bold red]{miss}[/]" for miss in cell["misses"])])


def print_decode(result: dict[str, Any]) -> None:
    """Print the times of one step as a table, and the verdict.

    Parameters
    ----------
    result
        Result of `neuroreel.bench.decode.bench_decode`, with ``budget_us`` and ``within_budget``.
    """
    from rich.table import Table

    names = {"sklearn_knn": "scikit-learn kNN on our embedding", "cebra": "cebra.transform and KNNDecoder"}
    table = Table(title=f"One decoding step, {result['units']} units, {result['frames']} movie frames")
    for column in ("", "p50 us", "p99 us", "CPU p50 us", "times slower"):
        table.add_column(column, justify="right" if column else "left")
    rows = {
        "tight": (result["tight_us"], None),
        "tight, published prediction only": (result["decision_us"], None),
        "tight, with the lists of the forecast stream": (result["published_us"], None),
        f"paced at {result['paced_hz']:g} Hz, with warm-up": (result["paced_us"], None),
        f"paced at {result['paced_hz']:g} Hz, without warm-up": (result["paced_cold_us"], None),
        **{
            f"{names[name]}, tight": (times, result["times_slower"][name])
            for name, times in result["peers_tight_us"].items()
        },
    }
    for name, (times, ratio) in rows.items():
        figures = (f"{times[key]:.0f}" for key in ("p50", "p99", "cpu_p50"))
        table.add_row(name, *figures, "" if ratio is None else f"{ratio:.1f}")
    console().print(table)
    verdict = "Within" if result["within_budget"] else "OVER"
    echo(f"{verdict} the budget: the median paced step may take {result['budget_us']:g} us.")


def print_fit(result: dict[str, Any]) -> None:
    """Print times and accuracies of the fit as a table.

    Parameters
    ----------
    result
        Result of `neuroreel.bench.fit_cost.bench_fit`.
    """
    from rich.table import Table

    ours, peer = result["fit"], result["peer"]
    table = Table(title=f"Fit of '{result['recording']}', {result['units']} units")
    for column in ("", "seconds", "CPU seconds", "within 1 s", "exact"):
        table.add_column(column, justify="right" if column else "left")

    def row(name: str, times: dict[str, Any], scores: dict[str, Any]) -> None:
        figures = (scores["accuracy_within_1s"], scores["accuracy_exact"])
        seconds = (times.get(key) for key in ("train_seconds", "train_cpu_seconds"))
        table.add_row(
            name, *("" if s is None else f"{s:.1f}" for s in seconds), *(f"{f:.3f}" for f in figures)
        )

    row("without playback model", ours, ours["without_playback"])
    row("with playback model", {}, ours["with_playback"])
    if peer is not None:
        name = f"{peer['peer']}, {peer['settings']['iterations']} iterations"
        row(name if peer["causal"] else f"{name}, NOT causal", peer, peer)
    console().print(table)
    echo(f"Tested on repeats {result['test_repeats']}; peak memory {ours['peak_memory_mb']} MB.")
    echo(
        f"Evaluating without controls: {ours['evaluate_cpu_seconds']:.1f} CPU seconds, peak memory "
        f"{ours['evaluate_peak_memory_mb']} MB."
    )
    if peer is not None:
        cached = f" (from {peer['from_cache']})" if peer["from_cache"] else ""
        ratio = result["times_faster"]
        times = f"took {ratio:g} times as much CPU time" if ratio else "has no CPU time on record"
        echo(f"CEBRA {times}{cached}; best with {peer['n_neighbors']} neighbours.")


def print_soak(result: dict[str, Any]) -> None:
    """Print the resource use of each process, losses and latency, and the verdict.

    Parameters
    ----------
    result
        Result of `neuroreel.bench.soak.run_soak`.
    """
    output = console()
    output.print(
        _resources(
            f"{result['seconds'] / 60:g} minutes, {result['channels']} channels at {result['rate_hz']:g} Hz",
            result["processes"],
        )
    )
    received, floor = result["stages_ms"]["received"], result["floor_ms"]
    output.print(
        f"{result['sent']} samples sent, {result['lost']['received']} lost; predictions received by another process "
        f"p50 {received['p50']:.2f} ms, p99 {received['p99']:.2f} ms after the push (floor {floor['p50']:.2f}, "
        f"{floor['p99']:.2f}); clock drift {result['clock_drift_ms']:+.2f} ms"
    )
    _print_verdict(result)


def print_fault_soak(result: dict[str, Any]) -> None:
    """Print what each process counts as lost, live beside offline decoding, resource use and the verdict.

    Parameters
    ----------
    result
        Result of `neuroreel.bench.fault_soak.run_fault_soak`.
    """
    output = console()
    output.print(
        _resources(
            f"{result['seconds'] / 60:g} minutes with faults, seed {result['seed']}", result["processes"]
        )
    )
    for title in ("faults", "standstills"):
        output.print(f"{title}: " + ", ".join(f"{n} {kind}" for kind, n in sorted(result[title].items())))
    for name, counts in result["losses"].items():
        if isinstance(counts, dict):
            output.print(f"{name}: " + ", ".join(f"{key.replace('_', ' ')} {n}" for key, n in counts.items()))
    compared = result["live_vs_offline"]
    output.print(
        f"live beside offline: {compared['compared']} predictions, {compared['frames_that_differ']} frames differ, "
        f"confidence by up to {compared['largest_difference']:.2g}"
    )
    for difference in result["recorder"]["differences"]:
        output.print(difference)
    _print_verdict(result)


def _resources(title: str, processes: dict[str, Any]) -> Table:
    """Table of the resource use of each process."""
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(title=title, box=SIMPLE)
    names = {
        "memory_mb": "memory MB",
        "memory_growth_mb": "growth MB",
        "memory_mb_per_hour": "MB per hour",
        "handles_growth": "handles",
        "threads_growth": "threads",
        "cpu_of_one_core": "CPU cores",
    }
    table.add_column("")
    for title in names.values():
        table.add_column(title, justify="right")
    for name, growth in processes.items():
        table.add_row(
            name,
            *(
                f"{growth[key]:+.2f}"
                if key.endswith(("growth", "growth_mb", "per_hour"))
                else f"{growth[key]:.2f}"
                for key in names
                if key in growth
            ),
        )
    return table


def _print_verdict(result: dict[str, Any]) -> None:
    output = console()
    if not result["holds_judged"]:
        output.print("Memory, handles and threads are judged only in runs of at least four minutes.")
    for problem in result["problems"]:
        output.print(f"[bold red]{problem}[/]")
    output.print("Passed." if result["passed"] else "FAILED.")


def plot_latency(result: dict[str, Any], path: Path) -> None:
    """Save a histogram of the latencies of each cell, from push to published, with the floor.

    Parameters
    ----------
    result
        Result of `neuroreel.bench.latency.run_grid`.
    path
        File to write; the suffix chooses the format.
    """
    from matplotlib.figure import Figure

    cells = result["cells"]
    figure = Figure(figsize=(6.4, 2.4 * len(cells) + 0.4), layout="constrained")
    for axes, cell in zip(figure.subplots(len(cells), 1, squeeze=False)[:, 0], cells, strict=True):
        series = {
            name: (latencies[~np.isnan(latencies)], colour)
            for name, colour in (("floor", "#8b949e"), ("published", "#0072B2"))
            if not np.isnan(latencies := cell["ages_ms"][name]).all()
        }
        top = max([1e-3, *(float(np.quantile(values, 0.995)) for values, _ in series.values())])
        edges = np.linspace(0, top, 80)
        for name, (values, colour) in series.items():
            label = f"{name}: p50 {np.median(values):.2f}, p99 {np.quantile(values, 0.99):.2f} ms"
            axes.hist(
                np.minimum(values, top), edges, histtype="stepfilled", alpha=0.6, color=colour, label=label
            )
        axes.set_title(f"{cell['channels']} channels at {cell['rate_hz']:g} Hz", fontsize=10)
        axes.set_xlabel("latency from the push (ms)")
        axes.set_ylabel("samples")
        axes.legend(frameon=False, fontsize=8)
    with replacing(path, force=True) as partial:
        figure.savefig(partial, dpi=150)
