"""Two-dimensional position: which columns of the continuous estimates it has, and where it was in the last seconds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoders.readouts.continuous import ContinuousReader
from gui.state.ring_buffers import RowRing
from gui.state.snapshot import PositionView

TRAIL_S = 5.0
"""Recorded seconds of the trail."""

MAX_POINTS = 20_000

TRUTH_S = 0.5
"""A true position that is older than this many recorded seconds is unknown."""

MARGIN = 0.06
"""Width of the margin around the known places, relative to their extent."""

_POSITION = re.compile(r"(?<![a-z])(pos|place|loc|coord|xy)", re.IGNORECASE)  # velocity is none
_COLUMN = re.compile(r"(.+)_(\d+)")
_X = re.compile(r"(.*?)[ _.-]?x", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class MapAxes:
    """The two columns that are drawn as a map.

    Attributes
    ----------
    columns
        Columns of x and y in the continuous stream.
    names
        Names of these columns.
    labels
        Names of the labels that they belong to: one with two columns, or two.
    """

    columns: tuple[int, int]
    names: tuple[str, str]
    labels: tuple[str, ...]


def find_axes(names: Sequence[str]) -> MapAxes | None:
    """Find a position in the plane among the columns of a continuous stream; None if there is none.

    A label of two columns whose name says position comes first, then two labels x and y, then any label of two columns,
    then the first two columns of a position.

    Parameters
    ----------
    names
        Names of the columns; those of a label with several columns end in ``_0``, ``_1`` and so on.

    Examples
    --------
    >>> find_axes(("speed", "position_0", "position_1"))
    MapAxes(columns=(1, 2), names=('position_0', 'position_1'), labels=('position',))
    >>> find_axes(("head_y", "head_x")).columns, find_axes(("speed", "height"))
    ((1, 0), None)
    """
    groups: dict[str, list[int]] = {}
    for column, name in enumerate(names):
        match = _COLUMN.fullmatch(name)
        if match and int(match[2]) == len(groups.get(match[1], [])):
            groups.setdefault(match[1], []).append(column)
    pairs = {label: columns for label, columns in groups.items() if len(columns) == 2}
    positions = [label for label in groups if _POSITION.search(label)]
    first = next((label for label in positions if label in pairs), None)
    if first is None:
        separate = _x_and_y(names)
        if separate is not None:
            x, y = separate
            return MapAxes(separate, (names[x], names[y]), (names[x], names[y]))
        first = next(iter(pairs), None) or next(
            (label for label in positions if len(groups[label]) > 2), None
        )
    if first is None:
        return None
    x, y = groups[first][:2]
    return MapAxes((x, y), (names[x], names[y]), (first,))


def _x_and_y(names: Sequence[str]) -> tuple[int, int] | None:
    """Columns of the first two labels that are called x and y, perhaps after the same word."""
    lower = [name.lower() for name in names]
    for column, name in enumerate(lower):
        if _X.fullmatch(name) and f"{name[:-1]}y" in lower:
            return column, lower.index(f"{name[:-1]}y")
    return None


class PositionHistory:
    """The decoded and the true position of the last seconds.

    Parameters
    ----------
    axes
        The columns of the position.
    rate_hz, stamp_rate
        Samples per recorded second (0 if irregular), and recorded seconds per second of the timestamps.
    """

    def __init__(self, axes: MapAxes, rate_hz: float, stamp_rate: float) -> None:
        self.axes = axes
        self._stamp_rate = stamp_rate
        n_points = int(min(max(TRAIL_S * rate_hz, 500), MAX_POINTS))
        self._estimates = RowRing(n_points, 4)  # timestamp, raw timestamp, x, y
        self._truth = (RowRing(n_points, 3), RowRing(n_points, 3))  # timestamp, values
        self._newest: NDArray[np.float32] | None = None
        self._by_engine_clock = False
        self._reader: ContinuousReader | None = None
        self._places: NDArray[np.float64] | None = None
        self._bounds: tuple[float, float, float, float] | None = None

    def add_estimates(
        self, rows: NDArray[np.float32], stamps: NDArray[np.float64], raw: NDArray[np.float64]
    ) -> None:
        """Add rows of the continuous stream, with their timestamps by the engine's and by the sender's clock."""
        if len(self._estimates) and stamps[0] < self._estimates.rows()[-1, 0] - TRAIL_S / self._stamp_rate:
            self._estimates.clear()  # the clock went back
        self._estimates.add(np.column_stack([stamps, raw, rows[:, list(self.axes.columns)]]))
        self._newest = rows[-1]

    def add_truth(
        self, which: int, rows: NDArray[np.float32], stamps: NDArray[np.float64], *, by_engine_clock: bool
    ) -> None:
        """Add rows of a label stream.

        Parameters
        ----------
        which
            0 for the first label of the axes, 1 for the second.
        rows, stamps
            Float32 [n, columns], NaN where unknown, and timestamps.
        by_engine_clock
            Whether the timestamps are by the engine's clock, not by that of the neural sender.
        """
        self._by_engine_clock = by_engine_clock
        ring = self._truth[which]
        if len(ring) and stamps[0] < ring.rows()[-1, 0]:
            ring.clear()
        values = rows[:, :2] if rows.shape[1] > 1 else np.column_stack([rows[:, 0], rows[:, 0]])
        ring.add(np.column_stack([stamps, values]))

    def view(
        self, reader: ContinuousReader | None, posterior: NDArray[np.float32] | None
    ) -> PositionView | None:
        """What is drawn; None before the first estimate.

        Parameters
        ----------
        reader
            The model's decoder of continuous labels, which knows where each place is; None without the model file.
        posterior
            The newest posterior over all places and "no stimulus", float32 [places + 1]; None if it is unknown.
        """
        rows = self._estimates.rows()
        if not len(rows) or self._newest is None:
            return None
        rows = rows[rows[:, 0] >= rows[-1, 0] - TRAIL_S / self._stamp_rate]
        truth = self._truth_at(rows[:, 0 if self._by_engine_clock else 1])
        columns = list(self.axes.columns)
        if reader is not self._reader:
            self._reader, self._places, self._bounds = reader, None, None
            if reader is not None and reader.values.shape[1] == len(self._newest):
                self._places = np.nan_to_num(reader.values[:, columns])
        chances, half_width = None, np.full(2, np.nan, np.float32)
        places = self._places
        fits = posterior is not None and places is not None and len(posterior) == len(places) + 1
        if reader is not None and posterior is not None and fits:
            chances = posterior[:-1]
            half_width = reader.half_width(posterior, self._newest)[columns]
        self._bounds = grown_bounds(self._bounds, rows[:, 2:], truth, places)
        time_s = (rows[:, 0] - rows[-1, 0]) * self._stamp_rate
        return PositionView(
            self.axes.names, time_s, rows[:, 2:].copy(), truth, half_width, self._bounds, places, chances
        )

    def _truth_at(self, moments: NDArray[np.float64]) -> NDArray[np.float64]:
        """The true position at timestamps, float64 [n, 2]; NaN where it is unknown."""
        out = np.full((len(moments), 2), np.nan)
        for axis in range(2):
            table = self._truth[axis if len(self.axes.labels) > 1 else 0].rows()
            if not len(table):
                continue
            at = np.searchsorted(table[:, 0], moments + 1e-6, side="right") - 1
            found = table[np.maximum(at, 0)]
            known = (at >= 0) & ((moments - found[:, 0]) * self._stamp_rate < TRUTH_S)
            out[known, axis] = found[known, 1 + axis]
        return out


def grown_bounds(
    bounds: tuple[float, float, float, float] | None,
    estimates: NDArray[np.float64],
    truth: NDArray[np.float64],
    places: NDArray[np.float64] | None,
) -> tuple[float, float, float, float]:
    """Smallest x, smallest y, largest x, largest y of a map that only grows.

    Parameters
    ----------
    bounds
        Those until now; None at first: the known places with a margin, or the estimates where no place is known.
    estimates, truth
        Positions of the last seconds, float64 [n, 2]; one that lies further away than the map is wide does not count.
    places
        Positions of the places, float64 [places, 2]; None if they are unknown.
    """
    if bounds is None:
        known = estimates if places is None else places
        known = known[np.isfinite(known).all(axis=1)]
        known = known if len(known) else np.array([[0.0, 0.0], [1.0, 1.0]])
        low, high = known.min(axis=0), known.max(axis=0)
        extent = max(float((high - low).max()), 1e-6 * float(np.abs(known).max()), 1e-9)
        margin = MARGIN * extent
        low, high = low - margin, high + margin
    else:
        low, high = np.array(bounds[:2]), np.array(bounds[2:])
    extent = float((high - low).max())
    for trail in (estimates, truth):
        near = trail[(np.abs(trail - (low + high) / 2) <= extent).all(axis=1)]
        if len(near) and ((near < low) | (near > high)).any():
            low = np.minimum(low, near.min(axis=0) - MARGIN * extent)
            high = np.maximum(high, near.max(axis=0) + MARGIN * extent)
    (x0, y0), (x1, y1) = low.tolist(), high.tolist()
    return x0, y0, x1, y1
