"""Compare the default decoder with scikit-learn's on independent recordings: ``python -m benchmarks.independent``.

Each recording of `benchmarks.independent.recordings` is simulated with seeds 0, 1, ...; a model is fitted on most
repeats with the default settings of ``fit`` and scored on the others. Every baseline of
`benchmarks.independent.sklearn_baselines` chooses its own window in the same training repeats. Seeds are paired: the
standard error is that of the difference. A requirement is met when the default without the playback model is at or
above the best baseline, or below by less than one standard error; forecasts are compared with ``persistence`` and
``advance`` in the same way. Results are added to the file of ``--json`` after every recording; those already in it are
not measured again, or with ``--again`` only the default is.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.independent.position import measure_position
from benchmarks.independent.recordings import KINDS, Recording
from benchmarks.independent.sklearn_baselines import STRENGTHS, decode
from decoders.data.training_set import with_repeat_boundaries
from decoders.evaluation.predictions import collect_predictions
from decoders.evaluation.summary import build_report
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions

LOWER_IS_BETTER = ("median_error",)
NOT_JUDGED = ("blank_found",)
"""Share of moments without a stimulus that are called so: accuracy rises when none is, so that it is shown beside it."""
ALONE, PLAYBACK = "default alone", "default with playback"
SIMPLE_FORECASTS = ("advance", "persistence")
SMALLEST_PROBABILITY = 1e-9
ROUNDING = 1e-5
"""Smaller differences are those of single precision."""

Results = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.independent", description=__doc__)
    parser.add_argument("--seeds", type=int, default=4, help="number of random seeds, from 0")
    parser.add_argument("--only", choices=sorted(KINDS), action="append", help="recording; repeatable")
    parser.add_argument("--json", type=Path, help="file that results are added to")
    parser.add_argument("--again", action="store_true", help="measure the default again, not the baselines")
    arguments = parser.parse_args()
    results: Results = (
        json.loads(arguments.json.read_text()) if arguments.json and arguments.json.exists() else {}
    )
    for seed in range(arguments.seeds):
        for kind in arguments.only or KINDS:
            name = f"{kind}:{seed}"
            if name not in results or arguments.again:
                results[name] = measure(KINDS[kind](seed), seed, results.get(name))
                if arguments.json:
                    arguments.json.write_text(json.dumps(results, indent=1))
            show_run(name, results[name])
    for kind in arguments.only or KINDS:
        runs = [run for name, run in results.items() if name.partition(":")[0] == kind]
        if runs:
            show_kind(kind, runs)
    print("\n" + table(results) + "\n\n" + forecast_table(results))


def measure(recording: Recording, seed: int, before: Results | None = None) -> Results:
    """Fit the default and the baselines on one recording, and score all of them on every test.

    Parameters
    ----------
    recording, seed
        The recording and its random seed.
    before
        Earlier result with the same recording, whose baselines are kept.
    """
    if not recording.train:
        return measure_position(recording, seed)
    session = recording.session
    begun = time.process_time()
    model = fit_model(session, FitOptions(train_repeats=recording.train, seed=seed))
    fitted = time.process_time()
    train = with_repeat_boundaries(session.select_repeats(recording.train))
    tests = {
        name: with_repeat_boundaries(session.select_repeats(repeats))
        for name, repeats in recording.tests.items()
    }
    frames = np.unique(session.frame[session.frame >= 0]).astype(np.int64)
    movie_rate_hz = session.movie.rate_hz if session.movie is not None else 0.0
    scored: Results = {name: {} for name in tests}
    forecast = {}
    for name, test in tests.items():
        predictions = collect_predictions(model, test, 0, seed, posteriors=True)
        report = build_report(predictions, model, seed)
        forecast[name] = report["forecast"]
        truth = model.states.numbers(predictions.test.frame).astype(np.int64)
        columns = model.states.numbers_by_state.astype(np.int64)
        ours, *own = predictions.posteriors.items()
        posteriors = dict(zip((PLAYBACK, ALONE), ours[1], strict=True))
        posteriors |= {f"own {other}": alone for other, (_, alone) in own}
        for who, posterior in posteriors.items():
            scored[name][who] = score(posterior, columns, truth, frames, movie_rate_hz)
    settings = {}
    for baseline in STRENGTHS:
        if before is not None:
            settings[baseline] = before["settings"][baseline]
            for name in tests:
                scored[name][baseline] = before["tests"][name][baseline]
            continue
        for name, decoded in decode(baseline, train, tests, recording.windows_s, recording.lags_s).items():
            scored[name][baseline] = score(
                decoded.posterior, decoded.classes, decoded.truth, frames, movie_rate_hz
            )
            settings[baseline] = asdict(decoded.setting)
    card = model.card
    chosen = {name: card[name] for name in ("decoder", "context_ms", "lag_ms", "scores") if name in card}
    return {
        "tests": scored,
        "forecast": forecast,
        "settings": {"default": chosen, **settings},
        "fit_s": round(fitted - begun, 1),
        "total_s": round(time.process_time() - begun, 1),
    }


def score(
    posterior: NDArray[np.floating[Any]],
    columns: NDArray[np.int64],
    truth: NDArray[np.int64],
    frames: NDArray[np.int64],
    movie_rate_hz: float,
) -> dict[str, float]:
    """Score posteriors at the moments that show a frame, and count the others that are found.

    Parameters
    ----------
    posterior
        Probabilities [time, column].
    columns
        Frame of each column; -1 for no stimulus.
    truth
        Frame of each moment; -1 for none.
    frames
        Frames that occur; bits are relative to a uniform guess among them.
    movie_rate_hz
        Frames per second, which are the tolerance; 0 for categories.
    """
    shown = truth >= 0
    blank_found = float(np.mean(decided(posterior[~shown], columns) < 0)) if not shown.all() else float("nan")
    posterior, truth = posterior[shown], truth[shown]
    order = np.argsort(columns)
    at = order[np.minimum(np.searchsorted(columns, truth, sorter=order), len(columns) - 1)]
    at_truth = np.where(columns[at] == truth, posterior[np.arange(len(truth)), at], 0.0).astype(np.float64)
    predicted = decided(posterior, columns)
    near = (predicted >= 0) & (np.abs(predicted - truth) <= round(movie_rate_hz))
    return {
        "accuracy_exact": float(np.mean(predicted == truth)),
        "accuracy_within_1s": float(near.mean()),
        "bits": float(np.mean(np.log2(np.maximum(at_truth, SMALLEST_PROBABILITY))) + np.log2(len(frames))),
        "blank_found": blank_found,
    }


def decided(posterior: NDArray[np.floating[Any]], columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the decoded frame of each moment: none where that is likelier than all frames together."""
    blank = columns < 0
    frame = columns[~blank][posterior[:, ~blank].argmax(1)]
    return np.where(posterior[:, blank].sum(1) > 0.5, -1, frame)


def show_run(name: str, run: Results) -> None:
    """Print the scores of one recording."""
    if "skipped" in run:
        print(f"\n{name}: skipped: {run['skipped']}", flush=True)
        return
    windows = {who: one["n_window"] for who, one in run["settings"].items() if "n_window" in one}
    print(f"\n{name}: {run['fit_s']} s of processor time to fit, {run['total_s']} s in all")
    print(f"  default {run['settings']['default']}; windows of the others in samples {windows}")
    for test, rows in run["tests"].items():
        for who, figures in rows.items():
            cells = "  ".join(f"{figure} {value:7.3f}" for figure, value in figures.items())
            print(f"  {test:<9} {who:<22} {cells}", flush=True)


def show_kind(kind: str, runs: list[Results]) -> None:
    """Print a verdict for each test and figure of a kind of recording."""
    runs = [run for run in runs if "tests" in run]
    print(f"\n## {kind}, {len(runs)} seeds")
    for test in runs[0]["tests"] if runs else ():
        rows = [run["tests"][test] for run in runs]
        for figure in rows[0][ALONE]:
            values = {who: np.array([row[who][figure] for row in rows]) for who in rows[0]}
            print(
                f"  {test}, {figure}: "
                + ", ".join(f"{who} {each.mean():.3f}" for who, each in values.items())
            )
            if figure not in NOT_JUDGED:
                print("    " + against_best(values, figure))
        for horizon in runs[0].get("forecast", {}).get(test, ()):
            print("  " + forecast_verdict(test, horizon, [run["forecast"][test][horizon] for run in runs]))


def table(results: Results) -> str:
    """Return a table in Markdown: the default alone, the best baseline and their paired difference, by test."""
    lines = [
        "| recording | test | figure | alone | best baseline | difference | with playback | blank found |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind in KINDS:
        runs = [run for name, run in results.items() if name.partition(":")[0] == kind and "tests" in run]
        for test in runs[0]["tests"] if runs else ():
            rows = [run["tests"][test] for run in runs]
            for figure in (each for each in rows[0][ALONE] if each not in NOT_JUDGED):
                values = {who: np.array([row[who][figure] for row in rows]) for who in rows[0]}
                best = best_baseline(values, figure)
                gap, error = paired(values[ALONE] - values[best])
                mean = {who: float(each.mean()) for who, each in values.items()}
                blanks = [
                    np.mean([row[who].get("blank_found", np.nan) for row in rows]) for who in (ALONE, best)
                ]
                lines.append(
                    f"| {kind} | {test} | {figure} | {mean[ALONE]:.3f} | {mean[best]:.3f} ({best}) "
                    f"| {gap:+.3f} ± {error:.3f} | {mean[PLAYBACK]:.3f} | {blanks[0]:.2f} / {blanks[1]:.2f} |"
                )
    return "\n".join(lines).replace("nan / nan", "")


def forecast_table(results: Results) -> str:
    """Return a table in Markdown: bits of the forecast minus those of the simple ones, by horizon."""
    lines: list[str] = []
    for kind in KINDS:
        runs = [run for name, run in results.items() if name.partition(":")[0] == kind and "forecast" in run]
        for test, horizons in runs[0]["forecast"].items() if runs else ():
            if not lines:
                lines = ["| recording | test | minus | " + " | ".join(f"{h} s" for h in horizons) + " |"]
                lines.append("|---|---|---|" + "---|" * len(horizons))
            for who in SIMPLE_FORECASTS:
                cells = [
                    f"{gap:+.3f} ± {error:.3f}"
                    for gap, error in (
                        paired(forecast_gain([run["forecast"][test][h] for run in runs], who))
                        for h in horizons
                    )
                ]
                lines.append(f"| {kind} | {test} | {who} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def forecast_gain(rows: list[Results], who: str) -> NDArray[np.float64]:
    """Return the log score of the forecast above that of a simple one, in bits, for each seed."""
    return np.array([row["log_score_bits"] - row[who]["log_score_bits"] for row in rows])


def best_baseline(values: dict[str, NDArray[np.float64]], figure: str) -> str:
    """Return the name of the baseline whose mean over seeds is best."""
    sign = -1 if figure in LOWER_IS_BETTER else 1
    baselines = [who for who in values if who not in (ALONE, PLAYBACK)]
    return max(baselines, key=lambda who: sign * float(values[who].mean()))


def against_best(values: dict[str, NDArray[np.float64]], figure: str) -> str:
    """Compare the default without playback with the baseline whose mean over seeds is best."""
    sign = -1 if figure in LOWER_IS_BETTER else 1
    best = best_baseline(values, figure)
    return verdict(sign * (values[ALONE] - values[best]), f"default alone - {best}")


def forecast_verdict(test: str, horizon: str, rows: list[Results]) -> str:
    """Compare the forecast's log score with that of simple forecasts."""
    parts = []
    for who in SIMPLE_FORECASTS:
        parts.append(verdict(forecast_gain(rows, who), who))
    error = np.mean([row["median_frame_error"] for row in rows])
    return f"{test}, forecast {horizon} s: median error {error:.1f} frames; bits minus those of " + "; ".join(
        parts
    )


def paired(difference: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean of paired differences and its standard error."""
    error = difference.std(ddof=1) / np.sqrt(len(difference)) if len(difference) > 1 else 0.0
    return float(difference.mean()), float(error)


def verdict(difference: NDArray[np.float64], title: str) -> str:
    """Format a paired difference and whether it is at least zero, or below by less than one standard error."""
    mean, error = paired(difference)
    word = "at or above" if mean > -ROUNDING else "below by less than one SE" if mean > -error else "FAILS"
    return f"{title}: {mean:+.3f} ± {error:.3f}: {word}"


if __name__ == "__main__":
    main()
