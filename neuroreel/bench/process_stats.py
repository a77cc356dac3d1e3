"""What a running process uses, read from ``/proc``: no package is needed for three numbers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class ProcessFigures:
    """Of one process at one moment.

    Attributes
    ----------
    cpu_s
        Processor time so far, all threads, seconds.
    memory_mb
        Resident memory.
    handles
        Open file descriptors, sockets among them.
    threads
        How many.
    """

    cpu_s: float
    memory_mb: float
    handles: int
    threads: int


def process_figures(pid: int) -> ProcessFigures | None:
    """Figures of a process of this user; None when it has ended, or where there is no ``/proc`` (macOS).

    Parameters
    ----------
    pid
        Of the process.
    """
    folder = _PROC / str(pid)
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        handles = len(os.listdir(folder / "fd"))  # noqa: PTH208 - counts only
    except OSError:
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    return ProcessFigures(
        cpu_s=(int(fields[11]) + int(fields[12])) / ticks,
        memory_mb=int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 2**20,
        handles=handles,
        threads=int(fields[17]),
    )
