"""Reads and writes sessions as CSV: one line per sample, one column per channel.

The header names the columns: ``time``, ``frame``, optional ``repeat``, ``segment``, ``label_<name>`` or
``label_<name>[0]``, ``label_<name>[1]`` ...; every other column is a channel. A line ``# neuroreel {...}`` before the
header may hold metadata as JSON: kind, rate, name and clips of the movie.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from stream.errors import BadRecording, BadUsage, NeuroReelError, ShapeMismatch
from stream.io.arrays import NUMBERS, STRINGS, session_from_arrays, session_to_arrays
from stream.io.limits import check_fits_memory
from stream.output_files import replacing
from stream.session import Session

_FACTS = "# neuroreel "
_COLUMNS = {"time": "stamps", "frame": "frame", "repeat": "repeat", "segment": "segment"}
_LABEL = re.compile(r"label_(.+)\[(\d+)\]", re.DOTALL)
_MISSING = ("", "na", "n/a", "null")
_ROWS_PER_BLOCK = 2048
_MAX_LINE_CHARACTERS = 20_000_000
_EXPANSION = 8  # memory per byte of text: '0,' becomes a float64, and two copies exist for a moment


def save_csv(session: Session, path: Path | str, *, force: bool = False) -> None:
    """Write a session as CSV; `load_csv` restores every number to the last bit.

    Parameters
    ----------
    session
        Recording to write; the movie's clips are stored, its pictures are not.
    path
        Output file.
    force
        Overwrite an existing file.

    Raises
    ------
    OutputExists
        If ``path`` exists and ``force`` is not set.
    CannotWrite
        If the file cannot be written; one that existed is then unchanged.
    BadUsage
        If a channel has the name of another column, or a label has no column.
    """
    arrays = session_to_arrays(session)
    for name in session.channel_names:
        if name in _COLUMNS or name.startswith("label_") or not name.strip():
            raise BadUsage(
                f"channel {name!r} cannot be written as CSV: the format reserves this name. Rename the channel."
            )
    if not all(label.shape[1] for label in session.labels.values()):
        raise BadUsage("a label without any column cannot be written as CSV.")
    labels = [
        f"label_{column}" for name, label in session.labels.items() for column in _label_columns(name, label)
    ]
    facts = {name: arrays[name].item() for name in (*STRINGS, *NUMBERS) if name in arrays}
    with (
        replacing(path, force=force, recording=True) as partial,
        partial.open("x", encoding="utf-8", newline="") as file,
    ):
        file.write(_FACTS + json.dumps(facts) + "\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*_COLUMNS, *labels, *session.channel_names])
        for at in range(0, session.n_samples, _ROWS_PER_BLOCK):
            part = slice(at, at + _ROWS_PER_BLOCK)
            integers = np.stack([session.frame[part], session.repeat[part], session.segment[part]], 1)
            values = np.hstack([*(label[part] for label in session.labels.values()), session.neural[part]])
            rows = zip(session.stamps[part].tolist(), integers.tolist(), values.tolist(), strict=True)
            for stamp, row_integers, row_values in rows:
                writer.writerow([repr(stamp), *row_integers, *map(_number, row_values)])


def _label_columns(name: str, label: NDArray[np.float32]) -> list[str]:
    """Return the column names of a label."""
    if label.shape[1] == 1 and not name.endswith("]"):
        return [name]
    return [f"{name}[{column}]" for column in range(label.shape[1])]


def _number(value: float) -> str:
    """Format a float32 value with enough digits to restore it exactly."""
    return f"{value:.9g}"


def load_csv(path: Path | str) -> Session:
    """Read a session from a CSV file.

    Parameters
    ----------
    path
        File with commas as separators, or semicolons or tabs if its header has no comma.

    Raises
    ------
    BadRecording
        If the file is missing, is not a table, or holds an invalid number; the message names the line.
    ShapeMismatch
        If its columns do not fit together.
    """
    path = Path(path)
    if not path.is_file():
        raise BadRecording(f"no such recording: {path}.")
    try:
        check_fits_memory(_EXPANSION * path.stat().st_size, "it")
        with path.open(encoding="utf-8-sig", newline="") as file:
            return session_from_arrays(_read(file), path.stem)
    except ShapeMismatch as error:
        raise ShapeMismatch(f"{path}: {error}") from error
    except NeuroReelError as error:
        raise BadRecording(f"{path}: {error}") from error
    except UnicodeDecodeError as error:
        raise BadRecording(f"{path} is not text in UTF-8 ({error}). Save it as CSV in UTF-8.") from error
    except (ValueError, TypeError, OverflowError, csv.Error, RecursionError, MemoryError) as error:
        raise BadRecording(f"{path} cannot be read as CSV: {error}.") from error


def _read(file: IO[str]) -> dict[str, NDArray[Any]]:
    """Read the table as the arrays of a session."""
    lines = _lines(file)
    header, n_before, facts = next(lines, ""), 1, {}
    while header.startswith("#"):
        if header.startswith(_FACTS):
            facts = json.loads(header.removeprefix(_FACTS))
        header, n_before = next(lines, ""), n_before + 1
    if not isinstance(facts, dict):
        raise BadRecording(f"the line '{_FACTS}' must hold a JSON object.")
    delimiter = next((mark for mark in ",;\t" if mark in header), ",")
    reader = csv.reader(chain([header], lines), delimiter=delimiter)
    names = [name if facts else name.strip() for name in next(reader, [])]
    n_before += reader.line_num - 1
    if "time" not in names or not any(name == "frame" or name.startswith("label_") for name in names):
        raise BadRecording(
            f"its first line must name the columns, 'time' and 'frame' among them; got {names[:12]}."
        )
    invalid = [name for name, n in Counter(names).items() if n > 1 or not name or "\0" in name]
    if invalid:
        raise BadRecording(
            f"column names must be unique, not empty and without NUL; invalid ones: {invalid[:8]}."
        )
    table = _table(reader, len(names), n_before)
    arrays = _columns(names, table)
    arrays |= {name: np.array(str(facts[name])) for name in STRINGS if name in facts}
    return arrays | {name: np.array(float(facts[name])) for name in NUMBERS if name in facts}


def _lines(file: IO[str]) -> Iterator[str]:
    """Yield the lines of a file, refusing extremely long ones."""
    while line := file.readline(_MAX_LINE_CHARACTERS):
        if len(line) == _MAX_LINE_CHARACTERS:
            raise BadRecording(f"a line has more than {_MAX_LINE_CHARACTERS} characters.")
        yield line


def _table(reader: Iterable[list[str]], n_columns: int, n_before: int) -> NDArray[np.float64]:
    """Read all numbers as float64 [line, column]."""
    rows = iter(reader)
    parts = [np.zeros((0, n_columns))]
    at = n_before
    while part := list(islice(rows, _ROWS_PER_BLOCK)):
        for index, row in enumerate(part):
            if row and len(row) != n_columns:
                raise BadRecording(
                    f"line {at + index + 1} has {len(row)} values, but there are {n_columns} columns."
                )
        filled = [row for row in part if row]
        try:
            numbers = np.array(filled, np.float64).reshape(-1, n_columns)
        except ValueError:
            numbers = _parse_cells(part, at)
        parts.append(numbers)
        at += len(part)
    return np.concatenate(parts)


def _parse_cells(part: list[list[str]], at: int) -> NDArray[np.float64]:
    """Parse lines cell by cell: the slow way, which accepts missing values and names an invalid line."""
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
    """Sort the columns of a table into the arrays of a session."""
    arrays: dict[str, NDArray[Any]] = {}
    labels: dict[str, dict[int, int]] = {}
    channels = []
    for column, name in enumerate(names):
        match = _LABEL.fullmatch(name)
        if name in _COLUMNS:
            arrays[_COLUMNS[name]] = table[:, column]
        elif match:
            labels.setdefault(match[1], {})[int(match[2])] = column
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
