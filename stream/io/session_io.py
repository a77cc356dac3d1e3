"""Loads and saves sessions in the format that the file name's suffix gives."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stream.errors import AmbiguousStream, BadRecording, BadUsage, NeuroReelError, ShapeMismatch
from stream.io.stimulus_checks import checked_stimulus
from stream.output_files import check_output
from stream.session import Session

log = logging.getLogger(__name__)

SUFFIXES = (".xdf", ".npz", ".h5", ".hdf5", ".csv", ".mat", ".nwb", ".xdfz", ".xdf.gz")
"""File formats that can be read."""

WRITABLE = SUFFIXES[:5]
"""File formats that can be written."""

_XDF = (".xdf", ".xdfz", ".xdf.gz")
_SANDBOXED = {".h5": "hdf5", ".hdf5": "hdf5", ".mat": "matlab", ".nwb": "nwb"}


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Selects what to read from a file that holds more than one session needs.

    Attributes
    ----------
    stream
        Name of the neural stream (in NWB: ``units`` or a fluorescence series; in XDF also a condition such as
        ``name='EEG' and hostname='pc-b'``).
    stimulus
        NWB and XDF only: name of the stimulus table, without ``_presentations``, or of the stimulus stream.
    area
        NWB only: brain areas whose units to keep; ``*`` matches any characters.
    quality
        NWB only: unit qualities to keep.
    bin_ms
        NWB only: width of the spike count bins in ms; None for one movie frame, or 33.333 without a movie.
    """

    stream: str | None = None
    stimulus: str | None = None
    area: tuple[str, ...] = ()
    quality: tuple[str, ...] = ()
    bin_ms: float | None = None


def load_session(
    path: Path | str, *, stream: str | None = None, options: ReadOptions | None = None
) -> Session:
    """Read a session; the suffix determines the format.

    Parameters
    ----------
    path
        File to read; ends in one of `SUFFIXES`.
    stream
        Name of the neural stream, for a file with several.
    options
        Full selection, in place of ``stream``.

    Returns
    -------
    session
        The recording; neural data of more than `stream.io.mapped_array.MAX_LOADED_BYTES` in HDF5 are mapped from a file.

    Raises
    ------
    BadRecording
        If the file is missing, damaged, or not of the format of its suffix.
    AmbiguousStream
        If the file holds several neural streams or stimuli and none was selected.
    """
    session, notes = load_session_with_notes(path, options or ReadOptions(stream))
    is_nwb = Path(path).suffix.lower() == ".nwb"  # notes are normal for NWB, a warning for other formats
    for note in notes:
        log.log(logging.INFO if is_nwb else logging.WARNING, "%s: %s", path, note)
    return session


def load_session_with_notes(path: Path | str, options: ReadOptions) -> tuple[Session, list[str]]:
    """Read a session like `load_session`, and return the reader's notes instead of logging them.

    Parameters
    ----------
    path
        File to read; ends in one of `SUFFIXES`.
    options
        What to read from it.

    Returns
    -------
    session
        The recording.
    notes
        Remarks for the user, for example which units were selected.
    """
    path = Path(path)
    if not path.is_file():
        raise BadRecording(f"no such recording: {path}.")
    suffix = suffix_of(path)
    if suffix != ".nwb" and options != ReadOptions(options.stream, options.stimulus):
        raise BadUsage(f"'--area', '--quality' and '--bin-ms' are for NWB files, not for {path.name}.")
    if suffix != ".nwb" and suffix not in _XDF and options.stimulus is not None:
        raise BadUsage(f"'--stimulus' is for NWB and XDF files, not for {path.name}.")
    try:
        session, notes = _load(path, suffix, options)
    except NeuroReelError:
        raise
    except Exception as error:  # a damaged file can raise anything, MemoryError for example
        raise BadRecording(f"{path} cannot be read: {error!r}.") from error
    try:
        return checked_stimulus(session, path.name), notes
    except BadRecording as error:
        raise BadRecording(f"{path}: {error}") from error


def _load(path: Path, suffix: str, options: ReadOptions) -> tuple[Session, list[str]]:
    """Read a session of a format; return also the reader's notes."""
    if suffix in _SANDBOXED:
        return _load_sandboxed(_SANDBOXED[suffix], path, asdict(options) if suffix == ".nwb" else {})
    if suffix in _XDF:
        from stream.io.xdf import load_xdf

        return load_xdf(path, stream=options.stream, stimulus=options.stimulus), []
    if suffix == ".npz":
        from stream.io.npz import load_npz

        return load_npz(path), []
    if suffix == ".csv":
        from stream.io.csv import load_csv

        return load_csv(path), []
    raise BadRecording(f"{path} has no known suffix; recordings end in {', '.join(SUFFIXES)}.")


def suffix_of(path: Path) -> str:
    """Return the suffix of a recording in lower case; ``.xdf.gz`` counts as one.

    Parameters
    ----------
    path
        Path of the recording.
    """
    name = path.name.lower()
    return ".xdf.gz" if name.endswith(".xdf.gz") else path.suffix.lower()


def save_session(session: Session, path: Path | str, *, force: bool = False) -> list[str]:
    """Write a session; the suffix determines the format.

    Parameters
    ----------
    session
        Recording to write.
    path
        Output file; ends in one of `WRITABLE`.
    force
        Overwrite an existing file.

    Returns
    -------
    notes
        What the format cannot hold, one sentence each.

    Raises
    ------
    OutputExists
        If ``path`` exists and ``force`` is not set.
    CannotWrite
        If the file cannot be written.
    BadUsage
        If the suffix is not in `WRITABLE`, or the folder does not exist.
    """
    path = check_output(path, force=force, recording=True)
    suffix = check_suffix(path)
    _saver(suffix)(session, path, force=force)
    has_pictures = session.movie is not None and session.movie.frames is not None
    if has_pictures and suffix in (".xdf", ".csv"):
        return [f"the movie's pictures were not written: {suffix} cannot hold them"]
    return []


def check_suffix(path: Path) -> str:
    """Return the suffix of a session to be written, in lower case.

    Parameters
    ----------
    path
        Output file.

    Raises
    ------
    BadUsage
        If the suffix is not in `WRITABLE`.
    """
    suffix = suffix_of(path)
    if suffix not in WRITABLE:
        problem = "can only be read, not written" if suffix in SUFFIXES else "has no known suffix"
        raise BadUsage(f"{path} {problem}; recordings are written as {', '.join(WRITABLE)}.")
    return suffix


def _saver(suffix: str) -> Callable[..., None]:
    """Return the function that writes a format."""
    if suffix == ".xdf":
        from stream.io.xdf import save_xdf

        return save_xdf
    if suffix == ".npz":
        from stream.io.npz import save_npz

        return save_npz
    if suffix == ".csv":
        from stream.io.csv import save_csv

        return save_csv
    from stream.io.hdf5 import save_hdf5

    return save_hdf5


def _load_sandboxed(reader: str, path: Path, request: dict[str, Any]) -> tuple[Session, list[str]]:
    """Read a file in a child process, for its library may crash or hang on a damaged one."""
    from stream.io.arrays import session_from_arrays
    from stream.io.sandboxed_reader import read_sandboxed

    try:
        contents = read_sandboxed(reader, path, request)
        return session_from_arrays(contents.arrays, path.stem), contents.notes
    except (BadRecording, ShapeMismatch, AmbiguousStream) as error:
        raise type(error)(f"{path}: {error}") from error
