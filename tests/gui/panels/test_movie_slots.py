"""The likeliest passages that an unsure prediction shows."""

from __future__ import annotations

import numpy as np
import pytest

from gui.panels.movie_slots import likeliest_passages


def test_passages_lie_apart_and_hold_the_probability_around_them() -> None:
    posterior = np.zeros(101, np.float32)
    posterior[[10, 11, 12]] = 0.1
    posterior[60] = 0.25
    posterior[-1] = 0.45
    found = likeliest_passages(posterior, 5)
    assert [frame for frame, _ in found] == [-1, 10, 60]
    assert [p for _, p in found] == pytest.approx([0.45, 0.3, 0.25])


def test_pooled_channels_are_frames() -> None:
    posterior = np.zeros(11, np.float32)
    posterior[4] = 1.0
    assert likeliest_passages(posterior, 0, pool=7) == [(28, 1.0)]


def test_no_more_than_four() -> None:
    assert len(likeliest_passages(np.full(101, 1 / 101, np.float32), 0)) == 4


def test_nothing_probable_is_nothing() -> None:
    assert likeliest_passages(np.zeros(5, np.float32), 1) == []
