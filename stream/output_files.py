"""Output files: checked before the work begins, written beside their place, and renamed when complete.

A full disk, an error or a kill therefore leaves the file that was there before. Only a recording is ever written over a
recording, and that only when Python code asks for it; the command line never does.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stream.errors import BadUsage, CannotWrite, OutputExists

RECORDING_SUFFIXES = (".xdf", ".xdfz", ".xdf.gz", ".npz", ".h5", ".hdf5", ".csv", ".mat", ".nwb")
"""Suffixes of recordings, in lower case; a recording under another name is recognised by its first bytes."""

_FIRST_BYTES = (b"XDF:", b"\x89HDF\r\n\x1a\n", b"MATLAB ", b"# neuroreel ")
_MAX_SUFFIX = 12


def is_recording(path: Path | str) -> bool:
    """Whether a file exists and holds a recording, by its suffix or its first bytes; an empty file holds none.

    Parameters
    ----------
    path
        File to look at; links are followed.
    """
    path = Path(path)
    try:
        if not path.is_file() or not path.stat().st_size:
            return False
        if any(name.lower().endswith(RECORDING_SUFFIXES) for name in (path.name, path.resolve().name)):
            return True
        with path.open("rb") as file:
            start = file.read(512)
        if start.startswith(b"\x1f\x8b"):
            start = zlib.decompressobj(wbits=31).decompress(start, 64)
        if start.startswith(b"PK"):
            with zipfile.ZipFile(path) as archive:
                return any(member.endswith(".npy") for member in archive.namelist())
    except (OSError, zlib.error, zipfile.BadZipFile, ValueError, NotImplementedError):
        return False
    return start.startswith(_FIRST_BYTES)


def same_file(first: Path | str, second: Path | str) -> bool:
    """Whether two paths lead to one file, whether it exists or not; links are followed.

    Names in one folder that differ only in upper and lower case count as the same, as on many file systems they are.
    Devices and pipes, such as /dev/null, never count.

    Parameters
    ----------
    first, second
        Paths of files.
    """
    one, other = Path(first), Path(second)
    if _is_device(one) or _is_device(other):
        return False
    try:
        if one.exists() and other.exists() and one.samefile(other):
            return True
        one, other = one.resolve(), other.resolve()
        folders = one.parent, other.parent
        if not all(folder.exists() for folder in folders):
            return one == other
        return one.name.casefold() == other.name.casefold() and folders[0].samefile(folders[1])
    except (OSError, RuntimeError, ValueError):
        return str(first) == str(second)


def check_output(path: Path | str, *, force: bool = False, recording: bool = False) -> Path:
    """Check that a file can be written and that this destroys nothing.

    Parameters
    ----------
    path
        Path of the file. Character devices and pipes are allowed.
    force
        Whether an existing file may be overwritten.
    recording
        Whether a recording is to be written. Otherwise an existing recording is refused, even with ``force``.

    Returns
    -------
    path
        The same as `Path`.

    Raises
    ------
    OutputExists
        If the file exists and ``force`` is not given, if it is a recording, a folder, or a link to a missing file.
    BadUsage
        If its folder does not exist.
    CannotWrite
        If its folder is not writable, or the file is read-only.
    """
    path = Path(path)
    try:
        if _is_device(path):
            return path
        if path.exists():
            _check_existing(path, force, recording)
        elif path.is_symlink():
            raise OutputExists(
                f"{path} is a link to {path.readlink()}, which does not exist. Give the name of a file."
            )
        folder = path.resolve().parent
        if not folder.exists():
            raise BadUsage(f"cannot write {path}: the folder {folder} does not exist. Create it first.")
        if not folder.is_dir():
            raise BadUsage(f"cannot write {path}: {folder} is not a folder. Choose another folder.")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise CannotWrite(
                f"cannot write {path}: the folder {folder} is not writable. Choose another folder."
            )
    except (
        OSError,
        RuntimeError,
        ValueError,
    ) as error:  # a name too long, no permission, a loop of links, NUL
        raise _cannot_write(path, error) from error
    return path


def _check_existing(path: Path, force: bool, recording: bool) -> None:
    if not path.is_file():
        raise OutputExists(
            f"{path} is {'a folder' if path.is_dir() else 'not a file'}. Give the name of a file."
        )
    if recording and not force:
        raise OutputExists(f"{path} exists. Give another name; recordings are never overwritten.")
    if not recording and is_recording(path):
        raise OutputExists(
            f"{path} exists and is a recording. Give another name; recordings are never overwritten, not even "
            "with --force."
        )
    if not force:
        raise OutputExists(f"{path} exists. Give another name, or --force to overwrite it.")
    if not os.access(path, os.W_OK):
        raise CannotWrite(
            f"cannot write {path}: it is read-only. Choose another file or change its permissions."
        )


@contextmanager
def replacing(path: Path | str, *, force: bool = False, recording: bool = False) -> Iterator[Path]:
    """Write a file completely or not at all: the body writes the file it is given, which is then renamed.

    Parameters
    ----------
    path, force, recording
        See `check_output`.

    Yields
    ------
    partial
        New file beside ``path`` with the same suffix, for the body to create; deleted when the body fails.

    Raises
    ------
    OutputExists, BadUsage, CannotWrite
        See `check_output`; the last also if the body raises `OSError`, for example because the disk is full.
    """
    path = check_output(path, force=force, recording=recording)
    if _is_device(path):
        with _os_errors(path):
            yield path
        return
    target = path.resolve()
    suffix = target.suffix if len(target.suffix) <= _MAX_SUFFIX else ""
    partial = target.with_name(f".neuroreel-{secrets.token_hex(6)}{suffix}")
    try:
        with _os_errors(path):
            yield partial
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
            check_output(path, force=force, recording=recording)  # the work may have taken hours
            _rename(partial, target, force)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _rename(partial: Path, target: Path, force: bool) -> None:
    """Give a complete file its name; without ``force`` a file that has appeared meanwhile is kept."""
    if target.exists():
        shutil.copymode(target, partial)
    if not force:
        try:
            target.hardlink_to(partial)
        except FileExistsError:
            raise OutputExists(f"{target} exists. Give another name.") from None
        except OSError:  # a file system without links
            pass
        else:
            return
    partial.replace(target)


def _is_device(path: Path) -> bool:
    """Whether it is a character device or a pipe, such as /dev/null: written in place, nothing to lose."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)


@contextmanager
def _os_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors into a message that names the file."""
    try:
        yield
    except OSError as error:
        raise _cannot_write(path, error) from error


def _cannot_write(path: Path, error: Exception) -> CannotWrite:
    reason = (getattr(error, "strerror", None) or str(error) or repr(error)).rstrip(".")
    return CannotWrite(f"cannot write {path}: {reason}. Free some space, or choose another file.")
