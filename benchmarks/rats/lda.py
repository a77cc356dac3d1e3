"""Shrinkage LDA on square roots of causal window counts, independent of the project's own decoders."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from benchmarks.rats.prepare import Fold, Track, track_folds
from stream.session import Session

SHRINKAGE = {"buddy": 0.3, "track": 0.2}


def window_counts(
    counts: NDArray[np.float32], segment: NDArray[np.int32], n_bins: int
) -> NDArray[np.float64]:
    """Sum the last ``n_bins`` bins, fewer after a segment boundary; float64 [time, unit]."""
    total = np.vstack([np.zeros(counts.shape[1]), np.cumsum(counts, 0, dtype=np.float64)])
    now = np.arange(len(counts))
    first = np.searchsorted(segment, segment)
    return total[now + 1] - total[np.maximum(first, now - n_bins + 1)]


def probabilities(
    train: NDArray[np.float64],
    state: NDArray[np.int32],
    test: NDArray[np.float64],
    n_states: int,
    shrinkage: float,
) -> NDArray[np.float64]:
    """Return the posterior over all states [time, state]; 0 for states absent from training."""
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(np.sqrt(train), state)
    posterior = np.zeros((len(test), n_states))
    posterior[:, model.classes_] = model.predict_proba(np.sqrt(test))
    return posterior


def lda(fold: Fold, window_s: float) -> NDArray[np.float64]:
    """Return the posterior of a fold's test part, float64 [time, state]."""
    n_bins = round(window_s * fold.train.rate_hz)

    def windows(session: Session) -> NDArray[np.float64]:
        return window_counts(session.neural, session.segment, n_bins)

    shrinkage = SHRINKAGE[fold.recording]
    return probabilities(
        windows(fold.train), fold.train.frame, windows(fold.test), len(fold.centres), shrinkage
    )


def track_lda_through_holes(track: Track, window_s: float) -> list[tuple[Fold, NDArray[np.float64]]]:
    """Decode the track as published: windows reach back over the bins in which the rat stood still."""
    stamps = track.stamps[track.moving]
    counts = window_counts(track.counts, np.zeros(len(track.stamps), np.int32), round(window_s * 20))[
        track.moving
    ]
    predictions = []
    for fold in track_folds(track):
        train, test = (counts[np.isin(stamps, part.stamps)] for part in (fold.train, fold.test))
        predictions.append(
            (fold, probabilities(train, fold.train.frame, test, len(fold.centres), SHRINKAGE["track"]))
        )
    return predictions
