"""Contrastive encoder at run time: causal convolution and residual blocks in numpy, with carried state.

Only training (`decoders.embedding.trainer`) needs torch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from decoders.embedding.linear import LinearEmbedding
from decoders.embedding.windows import RunningSum, segment_begins

MAX_CONTEXT = 40
"""Longest context in samples."""

N_BLOCKS = 2
N_HIDDEN = 128
"""Residual blocks, and hidden units of each."""

ROOT_OFFSET = np.float32(0.01)
"""Added to counts before the square root, whose slope at zero would be infinite."""

MIN_FULLNESS = np.float32(0.05)
"""Fullness from which a partly filled window is scaled up: at most twentyfold."""


@dataclass(frozen=True, slots=True, eq=False)
class Encoder:
    """Causal temporal filters, a whitening projection, then residual blocks (He et al. 2016).

    The first filter and its projection start as the linear embedding, and the outer weights of the blocks start at
    zero, so an untrained encoder equals the linear embedding.

    Attributes
    ----------
    taps
        Float32 [filters, context], filter weights, oldest sample first; never negative.
    root
        Whether to take the square root of the filtered counts.
    mean
        Float32 [filters, channels], subtracted before the projection.
    projection
        Float32 [filters, channels, dimensions], whitening projection.
    inner, inner_bias, outer
        Weights of the blocks: float32 [blocks, filters * dimensions, hidden], [blocks, hidden] and [blocks, hidden,
        dimensions].
    """

    taps: NDArray[np.float32]
    root: bool
    mean: NDArray[np.float32]
    projection: NDArray[np.float32]
    inner: NDArray[np.float32]
    inner_bias: NDArray[np.float32]
    outer: NDArray[np.float32]

    @property
    def n_context(self) -> int:
        """Context length in samples."""
        return int(self.taps.shape[1])

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return int(self.mean.shape[1])

    @property
    def n_dimensions(self) -> int:
        """Number of dimensions of a point."""
        return int(self.projection.shape[2])

    def on_channels(self, valid: NDArray[np.bool_], before: NDArray[np.bool_]) -> Encoder:
        """Return the encoder for other valid channels of the same recording; new ones start without weight.

        Parameters
        ----------
        valid, before
            Bool [channels], valid channels of the new and of the present data.
        """
        mean = np.zeros((len(self.taps), len(valid)), np.float32)
        projection = np.zeros((len(self.taps), len(valid), self.n_dimensions), np.float32)
        mean[:, before], projection[:, before] = self.mean, self.projection
        return replace(self, mean=mean[:, valid], projection=projection[:, valid])

    def project(self, filtered: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map filtered samples float32 [..., filters, channels] to points float32 [..., dimensions]."""
        if self.root:
            filtered = np.sqrt(np.maximum(filtered, 0) + ROOT_OFFSET)
        centred = filtered - self.mean
        parts = [centred[..., i, :] @ self.projection[i] for i in range(len(self.taps))]
        point = parts[0]
        for inner, bias, outer in zip(self.inner, self.inner_bias, self.outer, strict=True):
            inputs = np.concatenate([point, *parts[1:]], -1) if len(parts) > 1 else point
            point = point + np.maximum(inputs @ inner + bias, 0) @ outer
        return np.asarray(point, np.float32)

    def transform(self, samples: NDArray[np.float32], boundary: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Compute the point that `EncoderStream` gives after each sample of a recording.

        Parameters
        ----------
        samples
            Float32 [time, channels].
        boundary
            Bool [time], true where a segment begins; no window crosses it.

        Returns
        -------
        points
            Float32 [time, dimensions], not of unit length.
        """
        n_at_once = max(1, 4_000_000 // (len(self.taps) * self.n_channels))
        out = np.empty((len(samples), self.n_dimensions), np.float32)
        n_held = samples_in_window(boundary, self.n_context)
        for first in range(0, len(samples), n_at_once):
            part = slice(first, min(first + n_at_once, len(samples)))
            out[part] = self.project(self._filter(samples, n_held, part))
        return out

    def _filter(
        self, samples: NDArray[np.float32], n_held: NDArray[np.int64], part: slice
    ) -> NDArray[np.float32]:
        index = np.arange(part.start, part.stop)
        total = np.zeros((len(index), len(self.taps), self.n_channels), np.float32)
        for age in range(self.n_context):
            available = np.flatnonzero(n_held[index] > age)
            weight = self.taps[:, self.n_context - 1 - age]
            total[available] += weight[:, None] * samples[index[available] - age][:, None, :]
        return total * partial_window_gain(self.taps)[n_held[index]][:, :, None]


class EncoderStream:
    """Runs an encoder sample by sample.

    Parameters
    ----------
    encoder
        Trained encoder.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        # Each sample is written twice, so that the newest ones are always contiguous and in order of time.
        self._ring = np.zeros((2 * encoder.n_context, encoder.n_channels), np.float32)
        self._scale = partial_window_gain(encoder.taps)[:, :, None]
        self.reset()

    def reset(self) -> None:
        """Start a new segment with an empty context."""
        self._ring[:] = 0
        self._next = self._n_held = 0

    @property
    def fullness(self) -> float:
        """Share of the context that is filled, 0 to 1."""
        return self._n_held / self.encoder.n_context

    def samples(self) -> NDArray[np.float32]:
        """Return the samples in the context, oldest first, float32 [samples, channels]."""
        end = self._next + self.encoder.n_context
        return self._ring[end - self._n_held : end]

    def take_over(self, other: RunningSum | EncoderStream) -> None:
        """Copy the samples of a window of the same channels.

        Parameters
        ----------
        other
            Source; it stays unchanged.
        """
        self.reset()
        for sample in other.samples():
            self.push(sample)

    def push(self, sample: NDArray[np.float32]) -> None:
        """Add a sample, float32 [channels]."""
        n = self.encoder.n_context
        self._ring[self._next] = self._ring[self._next + n] = sample
        self._next = (self._next + 1) % n
        self._n_held = min(self._n_held + 1, n)

    def read(self) -> NDArray[np.float32]:
        """Return the point of the newest sample, float32 [dimensions], not of unit length."""
        window = self._ring[self._next : self._next + self.encoder.n_context]
        return self.encoder.project((self.encoder.taps @ window) * self._scale[self._n_held])


def samples_in_window(boundary: NDArray[np.bool_], n_context: int) -> NDArray[np.int64]:
    """Count the samples of its own segment in each sample's window, int64 [time], 1 to ``n_context``."""
    index = np.arange(len(boundary))
    return np.asarray(np.minimum(index - segment_begins(boundary) + 1, n_context), np.int64)


def partial_window_gain(taps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the gains that scale partly filled windows up, float32 [context + 1, filters], by samples held."""
    partial = np.cumsum(taps[:, ::-1], 1)
    full = partial[:, -1:]
    gain = full / np.maximum(partial, MIN_FULLNESS * np.maximum(full, 1e-6))
    return np.concatenate([np.ones((1, len(taps)), np.float32), gain.T]).astype(np.float32)


def start_encoder(
    linear: LinearEmbedding, n_context: int, *, root: bool, seed: int, n_start: int | None = None
) -> Encoder:
    """Create an encoder that equals a linear embedding.

    Parameters
    ----------
    linear
        Embedding fitted on windows of ``n_start`` samples.
    n_context
        Context length in samples, at most `MAX_CONTEXT`.
    root
        Whether the features are square roots of counts; otherwise means over the window.
    seed
        Random seed of the blocks' inner weights.
    n_start
        Newest samples with nonzero filter weights at the start; None = all of the context.
    """
    n_start = n_start or n_context
    n_dimensions = linear.n_dimensions
    n_recent = round(n_start / 3)
    lengths = [n_start, n_recent] if n_start >= 4 else [n_start]
    taps = np.zeros((len(lengths), n_context), np.float32)
    for row, length in zip(taps, lengths, strict=True):
        # A shorter filter is scaled up, so that the same mean and whitening apply.
        row[n_context - length :] = (n_start if root else 1) / length
    n_in = len(lengths) * n_dimensions
    rng = np.random.default_rng(seed)
    inner = rng.normal(0, 1 / np.sqrt(n_in), (N_BLOCKS, n_in, N_HIDDEN))
    return Encoder(
        taps=taps,
        root=root,
        mean=np.tile(linear.mean, (len(lengths), 1)),
        projection=np.tile(linear.projection, (len(lengths), 1, 1)),
        inner=inner.astype(np.float32),
        inner_bias=np.zeros((N_BLOCKS, N_HIDDEN), np.float32),
        outer=np.zeros((N_BLOCKS, N_HIDDEN, n_dimensions), np.float32),
    )
