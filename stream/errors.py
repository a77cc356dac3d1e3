"""Errors that a user can cause and correct.

::

    NeuroReelError             exit code 2
    ├── BadUsage               an invalid value on the command line or in a call
    ├── BadRecording           a file that is not a valid recording
    ├── ShapeMismatch          arrays or streams whose shapes do not match
    ├── OutputExists           an output file that exists already, or would destroy a recording
    ├── CannotWrite            exit code 1: the disk is full, or the folder is not writable
    ├── AmbiguousStream        several streams match a query
    ├── StreamError            exit code 1
    │   ├── NoStream           no stream appeared in time
    │   └── StreamLost         a stream disappeared or does not answer
    └── ...                    errors of models, see `decoders.errors`

Messages about a value have one form: "'name' must be ..., got ...". All others say what is wrong and what to do.
"""

from __future__ import annotations


class NeuroReelError(Exception):
    """Base of all errors that the user can correct; the command line prints them without a traceback.

    Attributes
    ----------
    exit_code
        Exit code of the command line.
    """

    exit_code = 2


class BadUsage(NeuroReelError):
    """An invalid value on the command line or in a call."""


class BadRecording(NeuroReelError):
    """A file that is not a recording, or is too damaged to be read."""


class ShapeMismatch(NeuroReelError):
    """Arrays or streams whose shapes do not match."""


class OutputExists(NeuroReelError):
    """An output file that exists already and would be overwritten."""


class CannotWrite(NeuroReelError):
    """An output that cannot be written: the disk is full, the folder is missing or not writable."""

    exit_code = 1


class AmbiguousStream(NeuroReelError):
    """Several streams match a query; the message lists them."""


class StreamError(NeuroReelError):
    """A failure of a stream at run time."""

    exit_code = 1


class NoStream(StreamError):
    """No matching stream appeared in time."""


class StreamLost(StreamError):
    """A stream disappeared or does not answer."""
