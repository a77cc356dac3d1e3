"""How long fitting takes, how much memory, and to what score, beside the peer on the same split."""

from __future__ import annotations

import resource
import sys
import time
from typing import Any

from decoders.evaluation.evaluate import EvaluateOptions, evaluate
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from neuroreel.bench.cebra import PeerSettings
from neuroreel.bench.data import BenchData


def bench_fit(
    data: BenchData, seed: int, peer: PeerSettings | None = None, *, cached: bool = False
) -> dict[str, Any]:
    """Fit with the default settings and score on showings that were not trained on.

    Parameters
    ----------
    data
        What to fit on.
    seed
        Of everything random.
    peer
        How to fit the peer; None = not at all.
    cached
        Take the peer's run from the cache when it is there.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    model = fit_model(data.whole, FitOptions(train_repeats=data.train_repeats, seed=seed))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak_mb = peak_memory_mb()
    scores = evaluate(model, data.test, EvaluateOptions(draws=0, seed=seed))
    names = ("accuracy_within_1s", "accuracy_exact", "log_score_bits", "ece", "per_repeat")
    result: dict[str, Any] = {
        "recording": data.name,
        "units": len(model.channel_names),
        "train_repeats": list(data.train_repeats),
        "test_repeats": list(data.test.repeats),
        "train_sha256": data.train.sha256(),
        "test_sha256": data.test.sha256(),
        "fit": {
            "train_seconds": round(wall, 2),
            "train_cpu_seconds": round(cpu, 2),
            "peak_memory_mb": round(peak_mb),
            "mode": model.card["mode"],
            "decoder": model.card["decoder"],
            "context_ms": model.card["context_ms"],
            "seed": seed,
            **{part: {n: scores[part][n] for n in names} for part in ("with_playback", "without_playback")},
        },
        "peer": None,
    }
    if peer is not None:
        from neuroreel.bench.cebra_cache import peer_run

        result["peer"] = peer_run(data.train, data.test, peer, seed, cached=cached)
        theirs = result["peer"].get("train_cpu_seconds")  # early runs kept the clock's seconds alone
        result["times_faster"] = theirs and round(theirs / result["fit"]["train_cpu_seconds"], 1)
    return result


def peak_memory_mb() -> float:
    """The most memory this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
