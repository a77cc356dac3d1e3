from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from decoders.data.frame_states import FrameStates
from decoders.live.frame_score import MAX_REPEATS, MAX_WAITING, RECENT_S, RunningScore, TruthLookup, truth_of
from decoders.metrics import FrameAxis, likeliest, score
from stream.acquisition.stimulus_track import StimulusTrack

N_FRAMES = 90
STATES = FrameStates.counted(N_FRAMES)


def axis(tolerance_frames: int = 30) -> FrameAxis:
    return FrameAxis(np.zeros(N_FRAMES, np.int64), tolerance_frames)


def shown(frames: list[int] | NDArray[np.int32], rate_hz: float = 30.0) -> TruthLookup:
    """The true frame of every sample, by its timestamp in samples of that rate."""
    table = np.column_stack([frames, np.zeros(len(frames))]).astype(np.int32)
    return lambda stamps: table[np.rint(stamps * rate_hz).astype(int)]


def scored(
    decoded: list[int] | NDArray[np.int32],
    true: list[int] | NDArray[np.int32],
    on: FrameAxis,
    rate_hz: float = 30.0,
) -> RunningScore:
    """A score of samples that have all settled."""
    running = RunningScore(shown(true, rate_hz), on, STATES)
    for index, frame in enumerate(decoded):
        running.add(0.0, index / rate_hz, (int(frame),))
    running.settle(1.0)
    return running


def test_many_repeats_take_no_more_memory_and_all_count() -> None:
    truth, n_repeats, period_s = StimulusTrack(), MAX_REPEATS + 30, 0.1
    running = RunningScore(
        truth_of(truth, 1 / period_s),
        FrameAxis(np.zeros(5, np.int64), 1),
        FrameStates.counted(5),
        ("with_playback", "without_playback"),
    )
    stamps = np.arange(5 * n_repeats) * period_s
    for index, stamp in enumerate(stamps.tolist()):
        frame, repeat = index % 5, index // 5
        truth.add(np.array([stamp - period_s / 2]), np.array([frame]), np.array([repeat]))
        running.add(stamp, stamp, (frame if repeat else (frame + 1) % 5, frame))
        running.settle(stamp + 1)
    summary = running.summary()
    assert summary is not None
    assert summary["moments"] == running.n == len(stamps)
    assert len(running._repeats) == MAX_REPEATS
    assert list(summary["with_playback"]["per_repeat"]) == [str(i) for i in range(30, n_repeats)]
    assert summary["with_playback"]["accuracy_exact"] == 1 - 5 / len(stamps)
    assert summary["without_playback"]["accuracy_exact"] == 1


def test_nothing_is_scored_before_it_settles() -> None:
    running = RunningScore(shown([3, 4]), axis(), STATES)
    running.add(10.0, 0.0, (3,))
    running.add(10.3, 1 / 30, (4,))
    assert running.settle(10.4) == []
    assert running.summary() is None
    assert running.settle(10.6) == [(3, 0)]
    assert running.settle(10.9) == [(4, 0)]
    assert running.n == 2


def test_the_figures_are_those_of_an_evaluation() -> None:
    random = np.random.default_rng(1)
    clips = FrameAxis(np.arange(N_FRAMES) // 40, 7)
    posterior = random.dirichlet(np.full(N_FRAMES + 1, 0.05), 500).astype(np.float32)
    decoded = likeliest(posterior)
    true = np.where(random.random(500) < 0.6, decoded, random.integers(-1, N_FRAMES, 500)).astype(np.int32)
    expected = score(posterior, true, clips)
    for name, value in scored(decoded, true, clips).figures().items():
        assert value == pytest.approx(expected[name], abs=0.51 if name == "median_frame_error" else 1e-12)


def test_no_stimulus_decoded_during_a_movie_counts_as_wrong() -> None:
    running = scored([-1] * 10, list(range(10)), axis())
    assert running.n == 10
    assert running.figures()["accuracy_within_1s"] == 0.0
    assert running.chance() == 0.0


def test_no_stimulus_counts_as_wrong_in_a_movie_shorter_than_a_second() -> None:
    assert scored([-1], [2], axis(tolerance_frames=200)).figures()["accuracy_within_1s"] == 0.0


def test_another_clip_is_not_within_reach() -> None:
    on = replace(axis(), clip=np.arange(N_FRAMES) // 45)
    assert scored([45, 43], [44, 44], on).figures()["accuracy_within_1s"] == 0.5


def test_clips_may_arrive_later() -> None:
    running = RunningScore(shown([44, 44]), axis(), STATES)
    running.axis = replace(running.axis, clip=np.arange(N_FRAMES) // 45)
    for index, frame in enumerate((45, 43)):
        running.add(0.0, index / 30, (frame,))
    running.settle(1.0)
    assert running.figures()["accuracy_within_1s"] == 0.5


def test_chance_is_what_shuffled_moments_give() -> None:
    random = np.random.default_rng(3)
    true = (random.beta(2, 5, 4_000) * N_FRAMES).astype(np.int32)
    decoded = (random.beta(3, 3, 4_000) * N_FRAMES).astype(np.int32)
    for clip in (np.zeros(N_FRAMES, np.int64), np.arange(N_FRAMES) // 30):
        within = []
        for _ in range(50):
            shuffled = random.permutation(true)
            within.append(np.mean((np.abs(decoded - shuffled) <= 5) & (clip[decoded] == clip[shuffled])))
        assert scored(decoded, true, FrameAxis(clip, 5)).chance() == pytest.approx(np.mean(within), abs=0.003)


def test_recent_accuracy_covers_the_last_seconds_and_leaves_gaps_open() -> None:
    n = (RECENT_S + 5) * 2
    true = np.zeros(n, np.int32)
    true[-20:-10] = -1  # blank for five seconds
    decoded = np.where(np.arange(n) % 2 == 0, 0, 80).astype(np.int32)
    recent = scored(decoded, true, axis(), rate_hz=2.0).recent_accuracy()
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(recent)), np.arange(RECENT_S - 10, RECENT_S - 5))
    assert np.nanmin(recent) == np.nanmax(recent) == 0.5


@pytest.mark.slow
def test_each_prediction_is_scored_once_and_those_that_wait_are_bounded() -> None:
    running = RunningScore(lambda stamps: np.ones((len(stamps), 2), np.int32), axis(), STATES)
    for index in range(MAX_WAITING + 1_000):
        running.add(0.0, index / 30, (1,))
    running.settle(1.0)
    assert running.settle(1.0) == []
    assert running.n == MAX_WAITING


def test_one_sample_stamped_far_ahead_does_not_freeze_the_recent_accuracy() -> None:
    running = RunningScore(lambda stamps: np.zeros((len(stamps), 2), np.int32), axis(), STATES)
    for stamp in (5.0, 1e9, *np.arange(6.0, 12.0)):
        running.add(0.0, float(stamp), (0,))
        running.settle(1.0)
    assert running.n == 8
    recent = running.recent_accuracy()
    assert recent[-6:].tolist() == [1.0] * 6
    assert np.isnan(recent[:-6]).all()
