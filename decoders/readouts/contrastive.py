"""Decoder on the contrastive embedding: encoder, prototypes, and how its logits combine with the linear ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.embedding.encoder import MAX_CONTEXT, Encoder
from decoders.embedding.linear import unit_length
from decoders.errors import BadModel
from decoders.readouts.classifiers import UNOBSERVED_LOGIT, Prototypes
from decoders.serialization import Arrays, need, pack, unpack

PREFIX = "contrastive"


@dataclass(frozen=True, slots=True, eq=False)
class ContrastiveDecoder:
    """Result of contrastive training.

    Attributes
    ----------
    encoder
        Trained encoder.
    prototypes
        Prototypes of unit length, one per state.
    inverse_temperature
        Inverse temperature of their similarities.
    linear_weight
        Weight of the logits of the linear embedding's decoder; 0 leaves them out.
    typicality
        Float64 [levels], sorted similarities of held-out samples to their nearest prototype.
    """

    encoder: Encoder
    prototypes: Prototypes
    inverse_temperature: float
    linear_weight: float
    typicality: NDArray[np.float64]

    def logits(self, similarity: NDArray[np.float32], linear: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return calibrated logits, float32 [..., states].

        Parameters
        ----------
        similarity
            Float32 [..., states], similarity to the prototypes.
        linear
            Float32 [..., states], logits of the linear embedding's decoder.
        """
        out = similarity * np.float32(self.inverse_temperature)
        return out + np.float32(self.linear_weight) * linear if self.linear_weight else out

    def arrays(self) -> Arrays:
        """Return the named arrays of a model file."""
        return {
            **pack(self.encoder, f"{PREFIX}.encoder"),
            **pack(self.prototypes, f"{PREFIX}.prototypes"),
            f"{PREFIX}.factor": np.array([self.inverse_temperature, self.linear_weight]),
            f"{PREFIX}.likeness": self.typicality,
        }

    @classmethod
    def from_file(
        cls, arrays: Mapping[str, NDArray[Any]], n_used: int, n_states: int
    ) -> ContrastiveDecoder | None:
        """Read the decoder from the arrays of a model file; None when the model has none.

        Parameters
        ----------
        arrays
            Arrays of the model file.
        n_used
            Number of channels used.
        n_states
            Number of states: frames and "no stimulus".

        Raises
        ------
        BadModel
            When an array is missing or has the wrong shape.
        """
        if f"{PREFIX}.encoder.taps" not in arrays:
            return None
        encoder = unpack(Encoder, arrays, f"{PREFIX}.encoder")
        prototypes = unpack(Prototypes, arrays, f"{PREFIX}.prototypes")
        factor, typicality = need(arrays, f"{PREFIX}.factor"), need(arrays, f"{PREFIX}.likeness")
        _check(encoder, prototypes, n_used, n_states)
        if typicality.ndim != 1 or not len(typicality) or factor.size != 2:
            raise BadModel("the model's contrastive part is incomplete. Fit the model again.")
        return cls(encoder, prototypes, float(factor[0]), float(factor[1]), typicality)


def fit_direction_prototypes(
    points: NDArray[np.float32], state: NDArray[np.int64], n_states: int, weight: NDArray[np.float32]
) -> Prototypes:
    """Fit one prototype per state: the mean direction of its points.

    Parameters
    ----------
    points
        Float32 [time, dimensions], embedded points.
    state
        Int64 [time].
    n_states
        Number of states: frames and "no stimulus".
    weight
        Float32 [time], weight of each sample: the fullness of its window.
    """
    total = np.zeros((n_states, points.shape[1]), np.float32)
    np.add.at(total, state, unit_length(points) * weight[:, None])
    observed = np.bincount(state, minlength=n_states) > 0
    bias = np.where(observed, 0, UNOBSERVED_LOGIT).astype(np.float32)
    return Prototypes(np.ascontiguousarray(unit_length(total).T), bias, cosine=True)


def _check(encoder: Encoder, prototypes: Prototypes, n_used: int, n_states: int) -> None:
    if encoder.taps.ndim != 2 or encoder.projection.ndim != 3 or encoder.inner.ndim != 3:
        raise BadModel(
            "the arrays of the model's encoder have the wrong number of dimensions. Fit the model again."
        )
    n_filters, n_context = encoder.taps.shape
    n_blocks, _, n_hidden = encoder.inner.shape
    n_dimensions = encoder.n_dimensions
    expected = {
        "taps": (n_filters, n_context),
        "mean": (n_filters, n_used),
        "projection": (n_filters, n_used, n_dimensions),
        "inner": (n_blocks, n_filters * n_dimensions, n_hidden),
        "inner_bias": (n_blocks, n_hidden),
        "outer": (n_blocks, n_hidden, n_dimensions),
    }
    shapes = {f.name: getattr(encoder, f.name) for f in fields(encoder) if f.name != "root"}
    good = all(
        shapes[name].shape == shape and shapes[name].dtype.kind == "f" for name, shape in expected.items()
    )
    good &= 1 <= n_context <= MAX_CONTEXT and n_filters >= 1
    good &= prototypes.prototypes.shape == (n_dimensions, n_states) and prototypes.bias.shape == (n_states,)
    if not good:
        raise BadModel(
            "the arrays of the model's contrastive embedding have inconsistent shapes. Fit the model again."
        )
