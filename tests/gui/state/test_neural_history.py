"""Neural activity is an image, or traces for EEG."""

from __future__ import annotations

import numpy as np
import pytest

from gui.state.neural_history import IMAGE_ROWS, NeuralChannels, NeuralHistory
from gui.state.ring_buffers import ColumnImage


def make(n_channels: int, stream_type: str) -> NeuralHistory:
    channels = NeuralChannels(stream_type, ("Fz", "Cz"), "uV")
    return NeuralHistory(n_channels, channels, lambda n: ColumnImage(n, 10, 0.1, 0.1), 1.0, 0.1)


def test_many_channels_are_averaged_with_their_neighbours() -> None:
    history = make(2 * IMAGE_ROWS, "Spikes")
    history.add(np.array([0.0]), np.arange(2 * IMAGE_ROWS, dtype=np.float32)[None])
    columns = history.columns()
    assert columns is not None
    assert columns.values[-1] == pytest.approx(np.arange(IMAGE_ROWS) * 2 + 0.5)
    assert history.traces() is None


def test_eeg_is_kept_as_traces() -> None:
    history = make(2, "EEG")
    history.add(np.array([0.0, 0.1]), np.array([[1, 2], [3, 4]], np.float32))
    traces = history.traces()
    assert traces is not None
    np.testing.assert_array_equal(traces.values, [[1, 2], [3, 4]])
    assert (traces.labels, traces.unit) == (("Fz", "Cz"), "uV")
    assert history.columns() is None
