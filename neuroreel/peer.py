"""The peer, CEBRA with its kNN decoder, fitted as a careful user would, so that claims against it can be checked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.scores import FrameAxis, accuracy, frame_axis
from stream.errors import BadUsage
from stream.session import Session

LABELS = ("discrete", "continuous", "time")
NEIGHBOURS = (1, 5, 25, 75)


@dataclass(frozen=True, slots=True)
class PeerSettings:
    """How the peer is fitted.

    Attributes
    ----------
    labels
        ``discrete``: frame numbers as classes, so that positives come from every showing; ``continuous``: frame
        numbers as a quantity; ``time``: none.
    hybrid
        Add the time contrast to the labels.
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


class Peer:
    """A fitted CEBRA model and its kNN decoder.

    Parameters
    ----------
    settings
        How to fit.
    seed
        Of torch and numpy's global generators, the only ones that CEBRA draws from.
    """

    def __init__(self, settings: PeerSettings, seed: int = 0) -> None:
        self.settings = settings
        self.seed = seed
        self.n_neighbors = NEIGHBOURS[0]
        self.train_seconds = 0.0

    def fit(self, train: Session) -> Peer:
        """Fit on the samples that show a frame.

        Parameters
        ----------
        train
            At least two showings; the last of them chooses the number of neighbours.
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
        self.n_window, self._reach = len(offset), max(offset.right - 1, 0) if s.causal else 0
        shown = train.frame >= 0
        late = np.concatenate([part[: len(part) - self._reach or None] for _, part in self._delayed(train)])
        labels = {
            "discrete": (train.frame[shown].astype(np.int64),),
            "continuous": (train.frame[shown].astype(np.float32)[:, None],),
            "time": (),
        }
        begun = time.perf_counter()
        self.model.fit(late[shown], *labels[s.labels])
        self.train_seconds = time.perf_counter() - begun
        self._read_out(self.transform(train)[shown], train, shown)
        return self

    def transform(self, session: Session) -> NDArray[np.float32]:
        """Embed every sample, segment by segment, float32 [time, dimensions]."""
        out = [self.model.transform(part)[:n] for n, part in self._delayed(session)]
        return np.concatenate(out).astype(np.float32)

    def predict(self, session: Session) -> NDArray[np.int64]:
        """The frame of every sample, int64 [time]."""
        frames: NDArray[np.int64] = self.decoder.predict(self.transform(session)).astype(np.int64)
        return frames

    def _delayed(self, session: Session) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Each segment's length, and its samples moved to later by what CEBRA's window reaches into the future."""
        neural = np.sqrt(np.asarray(session.neural, np.float32))
        cuts = np.flatnonzero(np.diff(session.segment) > 0) + 1
        for part in np.split(neural, cuts):
            yield len(part), np.pad(part, ((self._reach, 0), (0, 0)), mode="edge")

    def _read_out(self, points: NDArray[np.float32], train: Session, shown: NDArray[np.bool_]) -> None:
        """Fit the kNN decoder, its number of neighbours chosen on the last training showing."""
        frame, showing = train.frame[shown].astype(np.int64), train.showing()[shown]
        axis = session_axis(train)
        last = showing == showing.max()
        best = -1.0
        for k in NEIGHBOURS:
            trial = self._cebra.KNNDecoder(n_neighbors=k, metric="cosine").fit(points[~last], frame[~last])
            score = accuracy(trial.predict(points[last]), frame[last].astype(np.int32), axis)
            if score > best:
                best, self.n_neighbors = score, k
        self.decoder = self._cebra.KNNDecoder(self.n_neighbors, "cosine").fit(points, frame)


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
    answers, axis = peer.predict(test), session_axis(train)
    frame = test.frame
    return {
        "peer": f"cebra {cebra.__version__}",
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "settings": {**asdict(settings), "seed": seed},
        "train_sha256": train.sha256(),
        "test_sha256": test.sha256(),
        "window_samples": peer.n_window,
        "causal": settings.causal or peer.n_window == 1,
        "n_neighbors": peer.n_neighbors,
        "train_seconds": round(peer.train_seconds, 2),
        "accuracy_within_1s": accuracy(answers, frame, axis),
        "accuracy_exact": float(np.mean(answers[frame >= 0] == frame[frame >= 0])),
        "per_repeat": {
            str(r): accuracy(answers[test.repeat == r], frame[test.repeat == r], axis) for r in test.repeats
        },
    }
