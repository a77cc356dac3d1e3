"""Training data of a fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decoders.fitting.options import FitOptions
from decoders.fitting.training_data import build_training_set, candidate_windows, training_session
from stream.errors import BadUsage
from stream.session import Session
from tests.decoders.conftest import N_FRAMES


def test_states_are_those_of_the_whole_recording(watched: Session) -> None:
    few = replace(watched, frame=np.where(watched.repeat == 0, watched.frame, np.minimum(watched.frame, 30)))
    session, states = training_session(few, FitOptions(train_repeats=(1, 2)), None)
    assert session.repeats == (1, 2)
    assert len(states) == N_FRAMES


def test_windows_are_given_or_candidates(watched: Session) -> None:
    data = build_training_set(watched, N_FRAMES, FitOptions())
    assert candidate_windows(data, FitOptions()) == [6, 10, 20, 30]
    assert candidate_windows(data, FitOptions(context_s=0.1)) == [3]


def test_a_lookahead_needs_a_regular_rate(watched: Session) -> None:
    with pytest.raises(BadUsage, match="regular sampling rate"):
        build_training_set(replace(watched, rate_hz=0.0), N_FRAMES, FitOptions(lookahead_frames=2))
