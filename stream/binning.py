"""Binning of spike times, and resampling of signals to other times."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stream.errors import ShapeMismatch


def bin_spikes(
    times: ArrayLike, unit: ArrayLike, edges: ArrayLike, n_units: int | None = None
) -> NDArray[np.float32]:
    """Count spikes per bin and unit.

    Parameters
    ----------
    times
        Float [spikes], spike times in seconds, in any order.
    unit
        Int [spikes], unit of each spike, from 0.
    edges
        Float [bins + 1], edges of the bins in seconds, increasing. A spike on an edge belongs to the bin that begins
        there; spikes on the last edge or outside are ignored.
    n_units
        Number of units; None for the largest of ``unit`` plus 1.

    Returns
    -------
    counts
        Float32 [bins, units].

    Raises
    ------
    ShapeMismatch
        If the shapes do not fit, the edges do not increase, or a unit number is out of range.
    """
    times, unit, edges = np.asarray(times, float), np.asarray(unit), np.asarray(edges, float)
    if times.shape != unit.shape or times.ndim != 1:
        raise ShapeMismatch(
            f"'times' and 'unit' must both be [spikes], got shapes {times.shape} and {unit.shape}."
        )
    if edges.ndim != 1 or len(edges) < 2:
        raise ShapeMismatch(f"'edges' must be at least two numbers, got shape {edges.shape}.")
    if not np.all(np.diff(edges) > 0):
        raise ShapeMismatch("'edges' must increase.")
    if n_units is None:
        n_units = int(unit.max(initial=-1)) + 1
    if len(unit) and not 0 <= unit.min() <= unit.max() < n_units:
        raise ShapeMismatch(
            f"'unit' must be from 0 to {n_units - 1}, got values from {unit.min()} to {unit.max()}."
        )
    n_bins = len(edges) - 1
    bin_ = np.searchsorted(edges, times, side="right") - 1
    inside = (bin_ >= 0) & (bin_ < n_bins)
    flat = np.bincount(bin_[inside] * n_units + unit[inside].astype(np.int64), minlength=n_bins * n_units)
    return flat.reshape(n_bins, n_units).astype(np.float32)


def sample_at(times: ArrayLike, values: ArrayLike, stamps: ArrayLike) -> NDArray[np.float32]:
    """Resample a signal by linear interpolation.

    Parameters
    ----------
    times
        Float [n], times of the values in seconds, increasing.
    values
        Float [n] or [n, columns].
    stamps
        Float [time], times to sample at, seconds.

    Returns
    -------
    sampled
        Float32 [time, columns]; NaN before the first and after the last of ``times``, exact at ``times`` themselves.

    Raises
    ------
    ShapeMismatch
        If the shapes do not fit, or ``times`` do not increase.
    """
    times, stamps = np.asarray(times, float), np.asarray(stamps, float)
    values = np.asarray(values, float)
    values = values[:, None] if values.ndim == 1 else values
    if times.ndim != 1 or values.ndim != 2 or len(values) != len(times):
        raise ShapeMismatch(
            f"'values' must be [{len(times)}] or [{len(times)}, columns] as 'times', got shape {values.shape}."
        )
    if not np.all(np.diff(times) > 0):
        raise ShapeMismatch("'times' must increase.")
    if not len(times):
        return np.full((len(stamps), values.shape[1]), np.nan, np.float32)
    columns = [np.interp(stamps, times, column, left=np.nan, right=np.nan) for column in values.T]
    sampled = np.stack(columns, 1) if columns else np.zeros((len(stamps), 0))
    at = np.minimum(np.searchsorted(times, stamps), len(times) - 1)
    same = times[at] == stamps  # interpolation would let a NaN neighbour spoil them
    sampled[same] = values[at[same]]
    return sampled.astype(np.float32)
