"""Reads the stimulus of an NWB file: a table of presentations as events, repeats and epochs.

Three layouts are supported: interval tables ``intervals/<stimulus>_presentations`` with ``start_time``, ``stop_time``,
``frame`` and ``stimulus_block`` (Allen Visual Coding Neuropixels, and its copies on DANDI), series of frame numbers
``stimulus/presentation/<stimulus>`` (Allen Visual Coding two-photon recordings on DANDI), and tables such as
``intervals/trials`` whose column names or numbers the stimulus of each trial.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.errors import AmbiguousStream, BadRecording
from stream.io.hdf5 import read_dataset
from stream.io.nwb_intervals import categories, columns, find_trials, stimulus_columns
from stream.io.read_limits import ReadLimits
from stream.io.stamp_checks import UNITS, refuse_other_units, unit_of_ratio
from stream.session import MAX_FRAMES, MAX_SECONDS, NO_FRAME

SUFFIX = "_presentations"
PAD_S = 5.0
"""Blank before and after each block of the stimulus that is kept, at most, in seconds."""

_BLANK_PREFIX = "spontaneous"  # tables with this prefix hold periods without a stimulus
_BLANK_GAP = 0.5  # a pause longer than this share of a frame's usual duration is a blank
# in different units, the extents of stimulus and activity differ by a thousand, up to this ratio; the second one where
# activity is so slow that the stimulus may have been shown for a part of the time
_SPREAD, _SLOW_SPREAD = 3.0, 30.0
_MIN_CONSECUTIVE = 0.5  # a stimulus is a movie if at least this share of frames follow their predecessor


@dataclass(frozen=True, slots=True)
class Presentations:
    """The presentations of one stimulus, in temporal order.

    Attributes
    ----------
    name
        Name of the stimulus.
    start, stop
        Start and end of each presentation, float64 [n], in seconds.
    frame
        Frame number of each presentation, int32 [n]; -1 = blank.
    block
        Block of each presentation, int64 [n]; a new block begins after another stimulus was shown.
    other_stimuli
        Start and end of the presentations of all other stimuli, float64 [k, 2], in seconds.
    categories
        Whether the frames are categories, which are no movie in any order.
    names
        Names of the categories, by frame, if the file has names.
    """

    name: str
    start: NDArray[np.float64]
    stop: NDArray[np.float64]
    frame: NDArray[np.int32]
    block: NDArray[np.int64]
    other_stimuli: NDArray[np.float64]
    categories: bool = False
    names: tuple[str, ...] = ()

    @property
    def is_movie(self) -> bool:
        """Whether the frames are consecutive, as those of a movie are."""
        consecutive = len(self.frame) > 1 and np.mean(np.diff(self.frame) == 1) >= _MIN_CONSECUTIVE
        return bool(consecutive and not self.categories)

    @property
    def rate_hz(self) -> float:
        """Frames per second, from the mean step without pauses: the mean averages out rounded timestamps."""
        step = np.diff(self.start)[np.diff(self.block) == 0]
        step = step[step > 0]
        usual = step[np.abs(step - np.median(step)) < _BLANK_GAP * np.median(step)] if len(step) else step
        return float(f"{1 / usual.mean():.6g}") if len(usual) else 0.0

    @property
    def repeat(self) -> NDArray[np.int32]:
        """Repeat of each presentation, int32 [n].

        A new repeat begins with each block and, in a movie, where the frame number decreases.
        """
        new = np.diff(self.block) != 0
        if self.is_movie:
            new |= np.diff(self.frame) < 0
        return np.cumsum(np.r_[False, new]).astype(np.int32)

    def events(self) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
        """Return the events for `stream.acquisition.stimulus_track.frames_at`: presentations and blanks.

        Returns
        -------
        stamps
            Start of each event, float64 [events], in seconds.
        events
            Frame and repeat, int32 [events, 2]; -1 for a blank.
        """
        shown = np.stack([self.frame, np.where(self.frame >= 0, self.repeat, -1)], 1).astype(np.int32)
        usual = float(np.median(self.stop - self.start))
        blank_follows = np.r_[np.diff(self.start) - (self.stop - self.start)[:-1] > _BLANK_GAP * usual, True]
        stamps = np.r_[self.start, self.stop[blank_follows]]
        blank = np.full((int(blank_follows.sum()), 2), NO_FRAME, np.int32)
        order = np.argsort(stamps, kind="stable")
        return stamps[order], np.concatenate([shown, blank])[order]

    def check_times(self, activity: str, begin_s: float, end_s: float, *, slow: bool) -> None:
        """Refuse times of the stimulus and of the activity that are in different units, or far apart.

        Parameters
        ----------
        activity
            Name of the activity.
        begin_s, end_s
            Its extent in seconds.
        slow
            Whether its samples or spikes are so rare that its times may be in milliseconds.

        Raises
        ------
        BadRecording
            If they are.
        """
        first, last = float(self.start.min()), float(self.stop.max())
        if first <= end_s and last >= begin_s:
            ratio = (end_s - begin_s) / (last - first)
            name, unit = self.name, unit_of_ratio(1 / ratio, _SPREAD) if ratio > 0 else None
            if slow and ratio > 1:
                name, unit = activity, unit_of_ratio(ratio, _SLOW_SPREAD)
            if unit is None:
                return
            hint = f"the times of '{name}' are in {UNITS[unit]}. Divide them by {unit:.0f}; times are in seconds."
        else:
            hint = "they do not overlap. Check the units and clocks of both."
        raise BadRecording(
            f"'{activity}' was recorded from {begin_s:g} to {end_s:g} s, but '{self.name}' was shown from {first:g} to "
            f"{last:g} s: {hint}"
        )

    def epochs(self, begin_s: float = -np.inf, end_s: float = np.inf) -> list[tuple[float, float, float]]:
        """Return the epochs to read: each block with up to `PAD_S` of blank around it; touching ones are merged.

        Parameters
        ----------
        begin_s, end_s
            Extent of the recording in seconds; no blank extends beyond it.

        Returns
        -------
        epochs
            Begin, end and first presentation of each epoch, in seconds.
        """
        epochs: list[tuple[float, float, float]] = []
        for block in np.unique(self.block):
            inside = self.block == block
            first, last = float(self.start[inside].min()), float(self.stop[inside].max())
            other_begin, other_end = self.other_stimuli.T
            before = other_end[other_end <= first + 1e-6].max(initial=-np.inf)
            after = other_begin[other_begin >= last - 1e-6].min(initial=np.inf)
            begin = min(first, max(first - PAD_S, before, begin_s))
            end = max(last, min(last + PAD_S, after, end_s))
            if epochs and begin <= epochs[-1][1]:
                begin, _, first = epochs.pop()
            epochs.append((begin, end, first))
        return epochs


def read_presentations(file: Any, stimulus: str | None, limits: ReadLimits) -> Presentations | None:
    """Read the presentations of a stimulus.

    Parameters
    ----------
    file
        Open NWB file.
    stimulus
        Name of the stimulus table, with or without its suffix, or of a table and its column as ``trials/image``; None
        for the only one with frame numbers, else the only table of trials with a column for the stimulus.
    limits
        Limits of this process; memory is reserved before each read.

    Returns
    -------
    presentations
        None if ``stimulus`` is None and no table has frame numbers or stimuli.

    Raises
    ------
    AmbiguousStream
        If ``stimulus`` is None and several tables have frame numbers, or else stimuli.
    BadRecording
        If there is no such table, or its contents are invalid.
    """
    shown = _find_tables(file)
    tables = find_trials(file) | shown
    tables = {name.removesuffix(SUFFIX): table for name, table in tables.items()}
    if stimulus is None:
        found = [name for name, table in tables.items() if _frames(table) is not None]
        found = found or [
            f"{name}/{stimuli[0]}"
            for name, table in tables.items()
            if (stimuli := stimulus_columns(table, limits))
        ]
        if len(found) > 1:
            raise AmbiguousStream(
                f"it has {len(found)} stimuli with frames; choose one with "
                f"'neuroreel convert --stimulus NAME': {', '.join(found)}."
            )
        if not found:
            return None
        stimulus = found[0]
    name, _, column = stimulus.partition("/")
    name = name.removesuffix(SUFFIX)
    if name not in tables:
        raise BadRecording(f"it has no stimulus '{name}'; it has {', '.join(tables) or 'none'}.")
    table = tables[name]
    others = {other: shown[other] for other in shown if other != name} if name in shown else {}
    if not column and _frames(table) is not None:
        return _read_table(name, table, others, limits)
    column = column or next(iter(stimulus_columns(table, limits)), "frame")
    if column not in columns(table):
        raise BadRecording(
            f"its stimulus '{name}' has no column '{column}'; its columns: {', '.join(sorted(table))}. Choose one with "
            f"'neuroreel convert --stimulus {name}/COLUMN'."
        )
    return _read_table(name, table, others, limits, column)


def _find_tables(file: Any) -> dict[str, Any]:
    """Find every presentation table; return them by the name of the stimulus."""
    tables = {}
    intervals = file.get("intervals", {})
    for name in intervals:
        if name.endswith(SUFFIX) and hasattr(intervals[name], "keys") and "start_time" in intervals[name]:
            tables[name.removesuffix(SUFFIX)] = intervals[name]
    shown = file.get("stimulus/presentation", {})
    for name in shown:
        times = {"timestamps", "starting_time"} & set(shown[name]) if hasattr(shown[name], "keys") else ()
        if times and "data" in shown[name]:
            tables.setdefault(name, shown[name])
    return tables


def _frames(table: Any) -> Any:
    """Return the column of frame numbers; None if the table has none."""
    if "frame" in table:
        return table["frame"]
    indexed = table.attrs.get("neurodata_type") in ("IndexSeries", b"IndexSeries")
    return table["data"] if indexed and "data" in table else None


def _read_table(
    stimulus: str, table: Any, others: dict[str, Any], limits: ReadLimits, column: str = ""
) -> Presentations:
    """Read one presentation table, check it, and sort it by time; with a column, its values are categories."""
    names: tuple[str, ...] = ()
    if column:
        frame, names = categories(read_dataset(table[column], f"{stimulus}/{column}", limits))
    else:
        frame = _column(_frames(table), f"{stimulus}/frame", limits)
    start, stop = _times(table, stimulus, limits)
    block = np.zeros(len(start))
    of_block = next((table[name] for name in ("stimulus_block", "block") if name in table), None)
    if of_block is not None:
        block = np.nan_to_num(_column(of_block, "stimulus_block", limits), nan=-1)
    if not len(start) == len(stop) == len(frame) == len(block):
        raise BadRecording(f"the columns of stimulus '{stimulus}' differ in length.")
    frame = np.nan_to_num(np.maximum(frame, NO_FRAME), nan=NO_FRAME)
    valid = (np.abs(start) < MAX_SECONDS) & (np.abs(stop) < MAX_SECONDS) & (stop > start)
    if not valid.any():
        raise BadRecording(f"stimulus '{stimulus}' holds no presentation with valid times.")
    if not np.all((frame == np.rint(frame)) & (frame < MAX_FRAMES)):
        raise BadRecording(f"the frames of stimulus '{stimulus}' must be whole numbers below {MAX_FRAMES}.")
    order = np.flatnonzero(valid)[np.argsort(start[valid], kind="stable")]
    other_times = [np.zeros((0, 2))]
    for name, other in others.items():
        if not name.startswith(_BLANK_PREFIX):
            other_times.append(np.stack(_times(other, name, limits), 1))
    other_stimuli = np.concatenate(other_times)
    block_changes = np.diff(block[order]) != 0
    return Presentations(
        name=f"{stimulus}/{column}" if column else stimulus,
        start=start[order],
        stop=stop[order],
        frame=frame[order].astype(np.int32),
        block=np.cumsum(np.r_[False, block_changes]).astype(np.int64),
        other_stimuli=other_stimuli[np.isfinite(other_stimuli).all(1)],
        categories=bool(column),
        names=names,
    )


def _times(table: Any, name: str, limits: ReadLimits) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return start and end of every presentation in seconds."""
    if "start_time" in table:
        start = _column(table["start_time"], f"{name}/start_time", limits)
        stop = _column(table["stop_time"], f"{name}/stop_time", limits) if "stop_time" in table else None
    elif "timestamps" in table:
        start, stop = _column(table["timestamps"], f"{name}/timestamps", limits), None
    else:
        start, stop = timestamps(table, getattr(table.get("data"), "shape", ()), limits)[0], None
    if stop is None and len(start):
        stop = np.r_[start[1:], start[-1] + (np.median(np.diff(start)) if len(start) > 1 else 0)]
        usual = np.median(stop - start)
        stop = np.where(stop - start > 1.5 * usual, start + usual, stop)  # a pause is not part of a frame
    return start, start if stop is None else stop


def timestamps(series: Any, shape: tuple[int, ...], limits: ReadLimits) -> tuple[NDArray[np.float64], float]:
    """Return the timestamps of a series, and its rate.

    Parameters
    ----------
    series
        Group with ``timestamps``, or ``starting_time`` with its rate.
    shape
        Shape of its data.
    limits
        Limits of this process.

    Returns
    -------
    stamps
        Float64 [n], in seconds.
    rate_hz
        Rate in Hz.

    Raises
    ------
    BadRecording
        If it has neither, or they are invalid.
    """
    if "timestamps" in series:
        stamps = read_dataset(series["timestamps"], "timestamps", limits).astype(np.float64).ravel()
        if not np.all(np.abs(stamps) < MAX_SECONDS):
            refuse_other_units(stamps, 0.0)
            raise BadRecording("some of its timestamps are not valid numbers of seconds.")
        step = np.diff(stamps)
        step = step[step > 0]
        return stamps, float(f"{1 / np.median(step):.6g}") if len(step) else 0.0
    if "starting_time" not in series or "rate" not in series["starting_time"].attrs:
        raise BadRecording("its series has neither 'timestamps' nor a 'starting_time' with its rate.")
    rate_hz = float(series["starting_time"].attrs["rate"])
    start = float(np.ravel(read_dataset(series["starting_time"], "starting_time", limits))[0])
    if not 0 < rate_hz < MAX_SECONDS or not abs(start) < MAX_SECONDS:
        raise BadRecording(
            f"its series has the starting time {start} s and the rate {rate_hz} Hz; one is invalid."
        )
    return start + np.arange(shape[0] if shape else 0) / rate_hz, rate_hz


def _column(data: Any, name: str, limits: ReadLimits) -> NDArray[np.float64]:
    """Read a column of numbers as float64."""
    array = read_dataset(data, name, limits)
    if array.ndim != 1 or array.dtype.kind not in "biuf":
        raise BadRecording(f"'{name}' must be a column of numbers, got {array.dtype} {array.shape}.")
    return array.astype(np.float64)
