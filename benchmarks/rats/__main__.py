"""Print where a rat is, decoded, beside shrinkage LDA: ``python -m benchmarks.rats DATA_FOLDER OUT_FOLDER``.

DATA_FOLDER holds ``rat_hippocampus_buddy`` and ``rat_linear_track``; OUT_FOLDER gets each fold's training and test
part as npz sessions, its model and ``rats.json``. With ``--live FOLD`` that fold's test part is also sent by
``neuroreel replay`` in another process and decoded by ``neuroreel live``.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.rats.lda import lda, track_lda_through_holes
from benchmarks.rats.prepare import Fold, buddy_folds, load_track, track_folds
from decoders.fit import FitOptions, fit_model
from decoders.model import Model
from stream.files import save_session

WINDOWS_S = {"buddy": (0.25, 0.5), "track": (0.5, 1.0)}

Errors = dict[str, list[NDArray[np.float64]]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.rats", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--live", type=int, metavar="FOLD", help="also decode this fold live, over LSL")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    report: dict[str, object] = {}
    track = load_track(arguments.data)
    recordings: dict[str, Callable[[], Iterator[Fold]]] = {
        "buddy": lambda: buddy_folds(arguments.data),
        "track": lambda: track_folds(track),
    }
    for name, folds in recordings.items():
        for window_s in WINDOWS_S[name]:
            errors: Errors = {}
            for fold in folds():
                model = fit_model(fold.train, FitOptions(context_s=window_s))
                write(fold, model, window_s, arguments.out)
                for way, error in {
                    **our_errors(fold, model),
                    **lda_errors(fold, lda(fold, window_s)),
                }.items():
                    errors.setdefault(way, []).append(error)
            report[f"{name} {window_s:g} s"] = show(f"{name}, windows of {window_s:g} s", errors, fold.unit)
    for window_s in WINDOWS_S["track"]:
        errors = {}
        for fold, posterior in track_lda_through_holes(track, window_s):
            for way, error in lda_errors(fold, posterior).items():
                errors.setdefault(way, []).append(error)
        report[f"track {window_s:g} s, through holes"] = show(
            f"track, windows of {window_s:g} s that reach back over standing still, as published",
            errors,
            "px",
        )
    if arguments.live is not None:
        from benchmarks.rats.live import compare_live

        for name in recordings:
            report[f"{name} live"] = compare_live(
                f"{name}-{arguments.live}", WINDOWS_S[name][0], arguments.out
            )
    (arguments.out / "rats.json").write_text(json.dumps(report, indent=2))


def write(fold: Fold, model: Model, window_s: float, out: Path) -> None:
    """Save what a live run of this fold needs."""
    stem = f"{fold.recording}-{fold.number}"
    save_session(fold.train, out / f"{stem}-train.npz", force=True)
    save_session(fold.test, out / f"{stem}-test.npz", force=True)
    model.save(out / f"{stem}-{1000 * window_s:.0f}ms.safetensors", force=True)


def our_errors(fold: Fold, model: Model) -> dict[str, NDArray[np.float64]]:
    """Distance from the true position, by way of reading it off the model, float [time]."""
    predictions = model.predict(fold.test, forecasts=False)
    ways = {}
    for playback, posterior in (
        ("playback", predictions.posterior),
        ("no playback", predictions.posterior_without_playback),
    ):
        places = posterior[:, :-1].astype(np.float64)
        ways |= read_off(fold, places / places.sum(1, keepdims=True), f"ours, {playback}")
    ways["ours, continuous label"] = distance(fold, predictions.continuous)
    return ways


def lda_errors(fold: Fold, posterior: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """The same for LDA."""
    return read_off(fold, posterior, "LDA")


def read_off(fold: Fold, posterior: NDArray[np.float64], who: str) -> dict[str, NDArray[np.float64]]:
    """Errors of the likeliest state and of the posterior's mean."""
    centres = fold.centres[: posterior.shape[1]]
    return {
        f"{who}, likeliest": distance(fold, centres[posterior.argmax(1)]),
        f"{who}, mean": distance(fold, posterior @ centres),
    }


def distance(fold: Fold, estimate: NDArray[np.floating]) -> NDArray[np.float64]:
    """Euclidean, in the fold's unit, float [time]."""
    return np.linalg.norm(np.asarray(estimate, np.float64) - fold.test.labels["position"], axis=1)


def show(title: str, errors: Errors, unit: str) -> dict[str, object]:
    """Print medians, pooled over all test bins and for each fold; returns them."""
    digits = 3 if unit == "m" else 0
    print(f"\n{title}: median error in {unit}, over all folds and in each")
    report = {}
    for way, folds in errors.items():
        pooled, each = float(np.median(np.concatenate(folds))), [float(np.median(fold)) for fold in folds]
        print(f"  {way:<32} {pooled:8.{digits + 1}f}   " + " ".join(f"{one:8.{digits}f}" for one in each))
        report[way] = {"median": pooled, "folds": each, "unit": unit}
    return report


if __name__ == "__main__":
    main()
