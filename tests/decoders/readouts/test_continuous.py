from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.model.model import Model
from decoders.readouts.continuous import (
    LOCAL_MEAN,
    RIDGE,
    ContinuousReader,
    _posterior_mean,
    fit_ridge,
    frame_values,
    median_error,
    spacing,
)
from stream.session import Session
from tests.decoders.conftest import places_session


def test_frame_values_are_means_of_each_frame() -> None:
    label = np.array([[1.0], [3.0], [10.0], [np.nan]], np.float32)
    values = frame_values(label, np.array([0, 0, 1, 2]), 3)
    assert values[:2, 0].tolist() == [2, 10]
    assert values[2, 0] == pytest.approx(14 / 3)


def test_posterior_mean_mode_and_ridge_in_one_reader() -> None:
    values = np.array([[0.0, 0.0, 0.0], [10.0, 10.0, 0.0]])
    ridge = np.array([[0, 0, 2.0], [0, 0, 0.0], [0, 0, 1.0]])
    reader = ContinuousReader.without_intervals(values, ridge, np.array([1.0, 0.0, RIDGE]))
    out = reader.read(np.array([0.3, 0.5, 0.2]), np.array([3.0, 4.0], np.float32))
    np.testing.assert_allclose(out, [6.25, 10, 7], rtol=1e-6)


def test_ridge_recovers_linear_weights() -> None:
    points = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    label = points @ np.array([[1.0], [2.0], [3.0]], np.float32) + 4
    np.testing.assert_allclose(fit_ridge(points, label, 1e-6)[:, 0], [1, 2, 3, 4], atol=1e-3)


def test_median_error_ignores_unknown_truth() -> None:
    truth = np.array([[0, 0], [3, 4], [np.nan, 0]], np.float32)
    assert median_error(np.zeros((3, 2), np.float32), truth) == 2.5


@pytest.mark.slow
def test_a_label_without_neural_information_is_decoded_as_its_median(watched: Session) -> None:
    rng = np.random.default_rng(5)
    unrelated = rng.exponential(3.0, (watched.n_samples, 1)).astype(np.float32)
    labels = {"position": watched.labels["position"], "unrelated": unrelated}
    fitted = fit_model(replace(watched, labels=labels), FitOptions(train_repeats=(0, 1, 2, 3, 4)))
    decoded = fitted.predict(watched.select_repeats([5, 6])).continuous
    assert np.ptp(decoded[:, 0]) > 0.5
    trained = np.isin(watched.repeat_with_blanks(), (0, 1, 2, 3, 4))
    np.testing.assert_allclose(decoded[:, 1], np.median(unrelated[trained]), rtol=1e-5)


@pytest.mark.slow
def test_labels_with_missing_values_survive_the_model_file(tmp_path: Path) -> None:
    session = places_session()
    position = session.labels["position"].copy()
    position[100:300] = np.nan
    position[5] = np.inf
    labels = {
        "position": position,
        "never": np.full_like(position, np.nan),
        "nothing": np.zeros((len(position), 0), np.float32),
    }
    fitted = fit_model(replace(session, labels=labels), FitOptions(train_time=(0, 0.7)))
    fitted.save(tmp_path / "a.safetensors")
    loaded = Model.load(tmp_path / "a.safetensors")
    assert loaded.card["labels"] == [["position", 1], ["never", 1]]
    test = session.select_time(0.7, 1)
    decoded, half_width = (getattr(loaded.predict(test), name) for name in ("continuous", "half_width"))
    assert median_error(decoded[:, :1], test.labels["position"]) < 1
    assert np.isfinite(half_width[:, 0]).all()
    assert np.isnan(half_width[:, 1]).all()


def test_the_local_mean_ignores_a_distant_peak() -> None:
    values = np.array([[0.0], [1.0], [2.0], [50.0]])
    reader = replace(
        ContinuousReader.without_intervals(values, np.zeros((1, 1)), np.array([LOCAL_MEAN])),
        radius=np.array([1.0]),
    )
    posterior = np.array([0.25, 0.2, 0.25, 0.3, 0.0])
    out = reader.read(np.stack([posterior, posterior]), np.zeros((2, 0), np.float32))
    np.testing.assert_allclose(out, 1.0, atol=1e-6)  # the likeliest frame is at 50
    np.testing.assert_allclose(reader.read(posterior, np.zeros(0, np.float32)), out[0])


def test_intervals_widen_with_the_posterior() -> None:
    values = np.array([[0.0], [10.0]])
    reader = replace(
        ContinuousReader.without_intervals(values, np.zeros((1, 1)), np.array([1.0])),
        interval=np.array([[2.0], [1.0]]),
    )
    posteriors = np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])
    widths = reader.half_width(posteriors, reader.read(posteriors, np.zeros((2, 0), np.float32)))
    np.testing.assert_allclose(widths[:, 0], [2, 2 * np.sqrt(26)], rtol=1e-6)


def test_spacing_of_places_passed_in_both_directions() -> None:
    assert spacing(np.tile(np.arange(5.0), 2)[:, None] * 0.1) == pytest.approx(0.1)
    assert spacing(np.zeros((4, 1))) == 1.0


def test_without_any_probability_the_mean_value_is_returned() -> None:
    values = np.array([[1.0], [3.0]])
    estimate = _posterior_mean(np.zeros((1, 2), np.float32), values, 2.0)
    assert estimate[0, 0] == pytest.approx(2.0)
