"""Simulated population of visual cortex: motion energy, divisive normalisation, firing rates."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from replay_data.movie import HEIGHT, RATE_HZ, WIDTH

Array = NDArray[np.float32]

_DOWNSAMPLING = 2  # pictures are averaged over 2 x 2 pixels; no receptive field resolves more
_BLOCK = 100  # units whose filters are in memory at a time
_KERNEL_FRAMES, _KERNEL_DECAY = 7, 0.8  # length and decay of the temporal kernel, in frames

_SIMPLE_SHARE, _MAX_TRANSIENT = 0.8, 0.4
_LATENCY_S = (0.04, 0.07)


@dataclass(frozen=True, slots=True)
class Tuning:
    """Response properties of a population.

    Attributes
    ----------
    pool_floor, pool_s
        Divisive normalisation: semi-saturation constant relative to the population's mean energy, and time constant in
        seconds over which the energy is averaged.
    threshold
        Drive below which a unit fires only spontaneously, in standard deviations above its mean.
    exponent
        Exponent of the power law above threshold, smallest and largest over units.
    adaptation, adaptation_s
        Strength with which a unit's recent firing divides its present firing, and time constant in seconds.
    spontaneous
        Share of the mean rate that is spontaneous, smallest and largest over units.
    max_rate_hz
        Saturation rate in Hz.
    rate_spread
        Standard deviation of the log mean rates over units.
    """

    pool_floor: float = 0.35
    pool_s: float = 0.1
    threshold: float = -0.5
    exponent: tuple[float, float] = (1.0, 3.0)
    adaptation: float = 4.0
    adaptation_s: float = 0.2
    spontaneous: tuple[float, float] = (0.0, 0.58)
    max_rate_hz: float = 120.0
    rate_spread: float = 1.2


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """Receptive fields; every array has one entry per unit, lengths are in pixels of the downsampled picture.

    Attributes
    ----------
    x, y
        Centre of the Gabor filter.
    angle, wavelength, size, phase
        Orientation (radians), wavelength, standard deviation of the envelope, and phase (radians).
    direction
        Preference for one direction of motion, -1 to 1; 0 prefers none.
    transient
        Share of the drive that comes from changes of the picture, 0 to 1.
    exponent, spontaneous
        See `Tuning`.
    simple
        True for simple cells (one phase), false for complex cells (phase invariant).
    latency_s
        Response latency in seconds.
    """

    x: Array
    y: Array
    angle: Array
    wavelength: Array
    size: Array
    phase: Array
    direction: Array
    transient: Array
    exponent: Array
    spontaneous: Array
    simple: NDArray[np.bool_]
    latency_s: Array

    def __len__(self) -> int:
        return len(self.x)


def draw_units(n_units: int, tuning: Tuning, rng: np.random.Generator) -> Units:
    """Draw receptive fields that cover the picture.

    Parameters
    ----------
    n_units
        Number of units.
    tuning
        Response properties, for the ranges of exponents and spontaneous shares.
    rng
        Random generator.
    """
    width, height = WIDTH // _DOWNSAMPLING, HEIGHT // _DOWNSAMPLING
    wavelength = np.exp(rng.uniform(np.log(6), np.log(20), n_units))
    values = {
        "x": rng.uniform(0.08 * width, 0.92 * width, n_units),
        "y": rng.uniform(0.1 * height, 0.9 * height, n_units),
        "angle": rng.uniform(0, np.pi, n_units),
        "wavelength": wavelength,
        "size": wavelength * rng.uniform(0.35, 0.55, n_units),
        "phase": rng.uniform(0, 2 * np.pi, n_units),
        "direction": rng.uniform(-1, 1, n_units),
        "transient": rng.uniform(0, _MAX_TRANSIENT, n_units),
        "exponent": rng.uniform(*tuning.exponent, n_units),
        "spontaneous": rng.uniform(*tuning.spontaneous, n_units),
        "latency_s": np.minimum(_LATENCY_S[0] + rng.exponential(0.01, n_units), _LATENCY_S[1]),
    }
    arrays = {name: value.astype(np.float32) for name, value in values.items()}
    return Units(simple=rng.random(n_units) < _SIMPLE_SHARE, **arrays)


def shift_units(units: Units, rng: np.random.Generator) -> Units:
    """Return the units after representational drift: receptive fields shifted and rotated a little.

    Parameters
    ----------
    units
        Units before the drift.
    rng
        Random generator.
    """

    def moved(values: Array, by: float | Array) -> Array:
        return (values + by * rng.standard_normal(len(units))).astype(np.float32)

    return replace(
        units,
        x=moved(units.x, 0.35 * units.wavelength),
        y=moved(units.y, 0.35 * units.wavelength),
        angle=moved(units.angle, 0.3),
        phase=moved(units.phase, 0.6),
    )


def drive(units: Units, frames: NDArray[np.uint8], shown: NDArray[np.int32], tuning: Tuning) -> Array:
    """Compute the normalised drive of every unit while a sequence of frames is shown.

    Parameters
    ----------
    units
        Receptive fields.
    frames
        Uint8 [frames, height, width].
    shown
        Int32 [time], frame shown in each bin of 1/30 s; -1 = gray.
    tuning
        Response properties, for the normalisation.

    Returns
    -------
    drive
        Float32 [time, units], not negative: motion energy (Adelson and Bergen 1985) for complex units, half-rectified
        linear responses for simple ones, divided by the energy of the whole population (Heeger 1992). The energy is
        delayed (Zhou, Benson, Kay and Winawer 2019), so that responses overshoot at a cut.
    """
    pictures = _downsample(frames)
    gray = pictures.mean()
    flat = np.concatenate([pictures - gray, np.zeros((1, pictures.shape[1]), np.float32)])
    kernel = np.exp(-np.arange(_KERNEL_FRAMES, dtype=np.float32) / _KERNEL_DECAY)
    kernel /= kernel.sum()
    out = np.empty((len(shown), len(units)), np.float32)
    energy = np.zeros(len(shown), np.float32)
    for begin in range(0, len(units), _BLOCK):
        block = slice(begin, min(begin + _BLOCK, len(units)))
        even, odd = _gabors(units, block)
        signed, amplitude = _motion(units, block, flat @ even, flat @ odd, shown, kernel)
        energy += (amplitude**2).sum(1)
        out[:, block] = np.where(units.simple[block], 1.4 * np.maximum(signed, 0), amplitude)
    pool = np.sqrt(energy / len(units))
    delayed = _running_mean(np.r_[np.float32(0), pool[:-1]], tuning.pool_s)
    out /= (tuning.pool_floor * float(pool.mean()) + delayed)[:, None]
    return out


def latent_rates(units: Units, drives: Array, reference: NDArray[np.intp], tuning: Tuning) -> Array:
    """Convert drive to a rate with mean 1 over a repeat of the movie.

    Parameters
    ----------
    units
        Receptive fields.
    drives
        Float32 [time, units], from `drive`.
    reference
        Int [bins], indices of the bins of that repeat.
    tuning
        Response properties, for threshold and adaptation.

    Returns
    -------
    rates
        Float32 [time, units], after threshold, power law, adaptation and spontaneous rate.
    """
    mean, spread = drives[reference].mean(0), drives[reference].std(0) + 1e-6
    fired = np.maximum((drives - mean) / spread - tuning.threshold, 0) ** units.exponent
    fired /= np.maximum(fired[reference].mean(0), 1e-6)
    before = np.concatenate([np.zeros_like(fired[:1]), fired[:-1]])
    fired /= 1 + tuning.adaptation * _running_mean(before, tuning.adaptation_s)
    fired /= np.maximum(fired[reference].mean(0), 1e-6)
    return np.asarray(units.spontaneous + (1 - units.spontaneous) * fired, np.float32)


def delay(rates: Array, latency_s: Array) -> Array:
    """Delay every unit's rate by its latency, with linear interpolation between bins.

    Parameters
    ----------
    rates
        Float32 [time, units], at the movie's rate.
    latency_s
        Float32 [units], latency in seconds, at most 5 frames.
    """
    bins = latency_s * np.float32(RATE_HZ)
    whole = bins.astype(int)
    part = bins - whole
    padded = np.concatenate([np.repeat(rates[:1], 6, 0), rates])
    out = np.empty_like(rates)
    for lag in np.unique(whole):
        units = whole == lag
        later, earlier = (
            padded[6 - lag : len(padded) - lag, units],
            padded[5 - lag : len(padded) - lag - 1, units],
        )
        out[:, units] = (1 - part[units]) * later + part[units] * earlier
    return out


def _downsample(frames: NDArray[np.uint8]) -> Array:
    """Average pictures over 2 x 2 pixels, float32 [frames, pixels], 0 to 1."""
    n_frames, height, width = frames.shape
    blocks = frames.reshape(
        n_frames, height // _DOWNSAMPLING, _DOWNSAMPLING, width // _DOWNSAMPLING, _DOWNSAMPLING
    )
    small: Array = blocks.mean((2, 4), dtype=np.float32) / 255
    return small.reshape(n_frames, -1)


def _gabors(units: Units, block: slice) -> tuple[Array, Array]:
    """Return even and odd Gabor filters, float32 [pixels, units], with mean 0 and norm 1."""
    y, x = np.mgrid[: HEIGHT // _DOWNSAMPLING, : WIDTH // _DOWNSAMPLING].astype(np.float32)
    dx = x.reshape(-1, 1) - units.x[block]
    dy = y.reshape(-1, 1) - units.y[block]
    across = np.cos(units.angle[block]) * dx + np.sin(units.angle[block]) * dy
    envelope = np.exp(-(dx**2 + dy**2) / (2 * units.size[block] ** 2))
    wave = 2 * np.pi * across / units.wavelength[block]
    filters = []
    for carrier in (np.cos(wave), np.sin(wave)):
        gabor = envelope * carrier
        gabor -= envelope * gabor.sum(0) / envelope.sum(0)
        filters.append((gabor / np.linalg.norm(gabor, axis=0)).astype(np.float32))
    return filters[0], filters[1]


def _motion(
    units: Units, block: slice, even: Array, odd: Array, shown: NDArray[np.int32], kernel: Array
) -> tuple[Array, Array]:
    """Return the response at the preferred phase and the amplitude of direction-selective quadrature pairs."""
    sustained, change = [], []
    for projection in (even, odd):
        response = projection[shown]
        sustained.append(_filter(response, kernel))
        change.append(response - _filter(np.concatenate([response[:1], response[:-1]]), kernel))
    transient, direction = units.transient[block], units.direction[block]
    first = (1 - transient) * sustained[0] + transient * (change[0] + direction * sustained[1])
    second = (1 - transient) * sustained[1] + transient * (change[1] - direction * sustained[0])
    signed = first * np.cos(units.phase[block]) + second * np.sin(units.phase[block])
    return signed, np.hypot(first, second)


def _filter(series: Array, kernel: Array) -> Array:
    """Convolve causally along time, with the first sample repeated before the start."""
    padded = np.concatenate([np.repeat(series[:1], len(kernel) - 1, 0), series])
    out = np.zeros_like(series)
    for lag, weight in enumerate(kernel):
        begin = len(kernel) - 1 - lag
        out += weight * padded[begin : begin + len(series)]
    return out


def _running_mean(series: Array, time_constant_s: float) -> Array:
    """Compute the exponential running mean along time, starting at 0."""
    keep = float(np.exp(-1 / (time_constant_s * RATE_HZ)))
    return np.asarray(lfilter([1 - keep], [1, -keep], series, axis=0), np.float32)
