"""500 damaged files of every kind: none crashes or hangs the reader, runs code, exhausts memory or is read wrongly.

A seeded generator that knows each format damages intact files (`tests.hostile.mutants`); a child process reads them one
after the other and compares what it reads with an independent reader (`tests.hostile.oracle`). More of them:
``python -m tests.hostile.run --n 3000``.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.hostile.mutants import GENERATORS, write_mutants
from tests.hostile.run import problems, read_in_a_process, write_intact

N_FILES = {"xdf": 130, "npz": 90, "csv": 60, "model": 90, "nwb": 30, "h5": 30, "mat": 30, "mp4": 40}


@pytest.mark.live
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", N_FILES)
def test_damaged_files_are_read_or_refused(tmp_path: Path, kind: str) -> None:
    if kind in ("nwb", "h5"):
        pytest.importorskip("pynwb", reason="pynwb (extra `nwb`) is not installed")
    if kind == "mat":
        pytest.importorskip("scipy")
    intact = write_intact(tmp_path, kind)
    folder = tmp_path / kind
    folder.mkdir()
    write_mutants(kind, intact, folder, range(N_FILES[kind]))

    found = read_in_a_process(kind, folder)

    assert len(found) == N_FILES[kind], found[-1:]
    assert problems(found) == []
    outcomes = Counter(str(one["outcome"]) for one in found)
    assert outcomes["refused"] > N_FILES[kind] // 10


def test_there_are_five_hundred_files_of_all_kinds() -> None:
    assert sum(N_FILES.values()) == 500
    assert set(N_FILES) == set(GENERATORS)


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    intact = write_intact(tmp_path, "xdf")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_mutants("xdf", intact, tmp_path / name, range(20))
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
