"""Contrastive encoder at run time: whitened causal windows, then a small network onto the unit sphere, in numpy.

Only training (`decoders.embedding.trainer`) needs torch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import pi, sqrt

import numpy as np
from numpy.typing import NDArray

from decoders.embedding.linear import LinearEmbedding, unit_length
from decoders.embedding.multiscale import MAX_WINDOW_VALUES, multiscale_sums, running_window
from decoders.embedding.windows import RunningSum, segment_begins, window_features
from decoders.errors import BadModel

N_HIDDEN = 128
"""Units of each of the two hidden layers."""

DIMENSIONS = (2, 64)
"""Fewest and most dimensions of a point."""

_VALUES_AT_ONCE = 4_000_000  # window sums, which bounds memory
_GELU = np.float32(sqrt(2 / pi))


@dataclass(frozen=True, slots=True, eq=False)
class Encoder:
    """Whitened windows, two hidden layers of GELU (Hendrycks and Gimpel 2016), and a projection onto the unit sphere.

    The whitening stays fixed. A linear path beside the hidden layers starts as the leading dimensions of the linear
    embedding, and the last layer starts at zero: an untrained encoder is a linear embedding. Recordings that are trained
    together have input layers (all up to ``skip``) of their own, and share the layers after it.

    Attributes
    ----------
    spans
        Int64 [windows], lengths in samples of the windows side by side, the longest last.
    root
        Whether to take the square root of the sums (of spike counts); otherwise means over the window.
    mean, projection
        Float32 [windows * channels] and [windows * channels, inputs]: the whitening.
    first, first_bias, skip
        Float32 [inputs, hidden], [hidden] and [inputs, dimensions]: first layer, and the linear path.
    hidden, hidden_bias
        Float32 [hidden, hidden] and [hidden].
    last, last_bias
        Float32 [hidden, dimensions] and [dimensions].
    """

    spans: NDArray[np.int64]
    root: bool
    mean: NDArray[np.float32]
    projection: NDArray[np.float32]
    first: NDArray[np.float32]
    first_bias: NDArray[np.float32]
    skip: NDArray[np.float32]
    hidden: NDArray[np.float32]
    hidden_bias: NDArray[np.float32]
    last: NDArray[np.float32]
    last_bias: NDArray[np.float32]

    @property
    def n_context(self) -> int:
        """Length of the longest window in samples."""
        return int(self.spans[-1])

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return len(self.mean) // len(self.spans)

    @property
    def n_dimensions(self) -> int:
        """Number of dimensions of a point."""
        return int(self.skip.shape[1])

    def on_channels(self, valid: NDArray[np.bool_], before: NDArray[np.bool_]) -> Encoder:
        """Return the encoder for other valid channels of the same recording; new ones start without weight.

        Parameters
        ----------
        valid, before
            Bool [channels], valid channels of the new and of the present data.
        """
        n_windows, n_inputs = len(self.spans), self.projection.shape[1]
        mean = np.zeros((n_windows, len(valid)), np.float32)
        projection = np.zeros((n_windows, len(valid), n_inputs), np.float32)
        mean[:, before] = self.mean.reshape(n_windows, -1)
        projection[:, before] = self.projection.reshape(n_windows, -1, n_inputs)
        return replace(
            self, mean=mean[:, valid].reshape(-1), projection=projection[:, valid].reshape(-1, n_inputs)
        )

    def rotated(self, rotation: NDArray[np.float32]) -> Encoder:
        """Return the encoder whose points are rotated, float32 [dimensions, dimensions]."""
        return replace(
            self,
            skip=self.skip @ rotation,
            last=self.last @ rotation,
            last_bias=self.last_bias @ rotation,
        )

    def whiten(self, sums: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map sums float32 [..., windows * channels], scaled to the longest window, to inputs float32 [..., inputs]."""
        features = window_features(sums, self.n_context, root=self.root)
        return np.asarray((features - self.mean) @ self.projection, np.float32)

    def project(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map whitened windows float32 [..., inputs] to points of unit length, float32 [..., dimensions]."""
        layer = _gelu(inputs @ self.first + self.first_bias)
        layer = _gelu(layer @ self.hidden + self.hidden_bias)
        return unit_length(np.asarray(layer @ self.last + self.last_bias + inputs @ self.skip, np.float32))

    def inputs(self, samples: NDArray[np.float32], boundary: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Compute the whitened window of each sample of a recording.

        Parameters
        ----------
        samples
            Float32 [time, channels].
        boundary
            Bool [time], true where a segment begins; no window crosses it.

        Returns
        -------
        inputs
            Float32 [time, inputs].
        """
        n_at_once = max(self.n_context, _VALUES_AT_ONCE // max(len(self.mean), 1))
        spans = tuple(self.spans.tolist())
        out = np.empty((len(samples), self.projection.shape[1]), np.float32)
        for first in range(0, len(samples), n_at_once):
            begin, end = max(0, first - self.n_context + 1), min(first + n_at_once, len(samples))
            sums, _ = multiscale_sums(samples[begin:end], boundary[begin:end], spans[-1], spans)
            out[first:end] = self.whiten(sums[first - begin :])
        return out

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
            Float32 [time, dimensions], of unit length.
        """
        return self.project(self.inputs(samples, boundary))


class EncoderStream:
    """Runs an encoder sample by sample.

    Parameters
    ----------
    encoder
        Trained encoder.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self._window = running_window(encoder.n_context, tuple(encoder.spans.tolist()), encoder.n_channels)

    def reset(self) -> None:
        """Start a new segment with an empty context."""
        self._window.reset()

    @property
    def fullness(self) -> float:
        """Share of the context that is filled, 0 to 1."""
        return self._window.n_held / self._window.n_window

    def take_over(self, other: RunningSum | EncoderStream) -> None:
        """Copy the samples of a window of the same channels.

        Parameters
        ----------
        other
            Source; it stays unchanged.
        """
        self._window.take_over(other._window if isinstance(other, EncoderStream) else other)

    def push(self, sample: NDArray[np.float32]) -> None:
        """Add a sample, float32 [channels]."""
        self._window.push(sample)

    def inputs(self) -> NDArray[np.float32]:
        """Return the whitened window of the newest sample, float32 [inputs]."""
        return self.encoder.whiten(self._window.read())

    def read(self) -> NDArray[np.float32]:
        """Return the point of the newest sample, float32 [dimensions], of unit length."""
        return self.encoder.project(self.inputs())


def samples_in_window(boundary: NDArray[np.bool_], n_context: int) -> NDArray[np.int64]:
    """Count the samples of its own segment in each sample's window, int64 [time], 1 to ``n_context``."""
    index = np.arange(len(boundary))
    return np.asarray(np.minimum(index - segment_begins(boundary) + 1, n_context), np.int64)


def start_encoder(
    linear: LinearEmbedding, spans: tuple[int, ...], n_dimensions: int, *, root: bool, seed: int
) -> Encoder:
    """Create an encoder that equals the leading dimensions of a linear embedding.

    Parameters
    ----------
    linear
        Embedding fitted on the windows.
    spans
        Lengths of the windows in samples, the longest last.
    n_dimensions
        Dimensions of the points, at most those of the linear embedding.
    root
        Whether the features are square roots of counts; otherwise means over the window.
    seed
        Random seed of the hidden layers.
    """
    n_inputs = linear.n_dimensions
    rng = np.random.default_rng(seed)
    return Encoder(
        spans=np.array(spans, np.int64),
        root=root,
        mean=linear.mean,
        projection=linear.projection,
        first=initial_weights(n_inputs, N_HIDDEN, rng),
        first_bias=np.zeros(N_HIDDEN, np.float32),
        skip=np.eye(n_inputs, n_dimensions, dtype=np.float32),
        hidden=initial_weights(N_HIDDEN, N_HIDDEN, rng),
        hidden_bias=np.zeros(N_HIDDEN, np.float32),
        last=np.zeros((N_HIDDEN, n_dimensions), np.float32),
        last_bias=np.zeros(n_dimensions, np.float32),
    )


def initial_weights(n_in: int, n_out: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw the weights of a hidden layer before training, float32 [in, out] (He, Zhang, Ren and Sun 2015)."""
    return rng.normal(0, sqrt(2 / n_in), (n_in, n_out)).astype(np.float32)


def check_encoder(encoder: Encoder, n_channels: int) -> None:
    """Refuse an encoder whose arrays do not fit together.

    Parameters
    ----------
    encoder
        Encoder from a file.
    n_channels
        Number of channels.

    Raises
    ------
    BadModel
        When an array has the wrong shape.
    """
    n_windows = encoder.spans.size
    n_inputs, n_hidden = encoder.first.shape if encoder.first.ndim == 2 else (0, 0)
    n_dimensions = encoder.skip.shape[1] if encoder.skip.ndim == 2 else 0
    expected = {
        "mean": (n_windows * n_channels,),
        "projection": (n_windows * n_channels, n_inputs),
        "first_bias": (n_hidden,),
        "skip": (n_inputs, n_dimensions),
        "hidden": (n_hidden, n_hidden),
        "hidden_bias": (n_hidden,),
        "last": (n_hidden, n_dimensions),
        "last_bias": (n_dimensions,),
    }
    arrays = {name: getattr(encoder, name) for name in expected}
    good = all(arrays[n].shape == shape and arrays[n].dtype.kind == "f" for n, shape in expected.items())
    good &= encoder.spans.ndim == 1 and encoder.spans.dtype.kind == "i" and n_windows > 0
    good = good and encoder.spans[0] > 0 and bool(np.all(np.diff(encoder.spans) > 0))
    if not (good and encoder.spans[-1] * n_channels <= MAX_WINDOW_VALUES and n_dimensions):
        raise BadModel(
            "the arrays of the contrastive embedding have inconsistent shapes. Fit the model again."
        )


def _gelu(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gaussian error linear unit, in its approximation by tanh."""
    return np.asarray(x * (0.5 + 0.5 * np.tanh(_GELU * x * (1 + np.float32(0.044715) * x * x))), np.float32)
