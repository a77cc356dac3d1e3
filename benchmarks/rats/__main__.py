"""Decode the position of a rat and compare with shrinkage LDA: ``python -m benchmarks.rats DATA_FOLDER OUT_FOLDER``.

DATA_FOLDER contains ``rat_hippocampus_buddy`` and ``rat_linear_track``; OUT_FOLDER receives each fold's training and
test part as npz sessions, its models and ``rats.json``. Windows have the printed lengths, and last the length that
training chose in each fold, which LDA then uses too. With ``--live`` every test part is also sent by
``neuroreel replay`` in another process and decoded by ``neuroreel live``; the predictions received over LSL are compared
with the offline predictions and with the true positions.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.rats.lda import lda, track_lda_through_holes
from benchmarks.rats.live import compare, receive
from benchmarks.rats.prepare import Fold, buddy_folds, load_track, track_folds
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.metrics import frame_axis, score
from decoders.model.model import Model
from decoders.prediction import Predictions
from stream.io.session_io import save_session
from stream.lsl.network import configure

WINDOWS_S: dict[str, tuple[float | None, ...]] = {
    "buddy": (0.25, 0.5, 1.0, 2.0, None),
    "track": (0.5, 1.0, 2.0, None),
}
REFERENCE = {"buddy": ("LDA, likeliest", "LDA, mean"), "track": ("LDA, likeliest",)}
"""LDA's figures, of which the better one divides ours."""

Errors = dict[str, list[NDArray[np.float64]]]


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """Result of a fold: true states, posteriors with and without playback, whether the truth is in the interval."""

    truth: NDArray[np.int32]
    posterior: NDArray[np.float32]
    alone: NDArray[np.float32]
    inside: NDArray[np.bool_]
    context_s: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.rats", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--live", action="store_true", help="also decode every fold live, over LSL")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    configure("loopback", f"rats-{uuid.uuid4().hex}")  # a session of its own, apart from other streams
    track = load_track(arguments.data)
    recordings = {"buddy": list(buddy_folds(arguments.data)), "track": list(track_folds(track))}
    report: dict[str, object] = {}
    for name, folds in recordings.items():
        for window_s in WINDOWS_S[name]:
            title = f"{name}, windows as chosen" if window_s is None else f"{name}, windows of {window_s:g} s"
            errors, decoded, live = run(folds, window_s, arguments.out, live=arguments.live)
            medians = show(title, errors, folds[0].unit)
            ratios = against_lda(errors, REFERENCE[name])
            report[title] = {
                "median_error": medians,
                "ratio_to_lda": ratios,
                "calibration": calibration(decoded, len(folds[0].centres)),
                "live": live,
            }
    for window_s in (0.5, 1.0):
        title = f"track, windows of {window_s:g} s that reach back over standstills, as published"
        errors = collect(
            posterior_errors(fold, p, "LDA") for fold, p in track_lda_through_holes(track, window_s)
        )
        report[title] = {"median_error": show(title, errors, "px")}
    (arguments.out / "rats.json").write_text(json.dumps(report, indent=2))


def run(
    folds: list[Fold], window_s: float | None, out: Path, *, live: bool
) -> tuple[Errors, list[Decoded], list[dict[str, object]]]:
    """Fit and score every fold of a recording; return errors by method, the predictions, and live comparisons."""
    rows, decoded, comparisons = [], [], []
    for fold in folds:
        model = fit_model(fold.train, FitOptions(context_s=window_s), baselines=live)
        context_s = model.card["context_ms"] / 1000
        offline = model.predict(fold.test, forecasts=False)
        model.use_playback = False
        alone = model.predict(fold.test, forecasts=False)
        model.use_playback = True
        posteriors = tuple(
            by_place(model, posterior, len(fold.centres))
            for posterior in (offline.posterior, offline.posterior_without_playback)
        )
        row = our_errors(fold, offline, posteriors)
        row["ours, continuous label, no playback"] = distance(fold, alone.continuous)
        inside = np.abs(offline.continuous - fold.test.labels["position"]) <= offline.half_width
        decoded.append(Decoded(fold.test.frame, posteriors[0], posteriors[1], inside, context_s))
        if live:
            received = receive(*write(fold, model, context_s, out), fold.test.name)
            comparisons.append(compare(fold.test, offline, received))
            row["ours, continuous label, live"] = distance(fold, received["continuous"])
        rows.append(row | posterior_errors(fold, lda(fold, context_s), "LDA"))
    return collect(rows), decoded, comparisons


def write(fold: Fold, model: Model, window_s: float, out: Path) -> tuple[Path, Path]:
    """Save a fold's parts and its model; return the paths of the test part and of the model."""
    stem = f"{fold.recording}-{fold.number}"
    save_session(fold.train, out / f"{stem}-train.npz", force=True)
    save_session(fold.test, out / f"{stem}-test.npz", force=True)
    model_path = out / f"{stem}-{1000 * window_s:.0f}ms.safetensors"
    model.save(model_path, force=True)
    return out / f"{stem}-test.npz", model_path


def by_place(model: Model, posterior: NDArray[np.float32], n_places: int) -> NDArray[np.float32]:
    """Return a posterior over the model's states as one over all places, with "no stimulus" last."""
    places = np.zeros((len(posterior), n_places + 1), np.float32)
    places[:, model.states.numbers_by_state] = posterior
    return places


def our_errors(
    fold: Fold, predictions: Predictions, posteriors: tuple[NDArray[np.float32], ...]
) -> dict[str, NDArray[np.float64]]:
    """Return the distance from the true position by method, float64 [time]."""
    by_method: dict[str, NDArray[np.float64]] = {}
    for playback, posterior in zip(("playback", "no playback"), posteriors, strict=True):
        places = posterior[:, :-1].astype(np.float64)
        by_method |= posterior_errors(fold, places / places.sum(1, keepdims=True), f"ours, {playback}")
    by_method["ours, continuous label"] = distance(fold, predictions.continuous)
    return by_method


def posterior_errors(fold: Fold, posterior: NDArray[np.float64], who: str) -> dict[str, NDArray[np.float64]]:
    """Return the errors of the likeliest state and of the posterior's mean."""
    centres = fold.centres[: posterior.shape[1]]
    return {
        f"{who}, likeliest": distance(fold, centres[posterior.argmax(1)]),
        f"{who}, mean": distance(fold, posterior @ centres),
    }


def distance(fold: Fold, estimate: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the Euclidean distance in the fold's unit, float64 [time]."""
    miss = np.asarray(estimate, np.float64) - fold.test.labels["position"]
    return np.sqrt(np.sum(miss**2, axis=1, dtype=np.float64))


def against_lda(errors: Errors, reference: tuple[str, ...]) -> dict[str, float]:
    """Print and return our pooled median errors relative to LDA's."""
    pooled = {method: float(np.median(np.concatenate(folds))) for method, folds in errors.items()}
    least = min(pooled[method] for method in reference)
    ratios = {method: value / least for method, value in pooled.items() if method.startswith("ours")}
    print("  relative to LDA: " + ", ".join(f"{method[6:]} {ratio:.2f}" for method, ratio in ratios.items()))
    return ratios


def calibration(decoded: list[Decoded], n_frames: int) -> dict[str, object]:
    """Print and return calibration error of places and coverage of intervals, pooled and in each fold."""
    axis = frame_axis(n_frames, ())
    truth = np.concatenate([fold.truth for fold in decoded])
    report: dict[str, object] = {"windows_s": [fold.context_s for fold in decoded]}
    for name, parts in (
        ("playback", [fold.posterior for fold in decoded]),
        ("no playback", [fold.alone for fold in decoded]),
    ):
        each = [score(part, fold.truth, axis)["ece"] for part, fold in zip(parts, decoded, strict=True)]
        report[f"ece, {name}"] = {
            "pooled": score(np.concatenate(parts), truth, axis)["ece"],
            "folds": each,
        }
    report["interval of 80 % holds"] = {
        "pooled": float(np.concatenate([fold.inside for fold in decoded]).mean()),
        "folds": [float(fold.inside.mean()) for fold in decoded],
    }
    print(f"  {json.dumps(report, default=float)}")
    return report


def collect(rows: Iterable[dict[str, NDArray[np.float64]]]) -> Errors:
    """Convert one row per fold to one list of folds per method."""
    errors: Errors = {}
    for row in rows:
        for method, error in row.items():
            errors.setdefault(method, []).append(error)
    return errors


def show(title: str, errors: Errors, unit: str) -> dict[str, object]:
    """Print and return medians, pooled over all test bins and for each fold."""
    digits = 3 if unit == "m" else 0
    print(f"\n{title}: median error in {unit}, over all folds and in each")
    report: dict[str, object] = {}
    for method, folds in errors.items():
        pooled, each = float(np.median(np.concatenate(folds))), [float(np.median(fold)) for fold in folds]
        print(f"  {method:<32} {pooled:8.{digits + 1}f}   " + " ".join(f"{one:8.{digits}f}" for one in each))
        report[method] = {"pooled": pooled, "folds": each, "unit": unit}
    return report


if __name__ == "__main__":
    main()
