"""How long one step of decoding takes, beside what others need for the same moment."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.embedding.multiscale import multiscale_sums
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.live.warmup import Warmup
from decoders.model.model import Model
from decoders.model.training_archive import restore_training
from neuroreel.bench.data import UNITS, BenchData
from stream.session import Session

RATE_HZ = 120.0
WARM_UP = 50
N_TIGHT = 2000
N_PEER = 200
ROUNDS = 10
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
        steps = {
            "ours": (_step(model, data.test), N_TIGHT),
            "decision": (_step(model, data.test, whole=False), N_TIGHT),
            "sklearn_knn": (_sklearn_knn(model, data.test), N_PEER),
        }
        if against_cebra:
            steps["cebra"] = (_cebra(data), N_PEER)
        tight = _in_turn(steps)
        ours = tight.pop("ours")
        result: dict[str, Any] = {
            "units": len(model.channel_names),
            "frames": model.n_frames,
            "tight_us": ours,
            "decision_us": tight.pop("decision"),
            "paced_us": paced_times(model, data.test, n_paced, rehearsed=True),
            "paced_cold_us": paced_times(model, data.test, n_paced),
            "paced_hz": RATE_HZ,
            "peers_tight_us": tight,
        }
    result["times_slower"] = {
        name: round(times["cpu_p50"] / ours["cpu_p50"], 1) for name, times in tight.items()
    }
    return result


def paced_times(model: Model, session: Session, n_steps: int, *, rehearsed: bool = False) -> dict[str, float]:
    """Microseconds of `Model.step` at `RATE_HZ`, everything included: posterior, filter, forecast.

    Parameters
    ----------
    model
        Fitted.
    session
        Whose samples are decoded, over and over.
    n_steps
        Steps timed, after some to warm up.
    rehearsed
        Each after a dry run, as in the engine.
    """
    samples = np.asarray(session.neural, np.float32)
    warmup = Warmup(model)
    step = _step(model, session)
    due = time.perf_counter()

    def wait(index: int) -> None:
        nonlocal due
        due += 1 / RATE_HZ
        if rehearsed:
            warmup.schedule(samples[index % len(samples), None], RATE_HZ, due - 1 / RATE_HZ)
            time.sleep(warmup.wait_s(time.perf_counter()) or 0.0)
            warmup.run()
        time.sleep(max(0.0, due - time.perf_counter()))

    for index in range(WARM_UP):
        wait(index)
        step(index)
    return _figures(_timed(step, range(WARM_UP, WARM_UP + n_steps), wait))


def _step(model: Model, session: Session, *, whole: bool = True) -> Callable[[int], Any]:
    """One step; unless ``whole``, only posterior, filter and forecast: what the published prediction needs."""
    samples = np.asarray(session.neural, np.float32)
    period = 1 / (session.rate_hz or 30.0)

    def step(index: int) -> None:
        model.step(samples[index % len(samples)], index * period)

    def decide(index: int) -> None:
        model.step(samples[index % len(samples)], index * period, lambda _decision: False)

    return step if whole else decide


def _in_turn(steps: dict[str, tuple[Callable[[int], Any], int]]) -> dict[str, dict[str, float]]:
    """Figures of each, in rounds that follow each other, for a computer is not equally quick at all times."""
    times: dict[str, list[NDArray[np.float64]]] = {name: [] for name in steps}
    for round_ in range(ROUNDS):
        for name, (step, n_steps) in steps.items():
            first, n = round_ * n_steps // ROUNDS, n_steps // ROUNDS
            for index in range(n // 4):
                step(first + index)
            times[name].append(_timed(step, range(first + n // 4, first + n // 4 + n)))
    return {name: _figures(np.hstack(each)) for name, each in times.items()}


def _timed(
    step: Callable[[int], Any], indices: range, wait: Callable[[int], None] = lambda _index: None
) -> NDArray[np.float64]:
    """Time by the clock and processor time, which a busy computer moves less, of each step, us [2, steps]."""
    times = np.empty((2, len(indices)))
    gc.collect()
    gc.freeze()
    for row, index in enumerate(indices):
        wait(index)
        worked, begun = time.process_time(), time.perf_counter()
        step(index)
        times[:, row] = time.perf_counter() - begun, time.process_time() - worked
    gc.unfreeze()
    return 1e6 * times


def _figures(times: NDArray[np.float64]) -> dict[str, float]:
    elapsed, cpu = times
    out = {name: round(float(np.percentile(elapsed, q)), 1) for name, q in (("p50", 50), ("p99", 99))}
    return {**out, "cpu_p50": round(float(np.median(cpu)), 1)}


def _model(data: BenchData) -> Model:
    if len(data.whole.channel_names) == UNITS[0]:
        from replay_data.bundle import demo_model

        return Model.load(demo_model())
    return fit_model(data.whole, FitOptions(train_repeats=data.train_repeats))


def _sklearn_knn(model: Model, test: Session) -> Callable[[int], Any]:
    """The same embedding read out by scikit-learn's k nearest neighbours among all training points."""
    from sklearn.neighbors import KNeighborsClassifier

    train = restore_training(model)
    points = _embedded(model, train.clean, train.boundary)
    knn = KNeighborsClassifier(PEER_NEIGHBOURS, metric="cosine").fit(points, train.state)
    boundary = np.r_[True, np.diff(test.segment) > 0]
    asked = _embedded(model, train.preprocessor.run(np.asarray(test.neural, np.float32), boundary), boundary)
    return lambda index: knn.predict(asked[index % len(asked), None])


def _embedded(model: Model, clean: NDArray[np.float32], boundary: NDArray[np.bool_]) -> NDArray[np.float32]:
    sums, _ = multiscale_sums(clean, boundary, model.parts.scaling.n_window, model.parts.spans)
    return model.parts.embedding.project(model.parts.scaling.features(sums))


def _cebra(data: BenchData) -> Callable[[int], Any]:
    """``cebra.transform`` of one window, and ``KNNDecoder.predict`` of its newest point."""
    from neuroreel.bench.cebra import Peer, PeerSettings

    peer = Peer(PeerSettings(iterations=TIMED_ITERATIONS)).fit(data.train)
    n, reach = peer.n_window, peer.reach
    decoder = peer.decoder(PEER_NEIGHBOURS)
    neural = np.asarray(data.test.neural, np.float32)

    def step(index: int) -> None:
        at = n + index % (len(neural) - n)
        window = np.sqrt(neural[at - n : at])
        decoder.predict(peer.model.transform(window)[n - 1 - reach, None])

    return step
