"""Time of one decoding step, compared with other decoders on the same samples."""

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
from decoders.prediction import Prediction
from neuroreel.bench.data import UNITS, BenchData
from stream.session import Session

RATE_HZ = 120.0
"""Rate of the paced measurement."""

N_WARM_UP = 50
"""Paced steps before the measurement."""

N_TIGHT = 2000
"""Steps timed one directly after the other."""

N_KNN = 200
"""Steps of the slower kNN decoders timed the same way."""

ROUNDS = 10
"""Rounds into which the tight steps are divided; the decoders alternate from round to round."""

KNN_NEIGHBOURS = 25
CEBRA_ITERATIONS = 20
"""Training iterations of CEBRA; the time of a step does not depend on how long the network was trained."""


def bench_decode(data: BenchData, seconds: float, *, against_cebra: bool) -> dict[str, Any]:
    """Time single decoding steps on one thread.

    Parameters
    ----------
    data
        Recording to decode.
    seconds
        Duration of the paced measurement, seconds.
    against_cebra
        Also time CEBRA with its kNN decoder.

    Returns
    -------
    result
        For JSON: percentiles in microseconds for each way of running a step, and the ratios of CPU time.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        model, n_paced = _model(data), round(seconds * RATE_HZ)
        steps = {
            **{name: (step, N_TIGHT) for name, step in _steps(model, data.test).items()},
            "sklearn_knn": (_sklearn_knn(model, data.test), N_KNN),
        }
        if against_cebra:
            steps["cebra"] = (_cebra(data), N_KNN)
        tight = _interleaved(steps)
        ours = tight.pop("ours")
        result: dict[str, Any] = {
            "units": len(model.channel_names),
            "frames": model.n_frames,
            "tight_us": ours,
            "decision_us": tight.pop("decision"),
            "published_us": tight.pop("published"),
            "paced_us": paced_times(model, data.test, n_paced, warm=True),
            "paced_cold_us": paced_times(model, data.test, n_paced),
            "paced_hz": RATE_HZ,
            "peers_tight_us": tight,
        }
    result["times_slower"] = {
        name: round(times["cpu_p50"] / ours["cpu_p50"], 1) for name, times in tight.items()
    }
    return result


def paced_times(model: Model, session: Session, n_steps: int, *, warm: bool = False) -> dict[str, float]:
    """Time `Model.step`, and what the engine reads of it, at `RATE_HZ`; returns percentiles in microseconds.

    Parameters
    ----------
    model
        Fitted model.
    session
        Recording whose samples are decoded, from the beginning again after the last one.
    n_steps
        Number of steps timed, after `N_WARM_UP` steps that are not.
    warm
        Run a warm-up before each step, as the engine does.
    """
    samples = np.asarray(session.neural, np.float32)
    warmup = Warmup(model)
    step = _steps(model, session)["published"]
    due = time.perf_counter()

    def wait(index: int) -> None:
        nonlocal due
        due += 1 / RATE_HZ
        if warm:
            warmup.schedule(samples[index % len(samples), None], RATE_HZ, due - 1 / RATE_HZ)
            time.sleep(warmup.wait_s(time.perf_counter()) or 0.0)
            warmup.run()
        time.sleep(max(0.0, due - time.perf_counter()))

    for index in range(N_WARM_UP):
        wait(index)
        step(index)
    return _percentiles(_timed(step, range(N_WARM_UP, N_WARM_UP + n_steps), wait))


def _steps(model: Model, session: Session) -> dict[str, Callable[[int], Any]]:
    """Ways to run a step of a model.

    "ours" is `Model.step`: posterior, playback model and forecast; "decision" is what it computes before the prediction
    is published; "published" also reads the lists of likeliest frames for the forecast stream.
    """
    samples = np.asarray(session.neural, np.float32)
    period = 1 / (session.rate_hz or 30.0)

    def step(index: int) -> Prediction:
        return model.step(samples[index % len(samples)], index * period)

    def decide(index: int) -> None:
        model.step(samples[index % len(samples)], index * period, lambda _decision: False)

    return {"ours": step, "decision": decide, "published": lambda index: step(index).forecast}


def _interleaved(steps: dict[str, tuple[Callable[[int], Any], int]]) -> dict[str, dict[str, float]]:
    """Percentiles for each step function; runs are interleaved because the computer's speed varies over time."""
    times: dict[str, list[NDArray[np.float64]]] = {name: [] for name in steps}
    for round_ in range(ROUNDS):
        for name, (step, n_steps) in steps.items():
            first, n = round_ * n_steps // ROUNDS, n_steps // ROUNDS
            for index in range(n // 4):
                step(first + index)
            times[name].append(_timed(step, range(first + n // 4, first + n // 4 + n)))
    return {name: _percentiles(np.hstack(rounds)) for name, rounds in times.items()}


def _timed(
    step: Callable[[int], Any], indices: range, wait: Callable[[int], None] = lambda _index: None
) -> NDArray[np.float64]:
    """Wall-clock and CPU time of each step, us [2, steps]; CPU time depends less on other programs."""
    times = np.empty((2, len(indices)))
    gc.collect()
    gc.freeze()
    for row, index in enumerate(indices):
        wait(index)
        start_cpu, start = time.process_time(), time.perf_counter()
        step(index)
        times[:, row] = time.perf_counter() - start, time.process_time() - start_cpu
    gc.unfreeze()
    return 1e6 * times


def _percentiles(times: NDArray[np.float64]) -> dict[str, float]:
    elapsed, cpu = times
    wall = {name: round(float(np.percentile(elapsed, q)), 1) for name, q in (("p50", 50), ("p99", 99))}
    return {**wall, "cpu_p50": round(float(np.median(cpu)), 1)}


def _model(data: BenchData) -> Model:
    if len(data.whole.channel_names) == UNITS[0]:
        from replay_data.bundle import demo_model

        return Model.load(demo_model())
    return fit_model(data.whole, FitOptions(train_repeats=data.train_repeats))


def _sklearn_knn(model: Model, test: Session) -> Callable[[int], Any]:
    """scikit-learn's k-nearest-neighbours classifier on our embedding, fitted on all training points."""
    from sklearn.neighbors import KNeighborsClassifier

    train = restore_training(model)
    points = _embedded(model, train.clean, train.boundary)
    knn = KNeighborsClassifier(KNN_NEIGHBOURS, metric="cosine").fit(points, train.state)
    boundary = np.r_[True, np.diff(test.segment) > 0]
    queries = _embedded(
        model, train.preprocessor.run(np.asarray(test.neural, np.float32), boundary), boundary
    )
    return lambda index: knn.predict(queries[index % len(queries), None])


def _embedded(model: Model, clean: NDArray[np.float32], boundary: NDArray[np.bool_]) -> NDArray[np.float32]:
    sums, _ = multiscale_sums(clean, boundary, model.parts.scaling.n_window, model.parts.spans)
    return model.parts.embedding.project(model.parts.scaling.features(sums))


def _cebra(data: BenchData) -> Callable[[int], Any]:
    """``cebra.transform`` of one window, and ``KNNDecoder.predict`` of its newest point."""
    from neuroreel.bench.cebra import CebraDecoder, CebraSettings

    cebra = CebraDecoder(CebraSettings(iterations=CEBRA_ITERATIONS)).fit(data.train)
    n, shift = cebra.n_window, cebra.shift
    knn = cebra.knn(KNN_NEIGHBOURS)
    neural = np.asarray(data.test.neural, np.float32)

    def step(index: int) -> None:
        end = n + index % (len(neural) - n)
        window = np.sqrt(neural[end - n : end])
        knn.predict(cebra.model.transform(window)[n - 1 - shift, None])

    return step
