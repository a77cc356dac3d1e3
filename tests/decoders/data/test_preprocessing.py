from __future__ import annotations

import numpy as np
import pytest

from decoders.data.preprocessing import Preprocessor
from stream.errors import BadRecording
from stream.session import Kind


def recording(seed: int = 0) -> np.ndarray:
    neural = np.random.default_rng(seed).normal(100, 5, (200, 5)).astype(np.float32)
    neural[:, 1] = 7.0
    neural[:, 2] = np.nan
    neural[10:15, 3] = np.nan
    return neural


def test_flat_and_empty_channels_are_dropped() -> None:
    fitted = Preprocessor.fit(recording(), Kind.BOLD, 1.0)
    assert fitted.valid.tolist() == [True, False, False, True, True]
    assert fitted.n_used == 3


def test_a_recording_without_usable_channels_is_refused() -> None:
    with pytest.raises(BadRecording, match="none of the 2 channels"):
        Preprocessor.fit(np.zeros((50, 2), np.float32), Kind.SPIKES, 30.0)


@pytest.mark.parametrize("kind", list(Kind))
def test_streaming_equals_batch_across_segment_boundaries(kind: Kind) -> None:
    neural = np.abs(recording())
    boundary = np.zeros(200, bool)
    boundary[[0, 80]] = True
    fitted = Preprocessor.fit(neural, kind, 2.0)
    batch = fitted.run(neural, boundary)
    for index in range(200):
        if boundary[index]:
            fitted.reset()
        clean = fitted.step(neural[index])
        assert clean is not None
        np.testing.assert_allclose(clean, batch[index], atol=1e-5)


def test_counts_are_unchanged_and_missing_ones_become_the_mean() -> None:
    neural = np.array([[1, 4], [3, np.nan], [2, 8]], np.float32)
    fitted = Preprocessor.fit(neural, Kind.SPIKES, 30.0)
    clean = fitted.step(np.array([5, np.nan], np.float32))
    assert clean is not None
    np.testing.assert_allclose(clean, [5, 6])


def test_a_sample_without_any_value_gives_none() -> None:
    fitted = Preprocessor.fit(recording(), Kind.SPIKES, 30.0)
    assert fitted.step(np.full(5, np.nan, np.float32)) is None


def test_a_constant_offset_is_removed() -> None:
    neural = np.random.default_rng(1).normal(0, 1, (2000, 2)).astype(np.float32)
    fitted = Preprocessor.fit(neural, Kind.FLUORESCENCE, 10.0)
    out = fitted.run(neural + 40, np.r_[True, np.zeros(1999, bool)])
    assert abs(out[-1000:].mean()) < 0.2


@pytest.mark.parametrize("kind", [Kind.SPIKES, Kind.EEG])
def test_huge_values_count_as_missing(kind: Kind) -> None:
    neural = np.abs(recording())
    huge = neural.copy()
    huge[20, 0], huge[30, 4] = 3e38, 1e16
    missing = neural.copy()
    missing[20, 0], missing[30, 4] = np.nan, np.nan
    fitted, expected = (Preprocessor.fit(data, kind, 2.0) for data in (huge, missing))
    boundary = np.arange(200) == 0
    np.testing.assert_array_equal(fitted.run(huge, boundary), expected.run(missing, boundary))
    fitted.reset()
    steps = [fitted.step(row) for row in huge]
    np.testing.assert_allclose(np.stack(steps), expected.run(missing, boundary), atol=1e-5)  # type: ignore[arg-type]


def test_a_recording_of_huge_values_is_refused() -> None:
    neural = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32) * np.float32(1e30)
    with pytest.raises(BadRecording, match=r"beyond 1e\+15"):
        Preprocessor.fit(neural, Kind.EEG, 30.0)
