"""From one set of weights to the next between two frames, without losing what the samples before have built up."""

from __future__ import annotations

import numpy as np

from decoders.model.model import Model


def hand_over(old: Model, new: Model) -> bool:
    """Let a new model go on where an old one stands.

    Windows and the running mean carry over when both use the same channels, the playback model's state when both know
    the same frames; else that part starts as at the beginning of a segment.

    Parameters
    ----------
    old
        The running model; stays as it is.
    new
        Takes over.

    Returns
    -------
    carried
        Whether everything carried over.
    """
    new.version, new.use_playback = old.version, old.use_playback
    new.reset()
    same_channels = np.array_equal(new.parts.preprocessor.valid, old.parts.preprocessor.valid)
    if same_channels:
        new.parts.preprocessor.take_over(old.parts.preprocessor)
        new._readout.take_over(old._readout)
        if new._encoder is not None:
            new._encoder.take_over(old._encoder or old._readout.window)
    same_frames = new.playback.n_states == old.playback.n_states
    if new.n_delay == old.n_delay:
        new._moments.take_over(old._moments)
    if new._kalman is not None and old._kalman is not None and new.card["labels"] == old.card["labels"]:
        new._kalman.take_over(old._kalman)
    if same_frames:
        new.playback.take_over(old.playback)
    return same_channels and same_frames
