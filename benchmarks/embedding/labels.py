"""Measure how well embeddings decode continuous labels: ``python -m benchmarks.embedding.labels [DATA_FOLDER]``.

Each embedding is fitted on the training part with the label, and the label of test moments is decoded from neighbours
(mean of the k most similar training points) or by ridge regression; k and the penalty are selected on the last third of
the training part. No playback model, no posterior over frames. Recordings: running speed in the simulated demo, and with
DATA_FOLDER the rat's position of ``rat_hippocampus_buddy``, in the folds of `benchmarks.rats`. Needs torch.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.rats.prepare import buddy_folds
from decoders.data.training_set import with_repeat_boundaries
from decoders.embedding.estimator import Embedding
from decoders.readouts.continuous import fit_ridge, median_error
from replay_data.simulate import simulate
from stream.session import Session

MODES = ("linear", "label", "time", "hybrid")
NEIGHBOURS = (5, 15, 45, 150)
PENALTIES = (1.0, 10.0, 100.0, 1000.0)

Points = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.embedding.labels", description=__doc__)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--context-s", type=float, default=0.5)
    arguments = parser.parse_args()
    for name, label, folds in recordings(arguments.data):
        for mode in MODES:
            by_method: dict[str, list[NDArray[np.float32]]] = {}
            truths = []
            for train, test in folds:
                estimates = decode_label(train, test, label, mode, arguments.context_s)
                truths.append(test.labels[label])
                for method, estimate in estimates.items():
                    by_method.setdefault(method, []).append(estimate)
            truth = np.concatenate(truths)
            errors = {
                method: round(median_error(np.concatenate(e), truth), 3) for method, e in by_method.items()
            }
            print(
                json.dumps({"recording": name, "label": label, "mode": mode, "median_error": errors}),
                flush=True,
            )


def recordings(data: Path | None) -> Iterator[tuple[str, str, list[tuple[Session, Session]]]]:
    demo = simulate("demo", 0)
    parts = demo.select_repeats(range(9)), demo.select_repeats([10, 11])
    yield "demo (seed 0)", "running", [(with_repeat_boundaries(parts[0]), with_repeat_boundaries(parts[1]))]
    if data is not None:
        yield "buddy", "position", [(fold.train, fold.test) for fold in buddy_folds(data)]


def decode_label(train: Session, test: Session, label: str, mode: str, context_s: float) -> dict[str, Points]:
    """Decode the label of every test moment by each method."""
    context = min(40, max(1, round(context_s * train.rate_hz)))
    cut = 2 * train.n_samples // 3
    index = np.arange(train.n_samples)
    first, last = train.take(index < cut), train.take(index >= cut)
    known = points_of(first, last, label, mode, context)
    tried: dict[tuple[str, float], Points] = {
        **{("neighbours", k): neighbours(*known, k) for k in NEIGHBOURS},
        **{("ridge", p): ridge(*known, p) for p in PENALTIES},
    }
    errors = {method: median_error(estimate, last.labels[label]) for method, estimate in tried.items()}
    final = points_of(train, test, label, mode, context)
    out = {}
    for name, decode in (("neighbours", neighbours), ("ridge", ridge)):
        best = min((method for method in tried if method[0] == name), key=lambda method: errors[method])
        out[name] = decode(*final, best[1])
    middle = np.nanmedian(train.labels[label], axis=0).astype(np.float32)
    return {**out, "median": np.broadcast_to(middle, test.labels[label].shape)}


def points_of(
    train: Session, test: Session, label: str, mode: str, context: int
) -> tuple[Points, NDArray[np.float32], Points]:
    """Return training points with their labels, and test points."""
    values = np.asarray(train.labels[label], np.float32)
    embedding = Embedding(mode, context).fit(
        train.neural,
        labels=None if mode == "time" else values,
        repeat=train.repeat_with_blanks(),
        segment=train.segment,
    )
    before, after = (embedding.transform(part.neural, part.segment) for part in (train, test))
    known = np.isfinite(values).all(1)
    return before[known], values[known], after


def neighbours(points: Points, values: NDArray[np.float32], test: Points, k: float) -> NDArray[np.float32]:
    near = np.argpartition(test @ points.T, -int(k), axis=1)[:, -int(k) :]
    return np.asarray(values[near].mean(1), np.float32)


def ridge(points: Points, values: NDArray[np.float32], test: Points, penalty: float) -> NDArray[np.float32]:
    weights = fit_ridge(points, values, penalty)
    return np.asarray(test @ weights[:-1] + weights[-1], np.float32)


if __name__ == "__main__":
    main()
