"""A recording as a table of text: one line per sample, one column per channel.

The first line names the columns: ``time``, ``frame``, optional ``repeat`` and ``segment``, ``label_<name>`` or
``label_<name>[0]``, ``label_<name>[1]`` ..., and every other column is a channel. A line before it that begins
with ``# neuroreel`` may hold what no column does, as JSON: kind, rate, name and clips of the movie.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from stream.errors import BadRecording, BadUsage, NeuroReelError, ShapeMismatch, refuse_existing
from stream.io.arrays import NUMBERS, TEXTS, session_from_arrays, session_to_arrays
from stream.io.limits import check_fits_memory
from stream.session import Session

_FACTS = "# neuroreel "
_COLUMNS = {"time": "stamps", "frame": "frame", "repeat": "repeat", "segment": "segment"}
_LABEL = re.compile(r"label_(.+)\[(\d+)\]", re.DOTALL)
_MISSING = ("", "na", "n/a", "null")
_ROWS = 2048
_MAX_LINE = 20_000_000
_BLOW_UP = 8  # two letters, such as '0,', become eight bytes, and are there twice for a moment


def save_csv(session: Session, path: Path | str, *, force: bool = False) -> None:
    """Write a recording as CSV; numbers come back to the last bit.

    Parameters
    ----------
    session
        Its movie's pictures are not written, only what the movie is.
    path
        Where to.
    force
        Overwrite an existing file.

    Raises
    ------
    OutputExists
        When ``path`` is there and ``force`` is not given.
    BadUsage
        When a channel has a name that means another column.
    """
    path = refuse_existing(path, force=force, recording=True)
    arrays = session_to_arrays(session)
    for name in session.channel_names:
        if name in _COLUMNS or name.startswith("label_") or not name.strip():
            raise BadUsage(
                f"a channel called {name!r} cannot be written as CSV, where that is another column."
            )
    if not all(label.shape[1] for label in session.labels.values()):
        raise BadUsage("a label without a single column cannot be written as CSV.")
    labels = [
        f"label_{column}" for name, label in session.labels.items() for column in _label_columns(name, label)
    ]
    facts = {name: arrays[name].item() for name in (*TEXTS, *NUMBERS) if name in arrays}
    with path.open("w" if force else "x", encoding="utf-8", newline="") as file:
        file.write(_FACTS + json.dumps(facts) + "\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*_COLUMNS, *labels, *session.channel_names])
        for at in range(0, session.n_samples, _ROWS):
            part = slice(at, at + _ROWS)
            whole = np.stack([session.frame[part], session.repeat[part], session.segment[part]], 1).tolist()
            values = np.hstack([*(label[part] for label in session.labels.values()), session.neural[part]])
            for stamp, counts, row in zip(session.stamps[part].tolist(), whole, values.tolist(), strict=True):
                writer.writerow([repr(stamp), *counts, *map(_number, row)])


def _label_columns(name: str, label: NDArray[np.float32]) -> list[str]:
    """What the columns of a label are called."""
    if label.shape[1] == 1 and not name.endswith("]"):
        return [name]
    return [f"{name}[{column}]" for column in range(label.shape[1])]


def _number(value: float) -> str:
    """A number of 32 bits, in as many digits as it takes to have it back."""
    return f"{value:.9g}"


def load_csv(path: Path | str) -> Session:
    """Read a recording from a CSV file.

    Parameters
    ----------
    path
        The file, with commas, or semicolons or tabs when the line of names has no comma.

    Raises
    ------
    BadRecording
        When it is missing, no table, or holds something that is no number; the message names the line.
    ShapeMismatch
        When its columns do not fit together.
    """
    path = Path(path)
    if not path.is_file():
        raise BadRecording(f"no such recording: {path}.")
    try:
        check_fits_memory(_BLOW_UP * path.stat().st_size, "it")
        with path.open(encoding="utf-8-sig", newline="") as file:
            return session_from_arrays(_read(file), path.stem)
    except ShapeMismatch as error:
        raise ShapeMismatch(f"{path}: {error}") from error
    except NeuroReelError as error:
        raise BadRecording(f"{path}: {error}") from error
    except (ValueError, TypeError, OverflowError, csv.Error, RecursionError, MemoryError) as error:
        raise BadRecording(f"{path} cannot be read as CSV: {error}.") from error


def _read(file: IO[str]) -> dict[str, NDArray[Any]]:
    """The columns as the arrays of a session."""
    lines = _lines(file)
    first, n_before, facts = next(lines, ""), 1, {}
    while first.startswith("#"):
        if first.startswith(_FACTS):
            facts = json.loads(first.removeprefix(_FACTS))
        first, n_before = next(lines, ""), n_before + 1
    if not isinstance(facts, dict):
        raise BadRecording(f"the line '{_FACTS}' must hold an object of JSON.")
    delimiter = next((mark for mark in ",;\t" if mark in first), ",")
    reader = csv.reader(_with(first, lines), delimiter=delimiter)
    names = [name if facts else name.strip() for name in next(reader, [])]
    n_before += reader.line_num - 1
    if "time" not in names or "frame" not in names:
        raise BadRecording(
            f"its first line must name the columns, 'time' and 'frame' among them; got {names[:12]}."
        )
    if len(set(names)) < len(names) or "" in names:
        raise BadRecording("two columns have the same name, or one has none.")
    table = _table(reader, len(names), n_before)
    arrays = _columns(names, table)
    arrays |= {name: np.array(str(facts[name])) for name in TEXTS if name in facts}
    return arrays | {name: np.array(float(facts[name])) for name in NUMBERS if name in facts}


def _lines(file: IO[str]) -> Iterator[str]:
    """Lines of a bounded length."""
    while line := file.readline(_MAX_LINE):
        if len(line) == _MAX_LINE:
            raise BadRecording(f"a line of more than {_MAX_LINE} letters.")
        yield line


def _with(first: str, lines: Iterator[str]) -> Iterator[str]:
    yield first
    yield from lines


def _table(reader: Iterable[list[str]], n_columns: int, n_before: int) -> NDArray[np.float64]:
    """All numbers, float64 [line, column]."""
    rows = iter(reader)
    parts = [np.zeros((0, n_columns))]
    at = n_before
    while part := list(islice(rows, _ROWS)):
        for index, row in enumerate(part):
            if row and len(row) != n_columns:
                raise BadRecording(
                    f"line {at + index + 1} has {len(row)} values, but there are {n_columns} columns."
                )
        filled = [row for row in part if row]
        try:
            numbers = np.array(filled, np.float64).reshape(-1, n_columns)
        except ValueError:
            numbers = _slowly(part, at)
        parts.append(numbers)
        at += len(part)
    return np.concatenate(parts)


def _slowly(part: list[list[str]], at: int) -> NDArray[np.float64]:
    """Numbers of lines where some are missing or are none."""
    values = []
    for index, row in enumerate(part):
        try:
            values += (
                [[np.nan if cell.strip().lower() in _MISSING else float(cell) for cell in row]] if row else []
            )
        except ValueError as error:
            raise BadRecording(f"line {at + index + 1}: {error}.") from None
    return np.array(values, np.float64)


def _columns(names: list[str], table: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """The columns of a table, sorted by what they are."""
    arrays: dict[str, NDArray[Any]] = {}
    labels: dict[str, dict[int, int]] = {}
    channels = []
    for column, name in enumerate(names):
        found = _LABEL.fullmatch(name)
        if name in _COLUMNS:
            arrays[_COLUMNS[name]] = table[:, column]
        elif found:
            labels.setdefault(found[1], {})[int(found[2])] = column
        elif name.startswith("label_"):
            labels.setdefault(name.removeprefix("label_"), {})[0] = column
        else:
            channels.append(column)
    with np.errstate(over="ignore"):
        for name, columns in labels.items():
            if sorted(columns) != list(range(len(columns))):
                raise BadRecording(
                    f"the columns of label '{name}' must count from [0]; got {sorted(columns)}."
                )
            order = [columns[index] for index in sorted(columns)]
            arrays[f"label_{name}"] = table[:, order].astype(np.float32)
        arrays["neural"] = table[:, channels].astype(np.float32)
    arrays["channel_names"] = np.array([names[column] for column in channels], np.str_)
    return arrays
