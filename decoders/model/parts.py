"""The parts of a fitted model, and their conversion to the arrays of a model file and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from decoders.data.preprocessing import Preprocessor
from decoders.embedding.linear import LinearEmbedding
from decoders.errors import BadModel
from decoders.model.card_schema import check_card
from decoders.model.validation import check_shapes
from decoders.playback.transition_powers import TransitionPowers, Transitions
from decoders.readouts.classifiers import Prototypes, Scaling
from decoders.readouts.continuous import ContinuousReader
from decoders.readouts.contrastive import ContrastiveDecoder
from decoders.readouts.kalman import Kalman
from decoders.readouts.secondary_classifier import SecondaryClassifier, pack_secondary, unpack_secondary
from decoders.serialization import Arrays, pack, unpack
from stream.session import Kind


@dataclass(frozen=True, slots=True, eq=False)
class Emission:
    """Emission model: how activity becomes evidence for the playback model.

    Overlapping windows count the same evidence many times. So the logits of the frame posterior get a small weight, or
    a linear readout over a few samples replaces them, which also detects a jump sooner.

    Attributes
    ----------
    own_readout
        Whether there is such a readout; if not, the logits of the frame posterior are the evidence.
    weights, bias
        The readout: float32 [channels, states] and [states].
    n_window
        Number of samples that the readout sums.
    root
        Whether the readout uses the square root of the sums.
    evidence_weight
        Weight of the logits.
    jump, jump_ahead
        Probability per tick of a jump to any frame, for the filter and for the forecast.
    window_weight
        Weight of the frame posterior's logits as window evidence, which is not carried over to the next sample; 0
        disables it.
    """

    own_readout: bool
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    n_window: int
    root: bool
    evidence_weight: float
    jump: float
    jump_ahead: float
    window_weight: float = 0.0

    FILE_NAMES: ClassVar[dict[str, str]] = {
        "own_readout": "own",
        "evidence_weight": "power",
        "window_weight": "aside",
    }

    def similarity(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Unweighted logits of the readout, float32 [..., states], for features float32 [..., channels]."""
        out: NDArray[np.float32] = features @ self.weights + self.bias
        return out


@dataclass(frozen=True, slots=True, eq=False)
class ModelParts:
    """All fitted parts of a model.

    Attributes
    ----------
    preprocessor, scaling, embedding, prototypes
        The steps from a raw sample to similarities with each frame.
    inverse_temperature
        Turns similarities into calibrated logits.
    emission, playback
        Evidence and transitions of the playback model.
    typicality
        Similarities of held-out training moments to their nearest prototype, sorted, float64 [levels].
    continuous
        Decoder of the continuous labels.
    pictures
        Small pictures of the movie, uint8 [frames, height, width(, 3)], or None.
    secondary
        Secondary classifier, whose logits are added to those of the prototypes, or None.
    contrastive
        Contrastive embedding and its decoder, or None in the mode ``linear``.
    spans
        Lengths in samples of several windows side by side, the longest last; empty for a single window.
    kalman
        Kalman filter of the continuous labels, or None.
    prior
        Added to the logits that are used without the playback model, float32 [states], or None.
    rotation
        Rotates points of unit length to the published ones, float32 [dimensions, published dimensions], so that a refit
        stays where the model before was; None publishes them as they are.
    extra
        Arrays that only scoring and baselines use.
    """

    preprocessor: Preprocessor
    scaling: Scaling
    embedding: LinearEmbedding
    prototypes: Prototypes
    inverse_temperature: float
    emission: Emission
    playback: Transitions
    typicality: NDArray[np.float64]
    continuous: ContinuousReader
    pictures: NDArray[np.uint8] | None = None
    secondary: SecondaryClassifier | None = None
    contrastive: ContrastiveDecoder | None = None
    spans: tuple[int, ...] = ()
    kalman: Kalman | None = None
    prior: NDArray[np.float32] | None = None
    rotation: NDArray[np.float32] | None = None
    extra: Arrays = field(default_factory=dict)

    @property
    def emission_scaling(self) -> Scaling:
        """Scaling of the window that the emission's readout sums."""
        return Scaling(self.emission.n_window, self.emission.root)

    @property
    def n_dimensions(self) -> int:
        """Number of dimensions of the shown embedding before its rotation: of the contrastive one if there is one."""
        shown = self.embedding if self.contrastive is None else self.contrastive.encoder
        return shown.n_dimensions

    def arrays(self) -> Arrays:
        """The named arrays of a model file."""
        out: Arrays = {
            **{f"preprocess.{name}": array for name, array in self.preprocessor.arrays().items()},
            **pack(self.scaling, "scaling"),
            **pack(self.embedding, "embedding"),
            **pack(self.prototypes, "prototypes"),
            **pack_secondary(self.secondary),
            **pack(self.emission, "emission"),
            **pack(self.continuous, "continuous"),
            "factor": np.array([self.inverse_temperature]),
            "likeness": self.typicality,
            **pack(self.playback.steps, "playback.steps"),
            **pack(self.playback.forecast_steps, "playback.ahead"),
            "playback.target": self.playback.target,
            "playback.initial": self.playback.initial,
            **self.extra,
        }
        if self.contrastive is not None:
            out.update(self.contrastive.arrays())
        if self.pictures is not None:
            out["pictures"] = self.pictures
        if self.kalman is not None:
            out.update(pack(self.kalman, "kalman"))
        if self.prior is not None:
            out["prior"] = self.prior
        if self.rotation is not None:
            out["rotation"] = self.rotation
        if self.spans:
            out["spans"] = np.array(self.spans, np.int64)
        return out

    @classmethod
    def from_file(cls, arrays: Mapping[str, NDArray[Any]], card: Mapping[str, Any]) -> ModelParts:
        """Rebuild the parts from a model file, checking that they fit together.

        Parameters
        ----------
        arrays, card
            Content of the file, from `decoders.model.file.read`.

        Raises
        ------
        BadModel
            If an array or a field of the card is missing or does not fit.
        """
        check_card(card)
        try:
            return _from_file(arrays, card)
        except BadModel:
            raise
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise BadModel(
                f"the model file's parts do not fit together: {error!r}. Fit the model again."
            ) from error


def _from_file(arrays: Mapping[str, NDArray[Any]], card: Mapping[str, Any]) -> ModelParts:
    n_channels, n_states = len(card["channel_names"]), int(card["n_frames"]) + 1
    check_shapes(arrays, n_channels, n_states, sum(int(k) for _, k in card["labels"]))
    pictures = arrays.get("pictures")
    if pictures is not None and (
        len(pictures) != n_states - 1 or pictures.dtype != np.uint8 or pictures.ndim < 3
    ):
        raise BadModel(
            f"the model's pictures have shape {pictures.shape}, but it has {n_states - 1} frames. Fit the model again."
        )
    prefixes = (
        "preprocess.",
        "scaling.",
        "embedding.",
        "prototypes.",
        "opinion.",
        "contrastive.",
        "emission.",
        "continuous.",
        "kalman.",
        "playback.",
    )
    single = ("factor", "likeness", "pictures", "spans", "prior", "rotation")
    spans = tuple(int(span) for span in arrays.get("spans", ()))
    parts = ModelParts(
        preprocessor=Preprocessor(
            Kind(card["kind"]),
            float(card["rate_hz"]),
            *(arrays[f"preprocess.{name}"] for name in ("valid", "mean", "spread")),
        ),
        scaling=unpack(Scaling, arrays, "scaling"),
        embedding=unpack(LinearEmbedding, arrays, "embedding"),
        prototypes=unpack(Prototypes, arrays, "prototypes"),
        inverse_temperature=float(arrays["factor"].reshape(-1)[0]),
        emission=unpack(Emission, arrays, "emission"),
        playback=Transitions(
            _unpack_powers(arrays, "playback.steps", n_states),
            _unpack_powers(arrays, "playback.ahead", n_states),
            arrays["playback.target"],
            arrays["playback.initial"],
        ),
        typicality=arrays["likeness"],
        continuous=unpack(ContinuousReader, arrays, "continuous"),
        pictures=pictures,
        secondary=unpack_secondary(arrays, len(arrays["embedding.mean"]), n_states),
        contrastive=ContrastiveDecoder.from_file(
            arrays, int(np.count_nonzero(arrays["preprocess.valid"])), n_states
        ),
        spans=spans,
        prior=arrays.get("prior"),
        rotation=arrays.get("rotation"),
        kalman=_unpack_kalman(arrays, card),
        extra={n: a for n, a in arrays.items() if n not in single and not n.startswith(prefixes)},
    )
    rotation = parts.rotation
    if rotation is not None and (
        rotation.ndim != 2 or rotation.dtype.kind != "f" or len(rotation) != parts.n_dimensions
    ):
        raise BadModel("the model's rotation does not fit its embedding. Fit the model again.")
    return parts


def _unpack_kalman(arrays: Mapping[str, NDArray[Any]], card: Mapping[str, Any]) -> Kalman | None:
    if not any(name.startswith("kalman.") for name in arrays):
        return None
    kalman = unpack(Kalman, arrays, "kalman")
    n, d = 2 * sum(int(k) for _, k in card["labels"]), arrays["embedding.projection"].shape[1]
    shapes = ((n, n), (n, n), (d, n), (n, n), (d,), (n,), (n, n))
    each = [getattr(kalman, f.name) for f in fields(kalman)]
    if any(a.shape != shape or a.dtype.kind != "f" for a, shape in zip(each, shapes, strict=True)):
        raise BadModel(
            "the model's Kalman filter does not fit its labels and embedding. Fit the model again."
        )
    return kalman


def _unpack_powers(arrays: Mapping[str, NDArray[Any]], prefix: str, n_states: int) -> TransitionPowers:
    powers = unpack(TransitionPowers, arrays, prefix)
    each = [getattr(powers, f.name) for f in fields(powers)]
    shapes = [a.ndim for a in each] == [1] * len(each) and powers.cut.shape == (n_states,)
    shapes = shapes and len(powers.ticks) == len(powers.end) > 0
    shapes = shapes and [a.dtype.kind for a in each] == [*"iiiiff"]
    shapes = shapes and powers.row.shape == powers.column.shape == powers.value.shape
    if not shapes:
        raise BadModel(f"the model's {prefix!r} has parts of different shapes. Fit the model again.")
    n_rows = n_states + int(powers.ticks[-1]) * bool(powers.cut.any())
    inside = powers.ticks[0] == 1 and bool(np.all(np.diff(powers.ticks) > 0))
    inside = (
        inside and powers.end[-1] == len(powers.row) and bool(np.all(np.diff(powers.end, prepend=0) >= 0))
    )
    for at, size in ((powers.row, n_rows), (powers.column, n_states)):
        inside = inside and (not len(at) or (int(at.min()) >= 0 and int(at.max()) < size))
    if not inside:
        raise BadModel(f"the model's {prefix!r} points outside its {n_states} states. Fit the model again.")
    return powers
