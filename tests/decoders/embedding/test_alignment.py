from __future__ import annotations

import numpy as np
import pytest

from decoders.embedding.alignment import common_states, map_to, shared_maps, state_means
from stream.errors import BadRecording

RNG = np.random.default_rng(0)


def test_means_leave_out_unknown_states() -> None:
    means, count = state_means(np.array([[1.0], [3.0], [9.0]], np.float32), np.array([0, 0, -1]), 2)
    assert means.tolist() == [[2.0], [0.0]]
    assert count.tolist() == [2, 0]


def test_maps_find_what_recordings_share() -> None:
    shared = RNG.normal(size=(200, 3))
    both = [np.hstack([shared, RNG.normal(size=(200, 5))]) @ RNG.normal(size=(8, 8)) for _ in range(2)]
    count = np.full(200, 1000)
    first, second = (
        (means - means.mean(0)) @ one
        for means, one in zip(both, shared_maps(both, [count, count], 4), strict=True)
    )
    agreement = [np.corrcoef(a, b)[0, 1] for a, b in zip(first.T, second.T, strict=True)]
    assert min(agreement[:3]) > 0.95
    assert agreement[3] < 0.8


def test_a_map_to_another_recording_predicts_its_means() -> None:
    means = RNG.normal(size=(50, 6))
    target = means @ RNG.normal(size=(6, 4)) + 7
    mapped = (means - means.mean(0)) @ map_to(means, np.full(50, 10_000), target)
    np.testing.assert_allclose(mapped, target - target.mean(0), atol=0.05)


def test_recordings_need_states_in_common() -> None:
    assert common_states([np.array([1, 2, 0]), np.array([3, 1, 1])]).tolist() == [0, 1]
    with pytest.raises(BadRecording, match="have 1 labels in common"):
        common_states([np.array([1, 0]), np.array([1, 1])])
