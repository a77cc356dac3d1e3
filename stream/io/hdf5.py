"""Reads and writes sessions as HDF5: the arrays of `stream.io.arrays` as datasets, single values as attributes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.errors import BadRecording, BadUsage
from stream.io.arrays import (
    FileContents,
    is_session_array,
    orient_time_first,
    require_arrays,
    session_to_arrays,
)
from stream.io.hdf5_output import Hdf5Output
from stream.io.limits import check_claimed_size
from stream.io.mapped_array import MAX_LOADED_BYTES
from stream.io.read_limits import ReadLimits
from stream.output_files import replacing
from stream.session import Session

_CHUNK_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 24
_MAX_CHARACTERS = 10_000_000


def import_h5py() -> Any:
    """Import h5py.

    Raises
    ------
    BadUsage
        If h5py is not installed; the message gives the command that installs it.
    """
    try:
        import h5py
    except ImportError:
        raise BadUsage(
            "NWB, HDF5 and MATLAB 7.3 files are read with h5py, which is not installed: pip install 'neuroreel[nwb]'."
        ) from None
    return h5py


def open_hdf5(path: Path, **options: Any) -> Any:
    """Open an HDF5 file for reading.

    Parameters
    ----------
    path
        File to open.
    options
        Further arguments of ``h5py.File``.

    Raises
    ------
    BadRecording
        If it is not HDF5, or is truncated.
    """
    try:
        return import_h5py().File(path, "r", **options)
    except OSError as error:
        raise BadRecording(f"it is not an HDF5 file, or it is damaged or truncated: {error}.") from error


def member(group: Any, name: str) -> Any:
    """Return a member of a group that lies in the same file.

    Parameters
    ----------
    group
        File or group.
    name
        Path of the member in it.

    Raises
    ------
    BadRecording
        If it is a link into another file, or leads nowhere.
    """
    try:
        found = group[name]
    except (KeyError, OSError, RuntimeError) as error:
        link = group.get(name, getlink=True)
        target = getattr(link, "filename", None)
        if target is not None:
            raise BadRecording(
                f"'{name}' is a link into another file ({target}), which is not read; copy it into this one."
            ) from error
        raise BadRecording(
            f"'{name}' is a link that leads nowhere, or into another file: {error}."
        ) from error
    if found.file.filename != group.file.filename:
        raise BadRecording(
            f"'{name}' is a link into another file ({found.file.filename}), which is not read; copy it into this one."
        )
    return found


def save_hdf5(session: Session, path: Path | str, *, force: bool = False) -> None:
    """Write a session as HDF5, block by block, with lossless compression.

    Parameters
    ----------
    session
        Recording to write; the movie's pictures are included if present.
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
        If h5py is not installed.
    """
    h5py = import_h5py()
    with (
        replacing(path, force=force, recording=True) as partial,
        Hdf5Output(partial) as output,
        h5py.File(output, "w") as file,
    ):
        for name, array in session_to_arrays(session).items():
            if np.ndim(array) == 0:
                value = array.item()
                file.attrs[name] = value
            elif isinstance(array, np.ndarray) and array.dtype.kind == "U":
                file.create_dataset(name, data=array.astype(object), dtype=h5py.string_dtype())
            else:
                _write(file, _escape_slash(name), array)
            output.check()


def _escape_slash(name: str) -> str:
    """Escape slashes in a name, which HDF5 would read as groups."""
    return name.replace("%", "%25").replace("/", "%2F")


def _unescape_slash(name: str) -> str:
    """Undo `_escape_slash`."""
    return name.replace("%2F", "/").replace("%25", "%")


def _write(file: Any, name: str, array: Any) -> None:
    """Write one array block by block, so that an array that is mapped is never loaded as a whole."""
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
        HDF5 file.
    limits
        Limits of this process; memory is reserved before each read.

    Raises
    ------
    BadRecording
        If a required array is missing, or an array is invalid.
    """
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(open_hdf5(path))
        require_arrays([name for name in file if is_session_array(name)] or list(file)[:50])
        arrays = {
            name: _attribute(value, name) for name, value in file.attrs.items() if is_session_array(name)
        }
        shape = check_dataset(member(file, "neural"), "neural").shape
        large = len(shape) == 2 and 4 * shape[0] * shape[1] > MAX_LOADED_BYTES
        for name in file:
            if is_session_array(name) and not (large and name == "neural"):
                arrays[_unescape_slash(name)] = read_dataset(member(file, name), name, limits)
        if large:
            if len(arrays["stamps"]) != shape[0]:
                raise BadRecording(
                    f"'neural' must be [time, channels], got {shape} for {len(arrays['stamps'])} timestamps."
                )
            data = member(file, "neural")
            stack.pop_all()  # the file stays open until its process has sent the array
            blocks = (np.ascontiguousarray(data[part], np.float32) for part in _blocks(data))
            return FileContents(arrays, [], (shape, blocks))
    return FileContents(arrays, orient_time_first(arrays))


def check_dataset(data: Any, name: str) -> Any:
    """Return a dataset after checking its type and that its declared size fits its stored bytes.

    Parameters
    ----------
    data
        Object stored in the file under this name.
    name
        Name for error messages.

    Raises
    ------
    BadRecording
        If it is not a dataset of numbers or text in this file, or its declared size is impossible.
    """
    if not hasattr(data, "chunks") or data.shape is None:
        raise BadRecording(f"'{name}' is not an array.")
    if data.dtype.kind not in "biuf" and import_h5py().check_string_dtype(data.dtype) is None:
        raise BadRecording(f"'{name}' must hold numbers or text, got {data.dtype}.")
    n_stored = min(data.id.get_storage_size(), data.file.id.get_filesize())
    if data.external or data.is_virtual:
        raise BadRecording(f"'{name}' is stored in another file, which is not read; copy it into this one.")
    for n_values in (data.size, int(np.prod(data.chunks or (0,), dtype=object)) if data.size else 0):
        check_claimed_size(name, n_values * data.dtype.itemsize, n_stored)
    return data


def read_dataset(data: Any, name: str, limits: ReadLimits) -> NDArray[Any]:
    """Read a dataset of numbers or text.

    Parameters
    ----------
    data
        Object stored in the file under this name.
    name
        Name for error messages.
    limits
        Limits of this process; memory is reserved before the read.

    Returns
    -------
    array
        Numbers of the stored type, or strings.
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
    if data.size > _MAX_CHARACTERS:
        raise BadRecording(
            f"'{name}' holds {data.size} strings; at most {_MAX_CHARACTERS} characters are read."
        )
    value = data.asstr(errors="replace")[()]
    return string_array(value.ravel().tolist() if isinstance(value, np.ndarray) else value, name)


def string_array(value: str | list[str], name: str) -> NDArray[np.str_]:
    """Convert text to a numpy array, which pads every string to the length of the longest.

    Parameters
    ----------
    value
        One string or several.
    name
        Name for the error message.

    Raises
    ------
    BadRecording
        If the padded array would be too large.
    """
    n_characters = len(value) if isinstance(value, str) else len(value) * max(map(len, value), default=0)
    if n_characters > _MAX_CHARACTERS:
        raise BadRecording(
            f"the strings of '{name}' take {n_characters} characters; at most {_MAX_CHARACTERS} are read."
        )
    if any("\0" in text for text in ([value] if isinstance(value, str) else value)):
        raise BadRecording(f"{name!r} holds a text with NUL. Rename it.")  # numpy would drop it in silence
    return np.array(value, np.str_)


def _blocks(data: Any) -> Iterator[slice]:
    """Yield slices of the first axis of at most `_BLOCK_BYTES`."""
    row_bytes = max(1, data.size // max(1, len(data)) * data.dtype.itemsize)
    rows = max(1, _BLOCK_BYTES // row_bytes)
    for at in range(0, len(data), rows):
        yield slice(at, min(at + rows, len(data)))


def _attribute(value: Any, name: str) -> NDArray[Any]:
    """Convert an attribute to an array."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return string_array(value, name) if isinstance(value, str) else np.asarray(value)
