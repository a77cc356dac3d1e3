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
from stream.io.xdf_reader import read_xdf
from stream.io.xdf_stats import StreamStats, read_xdf_stats
from stream.io.xdf_writer import XdfWriter, stream_xml
from stream.recorder.disk_writer import DiskWriter


class Disk:
    """A file object in front of another, whose disk can be full or slow."""

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
    """Put a `Disk` under a spool."""
    disk = Disk(writer._file)
    writer._file = disk
    return disk


def wait_for(condition: Any, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_goes_in_comes_out_even_when_the_buffer_is_small(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    pieces = [random.bytes(int(size)) for size in random.integers(0, 3000, 200)]
    writer = DiskWriter(tmp_path / "a", buffer_bytes=1000)
    for piece in pieces:
        assert writer.write(piece) == len(piece)
    writer.close()
    assert (tmp_path / "a").read_bytes() == b"".join(pieces)
    assert writer.high_water <= 1000
    assert (writer.n_pending, writer.problem, writer.past_problems) == (0, "", [])


def test_each_write_stays_in_one_piece(tmp_path: Path) -> None:
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


def test_a_slow_disk_is_not_waited_for_until_the_buffer_is_full(tmp_path: Path) -> None:
    writer = DiskWriter(tmp_path / "a", buffer_bytes=10_000)
    replace_file(writer).slow_s = 0.5
    begin = time.monotonic()
    for _ in range(9):
        writer.write(b"x" * 1000)
    assert time.monotonic() - begin < 0.4
    assert writer.high_water >= 8000
    writer.close()
    assert (tmp_path / "a").read_bytes() == b"x" * 9000


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_memory_is_taken_for_what_waits_and_given_back(tmp_path: Path) -> None:
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


def test_a_full_disk_is_told_and_what_was_held_is_written_when_there_is_room(
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


def test_a_disk_that_stays_full_lets_everybody_go(tmp_path: Path) -> None:
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


def test_a_file_that_is_deleted_is_told_and_written_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
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


def test_what_cannot_be_made(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("fmt", ["float32", "double64", "int8", "int16", "int32", "int64", "string"])
def test_a_tally_is_of_what_was_written_in_whatever_pieces(tmp_path: Path, fmt: str) -> None:
    random = np.random.default_rng(1)
    stamps = 5 + random.random(40).cumsum()
    numbers = random.integers(-100, 100, (40, 3))
    samples: Any = numbers
    if fmt == "string":
        samples = np.array([[f"ü{value}".encode() for value in row] for row in numbers], object)
    elif fmt in ("float32", "double64"):
        samples = random.normal(size=(40, 3)).astype("f4" if fmt == "float32" else "f8")
    else:
        samples = numbers.astype(fmt)
    received = StreamStats()
    writer = DiskWriter(tmp_path / "a.xdf")
    with XdfWriter(tmp_path / "a.xdf", sink=writer) as writer:
        writer.header(4, stream_xml("x", "EEG", ("a", "b", "c"), 0, fmt), fmt, 3)
        for start in range(0, 40, 7):
            writer.samples(4, stamps[start : start + 7], samples[start : start + 7])
        writer.clock_offset(4, 1.0, 0.5)
        writer.footer(4, stamps[0], stamps[-1], 40, measured_hz=2.0)
    received.add(stamps, samples)
    tallies, damage = read_xdf_stats(tmp_path / "a.xdf")
    assert not damage
    assert tallies[4].same_samples(received)
    assert (tallies[4].first, tallies[4].last) == (stamps[0], stamps[-1])
    assert (tallies[4].clock_offsets, tallies[4].ended) == (1, True)
    assert len(read_xdf(tmp_path / "a.xdf")[0].stamps) == 40


def test_a_tally_sees_one_wrong_bit_and_a_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    with XdfWriter(path) as writer:
        writer.header(1, stream_xml("x", "EEG", ("a",), 10, "int16"), "int16", 1)
        for start in range(0, 100, 10):
            writer.samples(1, np.arange(start, start + 10.0), np.arange(10)[:, None])
    good, _ = read_xdf_stats(path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    bad, damage = read_xdf_stats(path)
    assert not damage
    assert not bad[1].same_samples(good[1])
    path.write_bytes(content[:-5])
    cut, damage = read_xdf_stats(path)
    assert "truncated or damaged" in damage
    assert cut[1].n_samples == 90
    for content_of_none in (b"", b"PK"):
        path.write_bytes(content_of_none)
        assert read_xdf_stats(path)[1]
    assert "cannot be read" in read_xdf_stats(tmp_path / "none.xdf")[1]
