"""Embedding of plain arrays: a scikit-learn transformer."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils import Tags
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import validate_data

from decoders.embedding.encoder import MAX_CONTEXT, Encoder, start_encoder
from decoders.embedding.linear import class_statistics, fit_linear, unit_length
from decoders.embedding.sampler import (
    FramePositives,
    NearestPositives,
    Positives,
    Sampler,
    TimePositives,
    contiguous_runs,
)
from decoders.embedding.trainer import OneThread, Samples, Trainer, require_torch
from decoders.embedding.windows import window_sums
from decoders.errors import BadSplit, NotFitted
from stream.errors import BadRecording, BadUsage, ShapeMismatch

MODES = ("linear", "label", "time", "hybrid")
N_LABEL_BINS = 20
"""Bins of a continuous label, which serve as classes for the within-class covariance."""

STRETCH_CONTEXTS = 5
"""Length, in contexts, of the stretches of time that serve as classes where there are no labels."""


class EmbeddingNotFitted(NotFitted, NotFittedError):  # type: ignore[misc]
    """`NotFitted` that is scikit-learn's error too."""


class Embedding(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Linear or contrastive embedding of causal windows of neural activity, as a scikit-learn transformer.

    It works in pipelines and searches, with the frames or a continuous label as ``y``. Cross-validation that cuts
    repeats makes windows of pieces that do not belong together: group the folds by repeat, or use a context of 1.
    A value that is not finite is replaced by its channel's mean in `fit`.

    Parameters
    ----------
    mode
        ``linear`` (whitening only), or contrastive training with positives of the same frame or a similar label
        (``label``), close in time (``time``), or both (``hybrid``). The contrastive modes need torch to fit, but not to
        transform. Modes and loss follow CEBRA (Schneider, Lee and Mathis 2023).
    context
        Window length in samples, 1 to 40.
    shrinkage
        Shrinkage of the within-class covariance, 0 to 1.
    temperature
        Temperature of the InfoNCE loss.
    steps
        Training steps; more than a few hundred lower decoding accuracy.
    counts
        Whether samples are spike counts, whose square root is taken; negative values are then refused.
    seed
        Random seed.

    Attributes
    ----------
    encoder_
        Fitted encoder.
    mean_
        Float32 [channels], mean of each channel in `fit`.
    n_features_in_
        Number of channels.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(1.0, (200, 8)).astype(np.float32)
    >>> frame = np.tile(np.arange(20), 10)
    >>> embedding = Embedding(context=3)
    >>> embedding.fit(counts, frame=frame).transform(counts).shape
    (200, 8)

    In a pipeline, with a search over its parameters:

    >>> from sklearn.model_selection import GridSearchCV, GroupKFold
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> pipeline = make_pipeline(Embedding(), KNeighborsClassifier(3))
    >>> search = GridSearchCV(pipeline, {"embedding__context": [1, 3]}, cv=GroupKFold(5))
    >>> search.fit(counts, frame, groups=np.repeat(np.arange(10), 20)).predict(counts).shape
    (200,)
    """

    def __init__(
        self,
        mode: str = "linear",
        context: int = 1,
        shrinkage: float = 0.5,
        temperature: float = 0.1,
        steps: int = 150,
        counts: bool = True,
        seed: int = 0,
    ) -> None:
        self.mode = mode
        self.context = context
        self.shrinkage = shrinkage
        self.temperature = temperature
        self.steps = steps
        self.counts = counts
        self.seed = seed

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        frame: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        repeat: ArrayLike | None = None,
        segment: ArrayLike | None = None,
    ) -> Self:
        """Fit the embedding.

        Parameters
        ----------
        X
            Float [time, channels], neural activity; a value that is not finite is replaced by its channel's mean.
        y
            Frames or labels, by scikit-learn's rule: classes (whole numbers, text) are frames, other numbers are
            continuous labels. None for neither, or when the next two give them.
        frame
            Int [time], frame shown; when ``labels`` are given too, positives agree in both.
        labels
            Float [time] or [time, k], continuous labels; NaN where unknown.
        repeat
            Int [time], repeat number; positives come from another repeat when there is one.
        segment
            Int [time], segment number; no window crosses a change of it.

        Returns
        -------
        self
            The fitted embedding.

        Raises
        ------
        BadUsage
            When a parameter is out of range, or ``y`` is given beside what it stands for.
        ValueError
            When ``X`` is not a matrix of numbers, or a spike count is negative.
        ShapeMismatch
            When the lengths of the arrays differ.
        BadRecording
            When a channel has no finite value, or the mode needs labels, but they are missing or constant.
        BadSplit
            When no segment is as long as the context.
        """
        self._check_params()
        x = self._validated(X, reset=True)
        frame, labels = _with_target(y, frame, labels)
        n = len(x)
        rows = None if labels is None else np.asarray(labels, np.float32).reshape(len(np.asarray(labels)), -1)
        repeat = None if repeat is None else np.asarray(repeat)
        frame = None if frame is None else np.asarray(frame)
        for name, array in (("frame", frame), ("labels", rows), ("repeat", repeat)):
            if array is not None and len(array) != n:
                raise ShapeMismatch(f"{name} has {len(array)} rows, but there are {n} samples.")
            if name != "labels" and array is not None and array.ndim != 1:
                raise ShapeMismatch(f"{name} must have shape [time], got {array.shape}.")
        self.mean_ = _channel_means(x)
        x = _without_gaps(x, self.mean_)
        boundary = _boundary(n, segment)
        block = np.zeros(n, np.int64) if repeat is None else np.unique(repeat, return_inverse=True)[1]
        run = contiguous_runs(boundary, block)
        if not n or np.bincount(run).max() < self.context:
            raise BadSplit(
                f"none of the segments of the {n} samples is as long as the context of {self.context} samples. "
                "Give a shorter context."
            )
        state = None if frame is None else np.unique(frame, return_inverse=True)[1].astype(np.int64)
        self._check_labels(state, rows)
        noise = _noise_states(run, state, rows, STRETCH_CONTEXTS * self.context)
        sums, fullness = window_sums(x, boundary, self.context)
        features = np.sqrt(np.maximum(sums, 0)) if self.counts else sums / np.float32(self.context)
        linear = fit_linear(class_statistics(features, noise, int(noise.max()) + 1, fullness), self.shrinkage)
        encoder = start_encoder(linear, self.context, root=self.counts, seed=self.seed)
        self.encoder_ = (
            self._train(encoder, x, boundary, block, state, rows) if self.mode != "linear" else encoder
        )
        return self

    def transform(self, X: ArrayLike, segment: ArrayLike | None = None) -> NDArray[np.float32]:
        """Embed samples.

        Parameters
        ----------
        X
            Float [time, channels]; a value that is not finite is replaced by its channel's mean in `fit`.
        segment
            Int [time], segment number; no window crosses a change of it.

        Returns
        -------
        points
            Float32 [time, dimensions], of unit length.

        Raises
        ------
        NotFitted
            Before `fit`.
        ValueError
            When ``X`` is not a matrix of numbers with the channels of `fit`, or a spike count is negative.
        ShapeMismatch
            When ``segment`` has another length.
        """
        encoder: Encoder | None = getattr(self, "encoder_", None)
        if encoder is None:
            raise EmbeddingNotFitted("the embedding is not fitted; call fit first.")
        x = _without_gaps(self._validated(X, reset=False), self.mean_)
        return unit_length(encoder.transform(x, _boundary(len(x), segment)))

    def fit_transform(
        self, X: ArrayLike, y: ArrayLike | None = None, **fit_params: Any
    ) -> NDArray[np.float32]:
        """Fit the embedding and embed the same samples; the keywords are those of `fit`."""
        return self.fit(X, y, **fit_params).transform(X, fit_params.get("segment"))

    @property
    def _n_features_out(self) -> int:
        return int(self.encoder_.n_dimensions)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.positive_only = bool(self.counts)
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _validated(self, X: ArrayLike, *, reset: bool) -> NDArray[np.float32]:
        """Return the samples as a matrix without negative counts; values that are too large become infinite."""
        with np.errstate(over="ignore"):
            x: NDArray[np.float32] = validate_data(
                self, X, dtype=np.float32, ensure_all_finite=False, reset=reset
            )
        if self.counts and np.any(x < 0):
            sample, channel = np.argwhere(x < 0)[0].tolist()
            raise ValueError(
                f"Negative values in data passed to Embedding, the first at sample {sample}, channel {channel}: "
                f"{x[sample, channel]:g}. Spike counts are never negative; use counts=False for other signals."
            )
        return x

    def _train(
        self,
        start: Encoder,
        x: NDArray[np.float32],
        boundary: NDArray[np.bool_],
        block: NDArray[np.int64],
        state: NDArray[np.int64] | None,
        labels: NDArray[np.float32] | None,
    ) -> Encoder:
        require_torch()
        known = np.ones(len(x), bool) if labels is None else np.isfinite(labels).all(1)
        index, run = np.flatnonzero(known), contiguous_runs(boundary, block)
        n_offset = max(5, self.context)
        positives: list[Positives] = []
        if self.mode != "time" and labels is not None:
            positives.append(NearestPositives(index, labels, block, run, n_offset, state))
        elif self.mode != "time" and state is not None:
            positives.append(FramePositives(index, state, block))
        if self.mode != "label":
            positives.append(TimePositives(index, run, n_offset))
        training = (
            Samples(x, boundary, np.arange(len(x)), n_offset)
            if self.mode == "time"
            else Samples(x, boundary, state)
        )
        trainer = Trainer(
            start, training, Sampler(index, tuple(positives), self.seed), self.temperature, self.seed
        )
        with OneThread():
            for _ in range(self.steps):
                trainer.step()
        return trainer.encoder

    def _check_params(self) -> None:
        if self.mode not in MODES:
            raise BadUsage(f"'mode' must be one of {', '.join(MODES)}, got {self.mode!r}.")
        if int(self.context) != self.context or not 1 <= self.context <= MAX_CONTEXT:
            raise BadUsage(
                f"'context' must be a whole number of samples from 1 to {MAX_CONTEXT}, got {self.context}."
            )
        if not 0 <= self.shrinkage <= 1 or self.temperature <= 0 or self.steps < 0:
            raise BadUsage(
                "'shrinkage' must be 0 to 1, 'temperature' positive and 'steps' not negative, got "
                f"{self.shrinkage:g}, {self.temperature:g} and {self.steps}."
            )

    def _check_labels(self, state: NDArray[np.int64] | None, labels: NDArray[np.float32] | None) -> None:
        if self.mode in ("linear", "time"):
            return
        if state is None and labels is None:
            raise BadRecording(
                f"mode {self.mode!r} needs frames or labels. Give them to fit, or use mode 'time'."
            )
        if labels is not None:
            known = labels[np.isfinite(labels).all(1)]
            varies = len(known) > 0 and bool(np.any(known.std(0) > 0))
        else:
            varies = state is not None and int(state.max()) > 0
        if not varies:
            raise BadRecording("the labels are constant, so they define no negatives. Use mode 'time'.")


def _channel_means(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of the finite values of each channel, float32 [channels]."""
    finite = np.isfinite(x)
    n_finite = finite.sum(0)
    if not n_finite.all():
        raise BadRecording(f"channel {int(np.argmin(n_finite))} has no finite value. Leave it out.")
    mean: NDArray[np.float32] = np.where(finite, x, 0).sum(0, dtype=np.float64) / n_finite
    return mean.astype(np.float32)


def _without_gaps(x: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """Replace values that are not finite by their channel's mean."""
    return np.where(np.isfinite(x), x, mean)


def _with_target(
    y: ArrayLike | None, frame: ArrayLike | None, labels: ArrayLike | None
) -> tuple[ArrayLike | None, ArrayLike | None]:
    """Return frames and labels, one of which ``y`` may stand for."""
    if y is None:
        return frame, labels
    continuous = type_of_target(y, input_name="y").startswith("continuous")
    if (labels if continuous else frame) is not None:
        name = "labels" if continuous else "frame"
        raise BadUsage(f"'y' gives the {name}, which is given too; give only one of them.")
    return (frame, y) if continuous else (y, labels)


def _boundary(n: int, segment: ArrayLike | None) -> NDArray[np.bool_]:
    boundary = np.zeros(n, bool)
    boundary[:1] = True
    if segment is not None:
        segment = np.asarray(segment)
        if len(segment) != n:
            raise ShapeMismatch(f"segment has {len(segment)} rows, but there are {n} samples.")
        boundary[1:] = np.diff(segment) != 0
    return boundary


def _noise_states(
    run: NDArray[np.int64],
    state: NDArray[np.int64] | None,
    labels: NDArray[np.float32] | None,
    n_stretch: int,
) -> NDArray[np.int64]:
    """Return the classes of the within-class covariance: frames, else bins of the labels, else stretches of time."""
    if state is not None:
        return state
    if labels is not None:
        edges = np.nanquantile(labels, np.linspace(0, 1, N_LABEL_BINS + 1)[1:-1], axis=0)
        cells = np.stack([np.searchsorted(e, column) for e, column in zip(edges.T, labels.T, strict=True)], 1)
        return np.unique(cells, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    first = np.searchsorted(run, run)
    stretch = (np.arange(len(run)) - first) // n_stretch
    return np.unique(np.stack([run, stretch], 1), axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
