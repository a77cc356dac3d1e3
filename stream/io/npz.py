"""Reads and writes sessions as npz, the plain interchange format: the arrays of `stream.io.arrays`."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.errors import BadRecording, NeuroReelError, ShapeMismatch
from stream.io.arrays import is_session_array, require_arrays, session_from_arrays, session_to_arrays
from stream.io.limits import check_claimed_size, check_fits_memory
from stream.output_files import replacing
from stream.session import Session


def save_npz(session: Session, path: Path | str, *, force: bool = False) -> None:
    """Write a session as npz.

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
    """
    arrays = session_to_arrays(session) | {"neural": np.asarray(session.neural, np.float32)}
    with replacing(path, force=force, recording=True) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_npz(path: Path | str) -> Session:
    """Read a session from an npz file; nothing in the file is ever executed.

    Parameters
    ----------
    path
        File to read.

    Raises
    ------
    BadRecording
        If the file is missing, damaged, not npz, lacks an array, holds pickled objects, or does not fit into memory.
    ShapeMismatch
        If its arrays do not fit together.
    """
    path = Path(path)
    if not path.is_file():
        raise BadRecording(f"no such recording: {path}.")
    try:
        return session_from_arrays(_read_arrays(path), path.stem)
    except ShapeMismatch as error:
        raise ShapeMismatch(f"{path}: {error}") from error
    except NeuroReelError as error:
        raise BadRecording(f"{path}: {error}") from error
    except Exception as error:  # zip, zlib and numpy raise many types at a damaged file
        raise BadRecording(f"{path} cannot be read as an npz recording: {error}.") from error


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read the session's arrays, checking declared sizes against stored bytes before allocating."""
    with zipfile.ZipFile(path) as archive:
        names = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        require_arrays(names)
        known = {name: member for name, member in names.items() if is_session_array(name)}
        for name, member in known.items():
            check_claimed_size(name, member.file_size, member.compress_size)
        check_fits_memory(sum(member.file_size for member in known.values()), "it")
        return {name: _read_member(archive, member, name) for name, member in known.items()}


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> NDArray[Any]:
    """Read one array of an archive after checking its header."""
    header_readers = {(1, 0): np.lib.format.read_array_header_1_0}
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read_header = header_readers.get(version, np.lib.format.read_array_header_2_0)
        shape, _, dtype = read_header(file)
        header_bytes = file.tell()
    if dtype.hasobject:
        raise BadRecording(
            f"'{name}' holds pickled Python objects, which are never loaded. Save it as numbers or text."
        )
    n_bytes = dtype.itemsize * int(np.prod([int(length) for length in shape], dtype=object))
    if n_bytes != member.file_size - header_bytes or min(shape, default=0) < 0:
        raise BadRecording(
            f"'{name}' should have {n_bytes} bytes, but {member.file_size - header_bytes} are stored."
        )
    with archive.open(member) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array
