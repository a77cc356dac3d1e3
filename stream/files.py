"""Recordings by file name."""

from __future__ import annotations

from pathlib import Path

from stream.errors import BadRecording, BadUsage, refuse_existing
from stream.session import Session

SUFFIXES = (".xdf", ".npz")
"""The file formats of recordings."""


def load_session(path: Path | str, *, stream: str | None = None) -> Session:
    """Read a recording; the suffix says its format.

    Parameters
    ----------
    path
        One of `SUFFIXES`.
    stream
        Name of the neural stream, for a file that has several.

    Raises
    ------
    BadRecording
        When it is missing, or not what its suffix says.
    """
    path = Path(path)
    if not path.is_file():
        raise BadRecording(f"no such recording: {path}.")
    if path.suffix.lower() == ".xdf":
        from stream.xdf_session import load_xdf

        return load_xdf(path, stream=stream)
    if path.suffix.lower() == ".npz":
        from stream.npz import load_npz

        return load_npz(path)
    raise BadRecording(f"{path} is of no known format; recordings end in {', '.join(SUFFIXES)}.")


def save_session(session: Session, path: Path | str, *, force: bool = False) -> None:
    """Write a recording; the suffix says its format.

    Parameters
    ----------
    session
        What to write.
    path
        One of `SUFFIXES`.
    force
        Overwrite an existing file.

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
    if path.suffix.lower() == ".xdf":
        from stream.xdf_session import save_xdf

        save_xdf(session, path, force=force)
    elif path.suffix.lower() == ".npz":
        from stream.npz import save_npz

        save_npz(session, path, force=force)
    else:
        raise BadUsage(f"{path} is of no known format; recordings end in {', '.join(SUFFIXES)}.")
