"""Settings of the C library's memory allocator for processes that run for hours."""

from __future__ import annotations

import ctypes
import logging

log = logging.getLogger(__name__)

LARGE_BYTES = 256 << 10
"""Arrays of at least this size get memory pages of their own; a sample of 10,000 channels is far smaller."""

_M_MMAP_THRESHOLD = -3  # from malloc.h


def release_large_arrays() -> bool:
    """Return the memory of large arrays to the system as soon as they are freed.

    By default the GNU C library raises its threshold (``M_MMAP_THRESHOLD`` of ``mallopt(3)``, up to 32 MB) with each
    large block freed, and keeps smaller blocks. After each stall longer than all before, the arrays that held the
    backlog then stay in the process, whose memory grows for hours without a leak. Fixing the threshold slows down
    processes that allocate large arrays all the time: do not use it there.

    Returns
    -------
    done
        False if the C library is not GNU's.
    """
    try:
        return bool(ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES))
    except (AttributeError, OSError, TypeError):
        log.debug("this C library has no mallopt; freed memory may stay in the process")
        return False
