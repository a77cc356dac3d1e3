from __future__ import annotations

import io
import logging
import struct
from pathlib import Path

import numpy as np
import pytest
import pyxdf

from stream.errors import BadRecording
from stream.io.xdf import load_xdf, save_xdf
from stream.io.xdf_writer import BOUNDARY_CONTENT, XdfWriter, stream_xml
from stream.io.xdf_xml import header_problem
from stream.session import Session


def test_a_truncated_file_is_read_up_to_its_end(
    tmp_path: Path, small_session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    save_xdf(small_session, tmp_path / "a.xdf")
    content = (tmp_path / "a.xdf").read_bytes()
    lengths = []
    for cut in range(4, len(content), 37):
        path = tmp_path / "cut.xdf"
        path.write_bytes(content[:cut])
        caplog.clear()
        try:
            session = load_xdf(path)
        except BadRecording:
            assert not lengths  # more bytes never mean fewer samples
            continue
        assert any("truncated or damaged" in record.message for record in caplog.records) or len(
            pyxdf.load_xdf(io.BytesIO(content[:cut]))[0]
        )
        lengths.append(session.n_samples)
        np.testing.assert_array_equal(session.neural, small_session.neural[: session.n_samples])
        np.testing.assert_array_equal(session.stamps, small_session.stamps[: session.n_samples])
        np.testing.assert_array_equal(session.frame, small_session.frame[: session.n_samples])
    assert lengths == sorted(lengths)
    assert len(set(lengths)) > 10  # complete samples of a truncated chunk are kept


@pytest.fixture(scope="module")
def small_xdf(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("small") / "a.xdf"
    with XdfWriter(path) as writer:
        writer.header(1, stream_xml("a", "EEG", ("a", "b"), 10, "float32"), "float32", 2)
        writer.header(2, stream_xml("a-stimulus", "Stimulus", ("frame", "repeat"), 0, "int32"), "int32", 2)
        writer.header(3, stream_xml("a-events", "Markers", ("event",), 0, "string"), "string", 1)
        writer.samples(2, np.array([0.0]), np.array([[1, 0]]))
        writer.samples(3, np.array([0.0]), [["start"]])
        for begin in range(0, 20, 5):
            writer.clock_offset(1, float(begin), 0.5)
            writer.samples(1, (begin + np.arange(5)) / 10, np.ones((5, 2)))
            writer.boundary()
        writer.footer(1, 0.0, 1.9, 20)
    return path.read_bytes()


def _chunk(tag: int, body: bytes) -> bytes:
    return b"\x08" + struct.pack("<QH", len(body) + 2, tag) + body


@pytest.mark.parametrize(
    "chunk",
    [
        _chunk(3, struct.pack("<I", 1) + b"\x08" + struct.pack("<Q", 1 << 40)),  # samples that do not exist
        _chunk(3, struct.pack("<I", 77) + b"\x01\x00"),  # of a stream that does not exist
        _chunk(4, struct.pack("<I", 77) + b"\x00" * 16),
        _chunk(2, struct.pack("<I", 9) + b"<info><name>x</name><channel_count>1</channel_count>"),
        _chunk(2, struct.pack("<I", 9) + b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]><info>&a;</info>"),
        _chunk(2, struct.pack("<I", 9) + b"<a>" * 20_000 + b"</a>" * 20_000),
        _chunk(
            2,
            struct.pack("<I", 9)
            + stream_xml("x", "EEG", ("a",), 1, "float32").replace(">1<", ">9999999<").encode(),
        ),
        _chunk(
            2, struct.pack("<I", 1) + stream_xml("x", "EEG", ("a",), 1, "float32").encode()
        ),  # second header of a stream, of another format
        _chunk(77, b"what is this"),
        _chunk(5, b"not a boundary"),
        _chunk(2, struct.pack("<I", 9) + stream_xml("x", "EEG", ("a",), 1, "complex").encode()),
        _chunk(6, struct.pack("<I", 1) + b"<info><sample_count>many</sample_count></info>"),
        b"\x08" + struct.pack("<Q", 1 << 62) + b"\x03\x00",
        b"\x02\x05",
        b"\x01\x01\x05",
        b"\x01\x03\x03\x00\x00",
    ],
)
def test_reading_goes_on_behind_a_damaged_chunk(
    small_xdf: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture, chunk: bytes
) -> None:
    path = tmp_path / "a.xdf"
    path.write_bytes(small_xdf + chunk)
    with caplog.at_level(logging.WARNING):
        assert load_xdf(path).n_samples == 20
    assert f"at byte {len(small_xdf)}" in caplog.text
    boundary = _chunk(5, BOUNDARY_CONTENT)
    first = small_xdf.index(BOUNDARY_CONTENT) + len(BOUNDARY_CONTENT)
    path.write_bytes(small_xdf[:first] + chunk + boundary + small_xdf[first:])
    session = load_xdf(path)
    assert session.n_samples == 20
    assert f"{path} is damaged at byte {first}" in session.losses[0]


@pytest.mark.slow
def test_a_wrong_byte_anywhere_loses_what_lies_before_the_next_boundary(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.xdf"
    with XdfWriter(path) as writer:
        writer.header(1, stream_xml("a", "EEG", ("a",), 20, "int16"), "int16", 1)
        for begin in range(0, 400, 20):
            writer.samples(1, 1 + np.arange(begin, begin + 20) / 20, np.arange(begin, begin + 20)[:, None])
            if begin % 100 == 80:
                writer.boundary()
        writer.footer(1, 1.0, 21.0, 400)
    content = path.read_bytes()
    begin = content.index(b"</info>", 200) + len(b"</info>")
    counts = []
    for at in range(begin, len(content), 7):
        damaged = bytearray(content)
        damaged[at] ^= 0x43
        path.write_bytes(damaged)
        caplog.clear()
        session = load_xdf(path)
        counts.append(session.n_samples)
        right = session.neural[:, 0] == np.rint((session.stamps - 1) * 20)
        assert np.sum(~right) <= 1  # the changed value itself, or its timestamp
        # a timestamp that became a later one puts those behind it out of order
        assert session.n_samples == 400 or session.losses or "left out, as in live" in caplog.text, at
    assert min(counts) >= 300


def test_a_second_header_is_ignored(small_xdf: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    header = struct.pack("<I", 1) + stream_xml("a", "EEG", ("a", "b"), 10, "float32").encode()
    first = small_xdf.index(BOUNDARY_CONTENT) + len(BOUNDARY_CONTENT)
    path.write_bytes(small_xdf[:first] + _chunk(2, header) + small_xdf[first:])
    session = load_xdf(path)
    assert (session.n_samples, session.losses) == (20, ())


def test_the_damage_of_other_streams_costs_no_neural_sample(small_xdf: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    cut = _chunk(2, struct.pack("<I", 8) + b"<?xml version='1.0'?><info><name>M</name><type>Mark")
    data = _chunk(3, struct.pack("<I", 8) + b"\x01\x01\x08" + bytes(8) + b"\x01\x01a")
    offset = _chunk(4, struct.pack("<Idd", 1, np.nan, 0.5))
    path.write_bytes(small_xdf[:4] + cut + small_xdf[4:] + data * 3 + offset + data)
    session = load_xdf(path)
    assert session.n_samples == 20
    assert len(session.losses) == 3
    assert "stream 8 has data but no valid header" in session.losses[1]
    assert "3 later places" in session.losses[1]


@pytest.mark.parametrize("content", [b"", b"XDF", b"PK\x03\x04", b"XDF:", b"XDF:\x01"])
def test_files_of_another_format_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.xdf").write_bytes(content)
    with pytest.raises(BadRecording):
        load_xdf(tmp_path / "a.xdf")


def test_a_header_that_would_damage_the_file_is_found() -> None:
    xml = stream_xml("x", "EEG", ("a",), 10, "float32")
    assert header_problem(xml.encode()) == ""
    assert "XML is invalid" in header_problem(xml[:-3].encode())
    assert "no name" in header_problem(xml.replace("name>", "title>").encode())
