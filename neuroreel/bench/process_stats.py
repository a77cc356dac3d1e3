"""CPU time, memory, handles and threads of a running process, read from ``/proc`` (Linux)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class ProcessStats:
    """Resource use of one process at one moment.

    Attributes
    ----------
    cpu_s
        CPU time of all threads so far, seconds.
    memory_mb
        Resident memory, MB.
    handles
        Number of open file descriptors, including sockets.
    threads
        Number of threads.
    """

    cpu_s: float
    memory_mb: float
    handles: int
    threads: int


def process_stats(pid: int) -> ProcessStats | None:
    """Resource use of a process of the same user; None if it has ended or there is no ``/proc`` (macOS).

    Parameters
    ----------
    pid
        Process id.
    """
    folder = _PROC / str(pid)
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        handles = len(os.listdir(folder / "fd"))  # noqa: PTH208 - counts only
    except OSError:
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    return ProcessStats(
        cpu_s=(int(fields[11]) + int(fields[12])) / ticks,
        memory_mb=int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 2**20,
        handles=handles,
        threads=int(fields[17]),
    )
