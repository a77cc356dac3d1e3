"""Reading a file in a process of its own, whose memory and time are bounded.

The libraries behind HDF5 and MATLAB files are large, and a damaged file can make them crash, hang or ask for
gigabytes. So a child reads, and hands over plain arrays; whatever becomes of it, here it is an error with a message.

The child answers on its standard output: one line of JSON per item, after that of an array its bytes.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from stream.errors import AmbiguousStream, BadRecording, BadUsage, NeuroReelError, ShapeMismatch
from stream.io.limits import refuse_too_large

STALL_S = 2.0
"""Processor time that a reader may take without coming on."""

WAIT_S = 20
"""Time that it may take without coming on, whatever it waits for."""

OWN_BYTES = 320_000_000
"""Memory that a reader may take beside the arrays that it hands over."""

READERS = {"nwb": "stream.io.nwb", "hdf5": "stream.io.hdf5", "matlab": "stream.io.matlab"}
"""Modules whose ``read(path, allowance, **request)`` gives what a file holds."""

_BLOCK_BYTES = 1 << 24
_PROGRAM = ("-m", "stream.io.sandboxed_reader")
_ERRORS = {error.__name__: error for error in (AmbiguousStream, BadRecording, BadUsage, ShapeMismatch)}
_TOO_MUCH = "the memory that reading it should take was not enough; it is damaged, or not what it says"


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds.

    Attributes
    ----------
    arrays
        By the names of `stream.io.arrays`.
    notes
        What a user should know of how they came about.
    on_disk
        Where in the file ``neural`` is, when it is too large to be handed over.
    """

    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    on_disk: str | None = None


def read_sandboxed(reader: str, path: Path, request: Mapping[str, object]) -> Contents:
    """Let a child read a file.

    Parameters
    ----------
    reader
        One of `READERS`.
    path
        The file.
    request
        What its reader is told, as JSON can say it.

    Raises
    ------
    NeuroReelError
        What the reader raised.
    BadRecording
        When it crashed, or was stopped since it did not come on.
    """
    command = [sys.executable, "-P", *_PROGRAM, reader, str(path.absolute()), json.dumps(request)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as child:
        assert child.stdout is not None
        try:
            contents = _receive(child.stdout)
        except BaseException:
            child.kill()
            raise
    if contents is None:
        raise BadRecording(_why(child.returncode))
    return contents


def _receive(pipe: IO[bytes]) -> Contents | None:
    """What the child says; None when it ended before it was through."""
    contents, on_disk = Contents(), None
    while line := pipe.readline():
        try:
            item = json.loads(line)
        except ValueError:
            return None
        if "error" in item:
            raise _ERRORS.get(item["error"], BadRecording)(item["message"])
        if "note" in item:
            contents.notes.append(item["note"])
        elif "text" in item:
            contents.arrays[item["text"]] = np.array(item["value"], np.str_)
        elif "on_disk" in item:
            on_disk = item["on_disk"]
        elif "end" in item:
            return Contents(contents.arrays, contents.notes, on_disk)
        else:
            array = np.empty(item["shape"], item["dtype"])
            view = array.reshape(-1).view(np.uint8).data
            done = 0
            while done < len(view) and (got := pipe.readinto(view[done:])):  # type: ignore[attr-defined]
                done += got
            if done < len(view):
                return None
            contents.arrays[item["array"]] = array
    return None


def _why(code: int) -> str:
    """What to say of a child that ended before it was through."""
    if code in (-signal.SIGXCPU, -signal.SIGALRM):
        return "reading it did not come on, so it was given up; it is damaged, or its disk does not answer."
    if code < 0:
        return f"reading it crashed the library that reads it ({signal.Signals(-code).name}); it is damaged."
    return "the process that read it ended without an answer; is the memory exhausted?"


# What follows runs in the child.


def come_on() -> None:
    """Say that reading goes on: from now on, `STALL_S` and `WAIT_S` are allowed again."""
    import resource

    signal.alarm(WAIT_S)
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + STALL_S) + 1
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard < 0 else min(soft, hard), hard))


class Allowance:
    """The memory that may be taken: what was asked for before, and a little more."""

    def __init__(self) -> None:
        self._granted = 0
        self._base = _virtual_bytes() + OWN_BYTES
        self.grant(0, "it")

    def grant(self, n_bytes: int, what: str) -> None:
        """Allow more.

        Parameters
        ----------
        n_bytes
            How much.
        what
            Which part of the file needs it.

        Raises
        ------
        BadRecording
            When all together would be too large.
        """
        import resource

        self._granted += n_bytes
        refuse_too_large(self._granted, what)
        come_on()
        if sys.platform.startswith("linux"):  # elsewhere address space cannot be bounded so
            hard = resource.getrlimit(resource.RLIMIT_AS)[1]
            soft = self._base + self._granted
            resource.setrlimit(resource.RLIMIT_AS, (soft if hard < 0 else min(soft, hard), hard))


def _virtual_bytes() -> int:
    """Address space of this process."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _send(out: IO[bytes], contents: Contents) -> None:
    """Hand over what was read."""
    for note in contents.notes:
        _say(out, {"note": note})
    for name, array in contents.arrays.items():
        if array.dtype.kind == "U":
            _say(out, {"text": name, "value": array.tolist()})
            continue
        if array.dtype.kind not in "biuf":
            raise BadRecording(f"'{name}' must hold numbers or text, got {array.dtype}.")
        _say(out, {"array": name, "dtype": array.dtype.newbyteorder("=").str, "shape": array.shape})
        table = array if array.ndim else array.reshape(1)
        rows = max(1, _BLOCK_BYTES * len(table) // max(1, array.nbytes))
        for at in range(
            0, len(table), rows
        ):  # so that what lies the other way round is not copied as a whole
            come_on()
            block = np.ascontiguousarray(table[at : at + rows], array.dtype.newbyteorder("="))
            out.write(block.reshape(-1).view(np.uint8).data)
    if contents.on_disk is not None:
        _say(out, {"on_disk": contents.on_disk})
    _say(out, {"end": True})


def _say(out: IO[bytes], item: Mapping[str, object]) -> None:
    out.write(json.dumps(item).encode() + b"\n")


def _main(reader: str, path: str, request: str) -> NoReturn:
    """Read, answer, and end at once: what a damaged file left in the libraries is not cleaned up."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not come between
    try:
        module = importlib.import_module(READERS[reader])
        allowance = Allowance()
        _send(out, module.read(Path(path), allowance, **json.loads(request)))
    except NeuroReelError as error:
        _say(out, {"error": type(error).__name__, "message": str(error)})
    except MemoryError:
        _say(out, {"error": "BadRecording", "message": f"{_TOO_MUCH}."})
    except Exception as error:  # whatever a library may raise at a hostile file
        _say(out, {"error": "BadRecording", "message": f"it cannot be read: {error}."})
    out.flush()
    os._exit(0)


if __name__ == "__main__":
    _main(*sys.argv[1:4])
