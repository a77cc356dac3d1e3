"""How the C library hands out memory in processes that run for hours."""

from __future__ import annotations

import ctypes
import logging

log = logging.getLogger(__name__)

LARGE_BYTES = 256 << 10
"""From this size on an array has pages of its own; a sample of 10,000 channels is far smaller."""

_M_MMAP_THRESHOLD = -3  # of malloc.h


def give_back_large_arrays() -> bool:
    """Let every large array return its memory to the system when it is freed.

    The GNU C library keeps memory of a size that was freed once (the threshold of ``mallopt(3)`` moves up to 32 MB), so
    after each stall longer than any before, the arrays that took in what had waited stay with the process: it creeps up
    for hours without a leak. Not for processes that compute with large arrays all the time, which would get slower.

    Returns
    -------
    done
        False where the C library is another one.
    """
    try:
        return bool(ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES))
    except (AttributeError, OSError, TypeError):
        log.debug("this C library has no mallopt; freed memory is kept as it likes")
        return False
