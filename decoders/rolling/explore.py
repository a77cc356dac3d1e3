"""Embedding without labels while a recording runs: fitted on the last minutes, and tested for structure in time.

As CEBRA's mode of time (Schneider, Lee and Mathis 2023), it needs nothing but the activity: what stays alike from one
window to the next is kept, and what differs within a second is taken for noise. Whitening by that noise carries it;
contrastive steps after it made it worse (see `docs/rolling.md`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.data.preprocessing import Preprocessor
from decoders.data.training_set import concatenate_sessions
from decoders.embedding.agreement import time_infonce
from decoders.embedding.linear import MAX_DIMENSIONS, LinearEmbedding, class_statistics, fit_linear
from decoders.embedding.windows import segment_begins, window_sums
from decoders.model.file import FORMAT, FORMAT_VERSION
from decoders.model.model import Model
from decoders.model.parts import Emission, ModelParts
from decoders.playback.filter import needed_ticks
from decoders.playback.transitions import learn_playback
from decoders.readouts.classifiers import Prototypes, Scaling
from decoders.readouts.continuous import ContinuousReader
from decoders.rolling.refit import rotated_onto
from decoders.rolling.trainer_process import Event, save_version
from stream.session import Kind, Session

FIRST_S = 60.0
"""Seconds of data before the first embedding."""

MEMORY_S = 300.0
"""Seconds of data that an embedding is fitted on: the last ones."""

MAX_VALUES = 100_000_000
"""Largest number of values (samples times channels) that an embedding is fitted on."""

TEST_S = 60.0
"""Longest part of the data, the newest, that the test for structure leaves out of the fit."""

CONTEXT_S = 0.2
STRETCH_S = 1.0
"""Length of a window, and of the stretches of time within which differences are noise, in seconds."""

SHRINKAGE = 0.5
MIN_Z = 4.0
"""Smallest distance of InfoNCE from its chance, in standard deviations of chance, that counts as structure."""


def blank_model(channel_names: Sequence[str], kind: str, rate_hz: float) -> Model:
    """Return a model that decodes nothing, and whose embedding is the origin until one has been fitted.

    Parameters
    ----------
    channel_names, kind, rate_hz
        Of the stream; its kind is one of `stream.session.Kind`.
    """
    n = len(channel_names)
    n_window = max(1, round(CONTEXT_S * rate_hz))
    n_dimensions = min(n, MAX_DIMENSIONS)
    nothing = np.ones(2, np.int64)  # the state "no stimulus"
    playback = learn_playback(
        nothing, nothing, np.array([True, False]), 1, None, None, needed_ticks(0.0, rate_hz, 0.0)
    )
    preprocessor = Preprocessor(
        Kind(kind), rate_hz, np.ones(n, bool), np.zeros(n, np.float32), np.ones(n, np.float32)
    )
    empty = np.zeros(0, np.float32)
    parts = ModelParts(
        preprocessor=preprocessor,
        scaling=Scaling(n_window, preprocessor.kind is Kind.SPIKES),
        embedding=LinearEmbedding(np.zeros(n, np.float32), np.zeros((n, n_dimensions), np.float32)),
        prototypes=Prototypes(np.zeros((n_dimensions, 2), np.float32), np.zeros(2, np.float32), cosine=True),
        inverse_temperature=0.0,
        emission=Emission(False, empty.reshape(0, 0), empty, 1, False, 0.0, 0.01, 0.01),
        playback=playback,
        prior=np.array([-50, 0], np.float32),  # nothing is decoded: "no stimulus"
        typicality=np.zeros(1),
        continuous=ContinuousReader.without_intervals(
            np.zeros((1, 0)), np.zeros((n_dimensions + 1, 0)), np.zeros(0)
        ),
    )
    card = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "mode": "time",
        "explore": True,
        "decoder": "none",
        "kind": kind,
        "rate_hz": rate_hz,
        "channel_names": list(channel_names),
        "recording": "",
        "n_frames": 1,
        "movie_rate_hz": 0.0,
        "clips": [],
        "labels": [],
        "context_ms": round(1000 * n_window / rate_hz, 3),
        "lookahead_ms": 0.0,
        "lag_ms": 0.0,
        "shrinkage": SHRINKAGE,
    }
    return Model(parts, card)


def fit_unlabelled(model: Model, session: Session) -> Model:
    """Fit the embedding of a blank model, or anew, to a recording without labels.

    Parameters
    ----------
    model
        Model of `blank_model`, or of this function.
    session
        Recording; no window crosses a change of its segment.
    """
    parts, begun = model.parts, time.perf_counter()
    n_dimensions = parts.embedding.n_dimensions
    neural = np.asarray(session.neural, np.float32)
    boundary = session.boundary
    preprocessor = Preprocessor.fit(neural, session.kind, session.rate_hz)
    sums, fullness = window_sums(preprocessor.run(neural, boundary), boundary, parts.scaling.n_window)
    stretch = _stretches(boundary, max(2, round(STRETCH_S * session.rate_hz), 2 * parts.scaling.n_window))
    statistics = class_statistics(parts.scaling.features(sums), stretch, int(stretch[-1]) + 1, fullness)
    embedding = fit_linear(statistics, SHRINKAGE, n_dimensions)
    missing = n_dimensions - embedding.n_dimensions
    embedding = replace(embedding, projection=np.pad(embedding.projection, ((0, 0), (0, missing))))
    fitted = replace(parts, preprocessor=preprocessor, embedding=embedding, rotation=None)
    card = {**model.card, "train_seconds": round(time.perf_counter() - begun, 3)}
    return Model(fitted, {**card, "simulated": True} if session.simulated else card)


def _stretches(boundary: NDArray[np.bool_], n_stretch: int) -> NDArray[np.int64]:
    """Number stretches of time, none of which crosses a segment boundary, int64 [time]."""
    since = np.arange(len(boundary)) - segment_begins(boundary)
    return np.cumsum(since % n_stretch == 0) - 1


class ExploreTrainer:
    """Fits an embedding on the last minutes, again with every piece of the recording that comes.

    Each time, an embedding that has not seen the newest part is tested on it for structure; one that has is published,
    rotated onto the embedding before.

    Parameters
    ----------
    model
        Model of `blank_model`, version 0.
    folder
        Folder for the weights.

    Attributes
    ----------
    running
        Running model.
    version
        Its version number.
    """

    def __init__(self, model: Model, folder: Path) -> None:
        self.running = model
        self.version = 0
        self._before = model
        self._folder = folder
        self._pieces: deque[Session] = deque()

    def add(self, piece: Session) -> None:
        """Add a piece of the recording without a new fit.

        Parameters
        ----------
        piece
            Recording that follows the last piece.
        """
        self._pieces.append(piece)
        n_most = min(MEMORY_S * piece.rate_hz, MAX_VALUES / len(piece.channel_names))
        while len(self._pieces) > 1 and self._n_samples - self._pieces[0].n_samples >= n_most:
            self._pieces.popleft()

    def decide(self, piece: Session) -> Event:
        """Add the newest piece, test for structure, and fit.

        Parameters
        ----------
        piece
            Recording that follows the last piece.

        Returns
        -------
        event
            ``wait`` or ``swap`` under ``do``, the latter with ``version`` and ``file``.
        """
        self.add(piece)
        seconds = self._n_samples / piece.rate_hz
        if seconds < FIRST_S - 0.5 / piece.rate_hz:
            return {"do": "wait", "seconds": round(seconds, 1), "needed": FIRST_S}
        session = concatenate_sessions(
            [replace(each, repeat=np.full(each.n_samples, -1, np.int32)) for each in self._pieces]
        )
        structure = find_structure(self.running, session)
        fitted = fit_unlabelled(self.running, session)
        if self.version:
            fitted = rotated_onto(fitted, self.running, session)
        self._before, self.running = self.running, fitted
        self.version += 1
        return {
            "do": "swap",
            **save_version(fitted, self._folder, self.version),
            "seconds": round(seconds, 1),
            "train_seconds": fitted.card["train_seconds"],
            "agreement_r2": fitted.card.get("agreement_r2"),
            **structure,
        }

    def reject(self, version: int) -> None:
        """Return to the model that runs, because the engine could not load the newest version.

        Parameters
        ----------
        version
            Version that it could not load.
        """
        if version == self.version:
            self.running = self._before

    @property
    def _n_samples(self) -> int:
        return sum(piece.n_samples for piece in self._pieces)


def find_structure(model: Model, session: Session) -> dict[str, Any]:
    """Test whether an embedding of the earlier part of a recording finds structure in time in the newest part.

    Parameters
    ----------
    model
        Model that gives dimensions and window.
    session
        Recording.

    Returns
    -------
    facts
        ``structure`` (None if the part is too short), ``infonce_nats`` of neighbouring windows in the newest
        ``tested_s`` seconds, ``infonce_chance_nats`` of windows in shuffled order, and ``z``, their difference in
        standard deviations of chance.
    """
    n_tested = int(min(TEST_S * session.rate_hz, session.n_samples / 3))
    at = np.arange(session.n_samples)
    fitted = fit_unlabelled(model, session.take(at < session.n_samples - n_tested))
    newest = session.take(at >= session.n_samples - n_tested)
    points = fitted.embed(newest)
    result = time_infonce(points, newest.segment, model.parts.scaling.n_window)
    facts = {"tested_s": round(n_tested / session.rate_hz, 1)}
    if result is None:
        return {"structure": None, **facts}
    loss, chance, z = result
    return {
        "structure": z >= MIN_Z,
        "infonce_nats": round(loss, 4),
        "infonce_chance_nats": round(chance, 4),
        "z": round(z, 2),
        **facts,
    }
