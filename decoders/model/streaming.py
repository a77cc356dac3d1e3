"""What the newest samples say about the frame, kept up to date sample by sample."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from decoders.embedding.linear import unit_length
from decoders.embedding.multiscale import running_window
from decoders.embedding.windows import RunningSum
from decoders.model.parts import ModelParts
from decoders.numerics import fast_max
from decoders.playback.sparse import RowProduct
from decoders.readouts.classifiers import UNOBSERVED_LOGIT
from decoders.readouts.combined import combined
from decoders.readouts.secondary_classifier import LinearSecondary


class StreamingReadout:
    """The linear embedding, its frame decoder and what the playback model hears, of one model.

    What is linear in the samples is worked out once for each sample and then summed over windows, rather than for each
    window anew: of a sample most channels are silent, of a window few. A sample also brings its share of the biases,
    which makes windows that are not yet full answer flatter.

    Parameters
    ----------
    parts
        Of the model.

    Attributes
    ----------
    window
        The samples of the context and their sum.
    """

    def __init__(self, parts: ModelParts) -> None:
        self._parts = parts
        self._likeness = parts.typicality.tolist()
        self._scaling, self._embedding = parts.scaling, parts.embedding
        self._prototypes, self._cosine = parts.prototypes.prototypes, parts.prototypes.cosine
        bias = parts.prototypes.bias
        self._bias = bias if bias.any() else None
        n_context, n_recent = parts.scaling.n_window, parts.emission.n_window
        n_used = parts.preprocessor.n_used
        self.window = running_window(n_context, parts.spans, n_used, max(n_context, n_recent))
        self._recent = self._heard = self._votes = None
        columns: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
        secondary, emission = parts.secondary, parts.emission
        if isinstance(secondary, LinearSecondary) and not (secondary.root or parts.spans):
            weights, bias, self._from_votes = _votes(secondary, n_context)
            columns.append((weights, bias))
            self._votes = RunningSum(n_context, len(bias))
        if emission.own_readout and not emission.root:
            share = np.float32(emission.evidence_weight / n_recent)
            columns.append((_centred(emission.weights * share), _centred(emission.bias * share)))
            self._heard = RunningSum(n_recent, len(emission.bias))
        elif emission.own_readout:
            self._recent = RunningSum(n_recent, n_used)
        self._product: RowProduct | None = None
        if columns:
            self._product = RowProduct(np.hstack([weights for weights, _ in columns]))
            self._share = np.concatenate([bias for _, bias in columns])

    def reset(self) -> None:
        """Forget every sample: a new segment begins."""
        for window in (self.window, self._recent, self._heard, self._votes):
            if window is not None:
                window.reset()

    def take_over(self, other: StreamingReadout) -> None:
        """Go on from the samples that another one of the same channels holds.

        Parameters
        ----------
        other
            Stays as it is.
        """
        self.reset()
        for sample in other.window.samples():
            self.push(sample)

    def push(self, sample: NDArray[np.float32]) -> None:
        """Take in one clean sample, float32 [used channels]."""
        self.window.push(sample)
        if self._recent is not None:
            self._recent.push(sample)
        if self._product is None:
            return
        said = self._product.times(sample, sample.nonzero()[0])  # most channels are silent
        said += self._share
        n_votes = 0
        if self._votes is not None:
            n_votes = self._votes.n_columns
            self._votes.push(said[:n_votes])
        if self._heard is not None:
            self._heard.push(said[n_votes:])

    def look(self) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
        """The embedded point (unit length), calibrated logits, and how familiar the moment is (0 to 1)."""
        sums = self.window.read()
        point = self._embedding.project(self._scaling.features(sums))
        direction = unit_length(point)
        similarity = (direction if self._cosine else point).dot(self._prototypes)
        if self._bias is not None:
            similarity += self._bias
        return direction, self._logits(similarity, sums, direction), level(self._likeness, similarity)

    def evidence(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the playback model hears, float32 [states], given the logits that `look` gave; not to be changed."""
        emission = self._parts.emission
        if self._heard is not None:
            return self._heard.total
        if self._recent is None:
            return np.float32(emission.evidence_weight) * logits
        features = self._parts.recent_scaling.features(self._recent.read())
        return np.float32(emission.evidence_weight * self._recent.fullness) * emission.similarity(features)

    def _logits(
        self, similarity: NDArray[np.float32], sums: NDArray[np.float32], direction: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        factor, fullness = self._parts.inverse_temperature, self.window.fullness
        if self._votes is None:
            logits = combined(similarity, factor, self._parts.secondary, sums, direction)
            return logits * np.float32(fullness)
        logits = similarity * (factor * fullness)
        votes = self._votes.total
        logits += votes if self._from_votes is None else votes.dot(self._from_votes)
        return logits


def level(typicality: list[float], similarity: NDArray[np.float32]) -> float:
    """The share of held-out moments that resembled their nearest prototype less, 0 to 1.

    Parameters
    ----------
    likeness
        Of those moments, sorted.
    similarity
        Of this moment to each prototype, float32 [states].
    """
    return bisect_left(typicality, fast_max(similarity)) / len(typicality)


def _votes(
    secondary: LinearSecondary, n_window: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None]:
    """Weights and bias for one sample's part in an opinion, and the matrix that their sum goes through, if any."""
    factor = np.float32(secondary.inverse_temperature)
    bias = _centred(secondary.bias * factor)
    if not secondary.left.shape[1]:
        return _centred(secondary.weights * factor), bias / np.float32(n_window), None
    # One more number beside those of low rank counts the samples, for the bias.
    n_channels, rank = secondary.left.shape
    weights = np.zeros((n_channels, rank + 1), np.float32)
    weights[:, :rank] = secondary.left
    share = np.zeros(rank + 1, np.float32)
    share[rank] = 1 / n_window
    return weights, share, np.vstack([_centred(secondary.weights * factor), bias])


def _centred(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without what all states share: it does not matter, but what is left is small and loses less to rounding."""
    known = logits > UNOBSERVED_LOGIT / 1e3
    shared = np.sum(logits, -1, where=known, dtype=np.float64) / np.maximum(np.sum(known, -1), 1)
    return np.asarray(logits - shared[..., None], np.float32)
