"""Limits on the process that reads a file: memory, time without progress, and what it can open."""

from __future__ import annotations

import os
import resource
import signal
import sys
from pathlib import Path

from stream.io.limits import allowed_bytes, check_fits_memory

MAX_CPU_STALL_S = 2.0
"""CPU time that may pass without progress, in seconds."""

MAX_STALL_S = 20
"""Wall-clock time that may pass without progress, in seconds."""

OVERHEAD_BYTES = 320_000_000
"""Memory of the reading library itself, beside the arrays it returns."""


class ReadLimits:
    """Limits on the process that reads a file; the kernel ends it when it exceeds one.

    Memory is limited to what was reserved plus `OVERHEAD_BYTES`, time without progress to `MAX_CPU_STALL_S` and
    `MAX_STALL_S`.
    """

    def __init__(self) -> None:
        self._reserved = 0
        self._allowed = allowed_bytes()  # now, because `confine` leaves no file to read it from later
        self._base = _address_space_bytes() + OVERHEAD_BYTES
        self.reserve(0, "it")

    def reserve(self, n_bytes: int, what: str) -> None:
        """Raise the memory limit before a large allocation.

        Parameters
        ----------
        n_bytes
            Bytes to add.
        what
            Part of the file that needs them; begins the error message.

        Raises
        ------
        BadRecording
            If all reservations together exceed the free memory that a recording may use.
        """
        self._reserved += n_bytes
        check_fits_memory(self._reserved, what, self._allowed)
        self.progress()
        if sys.platform.startswith("linux"):  # other systems do not enforce RLIMIT_AS
            hard = resource.getrlimit(resource.RLIMIT_AS)[1]
            soft = self._base + self._reserved
            resource.setrlimit(resource.RLIMIT_AS, (soft if hard < 0 else min(soft, hard), hard))

    def progress(self) -> None:
        """Restart both time limits; call it at least once per block of data."""
        signal.alarm(MAX_STALL_S)
        used = resource.getrusage(resource.RUSAGE_SELF)
        soft = int(used.ru_utime + used.ru_stime + MAX_CPU_STALL_S) + 1
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (soft if hard < 0 else min(soft, hard), hard))


def confine() -> None:
    """Let this process open one more file and nothing else: no second file, no socket, no process, no output.

    HDF5 follows links into other files, and its library has faults that a damaged file can use.
    """
    numbers = {int(path.name) for path in Path("/dev/fd").iterdir()}
    free = next(number for number in range(len(numbers) + 1) if not _is_open(number))
    for number in numbers:
        if number > free and _is_open(number):
            os.close(number)
    for limit, value in ((resource.RLIMIT_NOFILE, free + 1), (resource.RLIMIT_FSIZE, 0)):
        resource.setrlimit(limit, (value, value))


def _is_open(number: int) -> bool:
    """Return whether a file descriptor is open."""
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _address_space_bytes() -> int:
    """Address space of this process in bytes; 0 where /proc is missing."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
