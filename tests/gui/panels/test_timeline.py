"""The timeline: one value is one cell, no data is no probability, and the true frames are outlined."""

from __future__ import annotations

import numpy as np
import pytest

from gui.panels.timeline import nice_step, shade, truth_runs
from gui.state.snapshot import Trace


@pytest.mark.parametrize(
    ("most", "step"), [(300, 300), (225, 200), (30, 30), (4, 3), (0.2, 1), (1_000, 1_000)]
)
def test_ticks_are_round_numbers(most: float, step: float) -> None:
    assert nice_step(most) == step


def test_one_value_is_one_cell() -> None:
    image = shade(np.eye(8, dtype=np.float32), np.ones(8, bool))
    np.testing.assert_array_equal(image == 255, np.eye(8, dtype=bool))
    assert np.all(image[~np.eye(8, dtype=bool)] == 1)
    assert image.flags.c_contiguous


def test_small_probabilities_are_seen() -> None:
    column = np.zeros((1, 20), np.float32)
    column[0, 10] = 0.01
    image = shade(column, np.ones(1, bool))
    assert image.shape == (20, 1)
    assert image[10, 0] > 20


def test_no_data_is_transparent() -> None:
    image = shade(np.ones((3, 4), np.float32), np.array([True, False, True]))
    assert np.all(image[:, 1] == 0)
    assert np.all(image[:, [0, 2]] == 255)


def make_trace(truth: list[int], time_s: list[float]) -> Trace:
    n = len(truth)
    return Trace(np.array(time_s), np.zeros(n, np.int32), np.array(truth, np.int32), *(np.zeros(n),) * 3)


def test_the_runs_of_true_frames_end_at_blanks_and_gaps() -> None:
    trace = make_trace([3, 3, 4, -1, -1, 5, 5], [-1.0, -0.9, -0.8, -0.7, -0.6, -0.5, 0.0])
    begin, end, frame = truth_runs(trace, 10.0)
    assert frame.tolist() == [3, 4, 5, 5]
    assert begin == pytest.approx([-1.0, -0.8, -0.5, 0.0])
    assert end == pytest.approx([-0.8, -0.7, -0.4, 0.1])
