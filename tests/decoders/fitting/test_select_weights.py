"""Selection of the weights of the playback model's evidence."""

from __future__ import annotations

import numpy as np
import pytest

from decoders.fitting.fit_emission import SequenceEvidence
from decoders.fitting.select_weights import select_weights
from decoders.fitting.validation_sequences import ValidationSequence
from decoders.metrics import FrameAxis
from decoders.playback.filter import Playback
from decoders.playback.transitions import learn_playback

N_FRAMES = 30


@pytest.mark.parametrize(
    ("strengths", "ignored"),
    [((0.0,) * 6, True), ((3.0,) * 6, False), ((0.4, 3.0, 3.0), False), ((0.0, 0.0, 4.0), True)],
    ids=["noise", "signal", "a weak part", "one part alone"],
)
def test_evidence_without_held_out_gain_is_ignored(strengths: tuple[float, ...], ignored: bool) -> None:
    shown = np.tile(np.arange(N_FRAMES), 4)
    transitions = learn_playback(
        shown,
        np.ones(len(shown), np.int64),
        np.arange(len(shown)) == 0,
        N_FRAMES,
        np.array([14, N_FRAMES - 1]),
        np.array([0, 7, 15]),
    )
    playback = Playback(transitions, 0.01, 0.01, 30.0, 30.0)
    rng = np.random.default_rng(0)
    state = np.arange(N_FRAMES)
    evidence = []
    for strength in strengths:
        logits = rng.normal(size=(N_FRAMES, N_FRAMES + 1))
        logits[state, state] += strength
        sequence = ValidationSequence(
            index=state,
            clean=np.zeros((N_FRAMES, 1), np.float32),
            state=state,
            ticks=np.ones(N_FRAMES, np.int64),
            boundary=state == 0,
            in_order=True,
        )
        evidence.append(SequenceEvidence(np.zeros(N_FRAMES, bool), sequence, logits))
    _, weight, window_weight = select_weights(playback, evidence, FrameAxis(np.zeros(N_FRAMES, np.int64), 3))
    assert (weight == 0.0) == ignored
    assert window_weight == 0.0
