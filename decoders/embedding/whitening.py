"""Untrained encoder of a recording: the whitening of its windows."""

from __future__ import annotations

from decoders.embedding.arrays import LabelStates, Recording, stretches
from decoders.embedding.encoder import DIMENSIONS, Encoder, start_encoder
from decoders.embedding.linear import MAX_DIMENSIONS, class_statistics, fit_linear
from decoders.embedding.multiscale import multiscale_sums, window_spans
from decoders.embedding.windows import window_features
from stream.errors import BadUsage

DEFAULT_DIMENSIONS = 16


def whitening(
    r: Recording,
    states: LabelStates | None,
    context: int,
    *,
    counts: bool,
    shrinkage: float,
    dimensions: int | None,
    linear: bool,
    seed: int,
) -> Encoder:
    """Return an untrained encoder.

    Parameters
    ----------
    r
        Recording.
    states
        States within which differences are noise; None for stretches of time.
    context
        Longest window in samples.
    counts, shrinkage, dimensions, seed
        See `decoders.embedding.estimator.Embedding`.
    linear
        Whether it will not be trained: then there is a single window, and any number of dimensions.

    Raises
    ------
    BadUsage
        When there are fewer channels than dimensions.
    ValueError
        When there is a single sample or state, as scikit-learn expects.
    """
    n_channels = r.samples.shape[1]
    most = min(MAX_DIMENSIONS if linear else DIMENSIONS[1], n_channels)
    n_dimensions = dimensions or (most if linear else min(DEFAULT_DIMENSIONS, most))
    if n_dimensions > most:
        raise BadUsage(
            f"'dimensions' is {n_dimensions}, but a recording has {n_channels} channels. Give at most {most}."
        )
    spans = (() if linear else window_spans(context, n_channels)) or (context,)
    sums, fullness = multiscale_sums(r.samples, r.boundary, context, spans)
    features = window_features(sums, context, root=counts)
    noise = stretches(r, context) if states is None else states.of_recording(r)
    at = noise >= 0
    statistics = class_statistics(features[at], noise[at], int(noise.max()) + 1, fullness[at])
    embedding = fit_linear(statistics, shrinkage)
    if not embedding.n_dimensions:
        raise ValueError("an embedding cannot be fitted on one sample or one state. Give at least two.")
    return start_encoder(embedding, spans, n_dimensions, root=counts, seed=seed)
