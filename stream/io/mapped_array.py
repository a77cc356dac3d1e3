"""Large arrays in a temporary file that is mapped into memory: the system loads and drops parts of them as needed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from stream.errors import BadRecording

MAX_LOADED_BYTES = 256_000_000
"""Size as float32 above which ``neural`` of an HDF5 file is mapped instead of loaded."""


def mapped_array(shape: tuple[int, ...], blocks: Iterable[bytes]) -> NDArray[np.float32] | None:
    """Copy float32 values into a temporary file, which nobody else can open, and map it.

    Parameters
    ----------
    shape
        Shape of the array.
    blocks
        Its bytes, in order.

    Returns
    -------
    array
        Copy on write; its file is deleted with it. None if the blocks hold too few or too many bytes.

    Raises
    ------
    BadRecording
        If the folder for temporary files has no room.
    """
    n_bytes = 4 * int(np.prod(shape, dtype=object))
    free = shutil.disk_usage(tempfile.gettempdir()).free
    problem = (
        f"'neural' takes {n_bytes / 1e9:.3g} GB, but {tempfile.gettempdir()} has {free / 1e9:.3g} GB free. Let the "
        "variable TMPDIR name a folder with more room, or read a part of the recording."
    )
    if n_bytes > free:
        raise BadRecording(problem)
    with tempfile.TemporaryFile() as file:
        left = n_bytes
        try:
            for block in blocks:
                left -= len(block)
                if left < 0:
                    return None
                file.write(block)
            file.flush()
        except OSError as error:
            raise BadRecording(problem) from error
        return None if left else np.memmap(file, np.float32, "c", shape=shape)
