"""The errors a user can cause or meet.

::

    NeuroReelError             exit 2
    ├── BadUsage               a value on the command line or in a call that cannot be used
    ├── BadRecording           a file that is not, or is no longer, a recording
    ├── ShapeMismatch          arrays or streams whose shapes do not fit together
    ├── OutputExists           a file that would be overwritten
    ├── CannotWrite            exit 1: the disk is full, or the folder cannot be written to
    ├── AmbiguousStream        several streams match; the message lists them
    ├── StreamError            exit 1
    │   ├── NoStream           nothing matched within the wait
    │   └── StreamLost         a stream went away and did not come back
    └── decoders.errors        (see there)

A message says what is wrong, the value, and what to do. ``exit_code`` is what the command line exits with.
"""

from __future__ import annotations

from pathlib import Path


class NeuroReelError(Exception):
    """Base of every error that is the user's to mend; the command line prints it without a traceback."""

    exit_code = 2


class BadUsage(NeuroReelError):
    """A value on the command line or in a call that cannot be used."""


class BadRecording(NeuroReelError):
    """A file that is not a recording, or is damaged beyond reading."""


class ShapeMismatch(NeuroReelError):
    """Arrays or streams whose shapes do not fit together."""


class OutputExists(NeuroReelError):
    """An output file that is already there; nothing is overwritten unasked."""


class CannotWrite(NeuroReelError):
    """A recording that cannot be written: the disk is full, the folder is not there or not writable."""

    exit_code = 1


class AmbiguousStream(NeuroReelError):
    """Several streams match a query; the message lists them."""


class StreamError(NeuroReelError):
    """Something about a stream that only shows while running."""

    exit_code = 1


class NoStream(StreamError):
    """No stream matched within the wait."""


class StreamLost(StreamError):
    """A stream went away and did not come back."""


def refuse_existing(path: Path | str, *, force: bool = False, recording: bool = False) -> Path:
    """Make sure that writing a file overwrites nothing unasked.

    Parameters
    ----------
    path
        The file.
    force
        Whether it may be overwritten.
    recording
        Recordings are never overwritten from the command line, and the message says so.

    Raises
    ------
    OutputExists
        When it is there and ``force`` is not given.
    """
    path = Path(path)
    if path.exists() and not force:
        raise already_there(path, recording=recording)
    return path


def already_there(path: Path | str, *, recording: bool) -> OutputExists:
    """What to raise when a file is there; see `refuse_existing`, or open it exclusively and raise this."""
    remedy = "; recordings are not overwritten" if recording else ", or --force to overwrite it"
    return OutputExists(f"{path} exists. Give another name{remedy}.")
