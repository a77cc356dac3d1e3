"""Embedding of plain arrays, of one recording or of several trained together: a scikit-learn transformer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from decoders.embedding import embedding_file
from decoders.embedding.alignment import Reference, adapted, common_states, joined, state_means
from decoders.embedding.arrays import (
    Recording,
    label_states,
    recording,
    refuse_equal_channels,
    segment_boundary,
    with_target,
    without_gaps,
)
from decoders.embedding.encoder import DIMENSIONS, Encoder
from decoders.embedding.pairs import Part, joint_batches
from decoders.embedding.trainer import OneThread, Trainer, require_torch
from decoders.embedding.whitening import whitening
from decoders.errors import NotFitted
from stream.errors import BadUsage, ShapeMismatch

MODES = ("linear", "label", "time", "hybrid")


class EmbeddingNotFitted(NotFitted, NotFittedError):  # type: ignore[misc]
    """`NotFitted` that is scikit-learn's error too."""


def _trains(embedding: Embedding) -> bool:
    return embedding.mode != "linear"


class Embedding(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Linear or contrastive embedding of causal windows of neural activity, as a scikit-learn transformer.

    It works in pipelines and searches, with the frames or a continuous label as ``y``. Cross-validation that cuts
    repeats makes windows of pieces that do not belong together: group the folds by repeat, or use a context of 1.
    A value that is not finite is replaced by its channel's mean in `fit`.

    Recordings of different channels, kinds and rates are trained together when `fit` gets a list of them: each has an
    input layer of its own, the rest of the network is shared, and positives are drawn across recordings by label.

    Parameters
    ----------
    mode
        ``linear`` (whitening only), or contrastive training with positives of the same frame or a similar label
        (``label``), close in time (``time``), or both (``hybrid``). The contrastive modes need torch to fit, but not to
        transform. Modes and loss follow CEBRA (Schneider, Lee and Mathis 2023).
    context
        Window length in samples; one for each recording where their rates differ. Contrastive modes use shorter windows
        beside it.
    shrinkage
        Shrinkage of the within-class covariance, 0 to 1.
    temperature
        Temperature of the InfoNCE loss.
    steps
        Training steps.
    counts
        Whether samples are spike counts, whose square root is taken; negative values are then refused. One for each
        recording where their kinds differ.
    seed
        Random seed.
    dimensions
        Dimensions of the points, at most the number of channels; None for all in mode ``linear``, and otherwise for 16.
    near
        Frames whose numbers differ by no more than this are not pushed apart.
    device
        Device that torch trains on, such as ``cpu`` or ``cuda``.

    Attributes
    ----------
    encoders_
        Fitted encoder of each recording; `encoder_` is the first.
    means_
        Float32 [channels] for each recording, mean of each channel in `fit`.
    losses_
        InfoNCE of each training step, in nats; empty in mode ``linear``.
    n_features_in_
        Number of channels of the first recording.

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
        context: int | Sequence[int] = 1,
        shrinkage: float = 0.5,
        temperature: float = 0.1,
        steps: int = 1000,
        counts: bool | Sequence[bool] = True,
        seed: int = 0,
        dimensions: int | None = None,
        near: int = 0,
        device: str = "cpu",
    ) -> None:
        self.mode = mode
        self.context = context
        self.shrinkage = shrinkage
        self.temperature = temperature
        self.steps = steps
        self.counts = counts
        self.seed = seed
        self.dimensions = dimensions
        self.near = near
        self.device = device

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        frame: Any = None,
        labels: Any = None,
        repeat: Any = None,
        segment: Any = None,
    ) -> Self:
        """Fit the embedding.

        Parameters
        ----------
        X
            Float [time, channels], neural activity; a value that is not finite is replaced by its channel's mean. Or a
            list of such arrays, one for each recording, whose channels may differ; then what follows are lists too.
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
            When a parameter is out of range, ``y`` is given beside what it stands for, or there are more dimensions
            than channels.
        ValueError
            When ``X`` is not a matrix of numbers, or a spike count is negative.
        ShapeMismatch
            When the lengths of the arrays differ.
        BadRecording
            When a channel has no finite value or is given twice; the mode needs labels, but they are missing or
            constant; or recordings have no label in common.
        BadSplit
            When no segment is as long as the context.
        """
        several = is_several(X)
        given = [X, y, frame, labels, repeat, segment]
        columns = [_listed(g, len(X)) for g in given] if several else [[g] for g in given]
        self._check_params(len(columns[0]))
        recordings = [
            self._recording(*arrays, session=i) for i, arrays in enumerate(zip(*columns, strict=True))
        ]
        self.states_ = label_states(recordings, self.mode)
        starts = [self._start(r, i) for i, r in enumerate(recordings)]
        self.means_ = [r.mean for r in recordings]
        inputs = [s.inputs(r.samples, r.boundary) for s, r in zip(starts, recordings, strict=True)]
        self.references_ = [self._reference(i, r) for i, r in zip(inputs, recordings, strict=True)]
        if len(starts) > 1:
            starts = joined(starts, self.references_, self.dimensions, self.seed)
        self.losses_ = np.zeros(0, np.float32)
        self.encoders_ = starts
        if self.mode != "linear":
            parts = [[Part.of_recording(i, r, self.states_)] for i, r in zip(inputs, recordings, strict=True)]
            self.encoders_ = self._trained(starts, parts, self.mode)
        return self

    @available_if(_trains)  # type: ignore[untyped-decorator]
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        frame: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        repeat: ArrayLike | None = None,
        segment: ArrayLike | None = None,
        session: int = 0,
    ) -> Self:
        """Go on training with new data of a recording; the first call is a `fit`. Mode ``linear`` has no such method.

        The whitening stays. The new data are mixed with the remembered means of the labels of all recordings, so that
        nothing is forgotten.

        Parameters
        ----------
        X, y, frame, labels, repeat, segment
            New data, see `fit`.
        session
            Number of the recording that the data belong to.

        Raises
        ------
        BadUsage
            When there is no such recording.
        """
        if not hasattr(self, "encoders_"):
            return self.fit(X, y, frame=frame, labels=labels, repeat=repeat, segment=segment)
        encoder = self._encoder(session)
        r = self._recording(X, y, frame, labels, repeat, segment, session=session, reset=False)
        inputs = encoder.inputs(r.samples, r.boundary)
        parts = [[self._memory(i)] for i in range(len(self.encoders_))]
        parts[session].append(Part.of_recording(inputs, r, self.states_))
        self.encoders_ = self._trained(self.encoders_, parts, self.mode)
        if self.states_ is not None:
            means, count = self.references_[session]
            new, more = self._reference(inputs, r)
            total = np.maximum(count + more, 1)[:, None]
            mixed = (means * count[:, None] + new * more[:, None]) / total
            self.references_[session] = (mixed.astype(np.float32), count + more)
        return self

    def adapt(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        frame: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        repeat: ArrayLike | None = None,
        segment: ArrayLike | None = None,
    ) -> Self:
        """Add a recording of other channels, as the last one: it gets an input layer, and all else stays as it is.

        Its first weights map the means of the labels onto those of the first recording; then they are trained.

        Parameters
        ----------
        X, y, frame, labels, repeat, segment
            The new recording, see `fit`.

        Raises
        ------
        BadRecording
            When it has no label in common with the first recording.
        """
        reference = self._encoder(0)
        if self.states_ is None:
            raise BadUsage(
                "the embedding was fitted without frames or labels, by which recordings are aligned."
            )
        number = len(self.encoders_)
        r = self._recording(X, y, frame, labels, repeat, segment, session=number, reset=False)
        state = self.states_.of_recording(r)
        count = np.bincount(state[state >= 0], minlength=len(self.states_))
        common_states([count, self.references_[0][1]])
        start = self._start(r, number)
        inputs = start.inputs(r.samples, r.boundary)
        means, count = self._reference(inputs, r)
        start = adapted(start, (means, count), reference, self.references_[0])
        if self.mode != "linear":
            parts = [[self._memory(0)], [Part.of_recording(inputs, r, self.states_)]]
            start = self._trained([reference, start], parts, "label", only=1)[1]
        self.encoders_ = [*self.encoders_, start]
        self.means_, self.references_ = [*self.means_, r.mean], [*self.references_, (means, count)]
        return self

    def transform(
        self, X: ArrayLike, segment: ArrayLike | None = None, *, session: int = 0
    ) -> NDArray[np.float32]:
        """Embed samples.

        Parameters
        ----------
        X
            Float [time, channels]; a value that is not finite is replaced by its channel's mean in `fit`.
        segment
            Int [time], segment number; no window crosses a change of it.
        session
            Number of the recording whose channels they are.

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
            When ``segment`` has another length, or the number of channels is another recording's.
        """
        encoder = self._encoder(session)
        x = self._validated(X, session, reset=False)
        x = without_gaps(x, self.means_[session])
        return encoder.transform(x, segment_boundary(len(x), segment))

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Any:
        """Fit the embedding and embed the same samples; the keywords are those of `fit`."""
        self.fit(X, y, **fit_params)
        segment = fit_params.get("segment")
        if not is_several(X):
            return self.transform(X, segment)
        segments = _listed(segment, len(X))
        return [self.transform(x, s, session=i) for i, (x, s) in enumerate(zip(X, segments, strict=True))]

    def save(self, path: Path | str, *, force: bool = False) -> None:
        """Write the fitted embedding to a safetensors file.

        Parameters
        ----------
        path
            File to write.
        force
            Whether to overwrite an existing file.
        """
        self._encoder(0)
        embedding_file.write(path, self, force=force)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read an embedding that `save` wrote; nothing in the file is executed.

        Raises
        ------
        BadModel
            When the file is missing, damaged or not an embedding.
        """
        embedding: Self = embedding_file.read(path, cls)
        return embedding

    @property
    def encoder_(self) -> Encoder:
        """Fitted encoder of the first recording."""
        return self._encoder(0)

    @property
    def _n_features_out(self) -> int:
        return int(self.encoder_.n_dimensions)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.positive_only = bool(_each(self.counts, 0))
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _encoder(self, session: int) -> Encoder:
        encoders: list[Encoder] | None = self.__dict__.get("encoders_")
        if encoders is None:
            raise EmbeddingNotFitted("the embedding is not fitted; call fit first.")
        if not 0 <= session < len(encoders):
            raise BadUsage(f"there is no recording {session}; the embedding has {len(encoders)}, from 0.")
        return encoders[session]

    def _validated(self, X: ArrayLike, session: int, *, reset: bool) -> NDArray[np.float32]:
        """Return the samples as a matrix without negative counts; values that are too large become infinite."""
        with np.errstate(over="ignore"):
            x: NDArray[np.float32] = validate_data(
                self, X, dtype=np.float32, ensure_all_finite=False, reset=reset, skip_check_array=False
            ) if session == 0 else np.asarray(X, np.float32)  # fmt: skip
        if session and x.ndim != 2:
            raise ShapeMismatch(f"recording {session} must have shape [time, channels], got {x.shape}.")
        encoders = self.__dict__.get("encoders_", [])
        if not reset and session < len(encoders) and x.shape[1] != encoders[session].n_channels:
            raise ShapeMismatch(
                f"recording {session} has {encoders[session].n_channels} channels, got {x.shape[1]}."
            )
        if _each(self.counts, session) and np.any(x < 0):
            sample, channel = np.argwhere(x < 0)[0].tolist()
            raise ValueError(
                f"Negative values in data passed to Embedding, the first at sample {sample}, channel {channel}: "
                f"{x[sample, channel]:g}. Spike counts are never negative; use counts=False for other signals."
            )
        return x

    def _recording(
        self,
        X: ArrayLike,
        y: ArrayLike | None,
        frame: ArrayLike | None,
        labels: ArrayLike | None,
        repeat: ArrayLike | None,
        segment: ArrayLike | None,
        *,
        session: int,
        reset: bool = True,
    ) -> Recording:
        x = self._validated(X, session, reset=reset)
        frame, labels = with_target(y, frame, labels)
        r = recording(x, frame, labels, repeat, segment, _each(self.context, session))
        if self.mode != "linear":
            refuse_equal_channels(x)
        return r

    def _start(self, r: Recording, session: int) -> Encoder:
        return whitening(
            r,
            self.states_,
            int(_each(self.context, session)),
            counts=bool(_each(self.counts, session)),
            shrinkage=self.shrinkage,
            dimensions=self.dimensions,
            linear=self.mode == "linear",
            seed=self.seed,
        )

    def _reference(self, inputs: NDArray[np.float32], r: Recording) -> Reference:
        """Return the means of the states' inputs, float32 [states, inputs], and the samples behind each."""
        if self.states_ is None:
            return np.zeros((0, inputs.shape[1]), np.float32), np.zeros(0, np.int64)
        means, count = state_means(inputs, self.states_.of_recording(r), len(self.states_))
        return means.astype(np.float32), count

    def _memory(self, session: int) -> Part:
        return Part.of_means(*self.references_[session], self.states_)

    def _trained(
        self, starts: Sequence[Encoder], parts: Sequence[Sequence[Part]], mode: str, only: int | None = None
    ) -> list[Encoder]:
        """Return trained encoders; with ``only``, all but one input layer stay as they are."""
        require_torch()
        context = min(int(_each(self.context, i)) for i in range(len(starts)))
        samples, sampler = joint_batches(parts, mode, max(5, context), self.near, self.seed)
        trainer = Trainer(
            starts,
            samples,
            sampler,
            n_steps=max(self.steps, 1),
            temperature=self.temperature,
            seed=self.seed,
            device=self.device,
            trained=None if only is None else [only],
        )
        with OneThread():
            self.losses_ = np.array([trainer.step() for _ in range(self.steps)], np.float32)
        return trainer.encoders

    def _check_params(self, n_recordings: int) -> None:
        if self.mode not in MODES:
            raise BadUsage(f"'mode' must be one of {', '.join(MODES)}, got {self.mode!r}.")
        if self.mode == "time" and n_recordings > 1:
            raise BadUsage("mode 'time' cannot train recordings together; use mode 'label' or 'hybrid'.")
        for i in range(n_recordings):
            context = _each(self.context, i)
            if int(context) != context or context < 1:
                raise BadUsage(f"'context' must be a whole number of samples from 1, got {context}.")
        if not 0 <= self.shrinkage <= 1 or self.temperature <= 0 or self.steps < 0 or self.near < 0:
            raise BadUsage(
                "'shrinkage' must be 0 to 1, 'temperature' positive, 'steps' and 'near' not negative, got "
                f"{self.shrinkage:g}, {self.temperature:g}, {self.steps} and {self.near}."
            )
        low, high = DIMENSIONS
        if self.dimensions is not None and not low <= self.dimensions <= high:
            raise BadUsage(f"'dimensions' must be {low} to {high}, got {self.dimensions}.")


def is_several(X: Any) -> bool:
    """Whether ``X`` is a list of recordings, rather than one matrix."""
    return isinstance(X, list | tuple) and len(X) > 0 and all(np.ndim(x) == 2 for x in X)


def _listed(given: Any, n: int) -> list[Any]:
    """Return what is given for each of several recordings."""
    if given is None:
        return [None] * n
    if len(given) != n:
        raise ShapeMismatch(
            f"there are {n} recordings, but {len(given)} lists of labels, repeats or segments."
        )
    return list(given)


def _each(value: Any, session: int) -> Any:
    """Return a parameter's value for a recording; the last of several also serves those added later."""
    return value[min(session, len(value) - 1)] if isinstance(value, list | tuple) else value
