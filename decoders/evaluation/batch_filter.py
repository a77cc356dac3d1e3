"""The playback model over whole recordings, for decoders other than the model itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from decoders.playback.filter import Playback
from decoders.readouts.classifiers import log_posterior
from stream.session import Session


def filter_recording(
    playback: Playback, logits: NDArray[np.float32], session: Session, power: float = 1.0
) -> NDArray[np.float32]:
    """Posteriors after the playback model.

    Parameters
    ----------
    playback
        Its state is reset before and after.
    logits
        Float32 [time, states].
    session
        Gives stamps and segments.
    power
        What makes log likelihoods of them: windows overlap.

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
        out[index] = playback.step(power * logits[index].astype(np.float64), float(stamp))
    playback.reset()
    return out


def posteriors(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Normalised probabilities float32 [time, states] of calibrated logits."""
    return np.exp(log_posterior(logits))
