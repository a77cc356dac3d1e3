"""How each continuous label is read, chosen on held-out parts of the training data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from decoders.continuous import (
    INTERVAL,
    MAX_NEARBY,
    NEARBY,
    PENALTIES,
    REACHES,
    RIDGE,
    SHARPNESS,
    ContinuousReader,
    constant,
    fit_ridge,
    frame_values,
    median_error,
    spacing,
)
from decoders.embedding.linear import unit
from decoders.training import TrainingSet
from decoders.tuning import Reader, Settings, fit_reader
from decoders.tuning_playback import Trial

Filtered = list[tuple[Trial, NDArray[np.float64]]]

READABLE = 0.95
"""A label whose held-out median error is not at least this much smaller than its median's is answered by its median."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a label is read.

    Attributes
    ----------
    sharpness
        See `decoders.continuous.ContinuousReader`.
    penalty
        Of the ridge; infinite for the label's median alone.
    reach
        Of the surroundings, in the label's unit.
    """

    sharpness: float
    penalty: float = PENALTIES[1]
    reach: float = 0.0

    def reader(
        self,
        points: NDArray[np.float32],
        label: NDArray[np.float32],
        state: NDArray[np.int64],
        n_frames: int,
    ) -> ContinuousReader:
        """Fitted, without intervals."""
        k = label.shape[1]
        values = frame_values(label, state, n_frames)
        reader = ContinuousReader.plain(
            values, _ridge(points, label, self.penalty), np.full(k, self.sharpness)
        )
        return replace(reader, reach=np.full(k, self.reach))


CONSTANT = Way(RIDGE, np.inf)


def fit_continuous(
    data: TrainingSet, settings: Settings, reader: Reader, filtered: Filtered
) -> ContinuousReader:
    """Fit every label on everything, in the way that was best on held-out data.

    Parameters
    ----------
    data
        Training data.
    settings
        Of the frame posterior.
    reader
        Fitted on all of it.
    filtered
        Held-out passages with their posteriors after the playback model.
    """
    points = unit(reader.points(settings.windows(data.clean, data.border)[0]))
    if not data.labels:
        return ContinuousReader.plain(
            np.zeros((data.n_frames, 0)), np.zeros((points.shape[1] + 1, 0)), np.zeros(0)
        )
    passages = [(t, f) for t, f in filtered if t.passage.in_order]
    held_points = [_points(data, settings, trial.train) for trial, _ in passages]
    readers = []
    for number, label in enumerate(data.labels.values()):
        way = _best_way(data, label, passages, held_points)
        fitted = way.reader(points, label, data.state, data.n_frames)
        interval = _interval(data, label, way, passages, held_points)
        readers.append(replace(fitted, label=fitted.label + number, interval=interval))
    return ContinuousReader(
        np.hstack([r.values for r in readers]),
        np.hstack([r.ridge for r in readers]),
        np.concatenate([r.sharpness for r in readers]),
        np.concatenate([r.reach for r in readers]),
        np.concatenate([r.label for r in readers]),
        np.hstack([r.interval for r in readers]),
    )


def _points(data: TrainingSet, settings: Settings, train: NDArray[np.bool_]) -> NDArray[np.float32]:
    """All samples in an embedding fitted on a part of them."""
    windows = settings.windows(data.clean, data.border)
    return unit(fit_reader(data, windows, train, settings).points(windows[0]))


def _best_way(
    data: TrainingSet, label: NDArray[np.float32], passages: Filtered, points: list[NDArray[np.float32]]
) -> Way:
    """The way with the smallest median error over the held-out passages."""
    if not passages:
        return Way(SHARPNESS[0])
    ways = [Way(s) for s in SHARPNESS] + [Way(RIDGE, penalty) for penalty in (*PENALTIES, np.inf)]
    if data.movie is None and data.n_frames <= MAX_NEARBY:
        apart = spacing(frame_values(label, data.state, data.n_frames))
        ways += [Way(NEARBY, reach=apart * reach) for reach in REACHES]
    truth = np.concatenate([label[trial.passage.index] for trial, _ in passages])
    errors = {
        way: median_error(
            np.concatenate([estimate for _, estimate in _held_out_reads(data, label, way, passages, points)]),
            truth,
        )
        for way in ways
    }
    best = min(errors, key=lambda way: np.nan_to_num(errors[way], nan=np.inf))
    return best if errors[best] < READABLE * errors[CONSTANT] else CONSTANT


def _held_out_reads(
    data: TrainingSet,
    label: NDArray[np.float32],
    way: Way,
    passages: Filtered,
    points: list[NDArray[np.float32]],
) -> Iterator[tuple[ContinuousReader, NDArray[np.float32]]]:
    """For each held-out passage, a reader fitted on the rest and its estimates."""
    for (trial, posterior), at in zip(passages, points, strict=True):
        train = trial.train
        reader = way.reader(at[train], label[train], data.state[train], data.n_frames)
        yield reader, reader.read(posterior, at[trial.passage.index])


def _interval(
    data: TrainingSet,
    label: NDArray[np.float32],
    way: Way,
    passages: Filtered,
    points: list[NDArray[np.float32]],
) -> NDArray[np.float64]:
    """Factor and constant part of the intervals, float64 [2, columns], at which held-out truths lie in them."""
    k = label.shape[1]
    if not passages:
        return np.full((2, k), np.nan)
    reads = list(_held_out_reads(data, label, way, passages, points))
    truth = [label[trial.passage.index] for trial, _ in passages]
    miss = np.abs(np.concatenate([e - t for (_, e), t in zip(reads, truth, strict=True)]))
    known = np.isfinite(miss)
    least = np.array([np.median(miss[known[:, c], c]) if known[:, c].any() else np.nan for c in range(k)])
    spread = np.concatenate(
        [
            replace(reader, interval=np.vstack([np.ones(k), least])).spread(posterior, estimate)
            for (reader, estimate), (_, posterior) in zip(reads, passages, strict=True)
        ]
    )
    ratio = miss / np.maximum(spread, 1e-30)
    factor = [np.quantile(ratio[known[:, c], c], INTERVAL) if known[:, c].any() else np.nan for c in range(k)]
    return np.vstack([factor, least])


def _ridge(points: NDArray[np.float32], label: NDArray[np.float32], penalty: float) -> NDArray[np.float64]:
    return constant(label, points.shape[1]) if np.isinf(penalty) else fit_ridge(points, label, penalty)
