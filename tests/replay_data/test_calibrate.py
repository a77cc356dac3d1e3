from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from replay_data.calibrate import REAL_ACCURACY, calibration, nearest_mean_accuracy


@pytest.mark.slow
def test_simulated_units_are_as_hard_to_decode_as_real_ones() -> None:
    accuracy = calibration(draws=200)
    for size, real in REAL_ACCURACY.items():
        assert accuracy[size] == pytest.approx(real, abs=0.05)


@pytest.mark.data
def test_the_measure_reproduces_the_accuracy_of_real_units(shared_data: Path) -> None:
    with np.load(shared_data / "v1_movie_tuning" / "v1_movie_tuning.npz") as file:
        train, test = (file[f"mean_counts_{part}"].astype(np.float64) for part in ("train", "test"))
    rng = np.random.default_rng(0)
    for size, real in REAL_ACCURACY.items():
        assert nearest_mean_accuracy(train, test, size, rng) == pytest.approx(real, abs=0.02)


def test_the_measure_is_one_for_equal_data_and_at_chance_for_unrelated_data() -> None:
    rng = np.random.default_rng(0)
    counts = rng.uniform(1, 9, (50, 30))
    assert nearest_mean_accuracy(counts, counts, 20, rng, 20) == 1
    assert nearest_mean_accuracy(counts, rng.uniform(1, 9, (50, 30)), 20, rng, 200) < 0.1
