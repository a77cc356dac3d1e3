"""Measure embeddings of few dimensions: ``python -m benchmarks.embedding.small [DATA_FOLDER]``.

Principal components, LDA (the leading dimensions of the linear embedding) and the contrastive embedding of the same
causal windows, and CEBRA if it is installed, are read out by nearest neighbours: the likeliest frame of the bundled
recording (trained on repeats 0 to 8, tested on 10, in order, and 11, disturbed), and with DATA_FOLDER the rat's
position of ``rat_hippocampus_buddy`` in the folds of `benchmarks.rats`. Context and number of neighbours are chosen for
each method on the last third of the training repeats; CEBRA has the context of its network, and the number of neighbours
that is best on the test data. Needs torch.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.rats.prepare import buddy_folds
from decoders.data.training_set import with_repeat_boundaries
from decoders.embedding.estimator import Embedding
from decoders.embedding.linear import unit_length
from replay_data.bundle import demo_recording
from stream.io.session_io import load_session
from stream.session import Session

METHODS = ("pca", "lda", "contrastive")
NEIGHBOURS = (1, 5, 25, 75)
CONTEXTS_S = (1 / 3, 1.0)

Points = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Task:
    """Training and test part of a recording; movie frames, or places of a track."""

    name: str
    train: Session
    test: Session
    near: int
    """Frames, or places, that are not pushed apart."""

    @property
    def is_movie(self) -> bool:
        """Whether frames of a movie are decoded, rather than positions."""
        return self.train.movie is not None


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.embedding.small", description=__doc__)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--dimensions", nargs="+", type=int, default=[3, 8, 16])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--skip-demo", action="store_true")
    arguments = parser.parse_args()
    rows: dict[tuple[str, int, int], dict[str, list[NDArray[np.float64]]]] = {}
    for task in tasks(arguments.data, arguments.skip_demo):
        for seed in arguments.seeds:
            for n_dimensions in arguments.dimensions:
                row = rows.setdefault((task.name, n_dimensions, seed), {})
                for method in METHODS:
                    row.setdefault(method, []).append(measured(task, method, n_dimensions, seed, arguments))
                if find_spec("cebra") is not None and task.is_movie:
                    row.setdefault("cebra", []).append(of_cebra(task, n_dimensions, seed))
                if task.is_movie:
                    print_row(task.name, n_dimensions, seed, row)
    for (name, n_dimensions, seed), row in rows.items():
        if name == "buddy":
            print_row(name, n_dimensions, seed, row)


def tasks(data: Path | None, skip_demo: bool) -> Iterator[Task]:
    if not skip_demo:
        demo = load_session(demo_recording())
        train, test = (with_repeat_boundaries(demo.select_repeats(r)) for r in (range(9), (10, 11)))
        yield Task("demo", train, test, near=10)
    if data is not None:
        for fold in buddy_folds(data):
            yield Task("buddy", fold.train, fold.test, near=1)


def measured(
    task: Task, method: str, n_dimensions: int, seed: int, arguments: argparse.Namespace
) -> NDArray[np.float64]:
    """Return the error of each test moment, with settings chosen on the last third of the training repeats."""
    repeats = task.train.repeats
    held_out = np.isin(task.train.repeat, repeats[-(len(repeats) // 3) :])
    inner = replace(task, train=task.train.take(~held_out), test=task.train.take(held_out))
    scores = {}
    for context_s in CONTEXTS_S:
        points = embedded(inner, method, n_dimensions, seed, context_s, arguments)
        for k in NEIGHBOURS:
            scores[context_s, k] = summary(task, errors(inner, *points, k))
    better = max if task.is_movie else min
    context_s, k = better(scores, key=lambda settings: scores[settings])
    return errors(task, *embedded(task, method, n_dimensions, seed, context_s, arguments), k)


def embedded(
    task: Task, method: str, n_dimensions: int, seed: int, context_s: float, arguments: argparse.Namespace
) -> tuple[Points, Points]:
    """Return training and test points of unit length."""
    train = task.train
    context = round(context_s * train.rate_hz)
    embedding = Embedding(
        "label",
        context,
        steps=arguments.steps if method == "contrastive" else 0,
        seed=seed,
        dimensions=n_dimensions,
        near=task.near,
        device=arguments.device,
    )
    embedding.fit(train.neural, train.frame, repeat=train.repeat_with_blanks(), segment=train.segment)
    if method != "pca":
        known, points = (embedding.transform(part.neural, part.segment) for part in (train, task.test))
        return known, points
    known, points = (
        embedding.encoder_.inputs(
            np.asarray(part.neural, np.float32), np.r_[True, np.diff(part.segment) != 0]
        )
        for part in (train, task.test)
    )
    mean = known.mean(0)
    axes = np.linalg.svd(known - mean, full_matrices=False)[2][:n_dimensions].T
    return unit_length((known - mean) @ axes), unit_length((points - mean) @ axes)


def errors(task: Task, known: Points, points: Points, k: int) -> NDArray[np.float64]:
    """Return the error of the nearest neighbours' answer at each test moment: frames, or metres."""
    shown, tested = task.train.frame >= 0, task.test.frame >= 0
    out = []
    for part in np.array_split(np.flatnonzero(tested), max(1, int(tested.sum()) // 500)):
        nearest = np.argpartition(-(points[part] @ known[shown].T), k, axis=1)[:, :k]
        if task.is_movie:
            votes = task.train.frame[shown][nearest]
            decoded = np.array([np.bincount(row).argmax() for row in votes])
            out.append(np.abs(decoded - task.test.frame[part]).astype(np.float64))
        else:
            decoded = task.train.labels["position"][shown][nearest].mean(1)
            out.append(np.abs(decoded - task.test.labels["position"][part])[:, 0].astype(np.float64))
    return np.concatenate(out)


def summary(task: Task, error: NDArray[np.float64]) -> float:
    """Return the share within one second of a movie, or the median error in metres."""
    return float(np.mean(error <= round(task.train.rate_hz))) if task.is_movie else float(np.median(error))


def of_cebra(task: Task, n_dimensions: int, seed: int) -> NDArray[np.float64]:
    from neuroreel.bench.cebra import NEIGHBOURS as TRIED
    from neuroreel.bench.cebra import CebraDecoder, CebraSettings

    decoder = CebraDecoder(CebraSettings(output_dimension=n_dimensions), seed).fit(task.train)
    points, tested = decoder.transform(task.test), task.test.frame >= 0
    found = [np.abs(decoder.predict_frames(points, k) - task.test.frame)[tested].astype(float) for k in TRIED]
    return max(found, key=lambda error: summary(task, error))


def print_row(name: str, n_dimensions: int, seed: int, row: dict[str, list[NDArray[np.float64]]]) -> None:
    pooled: dict[str, Any] = {}
    for method, parts in row.items():
        error = np.concatenate(parts)
        pooled[method] = round(float(np.mean(error <= 30) if name == "demo" else np.median(error)), 3)
    unit = "within 1 s" if name == "demo" else "median error, m"
    print(json.dumps({"recording": name, "dimensions": n_dimensions, "seed": seed, unit: pooled}), flush=True)


if __name__ == "__main__":
    main()
