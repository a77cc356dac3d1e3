"""Score the default decoder and its baselines on every preset: ``python -m benchmarks.presets --seeds 8 --json F``.

Each preset is simulated with seeds 0, 1, ...; a model is fitted on all repeats but the last two, with the default
settings of ``fit``, and scored on those two: one in order, one disturbed. The last two repeats of ``many-scenes``
contain scenes that training never shows; there the repeat before them is the test. Baselines get the same window, the
same tuning on held-out repeats and the same playback model. Seeds are paired: every decoder gets the same recordings,
and the standard error is that of the difference from the default decoder. Results are added to the file of ``--json``
after every recording; those already in it are not measured again.

The calibration error is reported for all recordings together and as the mean of single ones: neighbouring moments share
most of their window, so one recording has few independent moments in each bin, and its error would not be zero even
if every probability were right.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import with_repeat_boundaries
from decoders.evaluation.predictions import collect_predictions
from decoders.evaluation.summary import build_report
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.metrics import N_CALIBRATION_BINS, Decoded, FrameAxis, frame_errors
from replay_data.simulate import PRESETS, simulate
from stream.session import Session

DECODERS = ("default", "linear", "lda", "naive_bayes", "knn")
CONTROLS = ("counter", "onset_clock", "neural_shuffled")
PLAYBACK = ("without_playback", "with_playback")


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.presets", description=__doc__)
    parser.add_argument("--seeds", type=int, default=8, help="last random seed plus one")
    parser.add_argument("--first", type=int, default=0, help="first random seed")
    parser.add_argument("--presets", nargs="+", choices=sorted(PRESETS), default=list(PRESETS))
    parser.add_argument(
        "--draws", type=int, default=20, help="refits on shifted labels; 0 disables the controls"
    )
    parser.add_argument("--json", type=Path, required=True, help="file that results are added to")
    arguments = parser.parse_args()
    results: dict[str, Any] = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
    for seed in range(arguments.first, arguments.seeds):
        for preset in arguments.presets:
            name = f"{preset}:{seed}"
            if name not in results:
                results[name] = measure(preset, seed, arguments.draws)
                arguments.json.write_text(json.dumps(results, indent=1))
    show(results)


def measure(preset: str, seed: int, draws: int) -> dict[str, Any]:
    """Fit on the first repeats of one recording and score the last."""
    session = simulate(preset, seed)
    train, test = split_repeats(preset, session)
    begun = time.perf_counter()
    model = fit_model(session, FitOptions(train_repeats=train, seed=seed))
    fit_seconds = time.perf_counter() - begun
    predictions = collect_predictions(
        model, with_repeat_boundaries(session.select_repeats(test)), draws, seed
    )
    scores = build_report(predictions, model, seed)
    scored = {"default": {playback: scores[playback] for playback in PLAYBACK}, **scores["baselines"]}
    bins = {
        playback: _bins(model.axis, decoded, predictions.test.frame)
        for playback, decoded in zip(PLAYBACK[::-1], predictions.decoders["model"], strict=True)
    }
    surest = {
        playback: float(decoded.confidence[decoded.frame >= 0].max(initial=0.0))
        for playback, decoded in zip(PLAYBACK[::-1], predictions.decoders["model"], strict=True)
    }
    return {
        "decoders": {
            n: {playback: _figures(block[playback]) for playback in PLAYBACK} for n, block in scored.items()
        },
        "controls": scores["controls"],
        "verdict": scores["verdict"],
        "surest": surest,
        "calibration": bins,
        "decoder": model.card["decoder"],
        "context_ms": model.card["context_ms"],
        "fit_seconds": round(fit_seconds, 1),
    }


def split_repeats(preset: str, session: Session) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the training and the test repeats."""
    train, test = session.repeats[:-2], session.repeats[-2:]
    if PRESETS[preset].n_unseen:
        train, test = train[:-1], train[-1:]
    return tuple(train), tuple(test)


def _figures(block: dict[str, Any]) -> dict[str, float]:
    return {name: block[name] for name in ("accuracy_within_1s", "log_score_bits", "ece")}


def _bins(axis: FrameAxis, decoded: Decoded, frame: NDArray[np.int32]) -> list[list[float]]:
    """Return moments, summed confidence and hits within one second, for each bin of confidence."""
    shown = frame >= 0
    confident = decoded.confidence[shown]
    _, hit = frame_errors(decoded.frame[shown], frame[shown], axis.clip, axis.tolerance_frames)
    index = np.minimum((confident * N_CALIBRATION_BINS).astype(np.int64), N_CALIBRATION_BINS - 1)
    return [
        np.bincount(index, weight, N_CALIBRATION_BINS).tolist()
        for weight in (np.ones(len(confident)), confident, hit)
    ]


def _pooled_error(runs: list[dict[str, Any]], playback: str) -> float:
    """Return the expected calibration error of all recordings together."""
    moments, confident, hits = np.sum([run["calibration"][playback] for run in runs], axis=0)
    return float(np.abs(confident - hits).sum() / moments.sum())


def show(results: dict[str, Any]) -> None:
    """Print the tables of the docs."""
    for playback in PLAYBACK:
        print(f"\n### {playback.replace('_', ' ').capitalize()}\n")
        print(
            "| preset | seeds | "
            + " | ".join(DECODERS)
            + " | ece, of all (mean of single ones) |\n|---|---|"
            + "---|" * (len(DECODERS) + 1)
        )
        for preset, runs in _by_preset(results).items():
            own = _column(runs, "default", playback, "accuracy_within_1s")
            cells = [f"{own.mean():.3f}"]
            for name in DECODERS[1:]:
                other = _column(runs, name, playback, "accuracy_within_1s")
                cells.append(f"{other.mean():.3f} ({_difference(other - own)})")
            ece = _column(runs, "default", playback, "ece").mean()
            cells.append(f"{_pooled_error(runs, playback):.3f} ({ece:.3f})")
            print(f"| `{preset}` | {len(runs)} | " + " | ".join(cells) + " |")
    print("\n### Log score in bits above uniform, without playback\n")
    print("| preset | " + " | ".join(DECODERS) + " |\n|---|" + "---|" * len(DECODERS))
    for preset, runs in _by_preset(results).items():
        bits = (_column(runs, name, "without_playback", "log_score_bits").mean() for name in DECODERS)
        print(f"| `{preset}` | " + " | ".join(f"{value:.2f}" for value in bits) + " |")
    print(
        "\n### Controls\n\n| preset | " + " | ".join(CONTROLS) + " | labels_shifted, p95 | verdict | surest |"
    )
    print("|---|" + "---|" * (len(CONTROLS) + 3))
    for preset, runs in _by_preset(results).items():
        if all(run["controls"] for run in runs):
            cells = [
                " / ".join(f"{_control(runs, name, playback):.3f}" for playback in PLAYBACK)
                for name in CONTROLS
            ]
            shifted = [
                np.mean([run["controls"]["labels_shifted"][playback]["p95"] for run in runs])
                for playback in PLAYBACK
            ]
            cells.append(" / ".join(f"{value:.3f}" for value in shifted))
            above = sum(run["verdict"] == "above chance" for run in runs)
            cells.append(f"above chance in {above} of {len(runs)}")
            cells.append(
                " / ".join(f"{max(run['surest'][playback] for run in runs):.2f}" for playback in PLAYBACK)
            )
            print(f"| `{preset}` | " + " | ".join(cells) + " |")


def _by_preset(results: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    out: dict[str, list[dict[str, Any]]] = {}
    for name in sorted(results, key=lambda name: list(PRESETS).index(name.partition(":")[0])):
        out.setdefault(name.partition(":")[0], []).append(results[name])
    return out


def _column(runs: list[dict[str, Any]], decoder: str, playback: str, figure: str) -> np.ndarray:
    return np.array([run["decoders"][decoder][playback][figure] for run in runs])


def _control(runs: list[dict[str, Any]], name: str, playback: str) -> float:
    return float(np.mean([run["controls"][name][playback]["accuracy_within_1s"] for run in runs]))


def _difference(values: np.ndarray) -> str:
    """Format the mean and standard error of paired differences."""
    if len(values) < 2:
        return f"{values.mean():+.3f}"
    return f"{values.mean():+.3f} ± {values.std(ddof=1) / np.sqrt(len(values)):.3f}"


if __name__ == "__main__":
    main()
