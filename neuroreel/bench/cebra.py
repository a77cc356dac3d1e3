"""CEBRA with its kNN decoder, fitted as a careful user would fit it: the reference for comparisons."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.metrics import accuracy, frame_axis
from stream.errors import BadUsage
from stream.session import Session

LABELS = ("discrete", "continuous", "time")
NEIGHBOURS = (1, 5, 25, 75)
"""Numbers of neighbours tried for the kNN decoder; the best on the test repeats counts, which favours CEBRA."""


@dataclass(frozen=True, slots=True)
class CebraSettings:
    """Settings for fitting CEBRA.

    Attributes
    ----------
    labels
        ``discrete``: frame numbers as classes, so that positives come from every repeat; ``continuous``: frame numbers
        as a quantity; ``time``: no labels.
    hybrid
        Add the time contrast to the labels; CEBRA supports this only for continuous labels.
    architecture
        Name of one of CEBRA's networks, such as ``offset10-model``.
    causal
        Shift the windows so that none extends beyond its sample. Otherwise they include as many future samples as in
        CEBRA's default, and the result cannot run on a live stream.
    iterations, temperature, batch_size, output_dimension, num_hidden_units, learning_rate
        Parameters of ``cebra.CEBRA``; ``iterations`` is its ``max_iterations``.

    Raises
    ------
    BadUsage
        For unknown labels, fewer than 1 iteration, or hybrid training without continuous labels.
    """

    labels: str = "discrete"
    hybrid: bool = False
    architecture: str = "offset10-model"
    causal: bool = True
    iterations: int = 2000
    temperature: float = 0.1
    batch_size: int = 512
    output_dimension: int = 32
    num_hidden_units: int = 64
    learning_rate: float = 3e-4

    def __post_init__(self) -> None:
        if self.labels not in LABELS:
            raise BadUsage(f"unknown CEBRA labels {self.labels!r}; choose one of {', '.join(LABELS)}.")
        if self.iterations < 1:
            raise BadUsage(f"the number of iterations is {self.iterations}; give at least 1.")
        if self.hybrid and self.labels != "continuous":
            raise BadUsage(f"CEBRA has no hybrid mode for {self.labels} labels; give --labels continuous.")


class CebraDecoder:
    """A fitted CEBRA model and its kNN decoder.

    Parameters
    ----------
    settings
        Settings for fitting.
    seed
        Random seed of torch and of numpy's global generator, the only generators that CEBRA uses.

    Attributes
    ----------
    model
        The fitted ``cebra.CEBRA``.
    n_window, shift
        Window length in samples, and by how many samples the windows are shifted to be causal.
    train_seconds, train_cpu_seconds
        Wall-clock and CPU time of fitting, in seconds.
    """

    def __init__(self, settings: CebraSettings, seed: int = 0) -> None:
        self.settings = settings
        self.seed = seed
        self.train_seconds = self.train_cpu_seconds = 0.0

    def fit(self, train: Session) -> CebraDecoder:
        """Fit on the samples during which a movie frame was shown.

        Parameters
        ----------
        train
            Recording with a segment boundary between consecutive repeats.
        """
        cebra = import_cebra()
        import torch

        s = self.settings
        torch.manual_seed(self.seed)
        np.random.seed(self.seed)  # noqa: NPY002 - CEBRA draws from the global generator
        self._cebra = cebra
        self.model = cebra.CEBRA(
            model_architecture=s.architecture,
            batch_size=s.batch_size,
            learning_rate=s.learning_rate,
            temperature=s.temperature,
            output_dimension=s.output_dimension,
            num_hidden_units=s.num_hidden_units,
            max_iterations=s.iterations,
            conditional="time_delta" if s.labels == "continuous" else None,
            hybrid=s.hybrid,
            time_offsets=1,
            device="cpu",
            verbose=False,
        )
        offset = cebra.models.init(s.architecture, 1, 2, 1).get_offset()
        self.n_window, self.shift = len(offset), max(offset.right - 1, 0) if s.causal else 0
        shown = train.frame >= 0
        delayed = np.concatenate([part[: len(part) - self.shift or None] for _, part in self._delayed(train)])
        labels = {
            "discrete": (train.frame[shown].astype(np.int64),),
            "continuous": (train.frame[shown].astype(np.float32)[:, None],),
            "time": (),
        }
        start, start_cpu = time.perf_counter(), time.process_time()
        self.model.fit(delayed[shown], *labels[s.labels])
        self.train_seconds = time.perf_counter() - start
        self.train_cpu_seconds = time.process_time() - start_cpu
        self._train_points = self.transform(train)[shown], train.frame[shown].astype(np.int64)
        return self

    def transform(self, session: Session) -> NDArray[np.float32]:
        """Embed every sample, segment by segment; returns float32 [time, dimensions].

        Parameters
        ----------
        session
            Recording with the channels fitted on.
        """
        out = [self.model.transform(part)[:n] for n, part in self._delayed(session)]
        return np.concatenate(out).astype(np.float32)

    def predict_frames(self, points: NDArray[np.float32], n_neighbors: int) -> NDArray[np.int64]:
        """Decode embedded points with CEBRA's kNN decoder; returns movie frames, int64 [time].

        Parameters
        ----------
        points
            Float32 [time, dimensions], from `transform`.
        n_neighbors
            Number of neighbours.
        """
        frames: NDArray[np.int64] = self.knn(n_neighbors).predict(points).astype(np.int64)
        return frames

    def knn(self, n_neighbors: int) -> Any:
        """CEBRA's kNN decoder, fitted on the training points.

        Parameters
        ----------
        n_neighbors
            Number of neighbours.
        """
        return self._cebra.KNNDecoder(n_neighbors=n_neighbors, metric="cosine").fit(*self._train_points)

    def _delayed(self, session: Session) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Each segment's length, and its samples delayed by `shift`, so that CEBRA's windows are causal."""
        neural = np.sqrt(np.asarray(session.neural, np.float32))
        cuts = np.flatnonzero(np.diff(session.segment) > 0) + 1
        for part in np.split(neural, cuts):
            yield len(part), np.pad(part, ((self.shift, 0), (0, 0)), mode="edge")


def import_cebra() -> Any:
    """Import the package ``cebra``.

    Raises
    ------
    BadUsage
        When it is not installed.
    """
    try:
        import cebra
    except ImportError as error:
        raise BadUsage(
            f"CEBRA cannot be imported ({error}). Install the extra: pip install 'neuroreel[compare]'."
        ) from error
    return cebra


def run_cebra(train: Session, test: Session, settings: CebraSettings, seed: int = 0) -> dict[str, Any]:
    """Fit CEBRA on one part of a recording and score it on another.

    Parameters
    ----------
    train, test
        Parts of one recording, with a segment boundary between consecutive repeats.
    settings
        Settings for fitting.
    seed
        Random seed, see `CebraDecoder`.

    Returns
    -------
    result
        For JSON: settings, versions, data hashes, times in seconds, and scores overall and by test repeat.
    """
    cebra = import_cebra()
    import torch

    decoder = CebraDecoder(settings, seed).fit(train)
    frame = test.frame
    axis = frame_axis(train.n_frames, train.movie.clips if train.movie is not None else ())
    points = decoder.transform(test)
    predictions = {k: decoder.predict_frames(points, k) for k in NEIGHBOURS}
    scores = {k: accuracy(frames, frame, axis) for k, frames in predictions.items()}
    best = max(scores, key=lambda k: scores[k])
    predicted = predictions[best]
    return {
        "peer": f"cebra {cebra.__version__}",
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "settings": {**asdict(settings), "seed": seed},
        "train_sha256": train.sha256(),
        "test_sha256": test.sha256(),
        "window_samples": decoder.n_window,
        "causal": settings.causal or decoder.n_window == 1,
        "n_neighbors": best,
        "by_neighbors": {str(k): value for k, value in scores.items()},
        "train_seconds": round(decoder.train_seconds, 2),
        "train_cpu_seconds": round(decoder.train_cpu_seconds, 2),
        "accuracy_within_1s": scores[best],
        "accuracy_exact": float(np.mean(predicted[frame >= 0] == frame[frame >= 0])),
        "per_repeat": {
            str(r): accuracy(predicted[test.repeat == r], frame[test.repeat == r], axis) for r in test.repeats
        },
    }
