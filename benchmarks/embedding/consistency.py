"""Measure the consistency of embeddings between runs and recordings: ``python -m benchmarks.embedding.consistency``.

Several recordings of one movie are simulated, each with units of its own. Every embedding is fitted on repeats 0 to 8
of one recording and transforms the test repeat in order. Embeddings are reduced to the same number of dimensions, in two
ways, both fitted on the training repeats: the leading principal components, and the shared dimensions (canonical
correlation of the frames' means). They are compared like in CEBRA (Schneider, Lee and Mathis 2023): R2 of a linear
map from one to the other; between recordings, moments are matched by the movie's frame. Chance is the same with the test
frames of one recording rotated by half the movie. Needs torch for all but ``pca`` and ``linear``.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import with_repeat_boundaries
from decoders.embedding.agreement import consistency, consistency_by_label
from decoders.embedding.estimator import Embedding
from decoders.embedding.windows import window_sums
from replay_data.simulate import find_preset, preset_movie, simulate
from stream.session import Session

MODES = ("pca", "linear", "label", "time", "hybrid")
TEST = 10
N_WHITENED = 20
"""Principal components of each recording in which shared dimensions are searched."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.embedding.consistency", description=__doc__)
    parser.add_argument("--presets", nargs="+", default=["demo", "sparse"])
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--recordings", type=int, default=3)
    parser.add_argument(
        "--runs", type=int, default=3, help="fits of the first recording, with different random seeds"
    )
    parser.add_argument("--context", type=int, default=10, help="length of the window in samples")
    parser.add_argument("--dimensions", type=int, default=8, help="number of dimensions compared")
    parser.add_argument("--json", type=Path, help="append one line per embedding to this file")
    arguments = parser.parse_args()
    for preset in arguments.presets:
        movie = preset_movie(find_preset(preset), 0)
        sessions = [simulate(preset, seed, movie) for seed in range(arguments.recordings)]
        for mode in arguments.modes:
            row = {"preset": preset, "mode": mode, **compared(sessions, mode, arguments)}
            print(json.dumps(row), flush=True)
            if arguments.json is not None:
                with arguments.json.open("a") as file:
                    file.write(json.dumps(row) + "\n")


def compared(sessions: list[Session], mode: str, arguments: argparse.Namespace) -> dict[str, Any]:
    n, k = arguments.context, arguments.dimensions
    each = [Embedded(session, mode, n, 0) for session in sessions]
    row: dict[str, Any] = {}
    for name, axes in (("principal", [e.principal(k) for e in each]), ("shared", shared(each, k))):
        points = [e.test @ a for e, a in zip(each, axes, strict=True)]
        frames = [e.frame for e in each]
        half = sessions[0].n_frames // 2
        rotated = [frames[0], (frames[1] + half) % sessions[0].n_frames]
        row[f"{name}_between_recordings"] = off_diagonal(consistency_by_label(points, frames))
        row[f"{name}_chance"] = off_diagonal(consistency_by_label(points[:2], rotated))
    if mode in ("label", "time", "hybrid"):
        runs = [Embedded(sessions[0], mode, n, seed) for seed in range(arguments.runs)]
        row["between_runs"] = off_diagonal(consistency([run.test @ run.principal(k) for run in runs]))
    return row


class Embedded:
    """One embedded recording: its test moments with a frame, and the frames' means over the training repeats."""

    def __init__(self, session: Session, mode: str, n_context: int, seed: int) -> None:
        train = with_repeat_boundaries(session.select_repeats(range(9)))
        test = with_repeat_boundaries(session.select_repeats([TEST]))
        if mode == "pca":
            before, after = (roots(part, n_context) for part in (train, test))
        else:
            embedding = Embedding(mode, n_context, seed=seed)
            state = np.where(train.frame >= 0, train.frame, session.n_frames)
            embedding.fit(train.neural, frame=state, repeat=train.repeat_with_blanks(), segment=train.segment)
            before, after = (embedding.transform(part.neural, part.segment) for part in (train, test))
        shown, seen = test.frame >= 0, train.frame >= 0
        centre = before[seen].mean(0)
        self.test = (after[shown] - centre).astype(np.float32)
        self.frame = test.frame[shown].astype(np.float64)
        self.means = np.zeros((session.n_frames, before.shape[1]))
        np.add.at(self.means, train.frame[seen], before[seen] - centre)
        self.means /= np.bincount(train.frame[seen], minlength=session.n_frames)[:, None]

    def principal(self, n_dimensions: int) -> NDArray[np.float32]:
        """Return the principal axes, float32 [dimensions of the embedding, dimensions kept]."""
        axes: NDArray[np.float32] = np.linalg.svd(self.means, full_matrices=False)[2][:n_dimensions].T
        return axes.astype(np.float32)


def shared(each: list[Embedded], n_dimensions: int) -> list[NDArray[np.float32]]:
    """Return the axes of each recording along which the frames' means of all agree best."""
    whitened, back = [], []
    for one in each:
        left, spread, right = np.linalg.svd(one.means, full_matrices=False)
        kept = min(N_WHITENED, len(spread))
        whitened.append(left[:, :kept])
        back.append(right[:kept].T / np.maximum(spread[:kept], 1e-9))
    common = np.linalg.svd(np.hstack(whitened), full_matrices=False)[0][:, :n_dimensions]
    return [(b @ (w.T @ common)).astype(np.float32) for w, b in zip(whitened, back, strict=True)]


def roots(session: Session, n_context: int) -> NDArray[np.float32]:
    """Return the square roots of the counts in the window."""
    return np.sqrt(window_sums(np.asarray(session.neural, np.float32), session.boundary, n_context)[0])


def off_diagonal(r2: NDArray[np.float64]) -> float:
    return round(float(r2[~np.eye(len(r2), dtype=bool)].mean()), 3)


if __name__ == "__main__":
    main()
