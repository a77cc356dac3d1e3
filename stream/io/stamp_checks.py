"""Recognises timestamps in another unit or of too low a precision, and wrong nominal rates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream.errors import BadRecording

_UNITS = {1e3: "milliseconds", 1e6: "microseconds", 1e9: "nanoseconds"}
_TOLERANCE = 1.25  # largest ratio between two rates that count as one
_AGREEMENT = 0.05  # median step and samples per time agree up to this share at a steady rate
_MAX_JITTER = 0.25  # in sample periods, where a rate can still be measured
_MIN_RESOLUTION = 0.25  # largest rounding of timestamps, in sample periods
_MIN_SAMPLES = 50
_BLOCK = 64
_LONG_STEP_S = 5.0


def check_stamps(stamps: NDArray[np.float64], rate_hz: float, *, stated: bool = True) -> tuple[float, str]:
    """Check that timestamps are precise enough, in seconds, and fit the nominal rate.

    Parameters
    ----------
    stamps
        Valid timestamps, float64 [n].
    rate_hz
        Nominal rate in Hz; 0 for irregular recordings.
    stated
        Whether the file states the rate; if not, ``rate_hz`` comes from the timestamps.

    Returns
    -------
    rate_hz
        The rate to use: the nominal one, or the measured one if the nominal one is wrong.
    note
        What the user should know and do; empty if all is well.

    Raises
    ------
    BadRecording
        If the timestamps are too coarse, or not in seconds.
    """
    if len(stamps) < _MIN_SAMPLES:
        return rate_hz, ""
    span = float(stamps.max() - stamps.min())
    period = 1 / rate_hz if rate_hz > 0 and stated else span / (len(stamps) - 1)
    _check_precision(stamps, period)
    steps = np.diff(stamps)
    steps = steps[steps > 0]
    if not len(steps):
        return rate_hz, ""
    step = float(np.median(steps))
    ratio = step * rate_hz
    if not stated:
        if step >= _LONG_STEP_S:
            return rate_hz, (
                f"its samples are {step:g} s apart; if the timestamps are in milliseconds, divide them by 1000"
            )
        return rate_hz, ""
    if rate_hz <= 0:
        if np.median(np.abs(steps - step)) < _AGREEMENT * step and len(steps) > 0.9 * len(stamps):
            return rate_hz, (
                f"its nominal rate is 0 (irregular), although its samples come regularly at {1 / step:.6g} Hz: gaps are "
                "not detected. Let the sender, or 'rate_hz', state the rate"
            )
        return rate_hz, ""
    for factor, unit in _UNITS.items():
        if factor / _TOLERANCE < ratio < factor * _TOLERANCE:
            raise BadRecording(
                f"its timestamps advance by {step:g} per sample at a nominal rate of {rate_hz:g} Hz: they are in "
                f"{unit}. Divide them by {factor:.0f}; timestamps are in seconds."
            )
    block = _BLOCK if len(stamps) > 2 * _BLOCK else len(stamps) - 1
    mean = float(np.median(stamps[block:] - stamps[:-block])) / block
    regular = (
        np.quantile(np.abs(steps - step), 0.75) < _MAX_JITTER * step
    )  # no mixture of one and two periods
    steady = mean > 0 and abs(mean - step) < _AGREEMENT * step and regular
    if steady and not 1 / _TOLERANCE < ratio < _TOLERANCE:
        measured = float(f"{1 / mean:.6g}")
        return measured, (
            f"its nominal rate is {rate_hz:g} Hz, but its samples come at {measured:g} Hz, which is used. Let the "
            "sender, or 'rate_hz', state the true rate"
        )
    return rate_hz, ""


def _check_precision(stamps: NDArray[np.float64], period: float) -> None:
    """Refuse timestamps that were rounded to 32-bit numbers if samples can no longer be told apart."""
    with np.errstate(over="ignore"):
        single = stamps.astype(np.float32)
    if not np.array_equal(single, stamps):
        return
    resolution = float(np.spacing(np.abs(single).max()))
    if resolution > _MIN_RESOLUTION * period:
        raise BadRecording(
            f"its timestamps were stored as 32-bit numbers, which resolve {resolution:g} s at "
            f"{np.abs(single).max():g} s, but its samples are {period:.3g} s apart. Store them as 64-bit numbers, or "
            "subtract the first one before they are stored."
        )
