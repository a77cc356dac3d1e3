from __future__ import annotations

import numpy as np
import pytest

from decoders.embedding.arrays import LabelStates, Recording, recording, refuse_equal_channels
from decoders.embedding.pairs import Part, joint_batches
from decoders.embedding.whitening import whitening
from stream.errors import BadRecording

RNG = np.random.default_rng(0)


def of(frame: object = None, labels: object = None, n: int = 40) -> Recording:
    x = RNG.poisson(1.0, (n, 5)).astype(np.float32)
    return recording(x, frame, labels, None, None, 1)  # type: ignore[arg-type]


def test_frames_of_all_recordings_are_states() -> None:
    one, other = of(np.arange(40) % 4), of(np.arange(40) % 3 + 2)
    states = LabelStates.of([one, other])
    assert states.classes.tolist() == [0, 1, 2, 3, 4]
    assert states.of_recording(of(np.full(40, 9))).tolist() == [-1] * 40
    assert states.positions(np.array([4])).tolist() == [4]  # type: ignore[union-attr]


def test_bins_of_labels_are_states_with_a_mean_label() -> None:
    labels = np.linspace(0, 1, 40).astype(np.float32)
    labels[7] = np.nan
    r = of(labels=labels)
    states = LabelStates.of([r])
    state = states.of_recording(r)
    assert state[7] == -1
    assert states.values is not None
    np.testing.assert_allclose(states.values[state[r.known], 0], labels[r.known], atol=0.05)


def test_a_channel_that_is_given_twice_is_refused() -> None:
    x = RNG.normal(size=(30, 4)).astype(np.float32)
    silent = np.zeros((30, 2), np.float32)
    refuse_equal_channels(np.hstack([x, silent]))
    with pytest.raises(BadRecording, match="channels 1 and 4 are equal"):
        refuse_equal_channels(np.hstack([x, x[:, 1:2]]))


def test_half_of_the_positives_by_frame_come_from_another_recording() -> None:
    recordings = [of(np.arange(40) % 4), of(np.arange(80) % 4, n=80)]
    states = LabelStates.of(recordings)
    parts = [[Part.of_recording(r.samples, r, states)] for r in recordings]
    samples, sampler = joint_batches(parts, "label", 5, 0, 0)
    (anchor, own), (again, other) = sampler.batch(0, 64)
    session = np.repeat([0, 1], [40, 80])
    assert [len(x) for x in samples.inputs] == [40, 80]
    assert np.array_equal(session[anchor], session[own])
    assert np.all(session[again] != session[other])
    assert (session[anchor] == 0).sum() == (session[anchor] == 1).sum()


def test_an_untrained_encoder_has_no_more_windows_than_the_context() -> None:
    encoder = whitening(
        of(np.arange(40) % 4),
        None,
        4,
        counts=True,
        shrinkage=0.5,
        dimensions=3,
        linear=False,
        seed=0,
    )
    assert encoder.spans.tolist() == [1, 2, 4]
    assert encoder.n_dimensions == 3
