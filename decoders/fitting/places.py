"""Derives places from a label, for recordings without frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from decoders.data.frame_states import FrameStates
from decoders.data.label_places import LabelPlaces
from stream.errors import BadRecording, BadUsage
from stream.session import Session

MAX_VALUES = 64
"""Largest number of different values of a discrete label."""

MAX_CLUSTERED = 20_000
"""Number of samples that the centres are computed from, evenly spaced."""


def label_states(
    whole: Sequence[Session], training: Session, label: str | None, known: FrameStates, seed: int
) -> FrameStates:
    """Return the places of a label: one for each value of a discrete label, else clusters of the training data.

    Parameters
    ----------
    whole
        Whole recordings, for the values of a discrete label.
    training
        Training data as one recording.
    label
        Name of the label; None for the first.
    known
        Places of the same label to keep: the values of a discrete one, else their number; empty to choose it.
    seed
        Random seed of the clusters.

    Raises
    ------
    BadUsage
        When the recordings have no such label.
    BadRecording
        When the label has no value, or one only.
    """
    if known.places is not None and known.places.discrete:
        return known
    names = [name for name, values in training.labels.items() if values.shape[1]]
    if label is not None and label not in names:
        raise BadUsage(f"the recording has no label {label!r}; it has {', '.join(names) or 'none'}.")
    name = label or names[0]
    every = np.concatenate([session.labels[name] for session in whole])
    values = training.labels[name].astype(np.float64)
    values = values[np.isfinite(values).all(1)]
    if not len(values) or not np.any(np.ptp(values, axis=0) > 0):
        raise BadRecording(
            f"label {name!r} never varies in the training data, so there is nothing to tell apart."
        )
    discrete = _discrete_values(every)
    if discrete is not None:
        frames = discrete.astype(np.int32) if discrete[0] >= 0 else np.arange(len(discrete), dtype=np.int32)
        return FrameStates(frames, LabelPlaces(name, discrete[:, None].astype(np.float64), np.ones(1)))
    scale = values.std(0)
    scale[scale == 0] = 1
    centres = _clusters(values / scale, len(known) or n_places_for(len(values)), seed) * scale
    return FrameStates(np.arange(len(centres), dtype=np.int32), LabelPlaces(name, centres, scale))


def n_places_for(n_samples: int) -> int:
    """Number of places of a continuous label: the root of the number of samples, from 64 (of few data: less) to 128."""
    return int(np.clip(np.sqrt(n_samples), max(2, min(64, n_samples // 8)), 128))


def _discrete_values(values: NDArray[np.float32]) -> NDArray[np.int64] | None:
    """The values of a discrete label (whole numbers, at most `MAX_VALUES` different ones), or None."""
    known = values[np.isfinite(values).all(1)]
    if values.shape[1] != 1 or np.any(known != np.rint(known)) or np.any(np.abs(known) > 1e6):
        return None
    different = np.unique(known).astype(np.int64)
    return different if len(different) <= MAX_VALUES else None


def _clusters(values: NDArray[np.float64], n: int, seed: int) -> NDArray[np.float64]:
    """Centres of k-means clusters, float64 [at most n, columns], in ascending order of the first column."""
    from sklearn.cluster import KMeans

    some = values[np.linspace(0, len(values) - 1, min(len(values), MAX_CLUSTERED)).astype(np.int64)]
    n = min(n, len(np.unique(some, axis=0)))
    centres: NDArray[np.float64] = KMeans(n, n_init=4, random_state=seed).fit(some).cluster_centers_
    return centres[np.lexsort(centres.T[::-1])]
