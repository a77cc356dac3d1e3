"""The store: newest wins, histories are bounded, losses are counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gui.state.snapshot import UNKNOWN, State
from gui.state.store import TRAIL_POINTS
from tests.gui.feeds import SOURCE, START_S, Feed, with_source


def test_the_snapshot_holds_the_newest(feed: Feed) -> None:
    feed.run(3, off_by=2)
    snapshot = feed.store.snapshot()
    newest = snapshot.newest
    assert newest is not None
    assert newest.sequence == 89
    assert newest.frame == (newest.truth + 2) % SOURCE.n_frames
    assert snapshot.counts.received == 90
    assert snapshot.counts.input_hz == pytest.approx(30.0)
    assert snapshot.counts.latency_p50_ms == 2.0


def test_missing_sequence_numbers_are_counted(feed: Feed) -> None:
    feed.run(1)
    feed.run(1, skip=7)
    feed.run(1)
    assert feed.store.snapshot().counts.dropped == 7


def test_a_source_that_comes_back_keeps_its_history_and_counts_no_loss(feed: Feed) -> None:
    feed.run(2)
    feed.store.begin(SOURCE)
    feed.run(1, skip=10)
    snapshot = feed.store.snapshot()
    assert snapshot.counts.dropped == 0
    assert snapshot.trace is not None
    assert len(snapshot.trace.time_s) == 80


def test_another_model_starts_afresh(feed: Feed) -> None:
    feed.run(2)
    feed.store.begin(replace(SOURCE, model_hash="other"))
    snapshot = feed.store.snapshot()
    assert snapshot.newest is None
    assert snapshot.trail is None
    assert snapshot.posterior is None


@pytest.mark.slow
def test_histories_are_bounded(feed: Feed) -> None:
    feed.run(200)
    snapshot = feed.store.snapshot()
    assert snapshot.trail is not None
    assert len(snapshot.trail) == TRAIL_POINTS
    assert snapshot.trace is not None
    assert snapshot.trace.time_s[0] >= -10.0
    assert snapshot.posterior is not None
    assert len(snapshot.posterior.columns.values) == 300


def test_a_long_movie_is_shown_frame_by_frame_around_the_present() -> None:
    feed = with_source(n_frames=1_800)
    feed.store.set_timeline_rows(200)
    feed._sample = 900
    for _ in range(20):
        feed.run(1)
        view = feed.store.snapshot().posterior
        assert view is not None
        present = (feed._sample - 1) % 1_800
        assert view.columns.values.shape[1] == 200
        assert view.first <= present < view.first + 200
        assert view.columns.values[-1, present - view.first] == view.newest[present] > 0.8
        assert np.sum(view.columns.values[-1] > 0.5) == 1


def test_a_movie_that_fits_is_shown_whole(feed: Feed) -> None:
    feed.run(3)
    view = feed.store.snapshot().posterior
    assert view is not None
    assert (view.first, view.columns.values.shape[1]) == (0, SOURCE.n_frames)
    assert view.columns.values[-1].sum() + view.none[-1] == pytest.approx(1.0, abs=1e-3)


def test_moments_without_data_are_told_from_improbable_ones(feed: Feed) -> None:
    feed.run(3)
    feed._sample += 60
    feed.run(1)
    view = feed.store.snapshot().posterior
    assert view is not None
    assert view.columns.has_data[-30:].all()
    assert not view.columns.has_data[-88:-32].any()
    assert view.columns.has_data[-150:-92].all()


def test_without_evidence_the_posterior_has_no_data_and_nothing_is_a_hit(feed: Feed) -> None:
    feed.run(3)
    feed.run(3, state="no evidence")
    feed.now_s += 1
    feed.store.settle()
    snapshot = feed.store.snapshot()
    assert snapshot.posterior is not None
    assert snapshot.posterior.behind_s == pytest.approx(3.0)
    assert snapshot.newest is not None
    assert not snapshot.newest.has_evidence
    assert snapshot.score is not None
    assert snapshot.score.within == pytest.approx(0.5, abs=0.02)


def test_slow_samples_get_a_longer_window() -> None:
    feed = with_source(rate_hz=0.5, movie_rate_hz=0.0)
    feed.run(100)
    snapshot = feed.store.snapshot()
    assert snapshot.window_s == 120
    assert snapshot.posterior is not None
    assert len(snapshot.posterior.columns.values) == 60


def test_replay_speed_is_taken_out_of_the_times() -> None:
    feed = with_source(stamp_rate=4.0, speed="4", rate_hz=7.5)  # sent at 30 Hz
    feed.source = replace(feed.source, rate_hz=30.0)
    feed.run(1.5)
    trace = feed.store.snapshot().trace
    assert trace is not None
    assert np.diff(trace.time_s) == pytest.approx(4 / 30)


def test_without_a_stimulus_stream_the_truth_is_unknown() -> None:
    feed = Feed(truth=False)
    feed.run(2)
    snapshot = feed.store.snapshot()
    assert not snapshot.truth_known
    assert snapshot.score is None
    assert snapshot.newest is not None
    assert snapshot.newest.truth == UNKNOWN


def test_truth_by_the_engines_clock_is_looked_up_by_it() -> None:
    feed = Feed(truth=False)
    for index in range(60):
        feed.now_s = START_S + index / 30
        stamps = np.array([feed.now_s])
        feed.store.add_truth(np.array([index], np.int32), stamps - 1 / 30, by_engine_clock=True)
        feed._sample = index
        feed._predict(index, stamps, np.random.default_rng(0), lost=False, state="retrieved", raw_s=3_000.0)
    feed.now_s += 1
    feed.store.settle()
    snapshot = feed.store.snapshot()
    assert snapshot.newest is not None
    assert snapshot.newest.truth == 59
    assert snapshot.score is not None
    assert snapshot.score.exact == 1.0


@pytest.mark.parametrize("n_frames", [0, 7])
def test_frames_that_the_movie_does_not_have_are_no_hits(n_frames: int) -> None:
    feed = Feed(pictures=False)
    feed.store.begin(replace(SOURCE, name="other", n_frames=n_frames))
    feed.run(4)
    feed.now_s += 3
    feed.store.settle()
    score = feed.store.snapshot().score
    assert (score is None) is (n_frames == 0)


def test_the_last_event_ends_with_its_stream(feed: Feed) -> None:
    feed.run(2)
    feed.store.end_truth()
    feed.truth = False
    feed.run(2)
    feed.now_s += 1
    feed.store.settle()
    snapshot = feed.store.snapshot()
    assert snapshot.newest is not None
    assert snapshot.newest.truth == UNKNOWN
    assert snapshot.score is not None
    assert snapshot.score.n <= 61


def test_the_clock_offset_carries_its_spread(feed: Feed) -> None:
    for offset in (0.2, 0.3, 0.25):
        feed.store.add_clock_offset(offset)
    counts = feed.store.snapshot().counts
    assert counts.clock_offset_ms == 0.25
    assert counts.clock_uncertainty_ms == pytest.approx(0.05)


def test_state_is_handed_on(feed: Feed) -> None:
    feed.store.set_state(State.LOST, "gone")
    snapshot = feed.store.snapshot()
    assert (snapshot.state, snapshot.reason) == (State.LOST, "gone")


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


def test_blanks_are_left_out(feed: Feed) -> None:
    feed.run(4, blank=True)
    assert feed.store.snapshot().score is None
