"""Decoder on the contrastive embedding: encoder, prototypes, and how its logits combine with the linear ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.embedding.encoder import Encoder, check_encoder
from decoders.embedding.linear import unit_length
from decoders.errors import BadModel
from decoders.readouts.classifiers import UNOBSERVED_LOGIT, Prototypes
from decoders.serialization import Arrays, need, pack, unpack

PREFIX = "contrastive"
_WHITENING = ("spans", "root", "mean", "projection")


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
    display
        Encoder of few dimensions for the eye, with the same whitening; None if there is none.
    """

    encoder: Encoder
    prototypes: Prototypes
    inverse_temperature: float
    linear_weight: float
    typicality: NDArray[np.float64]
    display: Encoder | None = None

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

    def on_channels(self, valid: NDArray[np.bool_], before: NDArray[np.bool_]) -> ContrastiveDecoder:
        """Return the decoder for other valid channels of the same recording (see `Encoder.on_channels`)."""
        display = None if self.display is None else self.display.on_channels(valid, before)
        return replace(self, encoder=self.encoder.on_channels(valid, before), display=display)

    def arrays(self) -> Arrays:
        """Return the named arrays of a model file."""
        display: Arrays = {}
        if self.display is not None:
            display = pack(self.display, f"{PREFIX}.display")
            for name in _WHITENING:
                del display[f"{PREFIX}.display.{name}"]
        return {
            **display,
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
        if f"{PREFIX}.factor" not in arrays:
            return None
        encoder = unpack(Encoder, arrays, f"{PREFIX}.encoder")
        prototypes = unpack(Prototypes, arrays, f"{PREFIX}.prototypes")
        factor, typicality = need(arrays, f"{PREFIX}.factor"), need(arrays, f"{PREFIX}.likeness")
        check_encoder(encoder, n_used)
        fits = prototypes.prototypes.shape == (encoder.n_dimensions, n_states)
        fits = fits and prototypes.bias.shape == (n_states,)
        if not fits or typicality.ndim != 1 or not len(typicality) or factor.size != 2:
            raise BadModel("the model's contrastive part is incomplete. Fit the model again.")
        display = None
        if f"{PREFIX}.display.skip" in arrays:
            shared = {f"{PREFIX}.display.{name}": arrays[f"{PREFIX}.encoder.{name}"] for name in _WHITENING}
            display = unpack(Encoder, {**arrays, **shared}, f"{PREFIX}.display")
            check_encoder(display, n_used)
        return cls(encoder, prototypes, float(factor[0]), float(factor[1]), typicality, display)


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
