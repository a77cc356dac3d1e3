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


def test_a_channel_without_values_does_not_hide_its_neighbours() -> None:
    history = make(3 * IMAGE_ROWS, "Spikes")
    rows = np.full((1, 3 * IMAGE_ROWS), 4, np.float32)
    rows[0, ::3] = np.nan
    rows[0, 1::3] = np.inf
    rows[0, :3] = np.nan  # all three of the first row
    history.add(np.array([0.0]), rows)
    columns = history.columns()
    assert columns is not None
    assert np.isnan(columns.values[-1, 0])
    assert (columns.values[-1, 1:] == 4).all()


def test_a_sample_without_values_does_not_hide_the_others_of_its_column() -> None:
    history = make(2, "Spikes")
    history.add(
        np.array([0.0, 0.01, 0.02]), np.array([[1, np.nan], [np.nan, np.nan], [3, np.nan]], np.float32)
    )
    columns = history.columns()
    assert columns is not None
    np.testing.assert_array_equal(columns.values[-1], [3, np.nan])


def test_missing_values_do_not_hide_the_rest_of_a_thinned_trace() -> None:
    history = NeuralHistory(
        2, NeuralChannels("EEG", ("Fz", "Cz"), "uV"), lambda n: ColumnImage(n, 10, 0.1, 0.1), 10.0, 1 / 500
    )
    wave = np.sin(np.arange(5_000) / 30).astype(np.float32)
    rows = np.column_stack([wave, np.full(5_000, np.nan, np.float32)])
    rows[::9, 0] = np.nan
    history.add(np.arange(5_000) / 500, rows)
    traces = history.traces()
    assert traces is not None
    assert np.isfinite(traces.values[:, 0]).all()
    assert np.isnan(traces.values[:, 1]).all()
