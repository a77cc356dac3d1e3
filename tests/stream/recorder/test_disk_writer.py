from __future__ import annotations

import errno
import logging
import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream.errors import CannotWrite, OutputExists
from stream.recorder.disk_writer import DiskWriter


class Disk:
    """Wraps a file and simulates a full or slow disk."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.room = 1 << 60
        self.slow_s = 0.0

    def write(self, data: memoryview) -> int:
        time.sleep(self.slow_s)
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        count: int = self._file.write(data[: self.room])
        self.room -= count
        return count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def replace_file(writer: DiskWriter) -> Disk:
    """Make a writer use a `Disk`."""
    disk = Disk(writer._file)
    writer._file = disk
    return disk


def wait_for(condition: Any, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_file_is_complete_even_with_a_small_buffer(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    pieces = [random.bytes(int(size)) for size in random.integers(0, 3000, 200)]
    writer = DiskWriter(tmp_path / "a", buffer_bytes=1000)
    for piece in pieces:
        assert writer.write(piece) == len(piece)
    writer.close()
    assert (tmp_path / "a").read_bytes() == b"".join(pieces)
    assert writer.high_water <= 1000
    assert (writer.n_pending, writer.problem, writer.past_problems) == (0, "", [])


def test_writes_of_several_threads_do_not_mix(tmp_path: Path) -> None:
    writer = DiskWriter(tmp_path / "a", buffer_bytes=64)

    def write(letter: int) -> None:
        for _ in range(50):
            writer.write(bytes([letter]) * 100)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in b"abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    content = (tmp_path / "a").read_bytes()
    assert len(content) == 4 * 50 * 100
    assert all(len(set(content[at : at + 100])) == 1 for at in range(0, len(content), 100))


@pytest.mark.slow
def test_a_slow_disk_does_not_block_writes_until_the_buffer_is_full(tmp_path: Path) -> None:
    writer = DiskWriter(tmp_path / "a", buffer_bytes=10_000)
    replace_file(writer).slow_s = 2.0
    begin = time.monotonic()
    for _ in range(9):
        writer.write(b"x" * 1000)
    assert time.monotonic() - begin < 2.0  # less than one write takes
    assert writer.high_water >= 8000
    writer.close()
    assert (tmp_path / "a").read_bytes() == b"x" * 9000


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_memory_grows_with_pending_data_and_is_freed(tmp_path: Path) -> None:
    def memory_mb() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    writer, piece = DiskWriter(tmp_path / "a", buffer_bytes=64 << 20), bytes(1 << 20)
    disk, before = replace_file(writer), memory_mb()

    def written() -> bool:
        return not writer.n_pending

    for _ in range(40):
        writer.write(piece)
        wait_for(written)
    assert memory_mb() - before < 20
    disk.room = 0
    for _ in range(40):
        writer.write(piece)
    assert memory_mb() - before > 60
    disk.room = 1 << 60
    wait_for(written)
    writer.write(piece)
    wait_for(written)
    assert memory_mb() - before < 20
    writer.close()
    assert (tmp_path / "a").stat().st_size == 81 << 20


@pytest.mark.slow
def test_a_full_disk_is_reported_and_pending_data_are_written_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer = DiskWriter(tmp_path / "a")
    disk = replace_file(writer)
    disk.room = 7
    content = bytes(range(200))
    writer.write(content[:100])
    wait_for(lambda: writer.problem)
    assert writer.problem == "the disk is full"
    assert "cannot be written: the disk is full" in caplog.text
    assert "FAILING" in repr(writer)
    assert (tmp_path / "a").read_bytes() == content[:7]
    writer.write(content[100:])
    disk.room = 1 << 20
    wait_for(lambda: not writer.problem)
    writer.close()
    assert (tmp_path / "a").read_bytes() == content
    assert writer.past_problems == ["the disk is full"]


def test_a_disk_that_stays_full_ends_blocked_writes(tmp_path: Path) -> None:
    writer = DiskWriter(tmp_path / "a", buffer_bytes=100)
    replace_file(writer).room = 10
    refused = []

    def write() -> None:
        try:
            writer.write(b"x" * 500)
        except CannotWrite as error:
            refused.append(str(error))

    thread = threading.Thread(target=write)
    thread.start()
    wait_for(lambda: writer.problem)
    writer.close()
    thread.join(5)
    assert "accepts no more data: the disk is full" in refused[0]
    assert writer.n_pending == 100
    assert (tmp_path / "a").read_bytes() == b"x" * 10


@pytest.mark.slow
def test_a_deleted_file_is_reported_and_restored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    writer = DiskWriter(tmp_path / "a")
    writer.write(b"before ")
    wait_for(lambda: writer.n_written)
    (tmp_path / "a").unlink()
    writer.write(b"after")
    wait_for(lambda: writer.problem)
    assert "deleted, moved or replaced" in writer.problem
    writer.close()
    assert (tmp_path / "a").read_bytes() == b"before after"
    assert len(writer.past_problems) == 1
    assert not writer.problem


def test_a_file_that_cannot_be_created_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"mine")
    with pytest.raises(OutputExists):
        DiskWriter(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"mine"
    with pytest.raises(CannotWrite, match="No such file or directory"):
        DiskWriter(tmp_path / "none" / "a")
    with pytest.raises(CannotWrite, match="Not a directory"):
        DiskWriter(tmp_path / "a" / "b")
    writer = DiskWriter(tmp_path / "b")
    writer.discard()
    assert not (tmp_path / "b").exists()
