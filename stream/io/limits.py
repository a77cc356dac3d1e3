"""What a file may claim: sizes are held against the bytes that are there, and against the memory that is free.

A few kilobytes can announce terabytes: as a header that lies, or as compressed zeros. Nothing is allocated
before its size is known, and together it may take at most `MEMORY_SHARE` of the memory that is free.
"""

from __future__ import annotations

import os
from pathlib import Path

from stream.errors import BadRecording

MAX_DEFLATE = 1040
"""No deflated byte stands for more."""

MEMORY_SHARE = 0.5
"""How much of the memory that is free one recording may take."""

_SLACK_BYTES = 1024


def free_bytes() -> int:
    """Memory that can be had without swapping; all there is where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def check_claimed_size(name: str, n_bytes: int, n_stored: int) -> None:
    """Refuse what says it is larger than its stored bytes can stand for.

    Parameters
    ----------
    name
        Of the array.
    n_bytes
        What it claims to take in memory.
    n_stored
        Bytes of it in the file.

    Raises
    ------
    BadRecording
        When no compression makes that of it.
    """
    if n_bytes > MAX_DEFLATE * (n_stored + _SLACK_BYTES):
        raise BadRecording(f"'{name}' claims {n_bytes} bytes from {n_stored} compressed ones.")


def check_fits_memory(n_bytes: int, what: str) -> None:
    """Refuse what would not fit into memory.

    Parameters
    ----------
    n_bytes
        What it takes in memory.
    what
        What the message calls it.

    Raises
    ------
    BadRecording
        When that is more than `MEMORY_SHARE` of what is free.
    """
    allowed = int(MEMORY_SHARE * free_bytes())
    if n_bytes > allowed:
        raise BadRecording(
            f"{what} takes {n_bytes / 1e9:.3g} GB when it is read; at most {allowed / 1e9:.3g} GB may be used now, "
            f"which is {MEMORY_SHARE:.0%} of the free memory. Take a part of it, or free memory."
        )
