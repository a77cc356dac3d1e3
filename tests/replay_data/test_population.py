from __future__ import annotations

import numpy as np

from replay_data.population import Tuning, delay, draw_units, drive, latent_rates, shift_units

TUNING = Tuning()


def _grating(angle: float, n_frames: int = 60, speed: float = 0.1) -> np.ndarray:
    y, x = np.mgrid[:72, :128]
    phase = 2 * np.pi * (np.cos(angle) * x + np.sin(angle) * y) / 20
    frames = [0.5 + 0.4 * np.sin(phase - 2 * np.pi * speed * index) for index in range(n_frames)]
    return (np.stack(frames) * 255).astype(np.uint8)


def test_units_prefer_their_orientation() -> None:
    units = draw_units(150, TUNING, np.random.default_rng(0))
    frames = np.concatenate([_grating(0), _grating(np.pi / 2)])
    response = drive(units, frames, np.arange(120, dtype=np.int32), TUNING)
    vertical, horizontal = response[10:60].mean(0), response[70:].mean(0)
    matching = (units.wavelength > 8) & (units.wavelength < 13)
    prefers_vertical = np.abs(np.cos(units.angle)) > 0.9
    prefers_horizontal = np.abs(np.cos(units.angle)) < 0.4
    assert np.all(vertical[matching & prefers_vertical] > horizontal[matching & prefers_vertical])
    assert np.all(vertical[matching & prefers_horizontal] < horizontal[matching & prefers_horizontal])


def test_gray_gives_no_drive() -> None:
    units = draw_units(20, TUNING, np.random.default_rng(0))
    shown = np.r_[np.full(40, -1), np.arange(60)].astype(np.int32)
    assert np.all(drive(units, _grating(0), shown, TUNING)[:40] == 0)


def test_rates_have_mean_one_over_the_reference() -> None:
    units = draw_units(20, TUNING, np.random.default_rng(0))
    drives = np.random.default_rng(1).gamma(2, 1, (500, 20)).astype(np.float32)
    rates = latent_rates(units, drives, np.arange(100, 400), TUNING)
    assert np.allclose(rates[100:400].mean(0), 1, atol=1e-4)
    assert np.all(rates >= units.spontaneous - 1e-6)


def test_delay_shifts_by_the_latency() -> None:
    step = np.zeros((20, 2), np.float32)
    step[10:] = 1
    delayed = delay(step, np.array([1 / 30, 0.05], np.float32))
    assert np.allclose(delayed[9:13, 0], [0, 0, 1, 1], atol=1e-5)
    assert np.allclose(delayed[9:14, 1], [0, 0, 0.5, 1, 1], atol=1e-5)


def test_drift_shifts_receptive_fields_slightly() -> None:
    units = draw_units(200, TUNING, np.random.default_rng(0))
    drifted = shift_units(units, np.random.default_rng(1))
    assert 0 < np.median(np.abs(drifted.x - units.x) / units.wavelength) < 0.5
    assert np.array_equal(drifted.wavelength, units.wavelength)
