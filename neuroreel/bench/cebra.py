"""The peer, CEBRA with its kNN decoder, fitted as a careful user would, so that claims against it can be checked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.metrics import FrameAxis, accuracy, frame_axis
from stream.errors import BadUsage
from stream.session import Session

LABELS = ("discrete", "continuous", "time")
NEIGHBOURS = (1, 5, 25, 75)
"""Tried for the kNN decoder; the best on the test showings counts, which favours the peer."""


@dataclass(frozen=True, slots=True)
class PeerSettings:
    """How the peer is fitted.

    Attributes
    ----------
    labels
        ``discrete``: frame numbers as classes, so that positives come from every showing; ``continuous``: frame
        numbers as a quantity; ``time``: none.
    hybrid
        Add the time contrast to the labels, which CEBRA can only do when they are continuous.
    architecture
        One of CEBRA's, such as ``offset10-model``.
    causal
        Move the windows so that none reaches beyond the sample it is for; without, they reach as far as CEBRA lets
        them, and the score is of something that cannot be streamed.
    iterations, temperature, batch_size, output_dimension, num_hidden_units, learning_rate
        CEBRA's own.
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
            raise BadUsage(f"no labels {self.labels!r} for the peer; there are {', '.join(LABELS)}.")
        if self.iterations < 1:
            raise BadUsage(f"{self.iterations} iterations are not possible; give at least 1.")
        if self.hybrid and self.labels != "continuous":
            raise BadUsage(f"CEBRA has no hybrid mode for labels {self.labels!r}; give --labels continuous.")


class Peer:
    """A fitted CEBRA model and its kNN decoder.

    Parameters
    ----------
    settings
        How to fit.
    seed
        Of torch and numpy's global generators, the only ones that CEBRA draws from.

    Attributes
    ----------
    model
        CEBRA's own, once fitted.
    n_window, reach
        Samples of its window, and how many of them lay in the future before the windows were moved.
    train_seconds, train_cpu_seconds
        What fitting took, by the clock and of processor time.
    """

    def __init__(self, settings: PeerSettings, seed: int = 0) -> None:
        self.settings = settings
        self.seed = seed
        self.train_seconds = self.train_cpu_seconds = 0.0

    def fit(self, train: Session) -> Peer:
        """Fit on the samples that show a frame.

        Parameters
        ----------
        train
            With borders wherever a showing passes into another.
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
        self.n_window, self.reach = len(offset), max(offset.right - 1, 0) if s.causal else 0
        shown = train.frame >= 0
        late = np.concatenate([part[: len(part) - self.reach or None] for _, part in self._delayed(train)])
        labels = {
            "discrete": (train.frame[shown].astype(np.int64),),
            "continuous": (train.frame[shown].astype(np.float32)[:, None],),
            "time": (),
        }
        begun, cpu = time.perf_counter(), time.process_time()
        self.model.fit(late[shown], *labels[s.labels])
        self.train_seconds = time.perf_counter() - begun
        self.train_cpu_seconds = time.process_time() - cpu
        self._known = self.transform(train)[shown], train.frame[shown].astype(np.int64)
        return self

    def transform(self, session: Session) -> NDArray[np.float32]:
        """Embed every sample, segment by segment, float32 [time, dimensions]."""
        out = [self.model.transform(part)[:n] for n, part in self._delayed(session)]
        return np.concatenate(out).astype(np.float32)

    def predict(self, session: Session, n_neighbors: int) -> NDArray[np.int64]:
        """The frame of every sample, int64 [time]."""
        return self.read(self.transform(session), n_neighbors)

    def read(self, points: NDArray[np.float32], n_neighbors: int) -> NDArray[np.int64]:
        """The frame of every point, int64 [time], by CEBRA's kNN decoder."""
        frames: NDArray[np.int64] = self.decoder(n_neighbors).predict(points).astype(np.int64)
        return frames

    def decoder(self, n_neighbors: int) -> Any:
        """CEBRA's kNN decoder, fitted on the training points."""
        return self._cebra.KNNDecoder(n_neighbors=n_neighbors, metric="cosine").fit(*self._known)

    def _delayed(self, session: Session) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Each segment's length, and its samples moved to later by what CEBRA's window reaches into the future."""
        neural = np.sqrt(np.asarray(session.neural, np.float32))
        cuts = np.flatnonzero(np.diff(session.segment) > 0) + 1
        for part in np.split(neural, cuts):
            yield len(part), np.pad(part, ((self.reach, 0), (0, 0)), mode="edge")


def import_cebra() -> Any:
    """The peer's package.

    Raises
    ------
    BadUsage
        When it is not installed.
    """
    try:
        import cebra
    except ImportError as error:
        raise BadUsage(
            f"the peer cannot be imported ({error}). Install the extra: pip install 'neuroreel[compare]'."
        ) from error
    return cebra


def session_axis(session: Session) -> FrameAxis:
    """What counts as near on the axis of a recording's frames."""
    return frame_axis(session.n_frames, session.movie.clips if session.movie is not None else ())


def run_peer(train: Session, test: Session, settings: PeerSettings, seed: int = 0) -> dict[str, Any]:
    """Fit the peer and score it.

    Parameters
    ----------
    train, test
        Parts of one recording, with borders wherever a showing passes into another.
    settings
        How to fit.
    seed
        See `Peer`.

    Returns
    -------
    result
        Ready for JSON: settings, versions, data hashes, seconds and scores over all test showings and by showing.
    """
    cebra = import_cebra()
    import torch

    peer = Peer(settings, seed).fit(train)
    frame, axis = test.frame, session_axis(train)
    points = peer.transform(test)
    tried = {k: peer.read(points, k) for k in NEIGHBOURS}
    scores = {k: accuracy(answers, frame, axis) for k, answers in tried.items()}
    best = max(scores, key=lambda k: scores[k])
    answers = tried[best]
    return {
        "peer": f"cebra {cebra.__version__}",
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "settings": {**asdict(settings), "seed": seed},
        "train_sha256": train.sha256(),
        "test_sha256": test.sha256(),
        "window_samples": peer.n_window,
        "causal": settings.causal or peer.n_window == 1,
        "n_neighbors": best,
        "by_neighbors": {str(k): value for k, value in scores.items()},
        "train_seconds": round(peer.train_seconds, 2),
        "train_cpu_seconds": round(peer.train_cpu_seconds, 2),
        "accuracy_within_1s": scores[best],
        "accuracy_exact": float(np.mean(answers[frame >= 0] == frame[frame >= 0])),
        "per_repeat": {
            str(r): accuracy(answers[test.repeat == r], frame[test.repeat == r], axis) for r in test.repeats
        },
    }
