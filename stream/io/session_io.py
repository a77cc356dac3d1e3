"""Recordings by file name."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stream.errors import (
    AmbiguousStream,
    BadRecording,
    BadUsage,
    OutputExists,
    ShapeMismatch,
    refuse_existing,
)
from stream.session import Session

log = logging.getLogger(__name__)

SUFFIXES = (".xdf", ".npz", ".h5", ".hdf5", ".csv", ".mat", ".nwb")
"""The file formats of recordings."""

WRITABLE = SUFFIXES[:5]
"""Those that can be written."""

_SANDBOXED = {".h5": "hdf5", ".hdf5": "hdf5", ".mat": "matlab", ".nwb": "nwb"}


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What to take of a file that holds more than one session needs.

    Attributes
    ----------
    stream
        Name of the neural stream (in NWB: ``units``, or a series of fluorescence).
    stimulus
        NWB only: the table of what was shown, without ``_presentations``.
    area
        NWB only: keep units in these areas; ``*`` stands for anything.
    quality
        NWB only: keep units of these qualities.
    bin_ms
        NWB only: width of the bins of spikes; None = one frame of the movie, 33.333 without one.
    """

    stream: str | None = None
    stimulus: str | None = None
    area: tuple[str, ...] = ()
    quality: tuple[str, ...] = ()
    bin_ms: float | None = None


def load_session(
    path: Path | str, *, stream: str | None = None, options: ReadOptions | None = None
) -> Session:
    """Read a recording; the suffix says its format.

    Parameters
    ----------
    path
        One of `SUFFIXES`.
    stream
        Name of the neural stream, for a file that has several.
    choice
        What else to take; with it, ``stream`` is not looked at.

    Raises
    ------
    BadRecording
        When it is missing, or not what its suffix says.
    """
    session, notes = load_session_with_notes(path, options or ReadOptions(stream))
    usual = Path(path).suffix.lower() == ".nwb"  # elsewhere a note tells of something odd
    for note in notes:
        log.log(logging.INFO if usual else logging.WARNING, "%s: %s", path, note)
    return session


def load_session_with_notes(path: Path | str, options: ReadOptions) -> tuple[Session, list[str]]:
    """Read a recording, and say how it came about.

    Parameters
    ----------
    path, choice
        As `load_session` takes them.

    Returns
    -------
    session, notes
        What was read; what a user should know of it.
    """
    path = Path(path)
    if not path.is_file():
        raise BadRecording(f"no such recording: {path}.")
    suffix = path.suffix.lower()
    if suffix != ".nwb" and options != ReadOptions(options.stream):
        raise BadUsage(
            f"'--stimulus', '--area', '--quality' and '--bin-ms' are for NWB files, not for {path.name}."
        )
    if suffix in _SANDBOXED:
        return _load_sandboxed(_SANDBOXED[suffix], path, asdict(options) if suffix == ".nwb" else {})
    if suffix == ".xdf":
        from stream.io.xdf import load_xdf

        return load_xdf(path, stream=options.stream), []
    if suffix == ".npz":
        from stream.io.npz import load_npz

        return load_npz(path), []
    if suffix == ".csv":
        from stream.io.csv import load_csv

        return load_csv(path), []
    raise BadRecording(f"{path} is of no known format; recordings end in {', '.join(SUFFIXES)}.")


def save_session(session: Session, path: Path | str, *, force: bool = False) -> list[str]:
    """Write a recording; the suffix says its format.

    Parameters
    ----------
    session
        What to write.
    path
        One of `WRITABLE`.
    force
        Overwrite an existing file.

    Returns
    -------
    left_out
        What the format cannot hold.

    Raises
    ------
    OutputExists
        When ``path`` is there and ``force`` is not given.
    BadUsage
        For another suffix.
    """
    path = refuse_existing(path, force=force, recording=True)
    if not path.absolute().parent.is_dir():
        raise BadUsage(f"there is no folder {path.absolute().parent} to write {path.name} into.")
    suffix = path.suffix.lower()
    if suffix not in WRITABLE:
        verb = "can only be read, not written" if suffix in SUFFIXES else "is of no known format"
        raise BadUsage(f"{path} {verb}; recordings are written as {', '.join(WRITABLE)}.")
    new = not path.exists()
    try:
        _saver(suffix)(session, path, force=force)
    except OutputExists:
        raise
    except BaseException:
        if new:
            path.unlink(missing_ok=True)  # half a recording is none
        raise
    pictures = session.movie is not None and session.movie.frames is not None
    return ["the movie's pictures stay behind"] if pictures and suffix in (".xdf", ".csv") else []


def _saver(suffix: str) -> Callable[..., None]:
    """What writes a format."""
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
    """Read a file whose library is not trusted with hostile ones."""
    from stream.io.arrays import session_from_arrays
    from stream.io.lazy_array import LazyArray
    from stream.io.sandboxed_reader import read_sandboxed

    try:
        contents = read_sandboxed(reader, path, request)
        arrays: dict[str, Any] = dict(contents.arrays)
        if contents.on_disk is not None:
            arrays["neural"] = LazyArray(path, contents.on_disk)
        return session_from_arrays(arrays, path.stem), contents.notes
    except (BadRecording, ShapeMismatch, AmbiguousStream) as error:
        raise type(error)(f"{path}: {error}") from error
