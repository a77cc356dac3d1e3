"""The contrastive encoder as it runs: causal convolution and residual blocks in numpy, with carried state.

It is trained in torch (`decoders.embedding.trainer`), but what is streamed needs none of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoders.embedding.linear import LinearEmbedding
from decoders.embedding.windows import RunningSum, segment_begins

MAX_CONTEXT = 40
"""The longest context, in samples."""

N_BLOCKS = 2
N_HIDDEN = 128

ROOT_OFFSET = np.float32(0.01)
"""Added to counts before their square root: its slope stays finite where no spike came."""

LEAST_PART = np.float32(0.05)
"""A window that has hardly begun is scaled up at most twentyfold."""


@dataclass(frozen=True, slots=True, eq=False)
class Encoder:
    """Causal filters over time, the noise whitening, then residual blocks.

    The first filter and its projection begin as the linear embedding; the blocks begin as nothing, so an untrained
    encoder answers as the linear embedding does.

    Attributes
    ----------
    taps
        Float32 [filters, context], how much each sample counts, the oldest first; never negative.
    root
        Whether the square root of the filtered counts is taken.
    mean
        Float32 [filters, channels].
    projection
        Float32 [filters, channels, dimensions].
    inner, inner_bias, outer
        Float32 [blocks, filters * dimensions, hidden], [blocks, hidden] and [blocks, hidden, dimensions].
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
        """Samples that a point depends on."""
        return int(self.taps.shape[1])

    @property
    def n_channels(self) -> int:
        """Channels of a sample."""
        return int(self.mean.shape[1])

    @property
    def n_dimensions(self) -> int:
        """Dimensions of a point."""
        return int(self.projection.shape[2])

    def project(self, filtered: NDArray[np.float32]) -> NDArray[np.float32]:
        """Points float32 [..., dimensions] for filtered samples float32 [..., filters, channels]."""
        if self.root:
            filtered = np.sqrt(np.maximum(filtered, 0) + ROOT_OFFSET)
        centred = filtered - self.mean
        parts = [centred[..., i, :] @ self.projection[i] for i in range(len(self.taps))]
        point = parts[0]
        for inner, bias, outer in zip(self.inner, self.inner_bias, self.outer, strict=True):
            seen = np.concatenate([point, *parts[1:]], -1) if len(parts) > 1 else point
            point = point + np.maximum(seen @ inner + bias, 0) @ outer
        return np.asarray(point, np.float32)

    def transform(self, samples: NDArray[np.float32], boundary: NDArray[np.bool_]) -> NDArray[np.float32]:
        """What `EncoderStream` gives after each sample of a recording.

        Parameters
        ----------
        samples
            Float32 [time, channels].
        border
            Bool [time], true where a segment begins: no window crosses it.

        Returns
        -------
        points
            Float32 [time, dimensions], not of unit length.
        """
        n_most = max(1, 4_000_000 // (len(self.taps) * self.n_channels))
        out = np.empty((len(samples), self.n_dimensions), np.float32)
        held = samples_in_window(boundary, self.n_context)
        for first in range(0, len(samples), n_most):
            part = slice(first, min(first + n_most, len(samples)))
            out[part] = self.project(self._filtered(samples, held, part))
        return out

    def _filtered(
        self, samples: NDArray[np.float32], held: NDArray[np.int64], part: slice
    ) -> NDArray[np.float32]:
        index = np.arange(part.start, part.stop)
        total = np.zeros((len(index), len(self.taps), self.n_channels), np.float32)
        for age in range(self.n_context):
            there = np.flatnonzero(held[index] > age)
            weight = self.taps[:, self.n_context - 1 - age]
            total[there] += weight[:, None] * samples[index[there] - age][:, None, :]
        return total * partial_window_gain(self.taps)[held[index]][:, :, None]


class EncoderStream:
    """An encoder fed sample by sample.

    Parameters
    ----------
    encoder
        Trained.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        # Written twice, so that the newest samples are always one piece in order of time.
        self._ring = np.zeros((2 * encoder.n_context, encoder.n_channels), np.float32)
        self._scale = partial_window_gain(encoder.taps)[:, :, None]
        self.reset()

    def reset(self) -> None:
        """Forget what came before: a new segment begins."""
        self._ring[:] = 0
        self._next = self._held = 0

    @property
    def fullness(self) -> float:
        """The share of the context that holds samples, 0 to 1."""
        return self._held / self.encoder.n_context

    def samples(self) -> NDArray[np.float32]:
        """What the context holds, the oldest first, float32 [held, channels]."""
        end = self._next + self.encoder.n_context
        return self._ring[end - self._held : end]

    def take_over(self, other: RunningSum | EncoderStream) -> None:
        """Begin with the samples that a window of the same channels holds.

        Parameters
        ----------
        other
            Stays as it is.
        """
        self.reset()
        for sample in other.samples():
            self.push(sample)

    def push(self, sample: NDArray[np.float32]) -> None:
        """Take in one sample, float32 [channels]."""
        n = self.encoder.n_context
        self._ring[self._next] = self._ring[self._next + n] = sample
        self._next = (self._next + 1) % n
        self._held = min(self._held + 1, n)

    def read(self) -> NDArray[np.float32]:
        """The point of the newest sample, float32 [dimensions], not of unit length."""
        window = self._ring[self._next : self._next + self.encoder.n_context]
        return self.encoder.project((self.encoder.taps @ window) * self._scale[self._held])


def samples_in_window(boundary: NDArray[np.bool_], n_context: int) -> NDArray[np.int64]:
    """How many samples each window holds that its segment began with, int64 [time], 1 to ``n_context``."""
    index = np.arange(len(boundary))
    return np.asarray(np.minimum(index - segment_begins(boundary) + 1, n_context), np.int64)


def partial_window_gain(taps: NDArray[np.float32]) -> NDArray[np.float32]:
    """What scales partial windows up to full ones, float32 [context + 1, filters], by how many samples are held."""
    part = np.cumsum(taps[:, ::-1], 1)
    whole = part[:, -1:]
    scale = whole / np.maximum(part, LEAST_PART * np.maximum(whole, 1e-6))
    return np.concatenate([np.ones((1, len(taps)), np.float32), scale.T]).astype(np.float32)


def start_encoder(
    linear: LinearEmbedding, n_context: int, *, root: bool, seed: int, n_start: int | None = None
) -> Encoder:
    """An encoder that answers as a linear embedding does.

    Parameters
    ----------
    linear
        Fitted on windows of ``n_start`` samples.
    n_context
        Samples, at most `MAX_CONTEXT`.
    root
        Whether the features are square roots of counts; else means over the window.
    seed
        Of the blocks' inner weights.
    n_start
        Newest samples that count at first; None = all of the context.
    """
    n_start = n_start or n_context
    n_dimensions = linear.n_dimensions
    n_recent = round(n_start / 3)
    lengths = [n_start, n_recent] if n_start >= 4 else [n_start]
    taps = np.zeros((len(lengths), n_context), np.float32)
    for row, length in zip(taps, lengths, strict=True):
        # A shorter filter is scaled up, so that the same mean and whitening serve.
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
