"""``neuroreel live``: decode a neural stream and publish the predictions."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neuroreel.click_types import NUMBER, NumberRange
from neuroreel.files import INPUT, OUTPUT, XDF_OUTPUT, FileCommand
from neuroreel.options import json_option, network_option, wait_option
from neuroreel.terminal import echo_live, keep_running_without_terminal

if TYPE_CHECKING:
    from decoders.live.engine import Engine
    from decoders.live.refit_client import RefitClient
    from decoders.model.model import Model
    from neuroreel.recording.recorder_process import RecorderChild
    from neuroreel.subprocesses import Child
    from stream.acquisition.spike_event_inlet import SpikeEventInlet
    from stream.lsl.inlet import Inlet
    from stream.notices import Notice


@click.command(cls=FileCommand)
@click.argument("model", type=INPUT, required=False)
@click.option(
    "--stream",
    "query",
    metavar="QUERY",
    help="Neural stream to decode: a name or an LSL query, \"name='V1' and type='Spikes'\" "
    "[default: the only neural stream on the network].",
)
@click.option(
    "--name", metavar="NAME", help="Prefix of the output streams' names [default: the neural stream's name]."
)
@click.option("--display/--headless", default=False, help="Also open the window.", show_default=True)
@click.option(
    "--record",
    "record_to",
    metavar="F.xdf",
    type=XDF_OUTPUT,
    help="Record the neural stream, its side streams and all outputs to this file; continues if the decoder crashes.",
)
@click.option(
    "--seconds",
    type=NumberRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Stop after this many seconds [default: on Ctrl-C, or when a replay ends].",
)
@click.option(
    "--stimulus-offset-ms",
    type=NUMBER,
    default=0.0,
    metavar="MS",
    help="Delay in ms from a stimulus timestamp to the frame on the monitor.",
    show_default=True,
)
@click.option(
    "--playback/--no-playback",
    default=True,
    help="Use the playback model (the order of the movie's frames) for the published prediction.",
    show_default=True,
)
@click.option(
    "--rolling",
    metavar="[N]",
    type=click.IntRange(min=2),
    is_flag=False,
    flag_value=9,
    help="Refit the model on the last N repeats of the movie (9 without N) while decoding; needs a stimulus stream.",
)
@click.option(
    "--explore",
    is_flag=True,
    help="Without MODEL and labels: embed the stream by what stays alike in time, renew the embedding every 20 s, and "
    "report whether there is any structure.",
)
@click.option(
    "--adapt/--no-adapt",
    default=False,
    help="Track slow drifts of each channel's baseline and gain, within bounds and without labels.",
    show_default=True,
)
@click.option(
    "--lag-budget-s",
    type=NumberRange(min=0),
    default=1.0,
    metavar="SECONDS",
    help="Skip ahead to the newest sample when samples arrive this many seconds later than usual; 0 disables it.",
    show_default=True,
)
@click.option(
    "--await-consumer",
    type=NUMBER,
    default=0.0,
    hidden=True,
    help="Wait up to this many seconds for a consumer of the predictions.",
)
@click.option(
    "--trace",
    type=OUTPUT,
    hidden=True,
    help="Write the timing of every sample to this file (npz); for short runs.",
)
@click.option("--control", is_flag=True, hidden=True, help="Read commands as JSON lines from standard input.")
@wait_option
@json_option
@network_option("lab")
def command(
    model: Path | None,
    query: str | None,
    name: str | None,
    display: bool,
    record_to: Path | None,
    seconds: float | None,
    stimulus_offset_ms: float,
    playback: bool,
    rolling: int | None,
    explore: bool,
    adapt: bool,
    lag_budget_s: float,
    await_consumer: float,
    trace: Path | None,
    control: bool,
    wait_s: float,
    json_target: str | None,
    network: str,
) -> None:
    """Decode a neural stream with MODEL and publish the predictions over LSL, until Ctrl-C or the end of a replay.

    With --explore nothing is decoded: an embedding is fitted to the stream while it comes.
    """
    import signal
    import tempfile

    from threadpoolctl import threadpool_limits

    from decoders.live.engine import Engine
    from decoders.live.engine_options import LiveOptions
    from decoders.model.model import Model
    from neuroreel.files import write_arrays
    from neuroreel.hints import naming_streams
    from neuroreel.malloc import release_large_arrays
    from neuroreel.options import write_json
    from stream.control import ControlReader
    from stream.errors import BadUsage
    from stream.lsl.network import configure

    if rolling and adapt:
        raise BadUsage("--adapt and --rolling both track drifts and cannot be combined; give one of them.")
    if explore == (model is not None):
        raise BadUsage(
            "--explore begins without a model; leave MODEL out."
            if explore
            else "give a MODEL, or use --explore."
        )
    if explore and (rolling or adapt):
        raise BadUsage("--explore has no model to refit or adapt; leave out --rolling and --adapt.")
    configure(network)
    release_large_arrays()
    keep_running_without_terminal()
    loaded = Model.load(model) if model is not None else None
    with naming_streams():
        inlet = _find_inlet(query, wait_s, loaded)
    options = LiveOptions(
        name=name or inlet.name,
        seconds=seconds,
        stimulus_offset_ms=stimulus_offset_ms,
        await_consumer_s=max(await_consumer, 10.0 if display else 0.0),
        model_path=str(model.resolve()) if model is not None else "",
        adapt=adapt,
        lag_budget_s=lag_budget_s,
        trace=trace is not None,
    )
    commands = ControlReader() if control else None
    with contextlib.ExitStack() as stack:
        refits = None
        if rolling:
            refits = stack.enter_context(_refit_client([str(model), "--rolling", str(rolling)]))
        if loaded is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="neuroreel-")))
            stream = _describe_stream(inlet, folder / "stream.json")
            refits = stack.enter_context(_refit_client([str(stream), "--explore"]))
            loaded = refits.first_model()
        loaded.use_playback = playback and not explore
        engine = Engine(loaded, inlet, options, commands, refits)
        stack.callback(engine.close)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: engine.stop("interrupted"))
        recorder = _start_recorder(record_to, inlet, options.name) if record_to is not None else None
        if display:
            stack.callback(_open_window(options.name, model).stop)
        with threadpool_limits(1):
            summary = _run(engine, recorder, refits, quiet=control)
        recorded = recorder is None or recorder.stop()
    if recorder is not None:
        recorded &= recorder.compare(inlet)
        summary["recording"] = recorder.summary
    if not control and json_target != "-":
        _print_summary(summary)
        if recorder is not None:
            recorder.print()
    if trace is not None:
        import numpy as np

        write_arrays(trace, engine=np.array(engine.latencies.trace).reshape(-1, 4))
    if json_target is not None:
        write_json({"name": options.name, "model": loaded.hash, **summary}, json_target)
    if not recorded:
        raise click.exceptions.Exit(1)


def _find_inlet(query: str | None, wait_s: float, model: Model | None) -> Inlet | SpikeEventInlet:
    """Find the neural stream; spike events are binned at the model's rate, and not found without a model."""
    from stream.acquisition.spike_event_inlet import SPIKE_EVENTS, SpikeEventInlet
    from stream.lsl.inlet import Inlet
    from stream.lsl.outlet import NEURAL_TYPES
    from stream.lsl.resolve import find_stream

    types = NEURAL_TYPES if model is None else (*NEURAL_TYPES, SPIKE_EVENTS)
    info = find_stream(query, types=types, wait_s=wait_s)
    if model is not None and info.type() == SPIKE_EVENTS:
        return SpikeEventInlet(info, model.rate_hz, model.channel_names)
    return Inlet(info)


def _describe_stream(inlet: Inlet | SpikeEventInlet, path: Path) -> Path:
    """Write what `decoders.rolling.explore.blank_model` needs of a stream to a file."""
    from math import isnan

    from stream.errors import BadUsage
    from stream.lsl.outlet import LSL_TYPES
    from stream.stream_facts import parse_facts

    inlet.prepare()
    recorded_hz = parse_facts(inlet.facts, inlet.name).recorded_rate_hz
    rate_hz = inlet.rate_hz if isnan(recorded_hz) else recorded_hz
    if not rate_hz:
        raise BadUsage(f"'{inlet.name}' has no regular sampling rate, which --explore needs.")
    kind = next(str(kind) for kind, type_ in LSL_TYPES.items() if type_ == inlet.type)
    stream = {"channel_names": list(inlet.channel_labels), "kind": kind, "rate_hz": rate_hz}
    path.write_text(json.dumps(stream))
    return path


def _start_recorder(path: Path, inlet: Inlet | SpikeEventInlet, name: str) -> RecorderChild:
    """Start the recorder in a process of its own; returns when it is ready."""
    from neuroreel.recording.recorder_process import RecorderChild

    recorder = RecorderChild(path, inlet.name, inlet.type, name, inlet.hostname)
    recorder.wait_ready()
    return recorder


def _run(
    engine: Engine, recorder: RecorderChild | None, refits: RefitClient | None, *, quiet: bool
) -> dict[str, Any]:
    """Decode until the end; prints the state of decoder, recorder and trainer once a second."""

    def each_second(stats: dict[str, Any]) -> None:
        status = recorder.poll(engine.announce) if recorder is not None else {}
        if not quiet:
            _print_status(stats, status)
            news = refits.take_news() if refits is not None else ""
            if news:
                echo_live(news, err=True)

    def on_notice(notice: Notice) -> None:
        in_status_line = notice.event == "state" and notice.facts["state"] not in ("live", "stale")
        if not quiet and not in_status_line:
            echo_live(f"{notice.event}: {notice.text}", err=True, fg="yellow" if notice.warning else None)

    def before_open() -> None:
        if recorder is not None:
            recorder.open_neural(engine.following, engine.announce)

    return engine.run(each_second, before_open, on_notice)


@contextlib.contextmanager
def _refit_client(arguments: list[str]) -> Iterator[RefitClient]:
    """Client of a trainer with these arguments, which runs in a process of its own and ends with the context."""
    import subprocess
    import tempfile

    from decoders.live.refit_client import RefitClient
    from neuroreel.subprocesses import start_child
    from stream.control import ControlReader

    with tempfile.TemporaryDirectory(prefix="neuroreel-") as folder:
        child = start_child(["refit", *arguments, "--folder", folder], control=True, stdout=subprocess.PIPE)
        assert child.process.stdout is not None
        try:
            yield RefitClient(child, ControlReader(child.process.stdout.fileno()), Path(folder))
        finally:
            child.stop(timeout_s=0.5)
            child.process.stdout.close()


def _open_window(name: str, model: Path | None) -> Child:
    """Open the window in a process of its own."""
    from neuroreel.subprocesses import start_child

    return start_child(["display", *([str(model)] if model is not None else []), "--name", name])


def _print_status(stats: dict[str, Any], recording: dict[str, Any]) -> None:
    """Print the state of decoder and recorder as one line."""
    latency = stats["latency_ms"]
    delay = (
        f"latency p50 {latency['p50']:6.2f} ms  p99 {latency['p99']:6.2f} ms  "
        if latency["p50"] == latency["p50"]
        else ""
    )
    rate_hz = stats["input_hz"] or stats["rate_hz"]
    recorded, problem = "", recording.get("problem")
    if problem:
        recorded = f"  NOT RECORDED: {problem}"
    elif recording:
        recorded = f"  recorded {(recording.get('bytes') or 0) / 1e6:.2f} MB"
    echo_live(
        f"{stats['state']:<10} {stats['received']:>8} samples  {rate_hz:8.1f} Hz  {delay}gaps {stats['gaps']}"
        f"{_counts(stats)}{recorded}",
        err=True,
        fg="red" if problem else None,
    )


def _counts(stats: dict[str, Any]) -> str:
    """Counts of problems other than gaps, only those above zero."""
    names = (
        "missing", "unread", "skipped", "duplicates", "reordered", "clock_jumps", "nan_samples", "dead_channels",
    )  # fmt: skip
    problems = {name.replace("_", " "): stats[name] for name in names}
    problems["no evidence"] = stats["provenance"]["no evidence"]
    return "".join(f"  {name} {count}" for name, count in problems.items() if count)


def _print_summary(summary: dict[str, Any]) -> None:
    """Print counts, and the scores if there was a stimulus stream."""
    from decoders.prediction import UNSURE_BELOW

    echo_live(f"{summary['received']} samples decoded; {summary['ended']}.")
    if summary["rolling"] is not None:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in summary["rolling"].items())
        echo_live(f"rolling: {counts}; final model version {summary['model_version']}")
    worth = summary["provenance"]
    if worth["no evidence"] or worth["unsure"]:
        echo_live(
            f"{worth['unsure']} predictions unsure (confidence below {UNSURE_BELOW:g}), {worth['no evidence']} without "
            "evidence (no channel had a valid value; counted as wrong)."
        )
    if summary["training_data"]["known"]:
        echo_live("The model was trained on these samples: their score says nothing about new data.")
    for label, figures in (summary["labels"] or {}).items():
        echo_live(
            f"label {label}: median error {figures['median_error']:.3g}, r2 {figures['r2']:.3f} "
            f"over {figures['moments']} samples"
        )
    for stream, n in summary["markers"].items():
        echo_live(f"{n} markers received from '{stream}'")
    score = summary["score"]
    if score is None:
        echo_live(f"No scores: {summary['no_score']}.")
        return
    for name in ("with_playback", "without_playback"):
        figures = score[name]
        echo_live(
            f"{name.replace('_', ' '):<17} within 1 s {figures['accuracy_within_1s']:.3f}  "
            f"exact {figures['accuracy_exact']:.3f}  median error {figures['median_frame_error']:.0f} frames"
        )
