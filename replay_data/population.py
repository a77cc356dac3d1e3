"""A simulated population of visual cortex: motion energy, divisive normalisation, rates, spikes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from replay_data.movie import HEIGHT, RATE_HZ, WIDTH

Array = NDArray[np.float32]

_BLOCK_SIDE = 2
"""Side of the blocks of pixels that pictures are averaged over; no receptive field resolves more."""

_BLOCK = 100
"""Number of units whose filters are in memory at once."""

_KERNEL_FRAMES, _KERNEL_DECAY = 7, 0.8
"""Length and decay of the temporal kernel, in frames."""

_SIMPLE_SHARE, _MAX_TRANSIENT = 0.8, 0.4
_LATENCY_S = (0.04, 0.07)


@dataclass(frozen=True, slots=True)
class Tuning:
    """Response properties that all units of a population share.

    Attributes
    ----------
    pool_floor, pool_s
        Divisive normalisation: the constant added to the population's energy, relative to its mean, and the time
        constant of the energy in seconds.
    threshold
        Drive, in standard deviations above a unit's mean, below which it only fires spontaneously.
    exponent
        Range over units of the exponent of the power law above threshold: the selectivity.
    adaptation, adaptation_s
        Strength with which a unit's own recent firing divides its rate, and the time constant of "recent" in seconds.
    spontaneous
        Range over units of the share of the mean rate that does not depend on the stimulus.
    max_rate_hz
        Upper limit of the rate.
    rate_spread
        Standard deviation of the logarithm of the units' mean rates.
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
    """Receptive fields; every array has one entry per unit. Lengths in pixels of the downsampled picture.

    ``simple`` units respond to one phase, complex units to all. ``direction`` is -1 to 1: preference for one direction
    of motion. ``transient`` is 0 to 1: share of the drive that responds to change instead of the picture.
    ``exponent`` and ``spontaneous`` are those of `Tuning`.
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
    """Draw receptive fields at random, spread over the picture.

    Parameters
    ----------
    n_units
        Number of units.
    tuning
        Ranges of exponents and spontaneous shares.
    rng
        Random generator.
    """
    width, height = WIDTH // _BLOCK_SIDE, HEIGHT // _BLOCK_SIDE
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
    """Return the units after drift of their tuning: fields slightly moved and rotated.

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
    """Compute the normalised drive of every unit during a sequence of frames.

    Parameters
    ----------
    units
        The population.
    frames
        Pictures, uint8 [frame, height, width].
    shown
        Frame shown in each bin of 1/30 s, int32 [time]; -1 = gray.
    tuning
        Constants of the normalisation.

    Returns
    -------
    drive
        Float32 [time, units], not negative: motion energy (Adelson and Bergen 1985) of complex units, its
        rectified phase for simple ones, divided by the energy of the whole population (Heeger 1992), which
        is delayed (Zhou, Benson, Kay and Winawer 2019), so that responses overshoot at a cut.
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
    late = _recent(np.r_[np.float32(0), pool[:-1]], tuning.pool_s)
    out /= (tuning.pool_floor * float(pool.mean()) + late)[:, None]
    return out


def latent_rates(units: Units, drives: Array, reference: NDArray[np.intp], tuning: Tuning) -> Array:
    """Convert drive to a rate whose mean over one repeat of the movie is 1.

    Parameters
    ----------
    units
        The population.
    drives
        Float32 [time, units], see `drive`.
    reference
        Indices of the bins of that repeat.
    tuning
        Threshold and adaptation.

    Returns
    -------
    rates
        Float32 [time, units]: threshold, power law, division by the unit's recent firing, spontaneous rate.
    """
    mean, spread = drives[reference].mean(0), drives[reference].std(0) + 1e-6
    fired = np.maximum((drives - mean) / spread - tuning.threshold, 0) ** units.exponent
    fired /= np.maximum(fired[reference].mean(0), 1e-6)
    before = np.concatenate([np.zeros_like(fired[:1]), fired[:-1]])
    fired /= 1 + tuning.adaptation * _recent(before, tuning.adaptation_s)
    fired /= np.maximum(fired[reference].mean(0), 1e-6)
    return np.asarray(units.spontaneous + (1 - units.spontaneous) * fired, np.float32)


def delay(rates: Array, latency_s: Array) -> Array:
    """Delay every unit's rate by its latency, interpolated linearly between bins.

    Parameters
    ----------
    rates
        Float32 [time, units] at the movie's rate.
    latency_s
        Latency in seconds, float32 [units]; at most 5 frames.
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
    """Average pictures over 2 x 2 pixels and flatten them; float32 [frame, pixels], 0 to 1."""
    n_frames, height, width = frames.shape
    blocks = frames.reshape(n_frames, height // _BLOCK_SIDE, _BLOCK_SIDE, width // _BLOCK_SIDE, _BLOCK_SIDE)
    small: Array = blocks.mean((2, 4), dtype=np.float32) / 255
    return small.reshape(n_frames, -1)


def _gabors(units: Units, block: slice) -> tuple[Array, Array]:
    """Return even and odd Gabor filters as columns, float32 [pixels, units], mean 0 and norm 1."""
    y, x = np.mgrid[: HEIGHT // _BLOCK_SIDE, : WIDTH // _BLOCK_SIDE].astype(np.float32)
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
    """Return the output at the preferred phase and the amplitude over all phases of direction-selective pairs."""
    sustained, change = [], []
    for projection in (even, odd):
        seen = projection[shown]
        slow = _filter(seen, kernel)
        sustained.append(slow)
        change.append(seen - _filter(np.concatenate([seen[:1], seen[:-1]]), kernel))
    transient, direction = units.transient[block], units.direction[block]
    first = (1 - transient) * sustained[0] + transient * (change[0] + direction * sustained[1])
    second = (1 - transient) * sustained[1] + transient * (change[1] - direction * sustained[0])
    signed = first * np.cos(units.phase[block]) + second * np.sin(units.phase[block])
    return signed, np.hypot(first, second)


def _filter(series: Array, kernel: Array) -> Array:
    """Convolve causally along time, with the first sample held before the start."""
    padded = np.concatenate([np.repeat(series[:1], len(kernel) - 1, 0), series])
    out = np.zeros_like(series)
    for lag, weight in enumerate(kernel):
        begin = len(kernel) - 1 - lag
        out += weight * padded[begin : begin + len(series)]
    return out


def _recent(series: Array, time_constant_s: float) -> Array:
    """Return the exponential running mean along time, from 0 at the start."""
    keep = float(np.exp(-1 / (time_constant_s * RATE_HZ)))
    return np.asarray(lfilter([1 - keep], [1, -keep], series, axis=0), np.float32)
