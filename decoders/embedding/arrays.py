"""Plain arrays of one recording, checked and prepared for `decoders.embedding.estimator`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.multiclass import type_of_target

from decoders.embedding.sampler import contiguous_runs
from decoders.errors import BadSplit
from stream.errors import BadRecording, BadUsage, ShapeMismatch

N_LABEL_BINS = 20
"""Bins of a continuous label, which serve as classes for the within-class covariance."""

STRETCH_CONTEXTS = 5
"""Length, in contexts, of the stretches of time that serve as classes where there are no labels."""


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Arrays of one recording.

    Attributes
    ----------
    samples
        Float32 [time, channels], without gaps.
    mean
        Float32 [channels], mean of the finite values.
    boundary
        Bool [time], true where a segment begins.
    block, run
        Int64 [time], numbers of the repeat and of the contiguous run.
    frame
        Array [time] of frames, or None.
    labels
        Float32 [time, k], continuous labels, or None.
    """

    samples: NDArray[np.float32]
    mean: NDArray[np.float32]
    boundary: NDArray[np.bool_]
    block: NDArray[np.int64]
    run: NDArray[np.int64]
    frame: NDArray[Any] | None
    labels: NDArray[np.float32] | None

    @property
    def known(self) -> NDArray[np.bool_]:
        """Samples whose labels are known, bool [time]."""
        n = len(self.samples)
        return (
            np.ones(n, bool)
            if self.labels is None
            else np.all(np.isfinite(self.labels), axis=1, out=np.empty(n, bool))
        )


def recording(
    x: NDArray[np.float32],
    frame: ArrayLike | None,
    labels: ArrayLike | None,
    repeat: ArrayLike | None,
    segment: ArrayLike | None,
    context: int,
) -> Recording:
    """Check and prepare the arrays of a recording.

    Parameters
    ----------
    x
        Float32 [time, channels]; values that are not finite are replaced by their channel's mean.
    frame, labels, repeat, segment
        See `decoders.embedding.estimator.Embedding.fit`.
    context
        Longest window in samples.
    """
    n = len(x)
    rows = None if labels is None else np.asarray(labels, np.float32).reshape(len(np.asarray(labels)), -1)
    frames = None if frame is None else np.asarray(frame)
    repeats = None if repeat is None else np.asarray(repeat)
    for name, array in (("frame", frames), ("labels", rows), ("repeat", repeats)):
        if array is not None and len(array) != n:
            raise ShapeMismatch(f"{name} has {len(array)} rows, but there are {n} samples.")
        if name != "labels" and array is not None and array.ndim != 1:
            raise ShapeMismatch(f"{name} must have shape [time], got {array.shape}.")
    mean = _channel_means(x)
    boundary = segment_boundary(n, segment)
    block = np.zeros(n, np.int64) if repeats is None else np.unique(repeats, return_inverse=True)[1]
    run = contiguous_runs(boundary, block)
    if not n or np.bincount(run).max() < context:
        raise BadSplit(
            f"none of the segments of the {n} samples is as long as the context of {context} samples. "
            "Give a shorter context."
        )
    return Recording(without_gaps(x, mean), mean, boundary, block, run, frames, rows)


def refuse_equal_channels(x: NDArray[np.float32]) -> None:
    """Refuse samples in which a channel occurs twice.

    Raises
    ------
    BadRecording
        When two channels that vary are equal.
    """
    varying = np.flatnonzero(np.any(x != x[:1], axis=0))
    _, first, count = np.unique(x[:, varying], axis=1, return_index=True, return_counts=True)
    if np.any(count > 1):
        one = varying[first[np.argmax(count > 1)]]
        other = next(c for c in varying if c != one and np.array_equal(x[:, c], x[:, one], equal_nan=True))
        raise BadRecording(
            f"channels {one} and {other} are equal: the same channel is given twice. Leave one out."
        )


@dataclass(frozen=True, slots=True, eq=False)
class LabelStates:
    """States that frames or bins of continuous labels stand for.

    Attributes
    ----------
    classes
        Frames of the states, sorted; or the cells of the label bins, int64 [states, k].
    edges
        Float32 [k, bins - 1], edges of the bins of continuous labels; None for frames.
    values
        Float32 [states, k], mean of the continuous labels of each state; None without such labels.
    """

    classes: NDArray[Any]
    edges: NDArray[np.float32] | None = None
    values: NDArray[np.float32] | None = None

    @classmethod
    def of(cls, recordings: list[Recording]) -> LabelStates:
        """Return the states of all recordings together, which have frames or labels."""
        if all(r.frame is not None for r in recordings):
            states = cls(np.unique(np.concatenate([r.frame for r in recordings if r.frame is not None])))
        else:
            labels = np.concatenate([r.labels[r.known] for r in recordings if r.labels is not None])
            quantiles = np.linspace(0, 1, N_LABEL_BINS + 1)[1:-1]
            edges = np.quantile(labels, quantiles, axis=0).T.astype(np.float32)
            states = cls(np.unique(_cells(labels, edges), axis=0), edges)
        if any(r.labels is None for r in recordings):
            return states
        known = np.concatenate([r.known for r in recordings])
        labels = np.concatenate([r.labels for r in recordings if r.labels is not None])[known]
        state = np.concatenate([states.of_recording(r) for r in recordings])[known]
        total = np.zeros((len(states), labels.shape[1]))
        np.add.at(total, state, labels)
        count = np.maximum(np.bincount(state, minlength=len(states)), 1)
        return replace(states, values=(total / count[:, None]).astype(np.float32))

    def __len__(self) -> int:
        return len(self.classes)

    def of_recording(self, r: Recording) -> NDArray[np.int64]:
        """Return the state of each sample, int64 [time]; -1 = none of these."""
        if self.edges is None:
            if r.frame is None:
                raise BadUsage("the embedding was fitted with frames; give frames here too.")
            return _lookup(self.classes, r.frame)
        if r.labels is None or r.labels.shape[1] != len(self.edges):
            raise BadUsage(
                f"the embedding was fitted with {len(self.edges)} continuous labels; give the same."
            )
        rows, place = np.unique(
            np.concatenate([self.classes, _cells(np.nan_to_num(r.labels), self.edges)]), axis=0,
            return_inverse=True,
        )  # fmt: skip
        number, place = np.full(len(rows), -1), place.reshape(-1)
        number[place[: len(self.classes)]] = np.arange(len(self.classes))
        return np.where(r.known, number[place[len(self.classes) :]], -1)

    def positions(self, state: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Return the frame numbers of states int64 [time]; their order where frames are no numbers; None for labels."""
        if self.edges is not None:
            return None
        whole = self.classes.dtype.kind in "iu"
        return np.asarray(self.classes[state] if whole else state, np.int64)


def label_states(recordings: list[Recording], mode: str) -> LabelStates | None:
    """Return the states that frames or labels stand for, None without such.

    Parameters
    ----------
    recordings
        Recordings to fit together.
    mode
        See `decoders.embedding.estimator.Embedding`.

    Raises
    ------
    BadRecording
        When frames or labels are needed but missing, or do not vary.
    """
    has_frames, has_labels = ([getattr(r, n) is not None for r in recordings] for n in ("frame", "labels"))
    if not (all(has_frames) or all(has_labels)):
        if len(recordings) > 1:
            raise BadRecording(
                "recordings are trained together by their frames or labels. Give the same kind for each of them."
            )
        if mode in ("label", "hybrid"):
            raise BadRecording(f"mode {mode!r} needs frames or labels. Give them to fit, or use mode 'time'.")
        return None
    states = LabelStates.of(recordings)
    if mode in ("label", "hybrid"):
        known = [r.labels[r.known] for r in recordings if r.labels is not None]
        varies = (
            any(len(k) and bool(np.any(k.std(0) > 0)) for k in known) if all(has_labels) else len(states) > 1
        )
        if not varies:
            raise BadRecording("the labels are constant, so they define no negatives. Use mode 'time'.")
    return states


def _lookup(classes: NDArray[Any], values: NDArray[Any]) -> NDArray[np.int64]:
    at = np.minimum(np.searchsorted(classes, values), len(classes) - 1)
    return np.where(classes[at] == values, at, -1).astype(np.int64)


def _cells(labels: NDArray[np.float32], edges: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.stack([np.searchsorted(e, c) for e, c in zip(edges, labels.T, strict=True)], 1).astype(np.int64)


def stretches(r: Recording, context: int) -> NDArray[np.int64]:
    """Number stretches of time, which serve as classes where there are no labels, int64 [time]."""
    first = np.searchsorted(r.run, r.run)
    stretch = (np.arange(len(r.run)) - first) // (STRETCH_CONTEXTS * context)
    pairs = np.stack([r.run, stretch], 1)
    return np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def without_gaps(x: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """Replace values that are not finite by their channel's mean."""
    return np.where(np.isfinite(x), x, mean)


def segment_boundary(n: int, segment: ArrayLike | None) -> NDArray[np.bool_]:
    """Return where a segment begins, bool [time], for segment numbers [time]."""
    boundary = np.zeros(n, bool)
    boundary[:1] = True
    if segment is not None:
        segment = np.asarray(segment)
        if len(segment) != n:
            raise ShapeMismatch(f"segment has {len(segment)} rows, but there are {n} samples.")
        boundary[1:] = np.diff(segment) != 0
    return boundary


def with_target(
    y: ArrayLike | None, frame: ArrayLike | None, labels: ArrayLike | None
) -> tuple[ArrayLike | None, ArrayLike | None]:
    """Return frames and labels, one of which ``y`` may stand for by scikit-learn's rule."""
    if y is None:
        return frame, labels
    continuous = type_of_target(y, input_name="y").startswith("continuous")
    if (labels if continuous else frame) is not None:
        name = "labels" if continuous else "frame"
        raise BadUsage(f"'y' gives the {name}, which is given too; give only one of them.")
    return (frame, y) if continuous else (y, labels)


def _channel_means(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of the finite values of each channel, float32 [channels]."""
    finite = np.isfinite(x)
    n_finite = finite.sum(0)
    if not n_finite.all():
        raise BadRecording(f"channel {int(np.argmin(n_finite))} has no finite value. Leave it out.")
    mean: NDArray[np.float32] = np.where(finite, x, 0).sum(0, dtype=np.float64) / n_finite
    return mean.astype(np.float32)
