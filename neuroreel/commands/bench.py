"""``neuroreel bench``: measurements, each beside its floor or a peer in the same run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from neuroreel.options import json_option, new_file

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
    "--grid",
    metavar="CxR,...",
    help="Channels x rate of each measurement, as in 120x30,120x120,1000x1000,10000x30 [default: 120x30].",
)
@click.option(
    "--speed", type=click.FloatRange(min=0.1), help="Without --grid: 120 channels at 30 Hz times this."
)
@click.option(
    "--budget-ms", type=float, default=1.0, show_default=True, help="Allowed above the floor, median."
)
@click.option(
    "--window/--no-window", default=True, show_default=True, help="Paint the window meanwhile, at 60 fps."
)
@click.option("--against", metavar="PEER,...", help="Other receivers of the same stream: mne-lsl, ezmsg-lsl.")
@click.option(
    "--plot", type=click.Path(path_type=Path), callback=new_file, help="Save histograms here (png, svg, pdf)."
)
@json_option
def latency(
    seconds: float,
    grid: str | None,
    speed: float | None,
    budget_ms: float,
    window: bool,
    against: str | None,
    plot: Path | None,
    json_target: str | None,
) -> None:
    """From push to published prediction, beside LSL's own floor.

    One sender feeds the engine and, beside it, pylsl's plainest receive loop in a process of its own: the floor.
    Published means that the push of the prediction has returned; "received" is a second process that pulls it. The
    model is the bundled one, its channels repeated where there are others than 120. Nothing leaves this computer.
    """
    import uuid

    from neuroreel.bench.latency import parse_grid, run_grid
    from neuroreel.bench.receivers import parse_peers
    from neuroreel.bench.tables import plot_latency, print_latency
    from neuroreel.options import write_json
    from stream.errors import BadUsage
    from stream.lsl.network import configure

    if grid is not None and speed is not None:
        raise BadUsage("--grid gives the rates; leave --speed out.")
    cells = parse_grid(grid or f"120x{30 * (speed or 1.0):g}")
    peers = parse_peers(against)
    configure("loopback", f"bench-{uuid.uuid4().hex[:12]}")
    result = run_grid(cells, seconds, window=window, peers=peers, budget_ms=budget_ms)
    if plot is not None:
        plot_latency(result, plot)
    for cell in result["cells"]:
        del cell["ages_ms"]
    if json_target is not None:
        write_json(result, json_target)
    if json_target != "-":
        print_latency(result)
    if not result["within_budget"]:
        raise click.exceptions.Exit(1)


@command.command()
@click.option("--minutes", type=click.FloatRange(min=0.1), default=10.0, show_default=True, help="How long.")
@click.option("--channels", type=click.IntRange(1, 20_000), default=1000, show_default=True)
@click.option("--rate", type=click.FloatRange(0.1, 5000), default=1000.0, show_default=True, help="Hz.")
@click.option("--window/--no-window", default=True, show_default=True, help="Run the window too.")
@click.option(
    "--record/--no-record",
    default=True,
    show_default=True,
    help="Run the recorder too; its file is deleted after.",
)
@json_option
def soak(
    minutes: float, channels: int, rate: float, window: bool, record: bool, json_target: str | None
) -> None:
    """Run for long: memory, open handles, clock, frames lost, and latency minute by minute.

    Fails when the memory of sender, engine, recorder or window has grown by more than 5 MB since its first two minutes,
    or handles or threads pile up (judged from four minutes on), when a frame was lost or when the lag grew. Memory and
    handles are read from /proc (Linux).
    """
    import tempfile
    import uuid

    from neuroreel.bench.soak import WATCHED, Soak, run_soak
    from neuroreel.bench.tables import print_soak
    from neuroreel.options import write_json
    from stream.lsl.network import configure

    configure("loopback", f"soak-{uuid.uuid4().hex[:12]}")

    def say(sample: dict[str, Any]) -> None:
        memory = ", ".join(
            f"{name} {sample[name]['memory_mb']:.0f} MB, {sample[name]['handles']} handles"
            for name in WATCHED
            if sample.get(name)
        )
        click.echo(f"{sample['at_s'] / 60:6.1f} min  {memory}", err=True)

    with tempfile.TemporaryDirectory(prefix="neuroreel-soak-") as folder:
        result = run_soak(Soak(minutes, channels, rate, window, record), Path(folder), say)
    if json_target is not None:
        write_json(result, json_target)
    if json_target != "-":
        print_soak(result)
    if not result["passed"]:
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

    Tight is one step right after the other, paced is at 120 Hz, where caches go cold in between: with the dry run
    that the engine makes before a sample is due, and without. In the same run, on the same windows: the embedding read
    out by scikit-learn's k nearest neighbours, and with --against cebra CEBRA's transform and its kNN decoder. How
    many times slower they are is told by processor time.
    """
    from neuroreel.bench.cebra import import_cebra
    from neuroreel.bench.data import bench_data
    from neuroreel.bench.decode import bench_decode
    from neuroreel.options import write_json

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
    from neuroreel.bench.cebra import PeerSettings, import_cebra
    from neuroreel.bench.data import bench_data
    from neuroreel.bench.fit_cost import bench_fit
    from neuroreel.options import write_json

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
@click.option("--channels", type=int, required=True)
@click.option("--rate", type=float, required=True)
@click.option("--seconds", type=float, required=True)
@click.option("--trace", type=click.Path(path_type=Path), required=True)
@click.option("--control", is_flag=True, expose_value=False)
def send(stream: str, channels: int, rate: float, seconds: float, trace: Path) -> None:
    """Send STREAM, paced, and write when each sample was pushed."""
    import numpy as np

    from neuroreel.bench import sender as bench_send
    from replay_data.bundle import demo_recording
    from stream.control import ControlReader
    from stream.io.session_io import load_session
    from stream.lsl.network import configure

    configure()
    neural = np.asarray(load_session(demo_recording()).neural, np.float32)
    sent = bench_send.send(stream, neural, channels, rate, seconds, ControlReader())
    np.savez(trace, sender=sent)


@command.command(hidden=True)
@click.argument("stream")
@click.option("--by", default="pylsl")
@click.option("--trace", type=click.Path(path_type=Path), required=True)
@click.option("--control", is_flag=True, expose_value=False)
def receive(stream: str, by: str, trace: Path) -> None:
    """Receive STREAM and write when each sample was there."""
    import numpy as np

    from neuroreel.bench import receivers as bench_receive
    from stream.control import ControlReader
    from stream.lsl.network import configure

    configure()
    noted = bench_receive.receive(stream, by, ControlReader(), lambda: click.echo("ready"))
    np.savez(trace, received=np.array(noted).reshape(-1, 3))


def _print_decode(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    names = {"sklearn_knn": "scikit-learn kNN read-out", "cebra": "cebra.transform and KNNDecoder"}
    table = Table(title=f"one step, {result['units']} units, {result['frames']} frames")
    for column in ("", "p50 us", "p99 us", "processor p50", "times slower"):
        table.add_column(column, justify="right" if column else "left")
    rows = {
        "tight": (result["tight_us"], None),
        "only what is published first": (result["decision_us"], None),
        f"paced at {result['paced_hz']:g} Hz, rehearsed": (result["paced_us"], None),
        "the same without a rehearsal": (result["paced_cold_us"], None),
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
