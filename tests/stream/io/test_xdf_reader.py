from __future__ import annotations

import gzip
import struct
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from stream.errors import BadRecording
from stream.io.session_io import load_session
from stream.io.xdf import load_xdf, save_xdf
from stream.io.xdf_reader import read_xdf
from stream.io.xdf_writer import XdfWriter, stream_xml
from stream.session import Session
from tests.stream.strategies import assert_same


@pytest.mark.parametrize("stamp", [np.nan, np.inf, -np.inf, 1e300])
def test_invalid_timestamps_are_masked_one_by_one(
    tmp_path: Path, stamp: float, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.xdf"
    with XdfWriter(path) as writer:
        writer.header(1, stream_xml("a", "EEG", ("a",), 20, "float32"), "float32", 1)
        writer.header(2, stream_xml("a-stimulus", "Stimulus", ("frame",), 0, "int32"), "int32", 1)
        writer.header(3, stream_xml("a-speed", "Label", ("v",), 20, "float32"), "float32", 1)
        writer.header(4, stream_xml("other-lab", "Markers", ("m",), 0, "string"), "string", 1)
        stamps = np.arange(1, 41) / 20
        neural_stamps = stamps.copy()
        neural_stamps[30] = stamp
        writer.samples(1, neural_stamps, np.arange(40.0)[:, None])
        event_stamps = np.arange(8) / 4
        event_stamps[3] = stamp
        writer.samples(2, event_stamps, np.arange(8)[:, None])
        label_stamps = stamps.copy()
        label_stamps[0] = stamp
        writer.samples(3, label_stamps, np.arange(40.0)[:, None])
        writer.samples(4, np.array([0.0, stamp]), [["a"], ["b"]])
        writer.footer(2, 0.0, 2.0, 8)
    session = load_xdf(path)
    kept = np.r_[0:30, 31:40]
    np.testing.assert_array_equal(session.neural[:, 0], kept)
    np.testing.assert_array_equal(session.stamps, stamps[kept])
    shown = np.repeat(np.arange(8), 5)
    shown[15:20] = -1  # the frame whose event has no valid timestamp
    np.testing.assert_array_equal(session.frame, shown[kept])
    assert session.segment.tolist() == [0] * 30 + [1] * 9
    np.testing.assert_array_equal(session.labels["speed"][1:, 0], kept[1:])
    assert "1 of 40 timestamps of 'a' are not valid" in session.losses[0]
    assert "1 of 8 timestamps of 'a-stimulus' are invalid" in caplog.text
    assert "other-lab" not in caplog.text  # it is not used


@pytest.mark.parametrize("suffix", [".xdf", ".xdfz", ".xdf.gz"])
def test_compressed_files_are_read_whatever_their_name(
    tmp_path: Path, suffix: str, small_session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    save_xdf(small_session, tmp_path / "whole.xdf")
    content = gzip.compress((tmp_path / "whole.xdf").read_bytes())
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    assert_same(load_session(path), small_session)
    path.write_bytes(content[: len(content) * 9 // 10])
    assert 0 < load_session(path).n_samples < small_session.n_samples
    assert "cannot be unpacked to its end" in caplog.text


def test_a_gzip_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xdfz"
    path.write_bytes(gzip.compress(b"XDF:" + bytes(100_000_000)))
    with pytest.raises(BadRecording, match=r"a\.xdfz unpacks to more than .* times its size"):
        load_session(path)


def test_few_bytes_that_declare_much_take_little_memory(tmp_path: Path) -> None:
    """40 headers of a million channels, a million of empty or nested elements, a sparse file of zeros."""

    def chunk(body: bytes) -> bytes:
        return b"\x08" + struct.pack("<QHI", len(body) + 6, 2, 9) + body

    xml = stream_xml("x", "EEG", ("a",), 1, "int8").encode()
    wide = b"".join(
        chunk(xml.replace(b">1<", b">1000000<", 1))[:11]
        + struct.pack("<I", 100 + index)
        + xml.replace(b">1<", b">1000000<", 1)
        for index in range(40)
    )
    inputs = {
        "wide": wide,
        "flat": chunk(xml.replace(b"<desc>", b"<desc>" + b"<a/>" * 3_000_000)),
        "deep": chunk(xml.replace(b"<desc>", b"<desc>" + b"<a>" * 400_000)),
    }
    for name, extra in inputs.items():
        path = tmp_path / f"{name}.xdf"
        with XdfWriter(path) as writer:
            writer.header(1, stream_xml("a", "EEG", ("a",), 20, "float32"), "float32", 1)
            writer.samples(1, np.arange(5) / 20, np.ones((5, 1)))
        path.write_bytes(path.read_bytes() + extra)
        tracemalloc.start()
        began = time.process_time()
        session = load_xdf(path)
        assert time.process_time() - began < 5, name
        assert tracemalloc.get_traced_memory()[1] < 250e6, name
        tracemalloc.stop()
        assert session.n_samples == 5
        assert session.losses


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "n_samples"), [("minimal", 9), ("clock_resets", 27815), ("empty_streams", None)]
)
def test_files_of_other_software(shared_data: Path, name: str, n_samples: int | None) -> None:
    path = shared_data / "xdf_files" / f"{name}.xdf"
    if n_samples is None:
        with pytest.raises(BadRecording, match="no neural stream"):
            load_xdf(path)
        return
    session = load_xdf(path)
    assert (session.kind, session.n_samples) == ("eeg", n_samples)
    assert len(read_xdf(path)) >= 2


def test_wide_headers_before_the_neural_stream_do_not_cost_it(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    with XdfWriter(path) as writer:
        for index in range(40):
            xml = stream_xml("x", "Gaze", ("a",), 1, "int8").replace(">1<", ">1000000<", 1)
            writer.header(100 + index, xml, "int8", 1)
        rich = stream_xml("y", "Gaze", ("a",), 1, "int8").replace("<desc>", "<desc>" + "<a/>" * 900_000)
        writer.header(99, rich, "int8", 1)
        writer.header(1, stream_xml("a", "EEG", ("a",), 20, "float32"), "float32", 1)
        writer.samples(1, np.arange(5) / 20, np.ones((5, 1)))
    assert load_xdf(path).n_samples == 5
