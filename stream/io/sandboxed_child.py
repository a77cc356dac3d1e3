"""The child process of `stream.io.sandboxed_reader`: reads a file within limits and sends its arrays.

Protocol on standard output: one line of JSON per item; the line of an array is followed by its bytes.
"""

from __future__ import annotations

import codecs
import contextlib
import importlib
import json
import os
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn

import numpy as np

from stream.errors import BadRecording, NeuroReelError
from stream.io.read_limits import ReadLimits, confine

if TYPE_CHECKING:
    from stream.io.arrays import FileContents

READERS = {"nwb": "stream.io.nwb", "hdf5": "stream.io.hdf5", "matlab": "stream.io.matlab"}
"""Modules whose ``read(path, limits, **options)`` returns a `stream.io.arrays.FileContents`."""

_LIBRARIES = ("h5py", "scipy.io", "scipy.io.matlab")  # loaded before the process is confined
_BLOCK_BYTES = 1 << 24


def _send_contents(out: IO[bytes], contents: FileContents, limits: ReadLimits) -> None:
    """Send everything that was read to the parent."""
    for note in contents.notes:
        _send(out, {"note": note})
    for name, array in contents.arrays.items():
        if array.dtype.kind == "U":
            _send(out, {"text": name, "value": array.tolist()})
            continue
        if array.dtype.kind not in "biuf":
            raise BadRecording(f"'{name}' must hold numbers or text, got {array.dtype}.")
        native = array.dtype.newbyteorder("=")
        _send(out, {"array": name, "dtype": native.str, "shape": array.shape})
        table = array if array.ndim else array.reshape(1)
        rows = max(1, _BLOCK_BYTES * len(table) // max(1, array.nbytes))
        for at in range(0, len(table), rows):  # in blocks: a transposed array is never copied as a whole
            limits.progress()
            block = np.ascontiguousarray(table[at : at + rows], native)
            out.write(block.reshape(-1).view(np.uint8).data)
    if contents.large is not None:
        shape, blocks = contents.large
        _send(out, {"large": shape})
        for block in blocks:
            limits.progress()
            _send(out, {"block": block.nbytes})  # an error may follow instead
            out.write(block.reshape(-1).view(np.uint8).data)
    _send(out, {"end": True})


def _send(out: IO[bytes], item: Mapping[str, object]) -> None:
    """Send one line of JSON."""
    out.write(json.dumps(item).encode() + b"\n")


def main(reader: str, path: str, options: str) -> NoReturn:
    """Read a file, send its contents, and exit at once: cleaning up after a damaged file could crash.

    Parameters
    ----------
    reader
        Key of `READERS`.
    path
        File to read.
    options
        Keyword arguments of the reader, as JSON.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not mix with the protocol
    try:
        module = importlib.import_module(READERS[reader])
        for name in _LIBRARIES:
            with contextlib.suppress(ImportError):  # the reader says what is missing
                importlib.import_module(name)
        for name in ("ascii", "latin-1", "utf-16-le"):
            codecs.lookup(name)
        limits = ReadLimits()
        confine()
        _send_contents(out, module.read(Path(path), limits, **json.loads(options)), limits)
    except NeuroReelError as error:
        _send(out, {"error": type(error).__name__, "message": str(error)})
    except MemoryError:
        message = "it needs more memory than its contents should take: it is damaged, or misstates its size."
        _send(out, {"error": "BadRecording", "message": message})
    except Exception as error:  # a damaged file can raise anything
        message = f"it cannot be read: {error}."
        if "open file" in str(error):  # `confine` lets it open no second file
            message = f"it needs another file, which is not read; copy what its links lead to into this one ({error})."
        _send(out, {"error": "BadRecording", "message": message})
    out.flush()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:4])
