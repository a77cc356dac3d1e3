"""Checks the array sizes that a file declares before anything is allocated.

A few kilobytes can declare terabytes, by a false header or as compressed zeros. Declared sizes are compared with the
stored bytes, and all arrays together may take at most `MEMORY_SHARE` of the free memory.
"""

from __future__ import annotations

import os
from pathlib import Path

from stream.errors import BadRecording
from stream.movie import picture_budget

MAX_DEFLATE = 1040
"""Largest compression ratio of DEFLATE, rounded up from 1032."""

MEMORY_SHARE = 0.5
"""Share of the free memory that one recording may take."""

_SLACK_BYTES = 1024


def free_bytes() -> int:
    """Return the memory available without swapping, in bytes; the total memory where /proc is missing."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def check_claimed_size(name: str, n_bytes: int, n_stored: int) -> None:
    """Check that an array's declared size is possible for its stored bytes.

    Parameters
    ----------
    name
        Name of the array.
    n_bytes
        Declared size in memory, in bytes.
    n_stored
        Bytes stored in the file.

    Raises
    ------
    BadRecording
        If no compression reaches this ratio, or the pictures of a movie are beyond their budget.
    """
    if n_bytes > MAX_DEFLATE * (n_stored + _SLACK_BYTES):
        raise BadRecording(
            f"'{name}' declares {n_bytes} bytes, but only {n_stored} compressed bytes are stored."
        )
    if name == "movie" and n_bytes > picture_budget(n_stored):
        raise BadRecording(
            f"'movie' has {n_bytes} bytes of pictures; at most {picture_budget(n_stored)} are read. Make them smaller."
        )


def allowed_bytes() -> int:
    """Return how much memory one recording may take now, in bytes."""
    return int(MEMORY_SHARE * free_bytes())


def check_fits_memory(n_bytes: int, what: str, allowed: int | None = None) -> None:
    """Check that data fit into memory.

    Parameters
    ----------
    n_bytes
        Size in memory, in bytes.
    what
        Subject of the error message.
    allowed
        Limit in bytes; None for `allowed_bytes`.

    Raises
    ------
    BadRecording
        If the size exceeds `MEMORY_SHARE` of the free memory.
    """
    allowed = allowed_bytes() if allowed is None else allowed
    if n_bytes > allowed:
        raise BadRecording(
            f"{what} takes {n_bytes / 1e9:.3g} GB when it is read; at most {allowed / 1e9:.3g} GB may be used now, "
            f"which is {MEMORY_SHARE:.0%} of the free memory. Read a part of the recording, or free memory."
        )
