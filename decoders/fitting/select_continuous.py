"""How each continuous label is read, chosen on held-out parts of the training data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.embedding.linear import unit_length
from decoders.fitting.select_playback import SequenceEvidence
from decoders.fitting.settings import BatchReadout, Settings, fit_readout
from decoders.readouts.continuous import (
    INTERVAL,
    KALMAN,
    LOCAL_MEAN,
    MAX_LOCAL_FRAMES,
    PENALTIES,
    RADII,
    RIDGE,
    SHARPNESS,
    ContinuousReader,
    fit_ridge,
    frame_values,
    median_error,
    median_prediction,
    spacing,
)
from decoders.readouts.kalman import NOISE_INFLATION, Kalman, filter_points, fit_kalman

Filtered = list[tuple[SequenceEvidence, NDArray[np.float64]]]

READABLE = 0.95
"""A label whose held-out median error is not at least this much smaller than its median's is answered by its median."""


@dataclass(frozen=True, slots=True)
class LabelMethod:
    """How a label is read.

    Attributes
    ----------
    sharpness
        See `decoders.readouts.continuous.ContinuousReader`.
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
        reader = ContinuousReader.without_intervals(
            values, _ridge(points, label, self.penalty), np.full(k, self.sharpness)
        )
        return replace(reader, radius=np.full(k, self.reach))


CONSTANT = LabelMethod(RIDGE, np.inf)


def select_continuous(
    data: TrainingSet, settings: Settings, reader: BatchReadout, filtered: Filtered
) -> tuple[ContinuousReader, Kalman | None]:
    """Fit every label on everything, in the way that was best on held-out data; and the filter, if that was it.

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
    points = unit_length(reader.points(settings.windows(data.clean, data.boundary)[0]))
    if not data.labels:
        nothing = np.zeros((data.n_frames, 0)), np.zeros((points.shape[1] + 1, 0)), np.zeros(0)
        return ContinuousReader.without_intervals(*nothing), None
    sequences = [(t, f) for t, f in filtered if t.sequence.in_order]
    held_points = [_points(data, settings, trial.train) for trial, _ in sequences]
    every = np.hstack(list(data.labels.values()))
    slowness, followed = _followed(data, every, sequences, held_points)
    readers = []
    first = 0
    for number, label in enumerate(data.labels.values()):
        columns = slice(first, first + label.shape[1])
        first = columns.stop
        held = _Held(data, label, sequences, held_points, [f[:, columns] for f in followed])
        way = _best_way(held)
        fitted = way.reader(points, label, data.state, data.n_frames)
        readers.append(replace(fitted, label=fitted.label + number, interval=_interval(held, way)))
    kalman = None
    if any(np.any(r.sharpness == KALMAN) for r in readers):
        kalman = fit_kalman(points, every, data.boundary, np.ones(len(points), bool), slowness)
    together = ContinuousReader(
        np.hstack([r.values for r in readers]),
        np.hstack([r.ridge for r in readers]),
        np.concatenate([r.sharpness for r in readers]),
        np.concatenate([r.radius for r in readers]),
        np.concatenate([r.label for r in readers]),
        np.hstack([r.interval for r in readers]),
    )
    return together, kalman


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """A label, the held-out passages with their embedded points, and what a Kalman filter says of them (or nothing)."""

    data: TrainingSet
    label: NDArray[np.float32]
    sequences: Filtered
    points: list[NDArray[np.float32]]
    followed: list[NDArray[np.float32]]

    @property
    def truth(self) -> NDArray[np.float32]:
        """Of all passages, [time, k]."""
        return np.concatenate([self.label[trial.sequence.index] for trial, _ in self.sequences])

    def reads(self, way: LabelMethod) -> Iterator[tuple[ContinuousReader, NDArray[np.float32]]]:
        """For each passage, a reader fitted on the rest and its estimates."""
        for number, ((trial, posterior), at) in enumerate(zip(self.sequences, self.points, strict=True)):
            train = trial.train
            reader = way.reader(at[train], self.label[train], self.data.state[train], self.data.n_frames)
            followed = self.followed[number] if self.followed else None
            yield reader, reader.read(posterior, at[trial.sequence.index], followed)

    def error(self, way: LabelMethod) -> float:
        """Median error over all passages."""
        return median_error(np.concatenate([estimate for _, estimate in self.reads(way)]), self.truth)


def _followed(
    data: TrainingSet,
    labels: NDArray[np.float32],
    sequences: Filtered,
    points: list[NDArray[np.float32]],
) -> tuple[float, list[NDArray[np.float32]]]:
    """The slowness with which a Kalman filter follows all labels best, and what it says of the held-out passages.

    Nothing of a movie's labels, nor when too little is known.
    """
    best: tuple[float, float, list[NDArray[np.float32]]] = (np.inf, NOISE_INFLATION[0], [])
    for slowness in NOISE_INFLATION if data.movie is None else ():
        says, misses = [], []
        for (trial, _), at in zip(sequences, points, strict=True):
            kalman = fit_kalman(at, labels, data.boundary, trial.train, slowness)
            if kalman is None:
                return NOISE_INFLATION[0], []
            index = trial.sequence.index
            says.append(filter_points(kalman, at[index], trial.sequence.boundary))
            misses.append(
                np.abs(says[-1] - labels[index])
                / np.sqrt(np.diag(kalman.initial_covariance)[: labels.shape[1]])
            )
        score = float(np.nanmedian(np.concatenate(misses))) if misses else np.inf
        if score < best[0]:
            best = (score, slowness, says)
    return best[1], best[2]


def _points(data: TrainingSet, settings: Settings, train: NDArray[np.bool_]) -> NDArray[np.float32]:
    """All samples in an embedding fitted on a part of them."""
    windows = settings.windows(data.clean, data.boundary)
    return unit_length(fit_readout(data, windows, train, settings).points(windows[0]))


def _best_way(held: _Held) -> LabelMethod:
    """The way with the smallest median error over the held-out passages."""
    if not held.sequences:
        return LabelMethod(SHARPNESS[0])
    ways = [LabelMethod(s) for s in SHARPNESS] + [
        LabelMethod(RIDGE, penalty) for penalty in (*PENALTIES, np.inf)
    ]
    data = held.data
    if data.movie is None and data.n_frames <= MAX_LOCAL_FRAMES:
        apart = spacing(frame_values(held.label, data.state, data.n_frames))
        ways += [LabelMethod(LOCAL_MEAN, reach=apart * reach) for reach in RADII]
    if held.followed:
        ways.append(LabelMethod(KALMAN))
    errors = {way: held.error(way) for way in ways}
    best = min(errors, key=lambda way: np.nan_to_num(errors[way], nan=np.inf))
    return best if errors[best] < READABLE * errors[CONSTANT] else CONSTANT


def _interval(held: _Held, way: LabelMethod) -> NDArray[np.float64]:
    """Factor and constant part of the intervals, float64 [2, columns], at which held-out truths lie in them."""
    k = held.label.shape[1]
    if not held.sequences:
        return np.full((2, k), np.nan)
    reads = list(held.reads(way))
    miss = np.abs(np.concatenate([estimate for _, estimate in reads]) - held.truth)
    known = np.isfinite(miss)
    least = np.array([np.median(miss[known[:, c], c]) if known[:, c].any() else np.nan for c in range(k)])
    spread = np.concatenate(
        [
            replace(reader, interval=np.vstack([np.ones(k), least])).spread(posterior, estimate)
            for (reader, estimate), (_, posterior) in zip(reads, held.sequences, strict=True)
        ]
    )
    ratio = miss / np.maximum(spread, 1e-30)
    factor = [np.quantile(ratio[known[:, c], c], INTERVAL) if known[:, c].any() else np.nan for c in range(k)]
    return np.vstack([factor, least])


def _ridge(points: NDArray[np.float32], label: NDArray[np.float32], penalty: float) -> NDArray[np.float64]:
    return (
        median_prediction(label, points.shape[1]) if np.isinf(penalty) else fit_ridge(points, label, penalty)
    )
