"""A trained contrastive embedding and its own way to the frame posterior, as parts of a model."""

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
    """What contrastive training leaves behind.

    Attributes
    ----------
    encoder
        Trained.
    prototypes
        One per state, compared by direction.
    inverse_temperature
        Inverse temperature of their similarities.
    linear_weight
        What the logits of the linear embedding's decoder count for beside it; 0 = they do not.
    likeness
        Float64 [levels], sorted: how much held-out moments resembled their nearest prototype.
    """

    encoder: Encoder
    prototypes: Prototypes
    inverse_temperature: float
    linear_weight: float
    typicality: NDArray[np.float64]

    def logits(self, similarity: NDArray[np.float32], linear: NDArray[np.float32]) -> NDArray[np.float32]:
        """Calibrated logits, float32 [..., states].

        Parameters
        ----------
        similarity
            To the prototypes, float32 [..., states].
        linear
            Logits of the linear embedding's decoder.
        """
        out = similarity * np.float32(self.inverse_temperature)
        return out + np.float32(self.linear_weight) * linear if self.linear_weight else out

    def arrays(self) -> Arrays:
        """All of it as named arrays of a model file."""
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
        """Put it together again, checking that its parts fit; None when the model has no such part.

        Parameters
        ----------
        arrays
            Of the model file.
        n_used
            Channels that are used.
        n_states
            Frames and "no stimulus".

        Raises
        ------
        BadModel
            When something is missing or does not fit.
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
    """One prototype per state: the mean direction of its moments.

    Parameters
    ----------
    points
        Float32 [time, dimensions].
    state
        Int64 [time].
    n_states
        Frames and "no stimulus".
    weight
        Float32 [time], how full each window was.
    """
    total = np.zeros((n_states, points.shape[1]), np.float32)
    np.add.at(total, state, unit_length(points) * weight[:, None])
    seen = np.bincount(state, minlength=n_states) > 0
    bias = np.where(seen, 0, UNOBSERVED_LOGIT).astype(np.float32)
    return Prototypes(np.ascontiguousarray(unit_length(total).T), bias, cosine=True)


def _check(encoder: Encoder, prototypes: Prototypes, n_used: int, n_states: int) -> None:
    if encoder.taps.ndim != 2 or encoder.projection.ndim != 3 or encoder.inner.ndim != 3:
        raise BadModel("the model's encoder has arrays of the wrong form. Fit the model again.")
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
            "the parts of the model's contrastive embedding do not fit together. Fit the model again."
        )
