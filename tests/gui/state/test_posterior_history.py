"""The part of the posterior that the timeline shows follows the present frame, without restlessness."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gui.state.posterior_history import RESTLESS_S, PosteriorHistory
from gui.state.ring_buffers import ColumnImage
from gui.state.snapshot import UNKNOWN, Newest
from tests.gui.feeds import SOURCE

NEWEST = Newest(0, 0.9, 0, 0.9, 1.0, 0.1, 0, 1.0, 0, UNKNOWN, 10.0)


def make(n_channels: int, n_frames: int) -> PosteriorHistory:
    history = PosteriorHistory(ColumnImage(n_channels + 1, 10, 0.1, 0.1), replace(SOURCE, n_frames=n_frames))
    history.add(np.array([10.0]), np.zeros((1, n_channels + 1), np.float32))
    return history


def test_it_moves_only_when_the_frame_is_about_to_leave() -> None:
    history = make(1_000, 1_000)
    firsts = [history.view(replace(NEWEST, frame=frame), 100, frame / 30).first for frame in range(1_000)]
    moves = np.diff(firsts)
    assert 0 < np.count_nonzero(moves) < 25
    assert all(first <= frame < first + 100 for frame, first in enumerate(firsts))
    assert firsts[-1] == 900


def test_an_unsure_frame_moves_it_once_a_second_at_most() -> None:
    history = make(1_000, 1_000)
    random = np.random.default_rng(0)
    firsts = []
    for index in range(300):
        unsure = replace(NEWEST, frame=int(random.integers(1_000)), confidence=0.1)
        firsts.append(history.view(unsure, 100, index / 30).first)
    assert np.count_nonzero(np.diff(firsts)) <= 10 / RESTLESS_S


def test_while_unsure_it_follows_the_truth() -> None:
    history = make(1_000, 1_000)
    view = history.view(replace(NEWEST, frame=3, confidence=0.1, truth=700), 100, 0.0)
    assert view.first <= 700 < view.first + 100


@pytest.mark.parametrize(
    ("n_channels", "n_frames", "pool"), [(2_000, 20_000, 10), (1_001, 2_001, 2), (90, 90, 1)]
)
def test_pooled_channels_are_counted_in_frames(n_channels: int, n_frames: int, pool: int) -> None:
    view = make(n_channels, n_frames).view(replace(NEWEST, frame=n_frames - 1), 100, 0.0)
    assert view.pool == pool
    assert view.first == max(n_channels - 100, 0)
    assert view.columns.values.shape[1] == min(n_channels, 100)


def test_the_newest_posterior_is_one_sample_where_a_column_has_several() -> None:
    history = make(4, 4)
    rows = np.array([[1, 0, 0, 0, 0], [0, 0, 0.75, 0.25, 0]], np.float32)
    history.add(np.array([10.02, 10.04]), rows)  # columns of 0.1 s
    view = history.view(NEWEST, 100, 0.0)
    np.testing.assert_array_equal(view.newest, rows[1])
    assert view.columns.values[-1].sum() > 1  # the image keeps the peaks
