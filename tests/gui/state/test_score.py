"""The running score and its chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gui.state.score import RunningScore
from gui.state.snapshot import UNKNOWN
from tests.gui.feeds import N_FRAMES, SOURCE, Feed


def test_exact_answers_score_one(feed: Feed) -> None:
    feed.run(6)
    score = feed.store.snapshot().score
    assert score is not None
    assert (score.within, score.exact, score.median_error) == (1.0, 1.0, 0.0)
    assert np.nanmin(score.per_second) == 1.0


def test_answers_out_of_reach_score_nothing(feed: Feed) -> None:
    feed.run(6, off_by=45)
    score = feed.store.snapshot().score
    assert score is not None
    assert score.within == 0.0
    assert score.median_error == 45


def test_no_stimulus_decoded_during_a_movie_counts_as_wrong() -> None:
    scoring = RunningScore(SOURCE)
    stamps = np.arange(10) / 30
    scoring.add_truth(stamps - 1 / 30, np.arange(10, dtype=np.int32))
    scoring.add(stamps, np.full(10, -1, np.int32), 0.0)
    scoring.settle(1.0)
    score = scoring.score()
    assert score is not None
    assert score.n == 10
    assert score.within == 0.0


def test_blanks_are_left_out(feed: Feed) -> None:
    feed.run(4, blank=True)
    assert feed.store.snapshot().score is None


def test_another_clip_is_not_within_reach() -> None:
    scoring = RunningScore(SOURCE)
    scoring.clip_of_frame = np.arange(N_FRAMES) // 45
    scoring.add_truth(np.array([-1.0]), np.array([44], np.int32))
    scoring.add(np.array([0.0, 0.1]), np.array([45, 43], np.int32), 0.0)
    scoring.settle(1.0)
    score = scoring.score()
    assert score is not None
    assert score.within == 0.5


def test_chance_is_what_shuffled_moments_give() -> None:
    random = np.random.default_rng(3)
    shown = (random.beta(2, 5, 4_000) * N_FRAMES).astype(np.int32)
    decoded = (random.beta(3, 3, 4_000) * N_FRAMES).astype(np.int32)
    scoring = RunningScore(replace(SOURCE, tolerance_frames=5))
    stamps = np.arange(4_000) / 30
    scoring.add_truth(stamps - 1 / 30, shown)
    scoring.add(stamps, decoded, 0.0)
    scoring.settle(1.0)
    score = scoring.score()
    assert score is not None
    shuffled = np.mean([np.mean(np.abs(decoded - random.permutation(shown)) <= 5) for _ in range(50)])
    assert score.chance == pytest.approx(shuffled, abs=0.003)


def test_truth_needs_a_quarter_of_a_period() -> None:
    scoring = RunningScore(SOURCE)
    scoring.add_truth(np.array([10.0, 11.0]), np.array([3, 4], np.int32))
    period = 1 / 30
    asked = np.array([9.0, 10.0, 10.0 + 0.3 * period, 11.0 + 0.2 * period, 11.0 + 0.3 * period])
    np.testing.assert_array_equal(scoring.truth_at(asked), [UNKNOWN, UNKNOWN, 3, 3, 4])


def test_each_prediction_is_scored_once_even_when_it_waited_too_long() -> None:
    scoring = RunningScore(SOURCE)
    scoring.add_truth(np.array([0.0]), np.array([1], np.int32))
    for _ in range(3):
        scoring.add(np.linspace(1, 2, 9_000), np.ones(9_000, np.int32), 0.0)
    scoring.settle(1.0)
    scoring.settle(1.0)
    score = scoring.score()
    assert score is not None
    assert score.n == 20_000
