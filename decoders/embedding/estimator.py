"""Embedding of plain arrays, with the interface of a scikit-learn transformer."""

from __future__ import annotations

import inspect
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

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


class Embedding:
    """Linear or contrastive embedding of causal windows of neural activity.

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
        Whether samples are spike counts, whose square root is taken.
    seed
        Random seed.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(1.0, (200, 8)).astype(np.float32)
    >>> frame = np.tile(np.arange(20), 10)
    >>> embedding = Embedding(context=3)
    >>> embedding.fit(counts, frame=frame).transform(counts).shape
    (200, 8)
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

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"Embedding({given})"

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name; ``deep`` has no effect (scikit-learn passes it)."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name.

        Raises
        ------
        BadUsage
            When there is no parameter of that name.
        """
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise BadUsage(f"Embedding has no parameter {name!r}; its parameters are {', '.join(known)}.")
            setattr(self, name, value)
        return self

    def fit(
        self,
        samples: NDArray[np.floating],
        *,
        frame: NDArray[np.integer] | None = None,
        labels: NDArray[np.floating] | None = None,
        repeat: NDArray[np.integer] | None = None,
        segment: NDArray[np.integer] | None = None,
    ) -> Self:
        """Fit the embedding.

        Parameters
        ----------
        samples
            Float [time, channels], neural activity; a value that is not finite is replaced by its channel's mean.
        frame
            Int [time], frame shown; when ``labels`` are given too, positives agree in both.
        labels
            Float [time] or [time, k], continuous labels.
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
            When a parameter is out of range.
        ShapeMismatch
            When the lengths of the arrays differ.
        BadRecording
            When a channel has no finite value, or the mode needs labels, but they are missing or constant.
        BadSplit
            When no segment is as long as the context.
        """
        self._check_params()
        x = _as_float32(samples)
        mean = _channel_means(x)
        x = _without_gaps(x, mean)
        n = len(x)
        rows = None if labels is None else np.asarray(labels, np.float32).reshape(len(labels), -1)
        for name, array in (("frame", frame), ("labels", rows), ("repeat", repeat), ("segment", segment)):
            if array is not None and len(array) != n:
                raise ShapeMismatch(f"{name} has {len(array)} rows, but there are {n} samples.")
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
        self.mean_ = mean
        self.encoder_ = (
            self._train(encoder, x, boundary, block, state, rows) if self.mode != "linear" else encoder
        )
        return self

    def transform(
        self, samples: NDArray[np.floating], segment: NDArray[np.integer] | None = None
    ) -> NDArray[np.float32]:
        """Embed samples.

        Parameters
        ----------
        samples
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
        ShapeMismatch
            When the number of channels differs from that of `fit`.
        """
        encoder: Encoder | None = getattr(self, "encoder_", None)
        if encoder is None:
            raise NotFitted("the embedding is not fitted; call fit first.")
        x = _as_float32(samples)
        if x.ndim != 2 or x.shape[1] != encoder.n_channels:
            raise ShapeMismatch(
                f"samples must have shape [time, {encoder.n_channels}] as in fit, got {x.shape}."
            )
        return unit_length(encoder.transform(_without_gaps(x, self.mean_), _boundary(len(x), segment)))

    def fit_transform(self, samples: NDArray[np.floating], **fit_params: Any) -> NDArray[np.float32]:
        """Fit the embedding and embed the same samples; the keywords are those of `fit`."""
        return self.fit(samples, **fit_params).transform(samples, fit_params.get("segment"))

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
        if not 1 <= self.context <= MAX_CONTEXT:
            raise BadUsage(f"'context' must be 1 to {MAX_CONTEXT} samples, got {self.context}.")
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


def _as_float32(samples: NDArray[np.floating]) -> NDArray[np.float32]:
    """Convert samples to float32; values that are too large become infinite."""
    with np.errstate(over="ignore"):
        return np.asarray(samples, np.float32)


def _channel_means(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of the finite values of each channel, float32 [channels]."""
    if x.ndim != 2:
        raise ShapeMismatch(f"samples must have shape [time, channels], got {x.shape}.")
    finite = np.isfinite(x)
    n_finite = finite.sum(0)
    if len(x) and not n_finite.all():
        raise BadRecording(f"channel {int(np.argmin(n_finite))} has no finite value. Leave it out.")
    mean: NDArray[np.float32] = np.where(finite, x, 0).sum(0, dtype=np.float64) / np.maximum(n_finite, 1)
    return mean.astype(np.float32)


def _without_gaps(x: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """Replace values that are not finite by their channel's mean."""
    return np.where(np.isfinite(x), x, mean)


def _boundary(n: int, segment: NDArray[np.integer] | None) -> NDArray[np.bool_]:
    boundary = np.zeros(n, bool)
    boundary[:1] = True
    if segment is not None:
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
