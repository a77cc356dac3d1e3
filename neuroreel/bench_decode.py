"""How long one step of decoding takes, beside what others need for the same moment."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.embedding.ladder import ladder_sums
from decoders.fit import FitOptions, fit_model
from decoders.memory import recall
from decoders.model import Model
from decoders.rehearsal import Rehearsal
from neuroreel.bench_data import UNITS, BenchData
from stream.session import Session

RATE_HZ = 120.0
WARM_UP = 50
N_TIGHT = 2000
N_PEER = 200
PEER_NEIGHBOURS = 25
TIMED_ITERATIONS = 20
"""Enough to have a network of the right size: how long a step takes does not depend on how long it was trained."""


def bench_decode(data: BenchData, seconds: float, *, against_cebra: bool) -> dict[str, Any]:
    """Time single steps, one thread.

    Parameters
    ----------
    data
        What to decode.
    seconds
        How long the paced measurement lasts.
    against_cebra
        Time CEBRA with its kNN decoder too.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        model, n_paced = _model(data), round(seconds * RATE_HZ)
        result: dict[str, Any] = {
            "units": len(model.channel_names),
            "frames": model.n_frames,
            "tight_us": step_times(model, data.test, N_TIGHT),
            "decision_us": step_times(model, data.test, N_TIGHT, whole=False),
            "paced_us": step_times(model, data.test, n_paced, RATE_HZ, rehearsed=True),
            "paced_cold_us": step_times(model, data.test, n_paced, RATE_HZ),
            "paced_hz": RATE_HZ,
            "peers_tight_us": {"sklearn_knn": _sklearn_knn(model, data.test)},
        }
        if against_cebra:
            result["peers_tight_us"]["cebra"] = _cebra(data)
    ours = result["tight_us"]["cpu_p50"]
    result["times_slower"] = {
        name: round(times["cpu_p50"] / ours, 1) for name, times in result["peers_tight_us"].items()
    }
    return result


def step_times(
    model: Model,
    session: Session,
    n_steps: int,
    rate_hz: float = 0.0,
    *,
    rehearsed: bool = False,
    whole: bool = True,
) -> dict[str, float]:
    """Microseconds of `Model.step`, everything included: posterior, filter, forecast.

    Parameters
    ----------
    model
        Fitted.
    session
        Whose samples are decoded, over and over.
    n_steps
        Steps timed, after some to warm up.
    rate_hz
        Of the steps; 0 = one right after the other.
    rehearsed
        Each after a dry run, as in the engine.
    whole
        False = `Model.decide` alone: posterior, filter and forecast, all that the published prediction needs.
    """
    samples = np.asarray(session.neural, np.float32)
    period = 1 / (session.rate_hz or 30.0)
    model.reset()
    rehearsal = Rehearsal(model)

    def step(index: int) -> None:
        model.step(samples[index % len(samples)], index * period)

    def decide(index: int) -> None:
        model.follow(model.decide(samples[index % len(samples)], index * period))

    def before(index: int, due: float) -> None:
        rehearsal.note(samples[index % len(samples), None], rate_hz, due - 1 / rate_hz)
        time.sleep(rehearsal.wait_s(time.perf_counter()) or 0.0)
        rehearsal.run()

    times = _timed(step if whole else decide, n_steps, rate_hz, before if rehearsed else None)
    model.reset()
    return times


def _timed(
    step: Callable[[int], Any],
    n_steps: int,
    rate_hz: float = 0.0,
    before: Callable[[int, float], None] | None = None,
) -> dict[str, float]:
    """Percentiles of the time by the clock, and the median of processor time, which a busy computer moves less."""
    times, cpu = np.empty(n_steps), np.empty(n_steps)
    gc.collect()
    gc.freeze()
    due = time.perf_counter()
    for index in range(WARM_UP + n_steps):
        if rate_hz:
            due += 1 / rate_hz
            if before is not None:
                before(index, due)
            time.sleep(max(0.0, due - time.perf_counter()))
        worked, begun = time.process_time(), time.perf_counter()
        step(index)
        if index >= WARM_UP:
            times[index - WARM_UP] = 1e6 * (time.perf_counter() - begun)
            cpu[index - WARM_UP] = 1e6 * (time.process_time() - worked)
    gc.unfreeze()
    out = {name: round(float(np.percentile(times, q)), 1) for name, q in (("p50", 50), ("p99", 99))}
    return {**out, "cpu_p50": round(float(np.median(cpu)), 1)}


def _model(data: BenchData) -> Model:
    if len(data.whole.channel_names) == UNITS[0]:
        from replay_data.bundle import demo_model

        return Model.load(demo_model())
    return fit_model(data.whole, FitOptions(train_repeats=data.train_repeats))


def _sklearn_knn(model: Model, test: Session) -> dict[str, float]:
    """The same embedding read out by scikit-learn's k nearest neighbours among all training points."""
    from sklearn.neighbors import KNeighborsClassifier

    train = recall(model)
    points = _embedded(model, train.clean, train.border)
    knn = KNeighborsClassifier(PEER_NEIGHBOURS, metric="cosine").fit(points, train.state)
    border = np.r_[True, np.diff(test.segment) > 0]
    asked = _embedded(model, train.preprocessor.run(np.asarray(test.neural, np.float32), border), border)
    return _timed(lambda index: knn.predict(asked[index % len(asked), None]), N_PEER)


def _embedded(model: Model, clean: NDArray[np.float32], border: NDArray[np.bool_]) -> NDArray[np.float32]:
    sums, _ = ladder_sums(clean, border, model.parts.scaling.n_window, model.parts.spans)
    return model.parts.embedding.project(model.parts.scaling.features(sums))


def _cebra(data: BenchData) -> dict[str, float]:
    """``cebra.transform`` of one window, and ``KNNDecoder.predict`` of its newest point."""
    from neuroreel.peer import Peer, PeerSettings

    peer = Peer(PeerSettings(iterations=TIMED_ITERATIONS)).fit(data.train)
    n, reach = peer.n_window, peer.reach
    decoder = peer.decoder(PEER_NEIGHBOURS)
    neural = np.asarray(data.test.neural, np.float32)

    def step(index: int) -> None:
        at = n + index % (len(neural) - n)
        window = np.sqrt(neural[at - n : at])
        decoder.predict(peer.model.transform(window)[n - 1 - reach, None])

    return _timed(step, N_PEER)
