"""Runs the playback model over whole recordings, for baselines and controls."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from decoders.playback.filter import Playback
from decoders.readouts.classifiers import log_posterior
from stream.session import Session


def filter_recording(
    playback: Playback, logits: NDArray[np.float32], session: Session, weight: float = 1.0
) -> NDArray[np.float32]:
    """Filter logits with the playback model.

    Parameters
    ----------
    playback
        Playback model; its state is reset before and after.
    logits
        Float32 [time, states].
    session
        Recording with timestamps and segments.
    weight
        Evidence weight of the logits: below 1 because neighbouring windows overlap.

    Returns
    -------
    posterior
        Float32 [time, states].
    """
    out = np.empty(logits.shape, np.float32)
    playback.reset()
    for index, stamp in enumerate(session.stamps):
        if index and session.segment[index] != session.segment[index - 1]:
            playback.reset()
        out[index] = playback.step(weight * logits[index].astype(np.float64), float(stamp))
    playback.reset()
    return out


def posteriors(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the posteriors of calibrated logits (softmax), float32 [time, states]."""
    return np.exp(log_posterior(logits))
