"""The bundled model and recording with any number of channels, for measurements of speed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from decoders.data.preprocessing import Preprocessor
from decoders.model.model import Model
from stream.session import Kind


def channel_names(n_channels: int) -> tuple[str, ...]:
    """Names of the repeated channels.

    Parameters
    ----------
    n_channels
        How many.
    """
    return tuple(f"unit-{index:05d}" for index in range(n_channels))


def repeated_model(model: Model, n_channels: int, rate_hz: float) -> Model:
    """A model whose channels are those of another one over and over, each with its part of the weight.

    Its answers mean nothing at a rate other than that one's, but cost what so many channels cost at that rate.

    Parameters
    ----------
    model
        Linear, without a second opinion, as the bundled one.
    n_channels
        How many.
    rate_hz
        Samples per second.
    """
    parts, valid = model.parts, model.parts.preprocessor.valid
    source = np.arange(n_channels) % len(valid)
    place = np.cumsum(valid) - 1  # of each valid channel among those that are used
    used = place[source[valid[source]]]
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
    """Float32 [time, n_channels]: the channels of float32 [time, channels] over and over.

    Parameters
    ----------
    neural
        As recorded.
    n_channels
        How many.
    """
    return np.ascontiguousarray(neural[:, np.arange(n_channels) % neural.shape[1]], np.float32)
