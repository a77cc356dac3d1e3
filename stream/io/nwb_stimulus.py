"""What an NWB file says of what was shown: a table of presentations as events, showings and stretches of time.

Two layouts: interval tables ``intervals/<stimulus>_presentations`` with ``start_time``, ``stop_time``, ``frame`` and
``stimulus_block`` (Allen Visual Coding Neuropixels, and DANDI's copies of it), and series of frame numbers
``stimulus/presentation/<stimulus>`` (DANDI's Allen Visual Coding two-photon recordings).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.errors import AmbiguousStream, BadRecording
from stream.io.hdf5 import read_dataset
from stream.io.read_limits import ReadLimits
from stream.session import MAX_FRAMES, MAX_SECONDS, NO_FRAME

SUFFIX = "_presentations"
PAD_S = 5.0
"""So much of the blank before and after a block of a stimulus belongs to the recording."""

_GRAY = "spontaneous"  # so begin the names of tables in which nothing was shown
_GAP = 0.5  # a pause longer than this share of a frame's usual time is a blank
_IN_ORDER = 0.5  # a movie's frame follows the one before it at least this often


@dataclass(frozen=True, slots=True)
class Presentations:
    """What was shown, in order of time.

    Attributes
    ----------
    name
        Of the stimulus.
    start, stop
        Float64 [n], seconds.
    frame
        Int32 [n]; -1 = blank.
    block
        Int64 [n]; counts on where presentations of another stimulus came between.
    others
        Float64 [k, 2], seconds: when something else was shown.
    """

    name: str
    start: NDArray[np.float64]
    stop: NDArray[np.float64]
    frame: NDArray[np.int32]
    block: NDArray[np.int64]
    others: NDArray[np.float64]

    @property
    def in_order(self) -> bool:
        """Whether frames follow each other, as a movie's do."""
        return bool(len(self.frame) > 1 and np.mean(np.diff(self.frame) == 1) >= _IN_ORDER)

    @property
    def rate_hz(self) -> float:
        """Frames per second: by the mean step, since stamps may be rounded, but without pauses."""
        step = np.diff(self.start)[np.diff(self.block) == 0]
        step = step[step > 0]
        usual = step[np.abs(step - np.median(step)) < _GAP * np.median(step)] if len(step) else step
        return float(f"{1 / usual.mean():.6g}") if len(usual) else 0.0

    @property
    def repeat(self) -> NDArray[np.int32]:
        """Int32 [n]: which showing; a new one begins where the frame falls back, and with a new block.

        Of frames in no order only blocks can be told apart.
        """
        new = np.diff(self.block) != 0
        if self.in_order:
            new |= np.diff(self.frame) < 0
        return np.cumsum(np.r_[False, new]).astype(np.int32)

    def events(self) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
        """When every presentation begins, and every blank after one: as `frames_at` of the stimulus track takes it."""
        shown = np.stack([self.frame, np.where(self.frame >= 0, self.repeat, -1)], 1).astype(np.int32)
        usual = float(np.median(self.stop - self.start))
        ends = np.r_[np.diff(self.start) - (self.stop - self.start)[:-1] > _GAP * usual, True]
        stamps = np.r_[self.start, self.stop[ends]]
        blank = np.full((int(ends.sum()), 2), NO_FRAME, np.int32)
        order = np.argsort(stamps, kind="stable")
        return stamps[order], np.concatenate([shown, blank])[order]

    def epochs(self, begin_s: float = -np.inf, end_s: float = np.inf) -> list[tuple[float, float, float]]:
        """Begin, end, first presentation of each stretch: blocks and the blank around them, joined when they meet.

        Parameters
        ----------
        begin_s, end_s
            Of the recording, which no blank goes beyond.
        """
        epochs: list[tuple[float, float, float]] = []
        for block in np.unique(self.block):
            inside = self.block == block
            first, last = float(self.start[inside].min()), float(self.stop[inside].max())
            before = self.others[self.others[:, 1] <= first + 1e-6, 1].max(initial=-np.inf)
            after = self.others[self.others[:, 0] >= last - 1e-6, 0].min(initial=np.inf)
            begin = min(first, max(first - PAD_S, before, begin_s))
            end = max(last, min(last + PAD_S, after, end_s))
            if epochs and begin <= epochs[-1][1]:
                begin, _, first = epochs.pop()
            epochs.append((begin, end, first))
        return epochs


def presentations(file: Any, stimulus: str | None, limits: ReadLimits) -> Presentations | None:
    """What was shown.

    Parameters
    ----------
    file
        The NWB file, open.
    stimulus
        Which table, without its suffix; None = the only one that counts frames.
    allowance
        Asked before anything large is read.

    Returns
    -------
    presentations
        None when the file has no table that counts frames, and none was asked for.

    Raises
    ------
    AmbiguousStream
        When several tables count frames and none was asked for.
    BadRecording
        When there is no such table, or it cannot be used.
    """
    tables = _tables(file)
    counting = {name: table for name, table in tables.items() if _frames(table) is not None}
    if stimulus is None:
        if len(counting) > 1:
            raise AmbiguousStream(
                f"it has {len(counting)} stimuli with frames; choose one with 'neuroreel convert --stimulus NAME': "
                f"{', '.join(counting)}."
            )
        if not counting:
            return None
        stimulus = next(iter(counting))
    stimulus = stimulus.removesuffix(SUFFIX)
    if stimulus not in tables:
        raise BadRecording(f"it has no stimulus '{stimulus}'; it has {', '.join(tables) or 'none'}.")
    if stimulus not in counting:
        columns = ", ".join(sorted(tables[stimulus]))
        raise BadRecording(f"its stimulus '{stimulus}' has no column 'frame'; its columns: {columns}.")
    return _presentations(stimulus, tables, limits)


def _tables(file: Any) -> dict[str, Any]:
    """Every table of presentations by the name of its stimulus."""
    tables = {}
    intervals = file.get("intervals", {})
    for name in intervals:
        if name.endswith(SUFFIX) and hasattr(intervals[name], "keys") and "start_time" in intervals[name]:
            tables[name.removesuffix(SUFFIX)] = intervals[name]
    shown = file.get("stimulus/presentation", {})
    for name in shown:
        if hasattr(shown[name], "keys") and {"data", "timestamps"} <= set(shown[name]):
            tables.setdefault(name, shown[name])
    return tables


def _frames(table: Any) -> Any:
    """The column that counts frames."""
    if "frame" in table:
        return table["frame"]
    indexed = table.attrs.get("neurodata_type") in ("IndexSeries", b"IndexSeries")
    return table["data"] if indexed and "data" in table else None


def _presentations(stimulus: str, tables: dict[str, Any], limits: ReadLimits) -> Presentations:
    """One table, checked and in order of time."""
    table = tables[stimulus]
    frame = _column(_frames(table), f"{stimulus}/frame", limits)
    start, stop = _times(table, stimulus, limits)
    block = np.zeros(len(start))
    if "stimulus_block" in table:
        block = np.nan_to_num(_column(table["stimulus_block"], "stimulus_block", limits), nan=-1)
    if not len(start) == len(stop) == len(frame) == len(block):
        raise BadRecording(f"the columns of stimulus '{stimulus}' differ in length.")
    frame = np.nan_to_num(np.maximum(frame, NO_FRAME), nan=NO_FRAME)
    sound = (np.abs(start) < MAX_SECONDS) & (np.abs(stop) < MAX_SECONDS) & (stop > start)
    if not sound.any() or not np.all((frame == np.rint(frame)) & (frame < MAX_FRAMES)):
        raise BadRecording(
            f"stimulus '{stimulus}' holds no presentation, or frames that are no whole numbers."
        )
    order = np.flatnonzero(sound)[np.argsort(start[sound], kind="stable")]
    others = [np.zeros((0, 2))]
    for name, other in tables.items():
        if name != stimulus and not name.startswith(_GRAY):
            others.append(np.stack(_times(other, name, limits), 1))
    between = np.concatenate(others)
    changed = np.diff(block[order]) != 0
    return Presentations(
        name=stimulus,
        start=start[order],
        stop=stop[order],
        frame=frame[order].astype(np.int32),
        block=np.cumsum(np.r_[False, changed]).astype(np.int64),
        others=between[np.isfinite(between).all(1)],
    )


def _times(table: Any, name: str, limits: ReadLimits) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Begin and end of every presentation."""
    if "start_time" in table:
        start = _column(table["start_time"], f"{name}/start_time", limits)
        stop = _column(table["stop_time"], f"{name}/stop_time", limits) if "stop_time" in table else None
    else:
        start, stop = _column(table["timestamps"], f"{name}/timestamps", limits), None
    if stop is None and len(start):
        stop = np.r_[start[1:], start[-1] + (np.median(np.diff(start)) if len(start) > 1 else 0)]
        usual = np.median(stop - start)
        stop = np.where(stop - start > 1.5 * usual, start + usual, stop)  # a pause is not shown
    return start, start if stop is None else stop


def _column(data: Any, name: str, limits: ReadLimits) -> NDArray[np.float64]:
    """A column of numbers."""
    array = read_dataset(data, name, limits)
    if array.ndim != 1 or array.dtype.kind not in "biuf":
        raise BadRecording(f"'{name}' must be a column of numbers, got {array.dtype} {array.shape}.")
    return array.astype(np.float64)
