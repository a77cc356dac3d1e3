"""``neuroreel bench``: benchmarks, each compared with a reference measured in the same run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from neuroreel.click_types import NUMBER, SEED, NumberRange
from neuroreel.files import OUTPUT, PLOT, FileCommand
from neuroreel.options import json_option
from neuroreel.terminal import echo_live

units_option = click.option(
    "--units",
    type=click.Choice(["120", "1000"]),
    default="120",
    show_default=True,
    help="Number of units: 120 is the bundled recording; 1000 is simulated and fitted first.",
)

trace_option = click.option(
    "--trace",
    type=OUTPUT,
    required=True,
    help="File for the timestamps and times (npz).",
)
control_option = click.option(
    "--control", is_flag=True, expose_value=False, help="Read commands as JSON lines from standard input."
)


@click.group()
def command() -> None:
    """Measure latency, decoding speed and fitting time, each compared with a reference in the same run."""


@command.command(cls=FileCommand, short_help="Latency from sample to published prediction.")
@click.option(
    "--seconds",
    type=NumberRange(min=3),
    default=20.0,
    show_default=True,
    metavar="SECONDS",
    help="Duration of each measurement in seconds.",
)
@click.option(
    "--grid",
    metavar="CxR,...",
    help="Channels x rate in Hz of each measurement, such as 120x30,120x120,1000x1000,10000x30 [default: 120x30].",
)
@click.option(
    "--speed",
    type=NumberRange(min=0.1),
    metavar="X",
    help="Instead of --grid: 120 channels at X times 30 Hz.",
)
@click.option(
    "--budget-ms",
    type=NUMBER,
    default=1.0,
    show_default=True,
    metavar="MS",
    help="Fail if the median latency is more than this many ms above the floor.",
)
@click.option(
    "--window/--no-window",
    default=True,
    show_default=True,
    help="Also run the window, refreshed at 60 Hz.",
)
@click.option(
    "--against",
    metavar="LIBRARY,...",
    help="Also measure these libraries on the same stream: mne-lsl, ezmsg-lsl (extra 'compare').",
)
@click.option(
    "--plot",
    metavar="FILE",
    type=PLOT,
    help="Save histograms of the latencies to this file (.png, .svg or .pdf).",
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
    """Measure the latency from sample to published prediction, compared with the floor set by LSL.

    One sender feeds the engine and, in a process of its own, a minimal pylsl receive loop: the floor. Latency counts
    from the push of the sample. "published": the push of the prediction has returned; "received": another process has
    pulled it. The model is the bundled one, its channels repeated or cut to the requested number. Nothing leaves this
    computer.
    """
    import uuid

    from neuroreel.bench.latency import parse_grid, run_grid
    from neuroreel.bench.receivers import parse_libraries
    from neuroreel.bench.tables import plot_latency, print_latency
    from neuroreel.options import write_json
    from stream.errors import BadUsage
    from stream.lsl.network import configure

    if grid is not None and speed is not None:
        raise BadUsage("--grid sets the rates already; leave out --speed.")
    cells = parse_grid(grid or f"120x{30 * (speed or 1.0):g}")
    libraries = parse_libraries(against)
    configure("loopback", f"bench-{uuid.uuid4().hex[:12]}")
    result = run_grid(cells, seconds, window=window, libraries=libraries, budget_ms=budget_ms)
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


@command.command(cls=FileCommand, short_help="Long run: memory, handles, clocks, lost samples, latency.")
@click.option(
    "--minutes",
    type=NumberRange(min=0.1),
    default=10.0,
    show_default=True,
    help="Duration in minutes.",
)
@click.option(
    "--channels",
    type=click.IntRange(1, 20_000),
    help="Number of channels of the neural stream [default: 1000].",
)
@click.option(
    "--rate",
    type=NumberRange(0.1, 5000),
    help="Sampling rate of the neural stream in Hz [default: 1000].",
)
@click.option("--window/--no-window", default=True, show_default=True, help="Also run the window.")
@click.option(
    "--record/--no-record",
    default=True,
    show_default=True,
    help="Also run the recorder; its file is deleted at the end.",
)
@click.option(
    "--faults",
    "seed",
    type=click.IntRange(0),
    metavar="SEED",
    help="Instead: the bundled recording with random faults every few seconds, and what each process counts as lost.",
)
@json_option
def soak(
    minutes: float,
    channels: int | None,
    rate: float | None,
    window: bool,
    record: bool,
    seed: int | None,
    json_target: str | None,
) -> None:
    """Run the engine for minutes to hours and watch memory, open handles, clocks, lost samples and latency.

    Fails if a sample was lost or the lag grew; in runs of at least four minutes also if, after the first two minutes,
    sender, engine, recorder or window grew by more than 5 MB or gained handles or threads. Memory and handles are read
    from /proc (Linux).

    With --faults, the sender injects faults, and engine, recorder and window stand still at times. It fails if one of
    the three counts other losses than there were, or if decoding the recording gives other predictions than live.
    """
    import tempfile
    import uuid

    from neuroreel.bench.fault_soak import run_fault_soak
    from neuroreel.bench.soak import WATCHED, SoakSettings, run_soak
    from neuroreel.bench.tables import print_fault_soak, print_soak
    from neuroreel.options import write_json
    from stream.errors import BadUsage
    from stream.lsl.network import configure

    if seed is not None and not (channels is None and rate is None and window and record):
        raise BadUsage(
            "--faults sends the bundled recording with window and recorder; leave out the other options."
        )

    configure("loopback", f"soak-{uuid.uuid4().hex[:12]}")

    def each_minute(sample: dict[str, Any]) -> None:
        memory = ", ".join(
            f"{name} {sample[name]['memory_mb']:.0f} MB, {sample[name]['handles']} handles"
            for name in WATCHED
            if sample.get(name)
        )
        echo_live(f"{sample['at_s'] / 60:6.1f} min  {memory}", err=True)

    with tempfile.TemporaryDirectory(prefix="neuroreel-soak-") as folder:
        if seed is None:
            settings = SoakSettings(minutes, channels or 1000, rate or 1000.0, window, record)
            result = run_soak(settings, Path(folder), each_minute)
        else:
            result = run_fault_soak(minutes, seed, Path(folder), each_minute)
    if json_target is not None:
        write_json(result, json_target)
    if json_target != "-":
        (print_soak if seed is None else print_fault_soak)(result)
    if not result["passed"]:
        raise click.exceptions.Exit(1)


@command.command(cls=FileCommand, short_help="Time of one decoding step.")
@units_option
@click.option(
    "--seconds",
    type=NumberRange(min=1),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="Duration of the paced measurement in seconds.",
)
@click.option("--against", type=click.Choice(["cebra"]), help="Also time CEBRA (extra 'compare').")
@click.option(
    "--budget-us",
    type=NUMBER,
    default=300.0,
    show_default=True,
    metavar="US",
    help="Fail if the median paced step takes more than this many microseconds.",
)
@json_option
def decode(
    units: str, seconds: float, against: str | None, budget_us: float, json_target: str | None
) -> None:
    """Time one decoding step: posterior, playback model and forecast, on one thread.

    "tight": steps follow each other directly; "paced": at 120 Hz, where caches go cold in between, with and without the
    warm-up that the engine runs before a sample is due. In the same run and on the same samples, it times scikit-learn's
    k-nearest-neighbours classifier on our embedding and, with --against cebra, CEBRA's transform and kNN decoder; runs
    are interleaved, and ratios are measured in CPU time.
    """
    from neuroreel.bench.cebra import import_cebra
    from neuroreel.bench.data import bench_data
    from neuroreel.bench.decode import bench_decode
    from neuroreel.bench.tables import print_decode
    from neuroreel.options import write_json

    if against:
        import_cebra()
    result = bench_decode(bench_data(int(units)), seconds, against_cebra=against is not None)
    result |= {"budget_us": budget_us, "within_budget": result["paced_us"]["p50"] <= budget_us}
    if json_target is not None:
        write_json(result, json_target)
    if json_target != "-":
        print_decode(result)
    if not result["within_budget"]:
        raise click.exceptions.Exit(1)


@command.command(cls=FileCommand, short_help="Time, memory and accuracy of the default fit.")
@units_option
@click.option("--seed", type=SEED, default=0, show_default=True, help="Random seed.")
@click.option("--against", type=click.Choice(["cebra"]), help="Also fit CEBRA (extra 'compare').")
@click.option("--iterations", type=int, default=2000, show_default=True, help="CEBRA: training iterations.")
@click.option(
    "--temperature",
    type=NUMBER,
    default=0.1,
    show_default=True,
    help="CEBRA: temperature of the loss; CEBRA's own default is 1.",
)
@click.option(
    "--labels",
    default="discrete",
    show_default=True,
    help="CEBRA: labels to train on: discrete, continuous or time.",
)
@click.option("--hybrid", is_flag=True, help="CEBRA: add the time contrast to continuous labels.")
@click.option(
    "--architecture", default="offset10-model", show_default=True, help="CEBRA: name of the network."
)
@click.option(
    "--future",
    is_flag=True,
    help="CEBRA: let the windows include future samples, as in its default (not causal).",
)
@click.option(
    "--cached", is_flag=True, help="CEBRA: reuse the result of an earlier run with the same settings."
)
@json_option
def fit(
    units: str,
    seed: int,
    against: str | None,
    cached: bool,
    json_target: str | None,
    **settings: Any,
) -> None:
    """Measure the default fit: time, memory and accuracy on held-out repeats.

    With --against cebra, CEBRA is fitted on the same repeats in the same run and scored on the same held-out repeats.
    Its kNN decoder is scored with several numbers of neighbours, of which the best test score counts.
    """
    from neuroreel.bench.cebra import CebraSettings, import_cebra
    from neuroreel.bench.data import bench_data
    from neuroreel.bench.fit_cost import bench_fit
    from neuroreel.bench.tables import print_fit
    from neuroreel.options import write_json

    causal = not settings.pop("future")
    cebra = CebraSettings(causal=causal, **settings) if against else None
    if cebra is not None and not cached:
        import_cebra()
    result = bench_fit(bench_data(int(units)), seed, cebra, cached=cached)
    if json_target is not None:
        write_json(result, json_target)
    if json_target != "-":
        print_fit(result)


@command.command(cls=FileCommand, hidden=True)
@click.argument("stream")
@click.option("--channels", type=int, required=True, help="Number of channels.")
@click.option("--rate", type=NUMBER, required=True, help="Sampling rate in Hz.")
@click.option("--seconds", type=NUMBER, required=True, help="Duration of the measurement in seconds.")
@trace_option
@control_option
def send(stream: str, channels: int, rate: float, seconds: float, trace: Path) -> None:
    """Send STREAM in real time and write the time of each push."""
    import numpy as np

    from neuroreel.bench.sender import send_paced
    from neuroreel.files import write_arrays
    from replay_data.bundle import demo_recording
    from stream.control import ControlReader
    from stream.io.session_io import load_session
    from stream.lsl.network import configure

    configure()
    neural = np.asarray(load_session(demo_recording()).neural, np.float32)
    sent = send_paced(stream, neural, channels, rate, seconds, ControlReader())
    write_arrays(trace, sender=sent)


@command.command(cls=FileCommand, hidden=True)
@click.argument("stream")
@click.option("--by", default="pylsl", help="Library that receives: pylsl, mne-lsl or ezmsg-lsl.")
@trace_option
@control_option
def receive(stream: str, by: str, trace: Path) -> None:
    """Receive STREAM and write the time of each arrival."""
    import numpy as np

    from neuroreel.bench.receivers import receive_stream
    from neuroreel.files import write_arrays
    from stream.control import ControlReader
    from stream.lsl.network import configure

    configure()
    arrivals = receive_stream(stream, by, ControlReader(), lambda: click.echo("ready"))
    write_arrays(trace, received=np.array(arrivals).reshape(-1, 3))
