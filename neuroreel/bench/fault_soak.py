"""The soak test with random faults: what sender, engine, recorder and window count as lost must agree."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.prediction import PREDICTION_CHANNELS
from neuroreel.bench.process_stats import process_stats
from neuroreel.bench.soak import WARM_UP_S, growth, resource_problems, watch
from neuroreel.subprocesses import Child, end_all, start_child
from stream.errors import StreamLost
from stream.io.session_io import load_session, save_session
from stream.io.xdf_reader import XdfStream, read_xdf
from stream.replay.faults import FaultPlan, parse_faults, plan_faults
from stream.sample_counter import COUNTER_LABEL
from stream.session import Session

NAME = "soak"
QUIET_S = 4.0
"""Seconds without faults at the beginning and at the end, so that every count has settled."""

RETURN_S = 3.0
"""After a restart, samples may be lost until a receiver has connected again; seconds."""

CLOSING_S = 0.3
"""Before a restart, samples under way are lost with the connection; seconds."""

TOLERANCE = 1e-6
LEAST_COMPARED = 0.5
END_S = 180.0  # the recorder verifies its file at the end
STAMP_RAW = PREDICTION_CHANNELS.index("stamp_raw")


@dataclass(frozen=True, slots=True)
class Disturbances:
    """Faults of a run.

    Attributes
    ----------
    faults
        Those of the sender, for `stream.replay.faults.parse_faults`.
    freezes
        Second, process and duration of each standstill of another process.
    """

    faults: str
    freezes: tuple[tuple[float, str, float], ...]


def random_disturbances(seconds: float, channels: tuple[str, ...], seed: int) -> Disturbances:
    """Draw a fault of the sender every two to six seconds, and a standstill of a process every ten to twenty.

    Parameters
    ----------
    seconds
        Duration of the run.
    channels
        Names of the neural channels.
    seed
        Random seed.
    """
    random = np.random.default_rng(seed)
    faults, freezes = [], []
    longest_s = {"drop": 1.5, "dup": 0.5, "swap": 0.5, "nan": 1.0, "dead": 1.5, "stall": 2.0, "clock": 20.0}
    other = seconds / 2  # from here on, the sender returns under another source id
    at_s = QUIET_S
    while at_s < seconds - QUIET_S - 2.0:
        kind = str(random.choice([*longest_s, "restart", "restart"]))
        length_s = float(random.uniform(0.2, longest_s.get(kind, 1.5)))
        if kind == "restart":
            kind = "restart" if at_s < other else "restart-other"
        if kind == "clock":
            length_s = max(1.0, length_s)  # a smaller one could be lost samples
        target = f":{random.choice(channels)}" if kind in ("nan", "dead") else ""
        faults.append(f"{kind}@{at_s:.2f}+{length_s:.2f}{target}")
        at_s += (0.0 if kind == "clock" else length_s) + float(random.uniform(2.0, 6.0))
    at_s = QUIET_S + float(random.uniform(0.0, 6.0))
    while at_s < seconds - QUIET_S - 3.0:
        process = str(random.choice(["engine", "recorder", "window"]))
        freezes.append((at_s, process, float(random.uniform(0.5, 2.5))))
        at_s += float(random.uniform(10.0, 20.0))
    return Disturbances(",".join(faults), tuple(freezes))


def counted_session(recording: Session, seconds: float) -> Session:
    """Repeat a recording for so long, with a channel that counts its samples.

    Parameters
    ----------
    recording
        A recording without gaps.
    seconds
        Duration in seconds.
    """
    n = round(seconds * recording.rate_hz)
    rows = np.arange(n) % recording.n_samples
    rounds = np.arange(n) // recording.n_samples
    repeat = np.where(recording.repeat[rows] >= 0, recording.repeat[rows] + 1000 * rounds, -1)
    neural = np.asarray(recording.neural, np.float32)[rows]
    return replace(
        recording,
        neural=np.c_[neural, np.arange(n, dtype=np.float32)],
        channel_names=(*recording.channel_names, COUNTER_LABEL),
        stamps=1.0 + np.arange(n) / recording.rate_hz,
        frame=recording.frame[rows],
        repeat=repeat.astype(np.int32),
        segment=np.zeros(n, np.int32),
        labels={},
    )


def run_fault_soak(
    minutes: float, seed: int, folder: Path, each_minute: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Send a recording with random faults while engine, recorder and window run, and compare what they count.

    Parameters
    ----------
    minutes
        Duration, minutes.
    seed
        Random seed of the faults.
    folder
        Folder for the files that the processes write.
    each_minute
        See `neuroreel.bench.soak.run_soak`.

    Returns
    -------
    result
        For JSON, see ``docs/latency.md``; ``problems`` lists what is wrong, ``passed`` is True when it is empty.

    Raises
    ------
    StreamLost
        When a process did not start, or ended early.
    """
    from replay_data.bundle import demo_model, demo_recording

    seconds = minutes * 60
    session = counted_session(load_session(demo_recording()), seconds)
    disturbances = random_disturbances(seconds, session.channel_names[:-1], seed)
    save_session(session, folder / "session.npz")
    reports = {name: folder / f"{name}.json" for name in ("sender", "engine", "window")}
    children: dict[str, Child] = {}

    def start(name: str, *arguments: str) -> None:
        more = ("--json", str(reports[name]))
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL if name == "sender" else None}
        children[name] = start_child([*arguments, *more], control=name != "window", **quiet)

    recording, model = folder / "soak.xdf", str(demo_model())
    try:
        start("window", "display", "--name", NAME, "--wait", "60")
        start(
            "sender", "replay", str(folder / "session.npz"), "--name", NAME, "--faults", disturbances.faults
        )
        start(
            "engine", "live", model, "--stream", NAME, "--record", str(recording), "--lag-budget-s", "0",
            "--await-consumer", "30",
        )  # fmt: skip
        watched: dict[str, Any] = dict(children)
        watched["recorder"] = _Recorder(children["engine"])
        with _freezing(watched, disturbances.freezes, recording):
            samples = watch(watched, seconds - 1.0, each_minute)
        codes = {"engine": children["engine"].wait(END_S), "sender": children["sender"].wait(END_S)}
        codes["window"] = children["window"].stop(timeout_s=END_S)
    finally:
        end_all(children.values())
    found = {name: _read(path, name) for name, path in reports.items()}
    rows = [row for row in found["engine"]["recording"]["streams"] if row["name"] == NAME]
    times_s = session.stamps - session.stamps[0]
    plan = plan_faults(parse_faults(disturbances.faults), times_s, session.channel_names)
    result: dict[str, Any] = {
        "seconds": seconds,
        "seed": seed,
        "faults": dict(Counter(fault["fault"] for fault in found["sender"]["injected"])),
        "standstills": dict(Counter(process for _, process, _ in disturbances.freezes)),
        "losses": losses(plan, times_s, found, rows, read_xdf(recording)),
        "live_vs_offline": live_vs_offline(recording, model),
        "recorder": {
            key: found["engine"]["recording"][key] for key in ("verified", "problems", "differences")
        },
        "holds_judged": seconds >= 2 * WARM_UP_S,
        "processes": {name: growth(name, samples, seconds) for name in watched},
        "exit_codes": codes,
        "samples": samples,
    }
    result["problems"] = problems(result)
    result["passed"] = not result["problems"]
    return result


def losses(
    plan: FaultPlan,
    times_s: NDArray[np.float64],
    reports: dict[str, dict[str, Any]],
    recorded_rows: list[dict[str, Any]],
    streams: list[XdfStream],
) -> dict[str, Any]:
    """Compare what each process counts as lost with what the sender did and what the recording holds.

    Parameters
    ----------
    plan
        What the sender's faults do to each sample.
    times_s
        When each sample is due, float64 [n], seconds.
    reports
        Reports of ``sender``, ``engine`` and ``window``.
    recorded_rows
        Entries of the neural stream in the recorder's summary.
    streams
        Streams of the recording.

    Returns
    -------
    losses
        For JSON. ``sender``: ``samples``, ``sent`` (at least once), ``withheld``, ``pushes`` and ``planned_pushes``.
        ``engine``, ``recorder``, ``window``: ``received``, ``lost`` as each reports it, ``not_received`` as it is in
        truth, and of these ``withheld`` by the sender, ``late`` (dropped, as they came after their successors),
        ``under_way`` (sent while no connection stood), ``unread`` (had arrived when the sender closed, and were lost
        because the process stood still; no more than it reports), ``unexplained``. ``agree``: whether all of this fits.
    """
    engine, window = reports["engine"], reports["window"]
    recorded, decoded = received_samples(streams, times_s + plan.clock_error_s)
    n = len(plan.copies)
    sent = plan.copies > 0
    may_be_lost = _around_restarts(plan, times_s)
    late = plan.order > np.arange(n)  # of two in reverse order, the one that comes second

    def compare(
        received: NDArray[np.intp], reported: int, late_ones: NDArray[np.bool_], unread: int = 0
    ) -> dict[str, Any]:
        here = np.zeros(n, np.bool_)
        here[received] = True
        span = np.zeros(n, np.bool_)
        if len(received):
            span[received.min() : received.max() + 1] = True
        absent = span & ~here
        parts = {
            "withheld": absent & ~sent,
            "late": absent & sent & late_ones,
            "under_way": absent & sent & ~late_ones & may_be_lost,
            "unexplained": absent & sent & ~late_ones & ~may_be_lost,
        }
        counts = {part: int(which.sum()) for part, which in parts.items()}
        last = parts["unexplained"] & _up_to_closings(plan, here)
        counts["unread"] = min(int(last.sum()), unread)
        counts["unexplained"] -= counts["unread"]
        return {"received": int(here.sum()), "lost": reported, "not_received": int(absent.sum()), **counts}

    between = sum(
        max(0, after["counted"][0] - before["counted"][1] - 1)
        for before, after in itertools.pairwise(recorded_rows)
    )
    lost_by_recorder = sum(row["missing"] for row in recorded_rows) + between
    result: dict[str, Any] = {
        "sender": {
            "samples": n,
            "sent": int(sent.sum()),
            "withheld": int((~sent).sum()),
            "pushes": reports["sender"]["samples"],
            "planned_pushes": int(plan.copies.sum()),
        },
        "engine": compare(decoded, engine["missing"] + engine["skipped"], late, engine["unread"]),
        "recorder": compare(recorded, lost_by_recorder, np.zeros(n, np.bool_)),
    }
    result["engine"] |= {key: engine[key] for key in ("duplicates", "reordered", "skipped")}
    result["engine"]["decoded"] = engine["received"]
    result["window"] = {
        "received": window["received"],
        "lost": window["lost"],
        "dropped": window["dropped"],
        "predictions_lost": engine["received"] - window["received"],
    }
    result["disagreements"] = _disagreements(result)
    result["agree"] = not result["disagreements"]
    return result


def _disagreements(found: dict[str, Any]) -> list[str]:
    """What does not fit together in the result of `losses`, as messages."""
    sender, engine, window = found["sender"], found["engine"], found["window"]
    pairs = [("sender: pushes and what its faults allow", sender["pushes"], sender["planned_pushes"])]
    for name in ("engine", "recorder"):
        own = found[name]
        pairs.append(
            (f"{name}: samples reported as lost and truly not received", own["lost"], own["not_received"])
        )
        pairs.append((f"{name}: samples lost without a fault, and none", own["unexplained"], 0))
    pairs += [
        ("engine: predictions and decoded samples in the recording", engine["decoded"], engine["received"]),
        ("window: samples reported as lost, and by the engine", window["lost"], engine["lost"]),
        ("window: predictions received and published", window["received"], engine["decoded"]),
        (
            "window: steps in the sequence and samples that the engine dropped",
            window["dropped"],
            engine["duplicates"] + engine["reordered"] + engine["skipped"],
        ),
    ]
    return [f"{what}: {one} and {other}" for what, one, other in pairs if one != other]


def received_samples(
    streams: list[XdfStream], sent_s: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Numbers of the samples in a recording, and of those that were decoded, each sorted and once.

    Parameters
    ----------
    streams
        Streams of the recording.
    sent_s
        Timestamps of all samples, relative to the first, as the sender would send them; float64 [n].
    """
    recorded, decoded = np.zeros(0, np.intp), np.zeros(0, np.intp)
    start_s = math.nan
    for stream in streams:
        if stream.name == NAME and len(stream.stamps):
            counts = np.asarray(stream.samples)[:, stream.labels.index(COUNTER_LABEL)].astype(np.intp)
            recorded = np.union1d(recorded, counts)
            start_s = float(stream.stamps[0]) - sent_s[counts[0]]
    for stream in streams:
        if stream.name == f"{NAME}-prediction":
            stamps = np.asarray(stream.samples)[:, STAMP_RAW] - start_s
            order = np.argsort(sent_s)
            middle = (sent_s[order][1:] + sent_s[order][:-1]) / 2
            decoded = np.union1d(decoded, order[np.searchsorted(middle, stamps)])
    return recorded, decoded


def live_vs_offline(recording: Path, model: str) -> dict[str, Any]:
    """Decode the recorded samples that were decoded live once more, and compare the predictions.

    Parameters
    ----------
    recording
        Recording with the engine's predictions.
    model
        Model file.

    Returns
    -------
    comparison
        ``predictions`` made live, ``compared`` ones, ``frames_that_differ``, and the ``largest_difference`` of their
        confidences. Not compared are segments of which the recording lacks a sample that was decoded.
    """
    from decoders.model.model import Model

    session = load_session(recording, stream=NAME)
    (prediction,) = (stream for stream in read_xdf(recording) if stream.name == f"{NAME}-prediction")
    live = {row[STAMP_RAW]: row for row in np.asarray(prediction.samples).tolist()}
    kept = np.array([stamp in live for stamp in session.stamps.tolist()])
    decoded = replace(
        session,
        neural=np.asarray(session.neural)[kept],
        stamps=session.stamps[kept],
        frame=session.frame[kept],
        repeat=session.repeat[kept],
        segment=session.segment[kept],
        labels={},
    )
    predicted = Model.load(model).predict(decoded, forecasts=False)
    segments = dict(zip(decoded.stamps.tolist(), decoded.segment.tolist(), strict=True))
    complete = ~np.isin(decoded.segment, _incomplete([segments.get(stamp) for stamp in live]))
    rows = np.array([live[stamp] for stamp in decoded.stamps.tolist()])[complete]
    frame, confidence = (rows[:, PREDICTION_CHANNELS.index(name)] for name in ("frame", "confidence"))
    return {
        "predictions": len(live),
        "compared": len(rows),
        "frames_that_differ": int(np.sum(frame != predicted.frame[complete])),
        "largest_difference": float(np.max(np.abs(confidence - predicted.confidence[complete]), initial=0.0)),
    }


def _incomplete(segments: list[int | None]) -> list[int]:
    """Segments in which a prediction is of a sample that was not recorded (None)."""
    found, unknown = [], False
    for before, segment in itertools.pairwise([None, *segments]):
        if segment is None:
            unknown = True
            found += [] if before is None else [before]
        elif unknown:
            unknown = False
            found.append(segment)
    return found


def problems(result: dict[str, Any]) -> list[str]:
    """List the problems of a run, as messages; empty when there are none.

    Parameters
    ----------
    result
        Result of `run_fault_soak`.
    """
    messages = list(result["losses"]["disagreements"])
    compared = result["live_vs_offline"]
    if compared["compared"] < LEAST_COMPARED * compared["predictions"]:
        messages.append(
            f"only {compared['compared']} of {compared['predictions']} predictions could be compared"
        )
    if compared["frames_that_differ"] or compared["largest_difference"] > TOLERANCE:
        messages.append(
            f"{compared['frames_that_differ']} frames decoded live differ from those of the recording, confidence by "
            f"up to {compared['largest_difference']:.2g}"
        )
    if not result["recorder"]["verified"]:
        messages.append("the recording is not verified")
    messages += result["recorder"]["problems"]
    return messages + resource_problems(result)


def _around_restarts(plan: FaultPlan, times_s: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Samples that may be lost with a connection: right before it is closed, and until it stands again."""
    around = np.zeros(len(times_s), np.bool_)
    for closed_s in times_s[plan.restart >= 0]:
        around |= (times_s > closed_s - CLOSING_S) & (times_s < closed_s + RETURN_S)
    return around


def _up_to_closings(plan: FaultPlan, received: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Samples that the sender closed after, with none received in between."""
    last = np.zeros(len(received), np.bool_)
    for closed in np.flatnonzero(np.diff(plan.restart >= 0, prepend=False) & (plan.restart >= 0)):
        before = np.flatnonzero(received[:closed])
        last[before[-1] + 1 if len(before) else 0 : closed] = True
    return last


class _Recorder:
    """The recorder, which is the engine's child."""

    def __init__(self, engine: Child) -> None:
        self._engine = engine

    @property
    def pid(self) -> int:
        """Process id; 0 before it has started."""
        children = Path(f"/proc/{self._engine.pid}/task/{self._engine.pid}/children")
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int(children.read_text().split()[0])
        return 0

    @property
    def running(self) -> bool:
        """Always: the engine reports its end."""
        return True


@contextlib.contextmanager
def _freezing(
    processes: dict[str, Any], freezes: tuple[tuple[float, str, float], ...], recording: Path
) -> Any:
    """Let processes stand still at times counted from the beginning of the recording."""
    ended = threading.Event()

    def run() -> None:
        while not recording.exists() and not ended.wait(0.1):
            pass
        begun = time.monotonic()
        for at_s, process, length_s in freezes:
            if ended.wait(max(0.0, begun + at_s - time.monotonic())):
                return
            pid = processes[process].pid
            if pid and process_stats(pid) is not None:
                os.kill(pid, signal.SIGSTOP)
                ended.wait(length_s)
                os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _read(path: Path, name: str) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        found: dict[str, Any] = json.loads(path.read_text())
        return found
    raise StreamLost(f"the {name} has reported nothing; see the messages above.")
