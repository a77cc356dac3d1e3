from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pyxdf

from stream.io.xdf_reader import read_xdf
from stream.io.xdf_writer import XdfWriter, stream_xml


def test_samples_of_mixed_chunks_equal_those_of_pyxdf(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    body = b""
    for index, stamped in enumerate(random.random(500) < 0.3):
        body += b"\x08" + struct.pack("<d", 5 + index / 20) if stamped or not index else b"\0"
        body += struct.pack("<2h", index, -index)
    path = tmp_path / "a.xdf"
    with XdfWriter(path) as writer:
        writer.header(1, stream_xml("a", "EEG", ("a", "b"), 20, "int16"), "int16", 2)
    chunk = struct.pack("<HIBI", 3, 1, 4, 500) + body
    path.write_bytes(path.read_bytes() + b"\x08" + struct.pack("<Q", len(chunk)) + chunk)
    (mine,) = read_xdf(path)
    (other,), _ = pyxdf.load_xdf(path, synchronize_clocks=False, dejitter_timestamps=False)
    np.testing.assert_array_equal(mine.samples, other["time_series"])
    np.testing.assert_allclose(mine.stamps, other["time_stamps"], atol=1e-9)
