"""The HDF5 session: the arrays of `stream.io.arrays` as datasets, single values as attributes of the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.errors import BadRecording, BadUsage, already_there
from stream.io.arrays import (
    FileContents,
    is_session_array,
    orient_time_first,
    require_arrays,
    session_to_arrays,
)
from stream.io.lazy_array import MAX_LOADED_BYTES
from stream.io.limits import check_claimed_size
from stream.io.read_limits import ReadLimits
from stream.session import Session

_CHUNK_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 24
_MAX_LETTERS = 10_000_000


def import_h5py() -> Any:
    """The library h5py.

    Raises
    ------
    BadUsage
        When it is not installed; the message says how to.
    """
    try:
        import h5py
    except ImportError:
        raise BadUsage(
            "NWB, HDF5 and MATLAB 7.3 files are read with h5py, which is not installed: pip install 'neuroreel[nwb]'."
        ) from None
    return h5py


def save_hdf5(session: Session, path: Path | str, *, force: bool = False) -> None:
    """Write a recording as HDF5, in chunks that are compressed without loss, a block at a time.

    Parameters
    ----------
    session
        With its movie's pictures, when it has them.
    path
        Where to.
    force
        Overwrite an existing file.

    Raises
    ------
    OutputExists
        When ``path`` is there and ``force`` is not given.
    BadUsage
        When h5py is not installed.
    """
    h5py = import_h5py()
    try:
        file = h5py.File(path, "w" if force else "x")
    except FileExistsError:
        raise already_there(path, recording=True) from None
    with file:
        for name, array in session_to_arrays(session).items():
            if np.ndim(array) == 0:
                value = array.item()
                file.attrs[name] = value
            elif isinstance(array, np.ndarray) and array.dtype.kind == "U":
                file.create_dataset(name, data=array.astype(object), dtype=h5py.string_dtype())
            else:
                _write(file, _escape_slash(name), array)


def _escape_slash(name: str) -> str:
    """The name of a dataset: a slash in a label's name would make a group of HDF5."""
    return name.replace("%", "%25").replace("/", "%2F")


def _unescape_slash(name: str) -> str:
    """What `_escape_slash` was given."""
    return name.replace("%2F", "/").replace("%25", "%")


def _write(file: Any, name: str, array: Any) -> None:
    """One array, block by block, so that what is on disk itself never is in memory as a whole."""
    if not all(array.shape):
        file.create_dataset(name, data=np.asarray(array))
        return
    row_bytes = max(1, int(np.prod(array.shape[1:], dtype=object)) * array.dtype.itemsize)
    rows = max(1, min(len(array), _CHUNK_BYTES // row_bytes))
    data = file.create_dataset(
        name,
        shape=array.shape,
        dtype=array.dtype,
        chunks=(rows, *array.shape[1:]),
        compression="gzip",
        compression_opts=4,
        shuffle=True,
    )
    block = rows * max(1, _BLOCK_BYTES // (rows * row_bytes))
    for at in range(0, len(array), block):
        data[at : at + block] = np.asarray(array[at : at + block])


def read(path: Path, limits: ReadLimits) -> FileContents:
    """Read an HDF5 session.

    Parameters
    ----------
    path
        The file.
    allowance
        Asked before anything large is read.

    Raises
    ------
    BadRecording
        When it lacks an array, or one is not what it should be.
    """
    with import_h5py().File(path, "r") as file:
        require_arrays([name for name in file if is_session_array(name)] or list(file)[:50])
        arrays = {
            name: _attribute(value, name) for name, value in file.attrs.items() if is_session_array(name)
        }
        shape = check_dataset(file["neural"], "neural").shape
        large = len(shape) == 2 and 4 * shape[0] * shape[1] > MAX_LOADED_BYTES
        for name in file:
            if is_session_array(name) and not (large and name == "neural"):
                arrays[_unescape_slash(name)] = read_dataset(file[name], name, limits)
        if large:
            if len(arrays["stamps"]) != shape[0]:
                raise BadRecording(
                    f"'neural' is {shape}, but there are {len(arrays['stamps'])} stamps; it must be [time, channels]."
                )
            verify_readable(file["neural"], limits)
            return FileContents(arrays, [], "neural")
    return FileContents(arrays, orient_time_first(arrays))


def check_dataset(data: Any, name: str) -> Any:
    """A dataset whose claims fit its stored bytes.

    Parameters
    ----------
    data
        What the file has under that name.
    name
        For the messages.

    Raises
    ------
    BadRecording
        When it is no dataset, or claims too much.
    """
    if not hasattr(data, "chunks") or data.shape is None:
        raise BadRecording(f"'{name}' is no array.")
    if data.dtype.kind not in "biuf" and import_h5py().check_string_dtype(data.dtype) is None:
        raise BadRecording(f"'{name}' must hold numbers or text, got {data.dtype}.")
    n_stored = min(data.id.get_storage_size(), data.file.id.get_filesize())
    if data.external or data.is_virtual:
        raise BadRecording(f"'{name}' lies in another file, which is not read.")
    for n_values in (data.size, int(np.prod(data.chunks or (0,), dtype=object)) if data.size else 0):
        check_claimed_size(name, n_values * data.dtype.itemsize, n_stored)
    return data


def read_dataset(data: Any, name: str, limits: ReadLimits) -> NDArray[Any]:
    """A dataset of numbers or text.

    Parameters
    ----------
    data
        Any dataset.
    name
        For the messages.
    allowance
        Asked first.

    Returns
    -------
    array
        Numbers as they are stored, or text.
    """
    data = check_dataset(data, name)
    if data.dtype.kind in "biuf":
        limits.reserve(data.size * data.dtype.itemsize, f"'{name}'")
        if not data.shape or not data.size:
            return np.asarray(data[()])
        out = np.empty(data.shape, data.dtype)
        for part in _blocks(data):
            out[part] = data[part]
            limits.progress()
        return out
    if data.size > _MAX_LETTERS:
        raise BadRecording(f"'{name}' holds {data.size} texts; at most {_MAX_LETTERS} letters can be.")
    value = data.asstr(errors="replace")[()]
    return string_array(value.ravel().tolist() if isinstance(value, np.ndarray) else value, name)


def string_array(value: str | list[str], name: str) -> NDArray[np.str_]:
    """Text as numpy holds it, every one as long as the longest.

    Parameters
    ----------
    value
        One or several.
    name
        For the message.

    Raises
    ------
    BadRecording
        When that would be too much.
    """
    n_letters = len(value) if isinstance(value, str) else len(value) * max(map(len, value), default=0)
    if n_letters > _MAX_LETTERS:
        raise BadRecording(
            f"the texts of '{name}' are too long: {n_letters} letters, at most {_MAX_LETTERS}."
        )
    return np.array(value, np.str_)


def verify_readable(data: Any, limits: ReadLimits) -> None:
    """Read all of a dataset, a block at a time, to find out whether that can be done.

    Parameters
    ----------
    data
        Of at least one axis.
    """
    for part in _blocks(data):
        data[part]
        limits.progress()


def _blocks(data: Any) -> Iterator[slice]:
    """Parts of the first axis that are of a bounded size."""
    row_bytes = max(1, data.size // max(1, len(data)) * data.dtype.itemsize)
    rows = max(1, _BLOCK_BYTES // row_bytes)
    for at in range(0, len(data), rows):
        yield slice(at, min(at + rows, len(data)))


def _attribute(value: Any, name: str) -> NDArray[Any]:
    """An attribute as an array."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return string_array(value, name) if isinstance(value, str) else np.asarray(value)
