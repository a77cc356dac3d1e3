from __future__ import annotations

import io
import logging
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pyxdf
from hypothesis import HealthCheck, given, settings

from stream.errors import AmbiguousStream, BadRecording, OutputExists, ShapeMismatch
from stream.io.xdf import load_xdf, save_xdf
from stream.io.xdf_reader import read_xdf
from stream.io.xdf_writer import XdfWriter, stream_xml
from stream.session import NO_FRAME, Session
from tests.stream.strategies import assert_same, sessions


@given(sessions())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_recording_comes_back_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, session: Session
) -> None:
    path = tmp_path_factory.mktemp("xdf") / "a.xdf"
    save_xdf(session, path)
    assert_same(load_xdf(path), session)


def test_pyxdf_reads_it_bit_exact(tmp_path: Path, small_session: Session) -> None:
    save_xdf(small_session, tmp_path / "a.xdf")
    streams, _ = pyxdf.load_xdf(tmp_path / "a.xdf", synchronize_clocks=False, dejitter_timestamps=False)
    by_name = {stream["info"]["name"][0]: stream for stream in streams}
    assert set(by_name) == {"V1", "V1-stimulus", "V1-position"}
    neural = by_name["V1"]
    assert neural["time_series"].dtype == np.int16
    np.testing.assert_array_equal(neural["time_series"], small_session.neural)
    np.testing.assert_array_equal(neural["time_stamps"], small_session.stamps)
    assert neural["footer"]["info"]["sample_count"] == [str(small_session.n_samples)]
    np.testing.assert_array_equal(by_name["V1-position"]["time_series"], small_session.labels["position"])


@pytest.mark.parametrize("fmt", ["float32", "double64", "int8", "int16", "int32", "int64", "string"])
def test_every_format(tmp_path: Path, fmt: str) -> None:
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


def test_a_writer_refuses_what_does_not_fit(tmp_path: Path) -> None:
    with XdfWriter(tmp_path / "a.xdf") as writer:
        writer.header(1, stream_xml("x", "EEG", ("a", "b"), 10, "float32"), "float32", 2)
        with pytest.raises(ShapeMismatch):
            writer.samples(1, np.arange(2.0), np.zeros((2, 3)))
    with pytest.raises(OutputExists):
        XdfWriter(tmp_path / "a.xdf")


def test_nothing_is_overwritten_unasked(tmp_path: Path, small_session: Session) -> None:
    path = tmp_path / "a.xdf"
    path.write_bytes(b"mine")
    with pytest.raises(OutputExists):
        save_xdf(small_session, path)
    assert path.read_bytes() == b"mine"
    save_xdf(small_session, path, force=True)
    assert_same(load_xdf(path), small_session)


def test_whole_numbers_are_small(tmp_path: Path, small_session: Session) -> None:
    save_xdf(small_session, tmp_path / "counts.xdf")
    dead = small_session.neural.copy()
    dead[:, 2] = np.nan
    with_nan = replace(small_session, neural=dead)
    save_xdf(with_nan, tmp_path / "nan.xdf")
    assert_same(load_xdf(tmp_path / "nan.xdf"), with_nan)
    n_values = small_session.neural.size
    sizes = [(tmp_path / name).stat().st_size for name in ("counts.xdf", "nan.xdf")]
    assert sizes[1] - sizes[0] == pytest.approx(2 * n_values, abs=20)


def _write(path: Path, *streams: tuple[str, str]) -> None:
    with XdfWriter(path) as writer:
        for index, (name, type_) in enumerate(streams):
            writer.header(index, stream_xml(name, type_, ("a",), 10, "float32"), "float32", 1)
            writer.samples(index, np.arange(5) / 10, np.ones((5, 1)))


def test_the_neural_stream_is_the_only_one_of_its_kind(tmp_path: Path) -> None:
    _write(tmp_path / "none.xdf", ("a", "Gaze"))
    with pytest.raises(BadRecording, match=r"no neural stream.*'a' \(Gaze\)"):
        load_xdf(tmp_path / "none.xdf")
    _write(tmp_path / "two.xdf", ("a", "EEG"), ("b", "Spikes"))
    with pytest.raises(AmbiguousStream, match="2 neural streams"):
        load_xdf(tmp_path / "two.xdf")
    assert load_xdf(tmp_path / "two.xdf", stream="b").kind == "spikes"
    _write(tmp_path / "same.xdf", ("a", "EEG"), ("a", "EEG"))  # at the same time
    assert load_xdf(tmp_path / "same.xdf").n_samples == 5
    with pytest.raises(BadRecording, match="no stream 'c'"):
        load_xdf(tmp_path / "two.xdf", stream="c")
    with pytest.raises(BadRecording, match="no such recording"):
        load_xdf(tmp_path / "three.xdf")
    _write(tmp_path / "other.xdf", ("a", "EEG"))
    session = load_xdf(tmp_path / "other.xdf")
    assert session.channel_names == ("a",)
    assert set(session.frame.tolist()) == {NO_FRAME}


def test_truth_from_another_computer_is_put_on_the_neural_clock(tmp_path: Path) -> None:
    def header(name: str, type_: str, fmt: str, host: str) -> str:
        return stream_xml(name, type_, ("a",), 10, fmt).replace(
            "<desc>", f"<hostname>{host}</hostname><desc>"
        )

    stamps = 50 + np.arange(100) / 10
    with XdfWriter(tmp_path / "a.xdf") as writer:
        writer.header(1, header("V1", "Spikes", "float32", "rig"), "float32", 1)
        writer.header(2, header("V1-stimulus", "Stimulus", "int32", "screen"), "int32", 1)
        for second in range(0, 12, 5):
            writer.clock_offset(1, 50.0 + second, 1000.0)  # rig + 1000 = recorder
            writer.clock_offset(2, 7000.0 + second, -5950.0)  # screen - 5950 = recorder: screen - 6950 = rig
        writer.samples(1, stamps, np.ones((100, 1)))
        writer.samples(2, 6950 + stamps[20::10] - 0.1, np.arange(8)[:, None])
    session = load_xdf(tmp_path / "a.xdf")
    np.testing.assert_array_equal(session.stamps, stamps)
    assert session.frame.tolist() == [-1] * 20 + np.repeat(np.arange(8), 10).tolist()
    assert set(session.repeat.tolist()) == {-1, 0}  # numbered, since the stream does not say


@pytest.mark.parametrize("stamp", [np.nan, np.inf, 1e300])
def test_stamps_that_are_no_moments_are_refused(tmp_path: Path, stamp: float) -> None:
    with XdfWriter(tmp_path / "a.xdf") as writer:
        writer.header(1, stream_xml("a", "EEG", ("a",), 20, "float32"), "float32", 1)
        writer.header(2, stream_xml("a-stimulus", "Stimulus", ("frame",), 0, "int32"), "int32", 1)
        writer.samples(1, np.arange(5) / 20, np.ones((5, 1)))
        writer.samples(2, np.array([0.0, stamp]), np.ones((2, 1)))
    with pytest.raises(BadRecording, match=r"'a-stimulus' .* not valid numbers of seconds"):
        load_xdf(tmp_path / "a.xdf")


def test_a_recorded_replay_is_read_at_its_recorded_rate(tmp_path: Path) -> None:
    with XdfWriter(tmp_path / "a.xdf") as writer:
        writer.header(
            1, stream_xml("a", "EEG", ("a",), 20, "float32", facts={"stamp_rate": 2.0}), "float32", 1
        )
        writer.samples(1, np.arange(5) / 20, np.ones((5, 1)))
    session = load_xdf(tmp_path / "a.xdf")
    assert session.rate_hz == 10
    np.testing.assert_allclose(session.stamps, np.arange(5) / 10)


def test_a_file_cut_anywhere_is_read_up_to_the_cut(
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
            assert not lengths  # once there are samples, more bytes never mean fewer
            continue
        assert any("truncated or damaged" in record.message for record in caplog.records) or len(
            pyxdf.load_xdf(io.BytesIO(content[:cut]))[0]
        )
        lengths.append(session.n_samples)
        np.testing.assert_array_equal(session.neural, small_session.neural[: session.n_samples])
        np.testing.assert_array_equal(session.stamps, small_session.stamps[: session.n_samples])
        np.testing.assert_array_equal(session.frame, small_session.frame[: session.n_samples])
    assert lengths == sorted(lengths)
    assert len(set(lengths)) > 10  # whole samples of a chunk that is cut are kept


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
        _chunk(3, struct.pack("<I", 1) + b"\x08" + struct.pack("<Q", 1 << 40)),  # samples that are not there
        _chunk(3, struct.pack("<I", 77) + b"\x01\x00"),  # of a stream that is not there
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
        ),  # declared twice
        _chunk(2, struct.pack("<I", 9) + stream_xml("x", "EEG", ("a",), 1, "complex").encode()),
        _chunk(6, struct.pack("<I", 1) + b"<info><sample_count>many</sample_count></info>"),
        b"\x08" + struct.pack("<Q", 1 << 62) + b"\x03\x00",
        b"\x02\x05",
        b"\x01\x01\x05",
        b"\x01\x03\x03\x00\x00",
    ],
)
def test_what_follows_damage_is_left_out(
    small_xdf: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture, chunk: bytes
) -> None:
    (tmp_path / "a.xdf").write_bytes(small_xdf + chunk)
    with caplog.at_level(logging.WARNING):
        assert load_xdf(tmp_path / "a.xdf").n_samples == 20
    assert f"damaged at byte {len(small_xdf)}" in caplog.text


@pytest.mark.parametrize("content", [b"", b"XDF", b"PK\x03\x04", b"XDF:", b"XDF:\x01"])
def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.xdf").write_bytes(content)
    with pytest.raises(BadRecording):
        load_xdf(tmp_path / "a.xdf")


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


def test_a_sender_that_came_back_as_another_stream_is_one_recording(tmp_path: Path) -> None:
    with XdfWriter(tmp_path / "a.xdf") as writer:
        for index, start in enumerate((20.0, 10.0)):
            neural, stimulus = 2 * index, 2 * index + 1
            writer.header(neural, stream_xml("a", "EEG", ("x",), 10, "float32"), "float32", 1)
            events = stream_xml("a-stimulus", "Stimulus", ("frame", "repeat"), 0, "int32")
            writer.header(stimulus, events, "int32", 2)
            writer.samples(neural, start + np.arange(5) / 10, np.full((5, 1), start))
            writer.samples(stimulus, np.array([start - 0.1]), np.array([[index, 0]]))
        writer.header(9, stream_xml("a", "EEG", ("x",), 10, "float32"), "float32", 1)
    session = load_xdf(tmp_path / "a.xdf")
    assert session.neural[:, 0].tolist() == [10.0] * 5 + [20.0] * 5
    assert session.segment.tolist() == [0] * 5 + [1] * 5
    assert session.frame.tolist() == [1] * 5 + [0] * 5
