from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stream.errors import OutputExists, ShapeMismatch
from stream.io.xdf_reader import read_xdf
from stream.io.xdf_writer import XdfWriter, stream_xml


@pytest.mark.parametrize("fmt", ["float32", "double64", "int8", "int16", "int32", "int64", "string"])
def test_pyxdf_reads_every_channel_format(tmp_path: Path, fmt: str) -> None:
    stamps = np.array([1.0, np.nextafter(1.0, 2), 1e9 + 1 / 3])
    text = [["a", ""], ["ü" * 300, "b"], ["c", "\n"]]
    numbers = np.array([[1, -2], [3, 4], [5, 127]])
    with XdfWriter(tmp_path / "a.xdf") as writer:
        writer.header(9, stream_xml("x", "Markers", ("a", "b"), 0, fmt), fmt, 2)
        writer.samples(9, stamps, text if fmt == "string" else numbers)
        writer.samples(9, stamps[:0], [])
        writer.clock_offset(9, 1.5, -0.25)
        writer.boundary()
        assert writer.n_bytes > 100
        writer.flush()
    (stream,) = read_xdf(tmp_path / "a.xdf")
    assert stream.stamps.tobytes() == stamps.tobytes()
    assert (stream.clock_times.tolist(), stream.clock_offsets.tolist()) == ([1.5], [-0.25])
    assert (stream.fmt, stream.labels) == (fmt, ("a", "b"))
    if fmt == "string":
        assert stream.samples == text
    else:
        np.testing.assert_array_equal(stream.samples, numbers)


def test_wrong_shapes_and_existing_files_are_refused(tmp_path: Path) -> None:
    with XdfWriter(tmp_path / "a.xdf") as writer:
        writer.header(1, stream_xml("x", "EEG", ("a", "b"), 10, "float32"), "float32", 2)
        with pytest.raises(ShapeMismatch):
            writer.samples(1, np.arange(2.0), np.zeros((2, 3)))
    with pytest.raises(OutputExists):
        XdfWriter(tmp_path / "a.xdf")
