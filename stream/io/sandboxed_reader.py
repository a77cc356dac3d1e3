"""Reads a file in a child process with limited memory and time.

The libraries behind HDF5 and MATLAB files are large, and a damaged file can make them crash, hang or allocate
gigabytes. The child (`stream.io.sandboxed_child`) reads the file and returns plain arrays over its standard output;
this module starts it and turns whatever ends it into an error with a message.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

import numpy as np

from stream.errors import AmbiguousStream, BadRecording, BadUsage, ShapeMismatch
from stream.io.arrays import FileContents
from stream.io.mapped_array import mapped_array

_PROGRAM = ("-m", "stream.io.sandboxed_child")
_BLOCK_BYTES = 1 << 20
_ERRORS = {error.__name__: error for error in (AmbiguousStream, BadRecording, BadUsage, ShapeMismatch)}


def read_sandboxed(reader: str, path: Path, options: Mapping[str, object]) -> FileContents:
    """Read a file in a child process.

    Parameters
    ----------
    reader
        Key of `stream.io.sandboxed_child.READERS`.
    path
        File to read.
    options
        Keyword arguments of the reader; must be serializable as JSON.

    Raises
    ------
    AmbiguousStream, BadRecording, BadUsage, ShapeMismatch
        If the reader raised it.
    BadRecording
        If the child crashed or exceeded its limits.
    """
    command = [sys.executable, "-P", *_PROGRAM, reader, str(path.absolute()), json.dumps(options)]
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
        raise BadRecording(_failure_message(child.returncode))
    return contents


def _receive(pipe: IO[bytes]) -> FileContents | None:
    """Receive the contents from the child; None if it ended before it had sent everything."""
    contents = FileContents()
    while line := pipe.readline():
        try:
            item = json.loads(line)
        except ValueError:
            return None
        _raise_error(item)
        if "note" in item:
            contents.notes.append(item["note"])
        elif "text" in item:
            contents.arrays[item["text"]] = np.array(item["value"], np.str_)
        elif "end" in item:
            return contents
        elif "large" in item:
            mapped = mapped_array(tuple(item["large"]), _blocks(pipe, 4 * math.prod(item["large"])))
            if mapped is None:
                return None
            contents.arrays["neural"] = mapped
        else:
            array = np.empty(item["shape"], item["dtype"])
            buffer = array.reshape(-1).view(np.uint8).data
            n_read = 0
            while n_read < len(buffer) and (n := pipe.readinto(buffer[n_read:])):  # type: ignore[attr-defined]
                n_read += n
            if n_read < len(buffer):
                return None
            contents.arrays[item["array"]] = array
    return None


def _blocks(pipe: IO[bytes], n_bytes: int) -> Iterator[bytes]:
    """Receive an array in blocks, each announced by a line."""
    while n_bytes > 0 and (line := pipe.readline()):
        try:
            item = json.loads(line)
        except ValueError:  # it crashed
            return
        _raise_error(item)
        left = min(int(item["block"]), n_bytes)
        n_bytes -= left
        while left and (block := pipe.read(min(left, _BLOCK_BYTES))):
            left -= len(block)
            yield block


def _raise_error(item: Mapping[str, str]) -> None:
    """Raise the error that the child has sent, if this is one."""
    if "error" in item:
        raise _ERRORS.get(item["error"], BadRecording)(item["message"])


def _failure_message(code: int) -> str:
    """Explain the exit code of a child that ended before it had sent everything."""
    if code in (-signal.SIGXCPU, -signal.SIGALRM):
        return "reading it timed out without progress: the file is damaged, or its disk does not respond."
    if code < 0:
        return f"the library that reads it crashed ({signal.Signals(-code).name}): the file is damaged."
    return "the process that read it ended without a result; is the memory exhausted?"
