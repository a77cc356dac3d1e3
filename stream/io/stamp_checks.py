"""Recognises timestamps in another unit or of too low a precision, and wrong nominal rates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream.errors import BadRecording
from stream.session import MAX_SECONDS

UNITS = {1e3: "milliseconds", 1e6: "microseconds", 1e9: "nanoseconds"}
"""Other units of time, by their number in a second."""

LONG_STEP_S = 5.0
"""Samples further apart than this are rare; their timestamps may be in milliseconds."""

_TOLERANCE = 1.25  # largest ratio between two rates that count as one
_AGREEMENT = 0.05  # median step and samples per time agree up to this share at a steady rate
_MAX_JITTER = 0.25  # in sample periods, where a rate can still be measured
_MIN_RESOLUTION = 0.25  # largest rounding of timestamps, in sample periods
_FINE_S = 1e-5  # a finer resolution is not what makes timestamps equal
_MIN_SAMPLES = 50
_MAX_EQUAL = 1 / 3  # share of timestamps that equal the one before
_BLOCK = 64
_MIN_ORDERED = 10
_MAX_BACK = (
    1 / 3
)  # share of steps backwards; samples that are pushed in pairs and stamped late have up to a quarter
_LONGEST_STEP_S = 1000.0
_NOW_S = 1e10  # no clock of today has passed as many seconds, since 1970 or since its start


def check_stamps(
    stamps: NDArray[np.float64],
    rate_hz: float,
    *,
    stated: bool = True,
    starts: NDArray[np.intp] | None = None,
) -> tuple[float, str]:
    """Check that timestamps are in order, precise enough, in seconds, and fit the nominal rate.

    Parameters
    ----------
    stamps
        Valid timestamps, float64 [n].
    rate_hz
        Nominal rate in Hz; 0 for irregular recordings.
    stated
        Whether the file states the rate; if not, ``rate_hz`` comes from the timestamps.
    starts
        Samples at which a segment is known to begin.

    Returns
    -------
    rate_hz
        The rate to use: the nominal one, or the measured one if the nominal one is wrong.
    note
        What the user should know and do; empty if all is well.

    Raises
    ------
    BadRecording
        If the timestamps are out of order, all equal, too coarse, or not in seconds.
    """
    span = float(stamps.max() - stamps.min())
    if len(stamps) > _MIN_ORDERED:
        _check_precision(stamps, 1 / rate_hz if rate_hz > 0 and stated else span / (len(stamps) - 1))
    _check_order(stamps, starts)
    steps = np.diff(stamps)
    if not stated and len(steps) >= _MIN_ORDERED and np.sum(steps == 0) > _MAX_EQUAL * len(steps):
        raise BadRecording(
            f"{np.sum(steps == 0)} of its {len(stamps)} timestamps equal the one before, so nothing says when these "
            f"samples were measured. Store timestamps with more "
            "digits, or state the rate as 'rate_hz'."
        )
    if len(stamps) < _MIN_SAMPLES:
        return rate_hz, ""
    steps = steps[steps > 0]
    if not len(steps):
        return rate_hz, ""
    step = float(np.median(steps))
    ratio = step * rate_hz
    if not stated:
        if step >= _LONGEST_STEP_S:
            raise BadRecording(
                f"its samples are {step:g} s apart by their timestamps, which are probably in milliseconds, "
                "microseconds or nanoseconds. Timestamps are in seconds; convert them."
            )
        if step >= LONG_STEP_S:
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
    _refuse_unit(ratio, step, rate_hz)
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


def refuse_other_units(stamps: NDArray[np.float64], rate_hz: float) -> None:
    """Refuse timestamps that are so large that they cannot be seconds.

    Parameters
    ----------
    stamps
        Float64 [n]; values that are not finite are ignored.
    rate_hz
        Nominal rate in Hz; 0 if it is irregular or unknown.

    Raises
    ------
    BadRecording
        If most of them are beyond `stream.session.MAX_SECONDS`; the message gives the unit that they probably have.
    """
    stamps = stamps[np.isfinite(stamps)]
    typical = float(np.median(np.abs(stamps))) if len(stamps) else 0.0
    if not MAX_SECONDS <= typical < _NOW_S * max(UNITS):
        return
    steps = np.diff(stamps)
    step = float(np.median(steps[steps > 0])) if np.any(steps > 0) else 0.0
    _refuse_unit(step * rate_hz, step, rate_hz)
    raise BadRecording(
        f"its timestamps are about {typical:.3g}, which cannot be seconds; they are probably in {_unit(typical)}. "
        "Timestamps are in seconds; convert them."
    )


def unit_of_ratio(ratio: float, tolerance: float = _TOLERANCE) -> float | None:
    """Return the key in `UNITS` of the unit that makes times too large by about this ratio; None if none does.

    Parameters
    ----------
    ratio
        Times as stored, divided by what they must be in seconds.
    tolerance
        Largest ratio between this and the key.
    """
    return next((factor for factor in UNITS if factor / tolerance < ratio < factor * tolerance), None)


def _refuse_unit(ratio: float, step: float, rate_hz: float) -> None:
    """Refuse timestamps whose steps are a thousand, a million or a thousand million times too long."""
    factor = unit_of_ratio(ratio)
    if factor is not None:
        raise BadRecording(
            f"its timestamps advance by {step:g} per sample at a nominal rate of {rate_hz:g} Hz: they are in "
            f"{UNITS[factor]}. Divide them by {factor:.0f}; timestamps are in seconds."
        )


def _unit(number: float) -> str:
    """Guess the unit of a time that is far too large for seconds."""
    return next((unit for factor, unit in UNITS.items() if number < _NOW_S * factor), "another unit")


def _check_order(stamps: NDArray[np.float64], starts: NDArray[np.intp] | None) -> None:
    """Refuse timestamps that go back again and again, or all are the same."""
    steps = np.diff(stamps)
    if starts is not None:
        inside = np.ones(len(steps), bool)
        inside[starts[starts > 0] - 1] = False
        steps = steps[inside]
    n_back = int(np.sum(steps < 0))
    if len(steps) < _MIN_ORDERED:
        return
    if n_back > _MAX_BACK * len(steps):
        raise BadRecording(
            f"its timestamps go back at {n_back} of {len(steps)} steps: the samples are not in order of time. Sort them."
        )
    if not steps.any():
        raise BadRecording(
            f"all its timestamps are {stamps[0]:g} s, so nothing says when each sample was measured. Store the time of "
            "each."
        )


def _check_precision(stamps: NDArray[np.float64], period: float) -> None:
    """Refuse timestamps that were rounded to 32-bit numbers if samples can no longer be told apart."""
    with np.errstate(over="ignore"):
        single = stamps.astype(np.float32)
    if not np.array_equal(single, stamps):
        return
    resolution = float(np.spacing(np.abs(single).max()))
    if resolution > max(_MIN_RESOLUTION * period, _FINE_S):
        raise BadRecording(
            f"its timestamps were stored as 32-bit numbers, which resolve {resolution:g} s at "
            f"{np.abs(single).max():g} s: too coarse to tell samples apart. Store them as 64-bit numbers, or "
            "subtract the first one before they are stored."
        )
