from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from decoders.embedding.sampler import (
    FramePositives,
    NearestPositives,
    Sampler,
    TimePositives,
    contiguous_runs,
)

Recording = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    """Frames, repeats, segment boundaries and kept samples of a short recording."""
    n = draw(st.integers(2, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    state = rng.integers(0, draw(st.integers(1, 12)), n)
    block = np.sort(rng.integers(0, draw(st.integers(1, 5)), n))
    boundary = rng.random(n) < 0.1
    boundary[0] = True
    kept = np.flatnonzero(rng.random(n) < draw(st.sampled_from([0.4, 1.0])))
    return state, block, boundary, kept if len(kept) else np.array([0])


@given(recordings(), st.integers(0, 1000))
def test_frame_positives_share_the_frame_and_come_from_another_repeat_when_there_is_one(
    recording: Recording, seed: int
) -> None:
    state, block, _, kept = recording
    positive = FramePositives(kept, state, block).draw(kept, np.random.default_rng(seed))
    assert np.array_equal(state[positive], state[kept])
    assert np.isin(positive, kept).all()
    for at, to in zip(kept, positive, strict=True):
        in_other_repeat = np.any((state[kept] == state[at]) & (block[kept] != block[at]))
        assert (block[to] != block[at]) == in_other_repeat


def test_frame_positives_cover_all_other_repeats() -> None:
    state, block = np.zeros(9, np.int64), np.repeat([0, 1, 2], 3)
    anchor = np.full(500, 4)
    positive = FramePositives(np.arange(9), state, block).draw(anchor, np.random.default_rng(0))
    assert set(positive) == {0, 1, 2, 6, 7, 8}


@given(recordings(), st.integers(1, 8), st.integers(0, 1000))
def test_time_positives_stay_within_their_run(recording: Recording, n_offset: int, seed: int) -> None:
    _, block, boundary, kept = recording
    run = contiguous_runs(boundary, block)
    positive = TimePositives(kept, run, n_offset).draw(kept, np.random.default_rng(seed))
    assert np.array_equal(run[positive], run[kept])
    assert np.array_equal(block[positive], block[kept])
    assert np.all(np.abs(positive - kept) <= n_offset)
    for at, to in zip(kept, positive, strict=True):
        between = np.arange(min(at, to), max(at, to) + 1)
        assert np.isin(between, kept).all()
        neighbours = [i for i in (at - 1, at + 1) if i in kept and run[i] == run[at]]
        assert (to != at) == bool(neighbours)


@given(recordings(), st.booleans(), st.integers(0, 1000))
def test_nearest_positives_come_from_another_repeat(recording: Recording, both: bool, seed: int) -> None:
    state, block, boundary, kept = recording
    labels = np.stack([np.sin(state), np.arange(len(state)) / 10.0], 1).astype(np.float32)
    run = contiguous_runs(boundary, block)
    positives = NearestPositives(kept, labels, block, run, 3, state if both else None)
    positive = positives.draw(kept, np.random.default_rng(seed))
    assert np.isin(positive, kept).all()
    if len(np.unique(block[kept])) > 1:
        assert np.all(block[positive] != block[kept])
    for at, to in zip(kept, positive, strict=True):
        others = kept[block[kept] != block[at]] if len(np.unique(block[kept])) > 1 else kept
        if both and np.any(state[others] == state[at]):
            assert state[to] == state[at]


def test_each_recording_gives_as_many_anchors() -> None:
    state, block = np.zeros(100, np.int64), np.arange(100) % 2
    sampler = Sampler(np.arange(100), (FramePositives(np.arange(100), state, block),), 0, np.array([10, 100]))
    anchor, _ = sampler.batch(0, 64)[0]
    assert (anchor < 10).sum() == 32


def test_a_batch_depends_on_seed_and_step_only() -> None:
    state, block = np.tile(np.arange(5), 4), np.repeat(np.arange(4), 5)
    index = np.arange(20)

    def sampler(seed: int) -> Sampler:
        return Sampler(index, (FramePositives(index, state, block),), seed)

    first, again = sampler(3), sampler(3)
    first.batch(0, 16)
    assert np.array_equal(first.batch(7, 16), again.batch(7, 16))
    assert not np.array_equal(sampler(4).batch(7, 16), again.batch(7, 16))
