"""Controls: null distributions and decoders without information about the movie."""

from __future__ import annotations

import numpy as np

from decoders.evaluation.controls import null_p95, shift_labels
from decoders.metrics import FrameAxis
from decoders.model.model import Model
from decoders.model.training_archive import restore_training
from stream.session import Session


def test_every_repeat_is_shifted_by_its_own_amount(model: Model) -> None:
    data = restore_training(model)
    state = shift_labels(data, np.random.default_rng(0))
    shifts = []
    for block in np.unique(data.block):
        at = (data.block == block) & (data.state < data.n_frames)
        assert sorted(state[at]) == sorted(data.state[at])
        shifts.append((state[at][0] - data.state[at][0]) % data.n_frames)
    assert len(set(shifts)) == len(shifts)
    np.testing.assert_array_equal(state[data.state == data.n_frames], data.n_frames)


def test_null_distribution_of_a_constant_prediction(watched: Session) -> None:
    axis = FrameAxis(np.zeros(60, np.int64), 3)
    constant = np.full(watched.n_samples, 30)
    assert abs(null_p95(constant, watched, axis, 0) - 7 / 60) < 1e-9
