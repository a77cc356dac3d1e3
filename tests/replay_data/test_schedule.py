from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay_data.movie import scene_starts
from replay_data.schedule import disturbed_repeat, make_schedule, scene_derangement
from stream.errors import BadUsage


@given(st.integers(4, 40), st.integers(0, 1000))
def test_a_derangement_keeps_no_place_and_no_predecessor(n_scenes: int, seed: int) -> None:
    order = scene_derangement(n_scenes, np.random.default_rng(seed))
    assert sorted(order) == list(range(n_scenes))
    assert np.all(order != np.arange(n_scenes))
    before = np.roll(order, 1)
    assert np.all(order != (before + 1) % n_scenes)


def test_too_few_scenes_are_refused() -> None:
    with pytest.raises(BadUsage, match="3 scenes"):
        scene_derangement(3, np.random.default_rng(0))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_disturbed_repeat_has_pause_jump_and_rewind_and_defeats_a_clock(seed: int) -> None:
    starts = scene_starts(8, 900, seed)
    shown = disturbed_repeat(starts, np.random.default_rng(seed))
    step = np.diff(shown)
    assert np.sum(step == 0) == 30
    assert len(np.unique(np.flatnonzero(step == 0) - np.arange(30))) == 1
    breaks = np.flatnonzero((step != 1) & (step != 0))
    within_scenes = [at for at in breaks if shown[at] + 1 not in starts or shown[at + 1] not in starts]
    assert len(within_scenes) >= 2
    assert len(breaks) >= 7  # eight joins of scenes, of which the jump may skip some, plus jump and rewind
    clock = np.arange(len(shown)) % 900
    assert np.mean(np.abs(shown - clock) <= 30) <= 0.04
    usual = set(starts[1:-1].tolist())
    assert not any(shown[at + 1] in usual and shown[at] == shown[at + 1] - 1 for at in breaks)
    assert shown.min() >= 0
    assert shown.max() < 900


def test_no_scene_follows_its_usual_predecessor() -> None:
    starts = scene_starts(8, 900, 0)
    for seed in range(20):
        shown = disturbed_repeat(starts, np.random.default_rng(seed))
        for cut in starts[1:-1]:
            at = np.flatnonzero(shown[1:] == cut)
            assert np.all(shown[at] != cut - 1)


def test_scenes_too_short_for_a_disturbed_repeat_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replay_data.schedule._MAX_DRAWS", 100)
    for starts in (np.arange(0, 481, 30), np.arange(0, 41, 10)):  # scenes of 1 s, and of 10 frames
        with pytest.raises(BadUsage, match="make the scenes longer"):
            disturbed_repeat(starts.astype(np.int32), np.random.default_rng(0))


def test_scenes_cover_the_movie() -> None:
    starts = scene_starts(8, 900, 5)
    assert starts[0] == 0
    assert starts[-1] == 900
    assert np.diff(starts).min() >= 80
    assert np.diff(starts).max() <= 140


def test_schedule_numbers_the_repeats() -> None:
    schedule = make_schedule([np.arange(5, dtype=np.int32)] * 3, np.random.default_rng(0))
    assert np.array_equal(np.unique(schedule.repeat), [-1, 0, 1, 2])
    for repeat in range(3):
        assert np.array_equal(schedule.frame[schedule.repeat == repeat], np.arange(5))
