"""Scores of the forecast."""

from __future__ import annotations

import numpy as np
import pytest

from decoders.evaluation.evaluate import Evaluation
from decoders.evaluation.forecast import pairs_at_horizon, score_forecast
from stream.session import Session


def test_horizons_stay_in_the_segment_and_show_a_frame(watched: Session) -> None:
    now, then = pairs_at_horizon(watched, 0.5)
    assert len(now)
    assert np.array_equal(watched.segment[now], watched.segment[then])
    assert np.all(watched.frame[then] >= 0)
    np.testing.assert_allclose(watched.stamps[then] - watched.stamps[now], 0.5, atol=1e-6)


def test_skill_is_the_gain_over_persistence(evaluation: Evaluation) -> None:
    scores = score_forecast(evaluation.predictions, evaluation.model)["1.0"]
    gain = scores["log_score_bits"] - scores["persistence"]["log_score_bits"]
    assert scores["skill_over_persistence"] == pytest.approx(gain)
    assert gain > 0
