"""The bundled model and recording scaled to any number of channels, for benchmarks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from decoders.data.preprocessing import Preprocessor
from decoders.model.model import Model
from stream.session import Kind


def channel_names(n_channels: int) -> tuple[str, ...]:
    """Names of the channels of the scaled model.

    Parameters
    ----------
    n_channels
        Number of channels.
    """
    return tuple(f"unit-{index:05d}" for index in range(n_channels))


def repeated_model(model: Model, n_channels: int, rate_hz: float) -> Model:
    """A model that repeats the channels of another one; copies of a channel share its weight equally.

    At another rate its predictions are meaningless, but take as long as those of a model fitted at that rate.

    Parameters
    ----------
    model
        Linear model without a secondary classifier, such as the bundled one.
    n_channels
        Number of channels.
    rate_hz
        Sampling rate in Hz.
    """
    parts, valid = model.parts, model.parts.preprocessor.valid
    source = np.arange(n_channels) % len(valid)
    column = np.cumsum(valid) - 1  # column of each valid channel in the weights, which leave out the others
    used = column[source[valid[source]]]
    share = (1 / np.maximum(np.bincount(used, minlength=int(valid.sum())), 1))[used].astype(np.float32)
    n_windows = max(1, len(parts.spans))
    embedding, emission, before = parts.embedding, parts.emission, parts.preprocessor
    mean = embedding.mean.reshape(n_windows, -1)[:, used].reshape(-1)
    projection = embedding.projection.reshape(n_windows, len(valid[valid]), -1)[:, used] * share[:, None]
    wide = replace(
        parts,
        preprocessor=Preprocessor(
            Kind(model.kind), rate_hz, valid[source], before.mean[source], before.spread[source]
        ),
        embedding=replace(
            embedding, mean=mean, projection=projection.reshape(len(mean), embedding.n_dimensions)
        ),
        emission=replace(emission, weights=emission.weights[used] * share[:, None]),
        extra={},
    )
    card = {
        **model.card,
        "channel_names": list(channel_names(n_channels)),
        "unused_channels": [],
        "rate_hz": rate_hz,
    }
    return Model(wide, card)


def repeated_signals(neural: NDArray[np.float32], n_channels: int) -> NDArray[np.float32]:
    """Repeat the channels of a recording; returns float32 [time, n_channels].

    Parameters
    ----------
    neural
        Float32 [time, channels].
    n_channels
        Number of channels.
    """
    return np.ascontiguousarray(neural[:, np.arange(n_channels) % neural.shape[1]], np.float32)
