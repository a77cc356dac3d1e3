"""Reads the units of an NWB file: selection by area and quality, and spike times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.errors import BadRecording
from stream.io.hdf5 import check_dataset, read_dataset
from stream.io.nwb_intervals import merged
from stream.io.read_limits import ReadLimits
from stream.session import MAX_SECONDS

_ELECTRODES = "general/extracellular_ephys/electrodes"
_AREA_COLUMNS = ("location", "brain_area", "structure_acronym", "ecephys_structure_acronym")
_MISSING = ("", "None", "nan", "unknown")
_BLOCK = 1 << 20
_MIN_WHOLE = 50  # spikes; fewer may all be at whole seconds by chance


@dataclass(frozen=True, slots=True)
class Units:
    """The selected units.

    Attributes
    ----------
    rows
        Rows of the selected units in the file's unit table, int64 [units].
    ids
        Their ids in the file, int64 [units].
    areas
        Brain area of each unit; empty if unknown.
    ends
        End of each unit's spikes in ``spike_times``, int64 [rows of the table].
    spike_times
        HDF5 dataset of the spike times of all units, in seconds.
    note
        Summary of the selection for the user.
    observed
        Merged intervals [n, 2] in seconds in which each unit was observed, by row of the table; a unit without any was
        always observed.
    """

    rows: NDArray[np.int64]
    ids: NDArray[np.int64]
    areas: list[str]
    ends: NDArray[np.int64]
    spike_times: Any
    note: str
    observed: Mapping[int, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def n_units(self) -> int:
        """Number of selected units."""
        return len(self.rows)

    def times(self, index: int, limits: ReadLimits) -> NDArray[np.float64]:
        """Read the spike times of a unit, float64 [spikes], in seconds, sorted.

        Parameters
        ----------
        index
            Index among the selected units.
        limits
            Limits of this process.
        """
        row = int(self.rows[index])
        begin, end = int(self.ends[row - 1]) if row else 0, int(self.ends[row])
        parts = [np.zeros(0)]
        for at in range(begin, end, _BLOCK):
            parts.append(np.asarray(self.spike_times[at : min(at + _BLOCK, end)], np.float64))
            limits.progress()
        times = np.concatenate(parts)
        times = times[np.abs(times) < MAX_SECONDS]
        return times if np.all(np.diff(times) >= 0) else np.sort(times)

    def extent(self, limits: ReadLimits) -> tuple[float, float]:
        """Return the times of the first and the last spike of all units, in seconds.

        Parameters
        ----------
        limits
            Limits of this process.

        Raises
        ------
        BadRecording
            If no unit has a spike.
        """
        begins = np.r_[0, self.ends[:-1]][self.rows]
        times: list[float] = []
        for index, (begin, end) in enumerate(
            zip(begins.tolist(), self.ends[self.rows].tolist(), strict=True)
        ):
            outermost = [self.spike_times[at] for at in (begin, end - 1)] if end > begin else []
            if not np.all(np.abs(outermost) < MAX_SECONDS):
                usable = self.times(index, limits)
                outermost = [usable[0], usable[-1]] if len(usable) else []
            times += map(float, outermost)
        if not times:
            raise BadRecording("none of its units has a spike.")
        return min(times), max(times)

    def rate_hz(self, begin_s: float, end_s: float) -> float:
        """Return the mean rate of the busiest unit in spikes per second.

        Parameters
        ----------
        begin_s, end_s
            Extent of the spikes in seconds.
        """
        counts = (self.ends - np.r_[0, self.ends[:-1]])[self.rows]
        return float(counts.max() / (end_s - begin_s)) if end_s > begin_s else np.inf

    def refuse_whole_times(self, limits: ReadLimits) -> None:
        """Refuse spike times that count something else than seconds.

        Parameters
        ----------
        limits
            Limits of this process.

        Raises
        ------
        BadRecording
            If all of them are whole numbers.
        """
        n_spikes = 0
        for index in range(self.n_units):
            times = self.times(index, limits)
            if np.any(times != np.rint(times)):
                return
            n_spikes += len(times)
        if n_spikes > _MIN_WHOLE:
            raise BadRecording(
                "its 'spike_times' are whole numbers, so they count samples or milliseconds. Spike times are in "
                "seconds; divide them by the number per second."
            )

    def names(self) -> NDArray[np.str_]:
        """Return unique channel names, made of area and id."""
        names = [f"{area or 'unit'}-{id_}" for area, id_ in zip(self.areas, self.ids.tolist(), strict=True)]
        if len(set(names)) < len(names):
            names = [f"{name}-{row}" for name, row in zip(names, self.rows.tolist(), strict=True)]
        return np.array(names, np.str_)


def select_units(file: Any, area: Sequence[str], quality: Sequence[str], limits: ReadLimits) -> Units:
    """Select units by area and quality.

    Parameters
    ----------
    file
        Open NWB file with units.
    area
        Areas to keep, case-insensitive; ``*`` matches any characters. Empty keeps all.
    quality
        Qualities to keep, matched likewise. Empty keeps all.
    limits
        Limits of this process; memory is reserved before each read.

    Raises
    ------
    BadRecording
        If no unit matches, or the file lacks area or quality; the message lists the values present.
    """
    table = file["units"]
    if "spike_times_index" not in table:
        raise BadRecording("its 'units' have no 'spike_times_index'.")
    ends = _integers(table["spike_times_index"], "spike_times_index", limits)
    spike_times = check_dataset(table["spike_times"], "spike_times")
    if spike_times.dtype.kind not in "iuf":
        raise BadRecording(f"'spike_times' must hold numbers, got {spike_times.dtype}.")
    if (
        np.any(np.diff(ends, prepend=0) < 0)
        or ends.max(initial=0) > spike_times.size
        or spike_times.ndim != 1
    ):
        raise BadRecording("'spike_times_index' does not fit 'spike_times'; the table of units is damaged.")
    n_units = len(ends)
    areas = _areas(file, table, n_units, limits)
    keep = np.ones(n_units, bool)
    if quality:
        keep &= _matching(_strings(table, "quality", n_units, limits), quality, "quality")
    if area:
        keep &= _matching(areas, area, "area")
    rows = np.flatnonzero(keep)
    if not len(rows):
        raise BadRecording(
            f"none of its {n_units} units matches both --area {list(area)} and --quality {list(quality)}."
        )
    ids = _integers(table["id"], "units/id", limits) if "id" in table else np.arange(n_units)
    if len(ids) != n_units:
        raise BadRecording(f"its 'units' have {len(ids)} ids for {n_units} units.")
    selected = [areas[row] for row in rows.tolist()] if areas else [""] * len(rows)
    counts = ", ".join(f"{name or 'no area'} {n}" for name, n in Counter(selected).most_common(8))
    note = f"{len(rows)} of {n_units} units" + (f" ({counts})" if any(selected) else "")
    observed = _observed(table, rows, n_units, limits)
    return Units(rows, ids[rows], selected, ends, spike_times, note, observed)


def _observed(
    table: Any, rows: NDArray[np.int64], n_units: int, limits: ReadLimits
) -> dict[int, NDArray[np.float64]]:
    """Return the intervals in which each unit was observed, by row, for units that have any."""
    if "obs_intervals" not in table or "obs_intervals_index" not in table:
        return {}
    intervals = read_dataset(table["obs_intervals"], "obs_intervals", limits)
    ends = _integers(table["obs_intervals_index"], "obs_intervals_index", limits)
    begins = np.r_[0, ends[:-1]][: len(ends)]
    fits = len(ends) == n_units and np.all(begins <= ends) and ends.max(initial=0) <= len(intervals)
    if intervals.ndim != 2 or intervals.shape[1] != 2 or intervals.dtype.kind not in "iuf" or not fits:
        raise BadRecording("'obs_intervals' does not fit its index; the table of units is damaged.")
    found = {row: merged(intervals[begins[row] : ends[row]]) for row in rows.tolist()}
    return {row: times for row, times in found.items() if len(times)}


def _areas(file: Any, table: Any, n_units: int, limits: ReadLimits) -> list[str] | None:
    """Return each unit's area, from its electrode or from a column of the unit table; None if unknown."""
    electrodes = file.get(_ELECTRODES)
    if electrodes is not None and "location" in electrodes and "id" in electrodes:
        ids = _integers(electrodes["id"], "electrodes/id", limits)
        locations = _strings(electrodes, "location", len(ids), limits)
        rows = _electrode_rows(table, ids, n_units, limits)
        if rows is not None and locations is not None:
            return [locations[row] if 0 <= row < len(locations) else "" for row in rows.tolist()]
    column = next((name for name in _AREA_COLUMNS if name in table), None)
    return None if column is None else _strings(table, column, n_units, limits)


def _electrode_rows(
    table: Any, ids: NDArray[np.int64], n_units: int, limits: ReadLimits
) -> NDArray[np.int64] | None:
    """Return each unit's row in the electrode table; -1 = none."""
    if "peak_channel_id" in table:
        peak = _integers(table["peak_channel_id"], "peak_channel_id", limits)
        row_of = {id_: row for row, id_ in enumerate(ids.tolist())}
        rows = np.array([row_of.get(id_, -1) for id_ in peak.tolist()], np.int64)
    elif "electrodes" in table:
        rows = _integers(table["electrodes"], "units/electrodes", limits)
        if "electrodes_index" in table:  # several electrodes per unit: use the first
            ends = _integers(table["electrodes_index"], "electrodes_index", limits)
            begin = np.r_[0, ends[:-1]][: len(ends)]
            inside = (begin < ends) & (begin >= 0) & (begin < len(rows))
            rows = np.where(inside, np.r_[rows, -1][np.where(inside, begin, -1)], -1)
    else:
        return None
    return rows if len(rows) == n_units else None


def _matching(values: list[str] | None, wanted: Sequence[str], what: str) -> NDArray[np.bool_]:
    """Return a mask of the values that match one of the wanted patterns."""
    if values is None:
        raise BadRecording(f"it does not hold the {what} of its units, so '--{what}' cannot be used.")
    patterns = [pattern.lower() for pattern in wanted]
    keep = np.array([any(fnmatchcase(value.lower(), one) for one in patterns) for value in values], bool)
    if not keep.any():
        present = ", ".join(f"{value or 'none'} {n}" for value, n in Counter(values).most_common(40))
        raise BadRecording(f"no unit has the {what} {', '.join(wanted)}; there are: {present}.")
    return keep


def _strings(table: Any, name: str, n: int, limits: ReadLimits) -> list[str] | None:
    """Read a column of text; None if the table lacks it."""
    if name not in table:
        return None
    column = read_dataset(table[name], name, limits)
    if column.shape != (n,):
        raise BadRecording(f"the column '{name}' must have {n} entries, got {column.shape}.")
    return ["" if (text := str(value).strip()) in _MISSING else text for value in column.tolist()]


def _integers(data: Any, name: str, limits: ReadLimits) -> NDArray[np.int64]:
    """Read a column of whole numbers as int64; NaN and infinity become -1."""
    column = read_dataset(data, name, limits)
    if column.ndim != 1 or column.dtype.kind not in "iuf":
        raise BadRecording(f"'{name}' must be a column of whole numbers, got {column.dtype} {column.shape}.")
    with np.errstate(invalid="ignore"):
        whole: NDArray[np.int64] = np.nan_to_num(column, nan=-1, posinf=-1, neginf=-1).astype(np.int64)
    return whole
