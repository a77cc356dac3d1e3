"""The linear embedding and the frame decoder on a stream, updated sample by sample."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from decoders.embedding.linear import unit_length
from decoders.embedding.multiscale import running_window
from decoders.embedding.windows import RunningSum
from decoders.model.parts import ModelParts
from decoders.numerics import RowProduct, fast_max
from decoders.readouts.classifiers import UNOBSERVED_LOGIT
from decoders.readouts.secondary_classifier import SecondaryClassifier


class StreamingReadout:
    """Linear embedding, frame decoder and evidence for the playback model; `BatchReadout` is the form for recordings.

    Whatever is linear in the samples is computed once per sample and summed over windows: most channels of a single
    sample are silent, few of a whole window. Each sample also adds its share of the biases, so that windows that are
    not yet full give flatter posteriors.

    Parameters
    ----------
    parts
        Fitted parts of the model.

    Attributes
    ----------
    window
        Samples of the context and their sum.
    """

    def __init__(self, parts: ModelParts) -> None:
        self._parts = parts
        self._embedding, self._cosine = parts.embedding, parts.prototypes.cosine
        scale = np.float32(parts.inverse_temperature)  # contained in the prototypes
        self._prototypes, bias = parts.prototypes.prototypes * scale, parts.prototypes.bias * scale
        self._bias = bias if bias[:-1].any() else None
        self._blank_bias = bias[-1]  # often the only one
        self._typicality = (parts.typicality * float(scale)).tolist()
        n_context, n_recent = parts.scaling.n_window, parts.emission.n_window
        n_used = parts.preprocessor.n_used
        self.window = running_window(n_context, parts.spans, n_used, max(n_context, n_recent))
        self._lay_out_projection()
        self._emission_window = self._evidence_sum = self._secondary_sum = None
        columns: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
        secondary, emission = parts.secondary, parts.emission
        if secondary is not None:
            weights, bias, self._secondary_weights = _secondary_share(secondary, n_context)
            columns.append((weights, bias))
            self._secondary_sum = RunningSum(n_context, len(bias))
        if emission.own_readout and not emission.root:
            share = np.float32(emission.evidence_weight / n_recent)
            columns.append((_centred(emission.weights * share), _centred(emission.bias * share)))
            self._evidence_sum = RunningSum(n_recent, len(emission.bias))
        elif emission.own_readout:
            self._emission_window = RunningSum(n_recent, n_used)
        self._product: RowProduct | None = None
        if columns:
            both = [np.vstack([weights, bias]) for weights, bias in columns]
            self._product = RowProduct(np.ascontiguousarray(np.hstack(both)))
            self._sample = np.ones(n_used + 1, np.float32)  # and 1 for the biases
            self._channels = self._sample[:-1]

    def reset(self) -> None:
        """Discard every sample at the start of a segment."""
        for window in (self.window, self._emission_window, self._evidence_sum, self._secondary_sum):
            if window is not None:
                window.reset()

    def take_over(self, other: StreamingReadout) -> None:
        """Continue from the samples that another readout holds.

        Parameters
        ----------
        other
            Readout of the same channels; it is not changed.
        """
        self.reset()
        for sample in other.window.samples():
            self.push(sample)

    def push(self, sample: NDArray[np.float32]) -> None:
        """Add one preprocessed sample, float32 [used channels]."""
        self.window.push(sample)
        if self._emission_window is not None:
            self._emission_window.push(sample)
        if self._product is None:
            return
        self._channels[:] = sample
        logits = self._product.times(self._sample)  # most channels are silent
        n_secondary = 0
        if self._secondary_sum is not None:
            n_secondary = self._secondary_sum.n_columns
            self._secondary_sum.push(logits[:n_secondary])
        if self._evidence_sum is not None:
            self._evidence_sum.push(logits[n_secondary:])

    def decode(self) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
        """Decode the present window.

        Returns
        -------
        direction
            Embedded point of unit length, float32 [dimensions].
        logits
            Calibrated logits, float32 [states].
        typicality
            Share of held-out training moments that were farther from every known frame, 0 to 1.
        """
        window, features = self.window, self._features
        if self._projection is None or not window.full:
            point = self._embedding.project(self._parts.scaling.features(window.read()))
        else:
            sums = window.sums
            if self._parts.scaling.root:
                sums = np.sqrt(np.maximum(sums, self._zeros, out=features), features)
            np.subtract(sums, self._mean, features)
            point = features.dot(self._projection)
        direction = unit_length(point)
        similarity = (direction if self._cosine else point).dot(self._prototypes)
        if self._bias is not None:
            similarity += self._bias
        else:
            similarity[-1] += self._blank_bias
        typicality = typicality_of(similarity, self._typicality)
        return direction, self._logits(similarity), typicality

    def evidence(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Evidence for the playback model.

        Parameters
        ----------
        logits
            Logits from `decode`, float32 [states].

        Returns
        -------
        evidence
            Log likelihoods up to a constant, float32 [states]; read-only.
        """
        emission = self._parts.emission
        if self._evidence_sum is not None:
            return self._evidence_sum.total
        if self._emission_window is None:
            return np.float32(emission.evidence_weight) * logits
        features = self._parts.emission_scaling.features(self._emission_window.read())
        weight = np.float32(emission.evidence_weight * self._emission_window.fullness)
        return weight * emission.similarity(features)

    def _lay_out_projection(self) -> None:
        """Let the projection contain what scales the sums of full windows, unless the population's sum scales them."""
        scaling, scale = self._parts.scaling, self.window.scale
        self._projection: NDArray[np.float32] | None = None
        if not scaling.total:
            scale = np.asarray(np.sqrt(scale) if scaling.root else scale / scaling.n_window, np.float32)
            self._projection = (self._embedding.projection * scale[:, None]).astype(np.float32)
            self._mean = (self._embedding.mean / scale).astype(np.float32)
        self._features, self._zeros = np.empty(len(scale), np.float32), np.zeros(len(scale), np.float32)

    def _logits(self, similarity: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits of the window; overwrites ``similarity``, which contains the inverse temperature."""
        fullness = self.window.fullness
        if fullness < 1:
            similarity *= np.float32(fullness)
        if self._secondary_sum is not None:
            total = self._secondary_sum.total
            similarity += total if self._secondary_weights is None else total.dot(self._secondary_weights)
        return similarity


def typicality_of(similarity: NDArray[np.float32], levels: list[float]) -> float:
    """Typicality of a moment: the share of held-out moments less similar to their nearest prototype, 0 to 1.

    Parameters
    ----------
    similarity
        Similarity of this moment to each prototype, float32 [states].
    levels
        Similarities of those moments to their nearest prototype, sorted.

    Examples
    --------
    >>> typicality_of(np.array([0.1, 0.7], np.float32), [0.2, 0.4, 0.6, 0.8])
    0.75
    """
    return bisect_left(levels, fast_max(similarity)) / len(levels)


def _secondary_share(
    secondary: SecondaryClassifier, n_window: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None]:
    """Weights and bias of one sample's share in the secondary classifier, and the matrix to apply to the sum, if any."""
    inverse_temperature = np.float32(secondary.inverse_temperature)
    bias = _centred(secondary.bias * inverse_temperature)
    if not secondary.left.shape[1]:
        return _centred(secondary.weights * inverse_temperature), bias / np.float32(n_window), None
    # One column beside those of the low rank counts the samples, for the bias.
    n_channels, rank = secondary.left.shape
    weights = np.zeros((n_channels, rank + 1), np.float32)
    weights[:, :rank] = secondary.left
    share = np.zeros(rank + 1, np.float32)
    share[rank] = 1 / n_window
    return weights, share, np.vstack([_centred(secondary.weights * inverse_temperature), bias])


def _centred(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Subtract the mean over states: posteriors do not depend on it, and small numbers lose less to rounding."""
    observed = logits > UNOBSERVED_LOGIT / 1e3
    mean = np.sum(logits, -1, where=observed, dtype=np.float64) / np.maximum(np.sum(observed, -1), 1)
    return np.asarray(logits - mean[..., None], np.float32)
