from __future__ import annotations

import numpy as np
import pytest

from decoders.metrics import (
    Decoded,
    FrameAxis,
    calibration_error,
    confidence,
    frame_axis,
    frame_errors,
    likeliest,
    likeliest_states,
    log_score_bits,
    score,
)
from decoders.numerics import likeliest_of_logits, likeliest_state
from stream.movie import Clip

AXIS = FrameAxis(np.repeat([0, 1], [6, 4]), 2)


def test_frame_errors_and_tolerance() -> None:
    predicted = np.array([3, 5, 6, -1, 0])
    truth = np.array([3, 3, 5, 2, 9])
    error, within = frame_errors(predicted, truth, AXIS.clip, 2)
    assert error.tolist() == [0, 2, 1, 10, 9]
    assert within.tolist() == [True, True, False, False, False]


def test_the_tolerance_range_stays_in_the_clip() -> None:
    low, high = AXIS.tolerance_range
    assert (low[5], high[5]) == (3, 6)
    assert (low[6], high[6]) == (6, 9)
    assert (low[10], high[10]) == (10, 11)


def test_frames_without_a_movie_have_no_tolerance() -> None:
    axis = frame_axis(4, ())
    assert axis.tolerance_frames == 0
    assert (np.array(axis.tolerance_range[1]) - axis.tolerance_range[0]).tolist() == [1] * 5
    movie = frame_axis(60, (Clip("a", 0, 20, 30.0), Clip("b", 20, 40, 30.0)))
    assert movie.tolerance_frames == 30
    assert movie.clip[19] == 0
    assert movie.clip[20] == 1


def test_scores_of_a_perfect_prediction() -> None:
    frame = np.array([-1, 0, 3, 9], np.int32)
    posterior = np.zeros((4, 11), np.float32)
    posterior[np.arange(4), [10, 0, 3, 9]] = 1
    scores = score(posterior, frame, AXIS, np.array([-1, 0, 0, 1], np.int32))
    assert scores["accuracy_within_1s"] == scores["accuracy_exact"] == 1
    assert scores["log_score_bits"] == pytest.approx(np.log2(10))
    assert scores["ece"] == 0
    assert set(scores["per_repeat"]) == {"0", "1"}


def test_a_uniform_posterior_scores_zero_bits() -> None:
    assert log_score_bits(np.full((5, 11), 0.1, np.float32), np.arange(5)) == pytest.approx(0, abs=1e-6)


def test_confidence_is_the_probability_near_the_most_probable_frame() -> None:
    posterior = np.array([[0.1, 0.2, 0.3, 0.1, 0.1, 0.1, 0.1, 0, 0, 0, 0]], np.float32)
    assert likeliest(posterior).tolist() == [2]
    assert confidence(posterior, AXIS)[0] == pytest.approx(0.8)


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    assert calibration_error(np.full(100, 0.75), np.arange(100) < 50) == pytest.approx(0.25)


def test_no_stimulus_is_decoded_only_where_it_is_likelier_than_all_frames() -> None:
    rng = np.random.default_rng(0)
    posterior = rng.dirichlet(np.r_[np.full(50, 0.1), 5.0], 300).astype(np.float32)
    states = likeliest_states(posterior)
    assert 0 < np.mean(states == 50) < np.mean(posterior.argmax(1) == 50)
    assert np.array_equal(states == 50, posterior[:, 50] > 0.5)
    for row, state in zip(posterior, states, strict=True):
        assert likeliest_state(row) == likeliest_of_logits(np.log(row + 1e-20)) == state


def test_decoded_samples_have_the_scores_of_their_posteriors(monkeypatch: pytest.MonkeyPatch) -> None:
    posterior = np.random.default_rng(0).dirichlet(np.full(11, 0.2), 40).astype(np.float32)
    frame = np.random.default_rng(1).integers(-1, 11, 40).astype(np.int32)
    axis = frame_axis(10, (Clip("a", 0, 6, 2.0), Clip("b", 6, 4, 2.0)))
    expected = score(posterior, frame, axis, frame % 3)
    monkeypatch.setattr("decoders.metrics.VALUES_AT_ONCE", 50)
    decoded = Decoded.of(posterior, frame, axis)
    assert score(decoded, frame, axis, frame % 3) == expected
    halves = [Decoded.of(posterior[part], frame[part], axis) for part in (slice(15), slice(15, None))]
    assert score(Decoded.pooled(halves), frame, axis, frame % 3) == expected
    assert expected["log_score_bits"] == pytest.approx(
        log_score_bits(posterior[frame >= 0], frame[frame >= 0].astype(int))
    )
