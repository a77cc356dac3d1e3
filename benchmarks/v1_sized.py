"""Ask what the order of play adds on recordings of the size of a real one: ``python -m benchmarks.v1_sized``.

Simulated recordings of 30 one-second frames, 20 repeats and 80 units; a model is fitted on repeats 0 to 9, which always
play in order, and tested on repeats 10 to 19 and on ten more whose seconds are shuffled. The share of seconds decoded
exactly is printed for the default without and with the playback model, beside scikit-learn's LDA on one second, which
cannot know the order. The noise was set so that LDA reaches about .9, as on a real recording of mouse visual cortex.
With ``--data`` the tuning is that of real units (Allen Institute Visual Coding Neuropixels, ``v1_movie_tuning``).
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.independent.__main__ import ALONE, PLAYBACK, verdict
from benchmarks.independent.sklearn_baselines import decode
from decoders.data.training_set import with_repeat_boundaries
from decoders.evaluation.predictions import collect_predictions
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.metrics import score
from stream.io.session_io import load_session
from stream.session import Session

N_SECONDS, N_REPEATS, N_UNITS = 30, 20, 80
TRAIN = tuple(range(10))
GIVEN = ("of a movie", "alone")
LDA = "LDA, one second"
FIGURES = ("accuracy_exact", "log_score_bits")


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.v1_sized", description=__doc__)
    parser.add_argument("--seeds", type=int, default=8, help="number of random seeds, from 0")
    parser.add_argument(
        "--data", type=Path, help="folder with v1_movie_tuning, whose real units are then drawn"
    )
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    arguments = parser.parse_args()
    real = None if arguments.data is None else load_tuning(arguments.data)
    runs = {given: [measure(seed, given, real) for seed in range(arguments.seeds)] for given in GIVEN}
    for given, of_given in runs.items():
        show(given, of_given)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(runs, indent=1))


def show(given: str, runs: list[dict[str, Any]]) -> None:
    """Print the scores with their paired differences."""
    print(f"\n## frames {given}")
    for seed, run in enumerate(runs):
        print(f"seed {seed}: window {run['context_ms']:g} ms, {run['decoder']}")
    for test in ("in order", "shuffled"):
        for figure in FIGURES:
            values = {who: np.array([run[test][who][figure] for run in runs]) for who in runs[0][test]}
            print(
                f"{test}, {figure}: " + ", ".join(f"{who} {each.mean():.3f}" for who, each in values.items())
            )
            for who in (ALONE, PLAYBACK):
                print("    " + verdict(values[who] - values[LDA], f"{who} - {LDA}"))


def measure(seed: int, given: str, real: NDArray[np.float64] | None = None) -> dict[str, Any]:
    """Fit one recording, and score the default and LDA in order and shuffled."""
    session, shuffled = simulated_sessions(seed, given, real)
    model = fit_model(session, FitOptions(train_repeats=TRAIN, seed=seed))
    train = with_repeat_boundaries(session.select_repeats(TRAIN))
    tests = {
        "in order": with_repeat_boundaries(session.select_repeats(range(len(TRAIN), N_REPEATS))),
        "shuffled": with_repeat_boundaries(shuffled),
    }
    lda = decode("lda", train, tests, windows_s=(1.0,), lags_s=(0.0,))
    out: dict[str, Any] = {"context_ms": model.card["context_ms"], "decoder": model.card["decoder"]}
    for name, test in tests.items():
        posteriors = dict(
            zip(
                (PLAYBACK, ALONE),
                collect_predictions(model, test, 0, seed, posteriors=True).posteriors["model"],
                strict=True,
            )
        )
        # LDA has no column for "no stimulus", which is never shown.
        posteriors[LDA] = np.c_[lda[name].posterior, np.zeros(test.n_samples)].astype(np.float32)
        out[name] = {}
        for who, posterior in posteriors.items():
            scores = score(posterior, test.frame, model.axis)
            out[name][who] = {figure: scores[figure] for figure in FIGURES}
    return out


def simulated_sessions(
    seed: int, given: str, real: NDArray[np.float64] | None = None
) -> tuple[Session, Session]:
    """Return a recording in order and one of shuffled seconds, with frames as one of `GIVEN`."""
    in_order, shuffled = (
        _session(counts, frame, with_rate=given == "of a movie") for counts, frame in simulate(seed, real)
    )
    return in_order, shuffled


def load_tuning(data: Path) -> NDArray[np.float64]:
    """Load the mean counts of all real units [second, unit]."""
    with np.load(data / "v1_movie_tuning" / "v1_movie_tuning.npz") as arrays:
        return np.asarray(arrays["mean_counts_train"], np.float64).T


def simulate(
    seed: int, real: NDArray[np.float64] | None = None
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield counts and frames of a recording in order, and of ten repeats of the same units with shuffled seconds."""
    rng = np.random.default_rng([seed, 7])
    if real is None:
        tuned = np.exp(0.35 * rng.standard_normal((N_SECONDS, N_UNITS)))
        counts = rng.gamma(1.0, 5.0, N_UNITS) * tuned / tuned.mean(0)
    else:
        counts = real[:, rng.choice(real.shape[1], N_UNITS, replace=False)]
    coupling = rng.uniform(0.2, 1.8, N_UNITS)
    in_order = np.tile(np.arange(N_SECONDS), N_REPEATS)
    mixed = np.concatenate([rng.permutation(N_SECONDS) for _ in TRAIN])
    for frame in (in_order, mixed):
        shared = 0.4 * _slow(rng, (len(frame), 1)) * coupling
        own = (0.36 if real is None else 0.65) * _slow(rng, (len(frame), N_UNITS))
        yield rng.poisson(counts[frame] * np.exp(shared + own)), frame


def _slow(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return noise of unit variance, correlated with that of the second before."""
    noise = rng.standard_normal(shape)
    for index in range(1, len(noise)):
        noise[index] = 0.7 * noise[index - 1] + np.sqrt(1 - 0.7**2) * noise[index]
    return noise


def _session(counts: NDArray[np.int64], frame: NDArray[np.int64], *, with_rate: bool) -> Session:
    rate: dict[str, Any] = {"movie_rate_hz": 1.0} if with_rate else {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "v1.npz"
        np.savez(
            path,
            neural=counts.astype(np.float32),
            stamps=np.arange(1.0, len(frame) + 1),
            frame=frame,
            repeat=np.arange(len(frame)) // N_SECONDS,
            kind="spikes",
            **rate,
        )
        return load_session(path)


if __name__ == "__main__":
    main()
