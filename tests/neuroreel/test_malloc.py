from __future__ import annotations

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.live

STALLS = """
import os, sys, numpy as np
from pathlib import Path
from neuroreel.malloc import release_large_arrays
assert sys.argv[1] == "default" or release_large_arrays()
def memory_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
before, small = memory_mb(), []
for rows in range(100, 2600, 100):  # each stall is longer than the one before
    backlog = [np.ones((min(256, rows - at), 1000), np.float32) for at in range(0, rows, 256)]
    chunk = np.concatenate(backlog)
    small.append(np.zeros(10))  # stays allocated
    del backlog, chunk
print(memory_mb() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs the GNU C library")
def test_memory_used_during_a_stall_is_returned() -> None:
    def growth_mb(setting: str) -> float:
        command = [sys.executable, "-P", "-c", STALLS, setting]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert growth_mb("returned") < 1.5
    assert growth_mb("default") > 3
