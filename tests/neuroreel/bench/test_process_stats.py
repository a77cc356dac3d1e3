from __future__ import annotations

import os
from pathlib import Path

import pytest

from neuroreel.bench.process_stats import process_stats
from neuroreel.subprocesses import start_child

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


def test_stats_of_this_process() -> None:
    before = process_stats(os.getpid())
    assert before is not None
    assert before.memory_mb > 10
    assert before.threads >= 1
    with Path(os.devnull).open() as _:
        during = process_stats(os.getpid())
    assert during is not None
    assert during.handles == before.handles + 1


@pytest.mark.live
def test_a_process_that_has_ended_has_no_stats() -> None:
    child = start_child(["--version"])
    child.wait(30)
    assert process_stats(child.pid) is None
