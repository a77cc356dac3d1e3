"""Reads sessions from MATLAB files, v5 to v7.3; the variables have the names of `stream.io.arrays`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.errors import BadRecording
from stream.io.arrays import FileContents, is_session_array, orient_time_first, require_arrays
from stream.io.hdf5 import check_dataset, member, open_hdf5, read_dataset, string_array
from stream.io.limits import check_claimed_size
from stream.io.read_limits import ReadLimits

_BYTES_PER_VALUE = {"double": 8, "single": 4, "logical": 1, "char": 4, "cell": 100}
_BYTES_PER_VALUE |= {f"{sign}int{bits}": bits // 8 for sign in ("", "u") for bits in (8, 16, 32, 64)}
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MAX_CELLS = 1_000_000


def read(path: Path, limits: ReadLimits) -> FileContents:
    """Read a session from a MATLAB file.

    Parameters
    ----------
    path
        MATLAB file.
    limits
        Limits of this process; memory is reserved before each read.

    Raises
    ------
    BadRecording
        If it is not a MATLAB file, lacks a variable, or a variable holds anything but numbers and text.
    """
    with path.open("rb") as file:
        head = file.read(520)
    if head[512:520] == _HDF5_SIGNATURE or head[:8] == _HDF5_SIGNATURE:
        arrays = _read_v7_3(path, limits)
    elif head[:4].isalpha() and len(head) > 128:
        arrays = _read_v5(path, limits)
    else:
        raise BadRecording(
            "it is not a MATLAB file of version 5 to 7.3; in MATLAB, save it with '-v7' or '-v7.3'."
        )
    return FileContents(arrays, orient_time_first(arrays))


def _read_v5(path: Path, limits: ReadLimits) -> dict[str, NDArray[Any]]:
    """Read the variables of a file of version 5 to 7."""
    from scipy.io import loadmat, whosmat

    classes = {name: (shape, kind) for name, shape, kind in whosmat(path)}
    require_arrays(classes)
    known = {name: entry for name, entry in classes.items() if is_session_array(name)}
    for name, (shape, kind) in known.items():
        _check_class(name, kind)
        n_bytes = int(np.prod(shape, dtype=object)) * _BYTES_PER_VALUE[kind]
        if min(shape, default=0) < 0:
            raise BadRecording(f"'{name}' has the impossible shape {shape}.")
        check_claimed_size(name, n_bytes, path.stat().st_size)
        limits.reserve(2 * n_bytes, f"'{name}'")
    loaded = loadmat(path, variable_names=list(known), chars_as_strings=True)
    return {name: _plain(loaded[name], name) for name in known if name in loaded}


def _check_class(name: str, kind: str) -> None:
    """Check that a variable holds numbers or text, not objects, function handles or structures."""
    if kind not in _BYTES_PER_VALUE or (kind == "cell" and name != "channel_names"):
        raise BadRecording(
            f"'{name}' is a MATLAB {kind}; it must hold numbers or text. Convert or remove it."
        )


def _plain(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Convert a variable that scipy loaded to numbers or text."""
    if array.dtype.kind == "O":
        cells = [np.asarray(cell) for cell in array.ravel()]
        if not all(cell.dtype.kind == "U" and cell.size <= 1 for cell in cells):
            raise BadRecording(f"'{name}' must be a cell array of character vectors.")
        return string_array([str(cell.ravel()[0]) if cell.size else "" for cell in cells], name)
    if array.dtype.kind == "U" and name == "channel_names":
        # MATLAB pads the rows of a character matrix
        return string_array([text.rstrip() for text in array.ravel().tolist()], name)
    return array


def _read_v7_3(path: Path, limits: ReadLimits) -> dict[str, NDArray[Any]]:
    """Read the variables of a file of version 7.3, which is HDF5 with reversed axes."""
    arrays = {}
    with open_hdf5(path) as file:
        require_arrays([name for name in file if is_session_array(name)] or list(file)[:50])
        for name in file:
            if is_session_array(name):
                kind = member(file, name).attrs.get("MATLAB_class", b"double")
                kind = kind.decode("utf-8", "replace") if isinstance(kind, bytes) else str(kind)
                _check_class(name, kind)
                arrays[name] = _variable(file, name, kind, limits)
    return arrays


def _variable(file: Any, name: str, kind: str, limits: ReadLimits) -> NDArray[Any]:
    """Read one variable of a file of version 7.3."""
    data = member(file, name)
    if kind == "cell":
        if getattr(data, "size", None) is None or data.size > _MAX_CELLS or data.dtype.kind != "O":
            raise BadRecording(f"'{name}' must be a cell array of at most {_MAX_CELLS} character vectors.")
        cells = [check_dataset(file[reference], name) for reference in data[()].ravel(order="F")]
        return string_array([_decode(read_dataset(cell, name, limits)) for cell in cells], name)
    array = read_dataset(data, name, limits)
    if "MATLAB_empty" in data.attrs:
        return np.zeros((0, 0))
    if kind == "char":
        rows = [_decode(row) for row in np.atleast_2d(array.T)]
        return string_array([row.rstrip() for row in rows] if name == "channel_names" else rows[0], name)
    return np.asarray(array.T)


def _decode(codes: NDArray[Any]) -> str:
    """Decode text stored as UTF-16 code units."""
    if codes.dtype.kind not in "iu":
        raise BadRecording(f"text must be stored as UTF-16 code units, got {codes.dtype}.")
    return codes.astype(np.uint16).ravel().tobytes().decode("utf-16-le", "replace")
