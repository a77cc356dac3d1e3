"""Time, memory and accuracy of the default fit, compared with CEBRA on the same split."""

from __future__ import annotations

import resource
import sys
import time
from typing import Any

from decoders.evaluation.evaluate import EvaluateOptions, evaluate
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from neuroreel.bench.cebra import CebraSettings
from neuroreel.bench.data import BenchData


def bench_fit(
    data: BenchData, seed: int, cebra: CebraSettings | None = None, *, cached: bool = False
) -> dict[str, Any]:
    """Fit with the default settings and score on the held-out repeats.

    Parameters
    ----------
    data
        Recording to fit on.
    seed
        Random seed.
    cebra
        Settings for fitting CEBRA; None to leave it out.
    cached
        Use a cached CEBRA run if there is one.

    Returns
    -------
    result
        For JSON: hashes and repeats of the data, ``fit`` with times, memory and scores, and ``peer`` with CEBRA's.
    """
    start, start_cpu = time.perf_counter(), time.process_time()
    model = fit_model(data.whole, FitOptions(train_repeats=data.train_repeats, seed=seed))
    train_s, train_cpu_s = time.perf_counter() - start, time.process_time() - start_cpu
    peak_mb = peak_memory_mb()
    start_cpu = time.process_time()
    scores = evaluate(model, data.test, EvaluateOptions(draws=0, seed=seed))
    evaluate_cpu_s = time.process_time() - start_cpu
    names = ("accuracy_within_1s", "accuracy_exact", "log_score_bits", "ece", "per_repeat")
    result: dict[str, Any] = {
        "recording": data.name,
        "units": len(model.channel_names),
        "train_repeats": list(data.train_repeats),
        "test_repeats": list(data.test.repeats),
        "train_sha256": data.train.sha256(),
        "test_sha256": data.test.sha256(),
        "fit": {
            "train_seconds": round(train_s, 2),
            "train_cpu_seconds": round(train_cpu_s, 2),
            "peak_memory_mb": round(peak_mb),
            "evaluate_cpu_seconds": round(evaluate_cpu_s, 2),
            "evaluate_peak_memory_mb": round(peak_memory_mb()),
            "mode": model.card["mode"],
            "decoder": model.card["decoder"],
            "context_ms": model.card["context_ms"],
            "seed": seed,
            **{part: {n: scores[part][n] for n in names} for part in ("with_playback", "without_playback")},
        },
        "peer": None,
    }
    if cebra is not None:
        from neuroreel.bench.cebra_cache import cebra_run

        result["peer"] = cebra_run(data.train, data.test, cebra, seed, cached=cached)
        cpu_s = result["peer"].get("train_cpu_seconds")  # missing in runs stored by early versions
        result["times_faster"] = cpu_s and round(cpu_s / result["fit"]["train_cpu_seconds"], 1)
    return result


def peak_memory_mb() -> float:
    """Peak resident memory of this process, MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
