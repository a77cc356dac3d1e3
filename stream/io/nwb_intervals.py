"""Intervals of an NWB file: trials whose stimulus is a category, and times that were observed or are invalid."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.errors import BadRecording
from stream.io.hdf5 import read_dataset
from stream.io.read_limits import ReadLimits
from stream.session import MAX_FRAMES, NO_FRAME

INVALID_TIMES = "invalid_times"
_STIMULUS_COLUMN = re.compile(
    r"(stim(ulus|uli)?|image|picture|scene|object|category|condition)s?"
    r"(_?(id|identity|name|number|num|no|nr|index|idx|type|label|category|condition|class|code|file))?"
)
_BLANKS = ("", "nan", "none", "n/a", "blank", "gray", "grey", "rest", "spontaneous", "omitted")
_NOT_STIMULUS = ("start_time", "stop_time", "id", "tags", "timeseries")
_EDGE = 1e-3  # of a bin, which may lie outside by rounding
_MAX_LISTED = 20


def find_trials(file: Any) -> dict[str, Any]:
    """Find every table of intervals that may hold a stimulus beside the tables of presentations.

    Parameters
    ----------
    file
        Open NWB file.

    Returns
    -------
    tables
        Tables by name, such as ``trials`` or ``epochs``.
    """
    intervals, tables = file.get("intervals", {}), {}
    for name in intervals:
        try:
            table = intervals[name]
        except (KeyError, OSError, RuntimeError):  # a link that leads nowhere, or into another file
            continue
        if name != INVALID_TIMES and hasattr(table, "keys") and {"start_time", "stop_time"} <= set(table):
            tables[name] = table
    return tables


def columns(table: Any) -> list[str]:
    """Return the columns of a table that hold one value per row, in the order of the table.

    Parameters
    ----------
    table
        Table of intervals.
    """
    if "start_time" not in table:
        return []
    names = [name for name in table if name not in _NOT_STIMULUS and f"{name}_index" not in table]
    names = [name for name in names if getattr(table[name], "shape", None) == table["start_time"].shape]
    order = [
        name.decode() if isinstance(name, bytes) else str(name) for name in table.attrs.get("colnames", ())
    ]
    return sorted(names, key=lambda name: order.index(name) if name in order else len(order))


def stimulus_columns(table: Any, limits: ReadLimits) -> list[str]:
    """Return the columns of a table that, by their names, hold a stimulus, and several of them.

    Parameters
    ----------
    table
        Table of intervals.
    limits
        Limits of this process.
    """
    named = [name for name in columns(table) if _STIMULUS_COLUMN.fullmatch(name.lower())]
    return [name for name in named if len(np.unique(read_dataset(table[name], name, limits))) > 1]


def categories(values: NDArray[Any]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Number the stimuli of a column.

    Parameters
    ----------
    values
        Numbers or texts [n].

    Returns
    -------
    frame
        Float64 [n]: whole numbers from 0 as they are, other values by their rank; -1 = no stimulus.
    names
        Value of each rank; empty if the numbers are as they were.

    Examples
    --------
    >>> categories(np.array(["face", "house", "blank", "face"]))
    (array([ 0.,  1., -1.,  0.]), ('face', 'house'))
    >>> categories(np.array(["3", "7", "3"]))
    (array([3., 7., 3.]), ())
    """
    if values.dtype.kind == "U":
        texts = np.char.strip(values)
        blank = np.isin(np.char.lower(texts), _BLANKS)
        if not all(text.isdecimal() and len(text) < len(str(MAX_FRAMES)) for text in texts[~blank].tolist()):
            return _ranks(texts, blank)
        values = np.where(blank, str(NO_FRAME), texts)
    numbers = values.astype(np.float64)
    blank = ~np.isfinite(numbers) | (numbers == NO_FRAME)
    known = numbers[~blank]
    if np.all((known == np.rint(known)) & (known >= 0) & (known < MAX_FRAMES)):
        return np.where(blank, NO_FRAME, numbers), ()
    return _ranks(numbers, blank)


def _ranks(values: NDArray[Any], blank: NDArray[np.bool_]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Number values by their rank."""
    names, rank = np.unique(values[~blank], return_inverse=True)
    frame = np.full(len(values), float(NO_FRAME))
    frame[~blank] = rank
    return frame, tuple(str(name) for name in names.tolist())


def invalid_times(file: Any, limits: ReadLimits) -> NDArray[np.float64]:
    """Read the times that the file calls invalid, float64 [n, 2], in seconds; merged.

    Parameters
    ----------
    file
        Open NWB file.
    limits
        Limits of this process.
    """
    table = file.get(f"intervals/{INVALID_TIMES}")
    if table is None or not hasattr(table, "keys") or not {"start_time", "stop_time"} <= set(table):
        return np.zeros((0, 2))
    ends = [read_dataset(table[name], name, limits) for name in ("start_time", "stop_time")]
    if ends[0].shape != ends[1].shape or ends[0].ndim != 1:
        raise BadRecording(f"the columns of '{INVALID_TIMES}' differ in length.")
    return merged(np.stack(ends, 1))


def merged(intervals: NDArray[Any]) -> NDArray[np.float64]:
    """Sort intervals and join those that touch.

    Parameters
    ----------
    intervals
        Begin and end of each, [n, 2], in seconds; those that are not finite or not positive are left out.

    Examples
    --------
    >>> merged(np.array([[5, 6], [0, 2], [2, 3]])).tolist()
    [[0.0, 3.0], [5.0, 6.0]]
    """
    found = np.asarray(intervals, np.float64).reshape(-1, 2)
    found = found[np.isfinite(found).all(1) & (found[:, 1] > found[:, 0])]
    found = found[np.argsort(found[:, 0], kind="stable")]
    until = np.maximum.accumulate(found[:, 1]) if len(found) else found[:, 1]
    new = np.r_[True, found[1:, 0] > until[:-1]][: len(found)]
    return np.stack([found[new, 0], until[np.r_[new[1:], True][: len(found)]]], 1)


def within(
    intervals: NDArray[np.float64], begin: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return which bins lie within one of the intervals, bool [bins].

    Parameters
    ----------
    intervals
        Merged intervals [n, 2], in seconds.
    begin, end
        Edges of the bins [bins], in seconds.
    """
    if not len(intervals):
        return np.zeros(len(begin), bool)
    edge = _EDGE * (end - begin)
    at = np.searchsorted(intervals[:, 0], begin + edge, side="right") - 1
    inside: NDArray[np.bool_] = (at >= 0) & (end - edge <= intervals[at, 1])
    return inside


def overlap(
    intervals: NDArray[np.float64], begin: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return which bins one of the intervals overlaps, bool [bins]; parameters as for `within`."""
    edge = _EDGE * (end - begin)
    first = np.searchsorted(intervals[:, 1], begin + edge, side="right")
    last = np.searchsorted(intervals[:, 0], end - edge, side="left")
    return np.asarray(first < last)


def listed(names: Sequence[str]) -> str:
    """Format the names of categories for a note: 0 = face, 1 = house.

    Parameters
    ----------
    names
        Names in order.
    """
    text = ", ".join(f"{rank} = {name[:40]}" for rank, name in enumerate(names[:_MAX_LISTED]))
    return text + (f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else "")
