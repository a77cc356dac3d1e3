from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream.io.xdf_reader import read_xdf
from stream.io.xdf_stats import StreamStats, read_xdf_stats
from stream.io.xdf_writer import XdfWriter, stream_xml


@pytest.mark.parametrize("fmt", ["float32", "double64", "int8", "int16", "int32", "int64", "string"])
def test_statistics_do_not_depend_on_the_chunks(tmp_path: Path, fmt: str) -> None:
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
    with XdfWriter(tmp_path / "a.xdf") as writer:
        writer.header(4, stream_xml("x", "EEG", ("a", "b", "c"), 0, fmt), fmt, 3)
        for start in range(0, 40, 7):
            writer.samples(4, stamps[start : start + 7], samples[start : start + 7])
        writer.clock_offset(4, 1.0, 0.5)
        writer.footer(4, stamps[0], stamps[-1], 40, measured_hz=2.0)
    received.add(stamps, samples)
    stats, damage = read_xdf_stats(tmp_path / "a.xdf")
    assert not damage
    assert stats[4].same_samples(received)
    assert (stats[4].first, stats[4].last) == (stamps[0], stamps[-1])
    assert (stats[4].clock_offsets, stats[4].ended) == (1, True)
    assert len(read_xdf(tmp_path / "a.xdf")[0].stamps) == 40


def test_one_wrong_bit_and_a_truncation_are_detected(tmp_path: Path) -> None:
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
