"""``neuroreel bench``: measurements, each beside its floor or a peer in the same run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neuroreel.options import json_option

if TYPE_CHECKING:
    from neuroreel.children import Child

NAME = "bench"

units_option = click.option(
    "--units",
    type=click.Choice(["120", "1000"]),
    default="120",
    show_default=True,
    help="The bundled recording, or one with 1,000 units, simulated and fitted first.",
)


@click.group()
def command() -> None:
    """Measure, with the floor or a peer in the same run."""


@command.command()
@click.option(
    "--seconds", type=click.FloatRange(min=3), default=20.0, show_default=True, help="How long to measure."
)
@click.option(
    "--speed", type=click.FloatRange(min=0.1), default=1.0, show_default=True, help="1 = 30 frames a second."
)
@click.option(
    "--budget-ms", type=float, default=1.0, show_default=True, help="Allowed above the floor, median."
)
@click.option("--window/--no-window", default=True, show_default=True, help="Paint the window meanwhile.")
@json_option
def latency(seconds: float, speed: float, budget_ms: float, window: bool, json_target: str | None) -> None:
    """From push to published prediction, on the bundled recording.

    One sender feeds the engine and, beside it, pylsl's plainest receive loop in a process of its own: the floor.
    Published means that the push of the prediction has returned; "received" is a second process that pulls it.
    Nothing leaves this computer.
    """
    import json
    import tempfile
    import uuid

    from neuroreel.children import start_child
    from neuroreel.options import write_json
    from replay_data.bundle import TEST_REPEATS, demo_model, demo_recording
    from stream.network import configure

    configure("loopback", f"bench-{uuid.uuid4().hex[:12]}")
    children: dict[str, Child] = {}
    with tempfile.TemporaryDirectory() as folder:
        reports = {name: Path(folder) / f"{name}.json" for name in ("engine", "floor", "received", "window")}

        def start(name: str, *arguments: str, control: bool = False) -> None:
            children[name] = start_child([*arguments, "--json", str(reports[name])], control=control)

        sender = ["replay", str(demo_recording()), "--name", NAME, "--repeats", TEST_REPEATS, "--loop"]
        children["sender"] = start_child([*sender, "--speed", str(speed)], control=True)
        try:
            start("floor", "bench", "receive", NAME, "--seconds", str(seconds))
            start("engine", "live", str(demo_model()), "--stream", NAME, control=True)
            start("received", "bench", "receive", f"{NAME}-prediction", "--seconds", str(seconds))
            if window:
                start("window", "display", "--name", NAME, "--seconds", str(seconds))
            for name in ("window", "received", "floor"):
                if name in children:
                    children[name].wait(seconds + 60)
        finally:
            for child in children.values():
                child.stop()
        measured = {name: json.loads(path.read_text()) for name, path in reports.items() if path.exists()}
    result = _verdict(measured, speed, budget_ms)
    if json_target is not None:
        write_json(result, json_target)
    if json_target != "-":
        _print(result)
    if not result["within_budget"]:
        raise click.exceptions.Exit(1)


@command.command()
@units_option
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=5.0,
    show_default=True,
    help="Length of the paced part.",
)
@click.option("--against", type=click.Choice(["cebra"]), help="Time this peer too (extra 'compare').")
@click.option(
    "--budget-us", type=float, default=300.0, show_default=True, help="Allowed for one paced step, median."
)
@json_option
def decode(
    units: str, seconds: float, against: str | None, budget_us: float, json_target: str | None
) -> None:
    """One step of decoding: posterior, playback model and forecast, on one thread.

    Tight is one step right after the other, paced is at 120 Hz, where caches have gone cold in between. In the same
    run, on the same windows: the embedding read out by scikit-learn's k nearest neighbours, and with --against cebra
    CEBRA's transform and its kNN decoder. How many times slower they are is told by processor time.
    """
    from neuroreel.bench_data import bench_data
    from neuroreel.bench_decode import bench_decode
    from neuroreel.options import write_json
    from neuroreel.peer import import_cebra

    if against:
        import_cebra()
    result = bench_decode(bench_data(int(units)), seconds, against_cebra=against is not None)
    result |= {"budget_us": budget_us, "within_budget": result["paced_us"]["p50"] <= budget_us}
    if json_target is not None:
        write_json(result, json_target)
    if json_target != "-":
        _print_decode(result)
    if not result["within_budget"]:
        raise click.exceptions.Exit(1)


@command.command()
@units_option
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything random.")
@click.option("--against", type=click.Choice(["cebra"]), help="Fit this peer too (extra 'compare').")
@click.option("--iterations", type=int, default=2000, show_default=True, help="The peer's.")
@click.option("--temperature", type=float, default=0.1, show_default=True, help="The peer's; its default: 1.")
@click.option(
    "--labels", default="discrete", show_default=True, help="The peer's: discrete, continuous or time."
)
@click.option("--hybrid", is_flag=True, help="Give the peer its time contrast too.")
@click.option("--architecture", default="offset10-model", show_default=True, help="The peer's.")
@click.option("--future", is_flag=True, help="Let the peer's windows reach into the future as it comes.")
@click.option("--cached", is_flag=True, help="Take the peer's run from an earlier one, if there is one.")
@json_option
def fit(
    units: str,
    seed: int,
    against: str | None,
    cached: bool,
    json_target: str | None,
    **settings: Any,
) -> None:
    """The default fit: time, memory and score on showings that were not trained on.

    With --against cebra the peer is fitted on the same showings in the same run and scored on the same others. Of
    several numbers of neighbours for its kNN decoder the one with the best test score counts.
    """
    from neuroreel.bench_data import bench_data
    from neuroreel.bench_fit import bench_fit
    from neuroreel.options import write_json
    from neuroreel.peer import PeerSettings, import_cebra

    causal = not settings.pop("future")
    peer = PeerSettings(causal=causal, **settings) if against else None
    if peer is not None and not cached:
        import_cebra()
    result = bench_fit(bench_data(int(units)), seed, peer, cached=cached)
    if json_target is not None:
        write_json(result, json_target)
    if json_target != "-":
        _print_fit(result)


@command.command(hidden=True)
@click.argument("stream")
@click.option("--seconds", type=float, required=True)
@json_option
def receive(stream: str, seconds: float, json_target: str) -> None:
    """Receive STREAM by pylsl's plainest loop and write how old each sample was."""
    from neuroreel.options import write_json
    from stream.find import find_stream
    from stream.floor import measure_floor
    from stream.network import configure

    configure()
    write_json(measure_floor(find_stream(stream, wait_s=15), seconds), json_target)


def _verdict(measured: dict[str, Any], speed: float, budget_ms: float) -> dict[str, Any]:
    """Everything that was measured, and what it is above the floor."""
    from stream.errors import StreamLost

    missing = sorted({"floor", "engine", "received"} - set(measured))
    if missing:
        raise StreamLost(f"nothing was measured by: {', '.join(missing)}. See the messages above.")
    engine, floor = measured["engine"], measured["floor"]
    above = engine["latency_ms"]["p50"] - floor["p50_ms"]
    return {
        "rate_hz": 30.0 * speed,
        "floor_ms": floor,
        "published_ms": engine["latency_ms"],
        "arrival_ms": engine["arrival_ms"],
        "compute_ms": engine["compute_ms"],
        "received_ms": measured["received"],
        "above_floor_p50_ms": above,
        "above_floor_p99_ms": engine["latency_ms"]["p99"] - floor["p99_ms"],
        "engine": {key: engine[key] for key in ("received", "gaps", "cpu_of_one_core", "memory_mb")},
        "window": measured.get("window"),
        "budget_ms": budget_ms,
        "within_budget": above <= budget_ms,
    }


def _print(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"latency from the sender's stamp, {result['rate_hz']:g} frames per second")
    for column in ("", "p50 ms", "p99 ms"):
        table.add_column(column, justify="right" if column else "left")
    floor, received = result["floor_ms"], result["received_ms"]
    rows = {
        "floor: raw pylsl in its own process": (floor["p50_ms"], floor["p99_ms"]),
        "arrived in the engine": (result["arrival_ms"]["p50"], result["arrival_ms"]["p99"]),
        "computing": (result["compute_ms"]["p50"], result["compute_ms"]["p99"]),
        "prediction published": (result["published_ms"]["p50"], result["published_ms"]["p99"]),
        "prediction received by another process": (received["p50_ms"], received["p99_ms"]),
        "published above the floor": (result["above_floor_p50_ms"], result["above_floor_p99_ms"]),
    }
    for name, (p50, p99) in rows.items():
        table.add_row(name, f"{p50:.2f}", f"{p99:.2f}")
    Console().print(table)
    engine, window = result["engine"], result["window"]
    painted = f"; window painted at {window['painted_fps']:.0f} fps" if window else ""
    click.echo(
        f"engine: {engine['received']} frames, {engine['cpu_of_one_core']:.1%} of a core, {engine['memory_mb']:.0f} MB"
        f"{painted}. {'Within' if result['within_budget'] else 'OVER'} the budget of {result['budget_ms']:g} ms."
    )


def _print_decode(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    names = {"sklearn_knn": "scikit-learn kNN read-out", "cebra": "cebra.transform and KNNDecoder"}
    table = Table(title=f"one step, {result['units']} units, {result['frames']} frames")
    for column in ("", "p50 us", "p99 us", "processor p50", "times slower"):
        table.add_column(column, justify="right" if column else "left")
    rows = {
        "tight": (result["tight_us"], None),
        f"paced at {result['paced_hz']:g} Hz": (result["paced_us"], None),
        **{
            f"{names[name]}, tight": (times, result["times_slower"][name])
            for name, times in result["peers_tight_us"].items()
        },
    }
    for name, (times, ratio) in rows.items():
        figures = (f"{times[key]:.0f}" for key in ("p50", "p99", "cpu_p50"))
        table.add_row(name, *figures, "" if ratio is None else f"{ratio:.1f}")
    Console().print(table)
    verdict = "Within" if result["within_budget"] else "OVER"
    click.echo(f"{verdict} the budget of {result['budget_us']:g} us for a paced step.")


def _print_fit(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    ours, peer = result["fit"], result["peer"]
    table = Table(title=f"fit of {result['recording']}, {result['units']} units")
    for column in ("", "seconds", "processor s", "within 1 s", "exact"):
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
    Console().print(table)
    click.echo(f"tested on repeats {result['test_repeats']}; peak memory {ours['peak_memory_mb']} MB")
    if peer is not None:
        cached = f", from {peer['from_cache']}" if peer["from_cache"] else ""
        ratio = result["times_faster"]
        longer = (
            f"took {ratio:g} times as long (processor time)" if ratio else "was not timed by the processor"
        )
        click.echo(f"the peer {longer}{cached}; {peer['n_neighbors']} neighbours")
