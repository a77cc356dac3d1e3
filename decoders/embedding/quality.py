"""InfoNCE and goodness of fit of a fitted embedding on data, in particular data that it was not fitted on."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from decoders.embedding.agreement import infonce_loss
from decoders.embedding.pairs import Part, joint_batches

if TYPE_CHECKING:
    from decoders.embedding.estimator import Embedding

N_PAIRS, N_BATCHES = 512, 8
"""Pairs of a batch, and batches over which the loss is averaged."""


def infonce(
    embedding: Embedding,
    X: ArrayLike,
    y: ArrayLike | None = None,
    *,
    frame: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    repeat: ArrayLike | None = None,
    segment: ArrayLike | None = None,
    session: int = 0,
) -> tuple[float, float]:
    """Compute the InfoNCE loss of an embedding on a recording, with pairs as in its training.

    Parameters
    ----------
    embedding
        Fitted embedding; in mode ``linear``, pairs are those of mode ``label`` if it was fitted with labels.
    X, y, frame, labels, repeat, segment
        A recording, as for `Embedding.fit`.
    session
        Number of the recording in the fit whose channels these are.

    Returns
    -------
    loss, chance
        The loss, and that of a constant embedding, both in nats.
    """
    encoder = embedding._encoder(session)
    r = embedding._recording(X, y, frame, labels, repeat, segment, session=session, reset=False)
    inputs = encoder.inputs(r.samples, r.boundary)
    points = encoder.project(inputs)
    mode = embedding.mode
    if mode == "linear":
        mode = "time" if embedding.states_ is None else "label"
    n_offset = max(5, encoder.n_context)
    part = Part.of_recording(inputs, r, embedding.states_)
    samples, sampler = joint_batches([[part]], mode, n_offset, embedding.near, embedding.seed)
    both = [
        infonce_loss(
            points[anchor], points[positive], samples.excluded(anchor, positive), embedding.temperature
        )
        for step in range(N_BATCHES)
        for anchor, positive in sampler.batch(step, N_PAIRS)
    ]
    loss, chance = np.mean(both, axis=0)
    return float(loss), float(chance)


def goodness_of_fit(embedding: Embedding, X: ArrayLike, y: ArrayLike | None = None, **given: Any) -> float:
    """Compute by how many bits an embedding tells a positive from the negatives better than chance.

    Parameters
    ----------
    embedding, X, y, given
        See `infonce`.
    """
    loss, chance = infonce(embedding, X, y, **given)
    return (chance - loss) / log(2)
