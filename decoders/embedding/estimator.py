"""An embedding by itself, in the manner of scikit-learn: arrays in, arrays out."""

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
STRETCH_CONTEXTS = 5
"""Contexts that a stretch of time is long, whose noise is whitened where nothing else tells moments apart."""


class Embedding:
    """Points for causal windows of activity, linear or contrastive.

    Parameters
    ----------
    mode
        ``linear`` (whitened noise), ``label`` (moments of one frame, or of near labels, are pulled together), ``time``
        (moments close in time are) or ``hybrid`` (both). All but ``linear`` need torch to fit, none to transform.
    context
        Samples in the window, 1 to 40.
    shrinkage
        Of the noise covariance, 0 to 1.
    temperature
        Of the InfoNCE loss.
    steps
        Of training; few and gentle, since long training costs accuracy.
    counts
        Whether samples are spike counts, whose square root is taken.
    seed
        Of everything random.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(1.0, (200, 8)).astype(np.float32)
    >>> frame = np.tile(np.arange(20), 10)
    >>> Embedding(context=3).fit(counts, frame=frame).transform(counts).shape
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
        """The parameters by name; ``deep`` changes nothing."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Change parameters by name."""
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise BadUsage(f"an embedding has no parameter {name!r}; there are {', '.join(known)}.")
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
        """Learn the embedding.

        Parameters
        ----------
        samples
            [time, channels].
        frame
            [time], what was shown; together with ``labels``, positives agree in both.
        labels
            [time] or [time, k], continuous.
        repeat
            [time]; positives come from another one when there is one.
        segment
            [time]; nothing crosses where it changes.

        Raises
        ------
        BadUsage
            When a parameter cannot be.
        ShapeMismatch
            When the arrays' lengths differ.
        BadRecording
            When the mode needs labels that are missing or never vary.
        BadSplit
            When no segment is as long as the context.
        """
        self._check_params()
        x = np.asarray(samples, np.float32)
        n = len(x)
        rows = None if labels is None else np.asarray(labels, np.float32).reshape(len(labels), -1)
        for name, array in (("frame", frame), ("labels", rows), ("repeat", repeat), ("segment", segment)):
            if array is not None and len(array) != n:
                raise ShapeMismatch(f"{name} has {len(array)} rows, but there are {n} samples.")
        boundary = _border(n, segment)
        block = np.zeros(n, np.int64) if repeat is None else np.unique(repeat, return_inverse=True)[1]
        run = contiguous_runs(boundary, block)
        if not n or np.bincount(run).max() < self.context:
            raise BadSplit(f"no stretch of the {n} samples is as long as the context of {self.context}.")
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

    def transform(
        self, samples: NDArray[np.floating], segment: NDArray[np.integer] | None = None
    ) -> NDArray[np.float32]:
        """Points of unit length, float32 [time, dimensions]; no window crosses a change of ``segment``."""
        encoder: Encoder | None = getattr(self, "encoder_", None)
        if encoder is None:
            raise NotFitted("the embedding was not fitted yet; call fit first.")
        x = np.asarray(samples, np.float32)
        if x.ndim != 2 or x.shape[1] != encoder.n_channels:
            raise ShapeMismatch(
                f"samples have shape {x.shape}, but the embedding has {encoder.n_channels} channels."
            )
        return unit_length(encoder.transform(x, _border(len(x), segment)))

    def fit_transform(self, samples: NDArray[np.floating], **given: Any) -> NDArray[np.float32]:
        """`fit`, then `transform` of the same samples."""
        return self.fit(samples, **given).transform(samples, given.get("segment"))

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
        near = (
            Samples(x, boundary, np.arange(len(x)), n_offset)
            if self.mode == "time"
            else Samples(x, boundary, state)
        )
        trainer = Trainer(
            start, near, Sampler(index, tuple(positives), self.seed), self.temperature, self.seed
        )
        with OneThread():
            for _ in range(self.steps):
                trainer.step()
        return trainer.encoder

    def _check_params(self) -> None:
        if self.mode not in MODES:
            raise BadUsage(f"no mode {self.mode!r}; there are {', '.join(MODES)}.")
        if not 1 <= self.context <= MAX_CONTEXT:
            raise BadUsage(f"a context of {self.context} samples is not possible; give 1 to {MAX_CONTEXT}.")
        if not 0 <= self.shrinkage <= 1 or self.temperature <= 0 or self.steps < 0:
            raise BadUsage(
                f"shrinkage {self.shrinkage:g}, temperature {self.temperature:g} and steps {self.steps} must be 0 to 1, "
                "positive, and not negative."
            )

    def _check_labels(self, state: NDArray[np.int64] | None, labels: NDArray[np.float32] | None) -> None:
        if self.mode in ("linear", "time"):
            return
        if state is None and labels is None:
            raise BadRecording(
                f"mode {self.mode!r} needs frame or labels. Give them to fit, or use mode 'time'."
            )
        if labels is not None:
            known = labels[np.isfinite(labels).all(1)]
            varies = len(known) > 0 and bool(np.any(known.std(0) > 0))
        else:
            varies = state is not None and int(state.max()) > 0
        if not varies:
            raise BadRecording("the labels never vary: there is nothing to tell apart. Use mode 'time'.")


def _border(n: int, segment: NDArray[np.integer] | None) -> NDArray[np.bool_]:
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
    """What counts as the same moment when the noise is measured: the frame, near labels, or a short stretch of time."""
    if state is not None:
        return state
    if labels is not None:
        edges = np.nanquantile(labels, np.linspace(0, 1, N_LABEL_BINS + 1)[1:-1], axis=0)
        cells = np.stack([np.searchsorted(e, column) for e, column in zip(edges.T, labels.T, strict=True)], 1)
        return np.unique(cells, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    first = np.searchsorted(run, run)
    stretch = (np.arange(len(run)) - first) // n_stretch
    return np.unique(np.stack([run, stretch], 1), axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
