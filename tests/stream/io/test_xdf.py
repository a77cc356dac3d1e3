from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pyxdf
from hypothesis import HealthCheck, given, settings

from stream.errors import AmbiguousStream, BadRecording, OutputExists
from stream.io.xdf import load_xdf, save_xdf
from stream.io.xdf_writer import XdfWriter, stream_xml
from stream.session import NO_FRAME, Session
from tests.stream.strategies import assert_same, sessions


@given(sessions())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_round_trip_is_exact(tmp_path_factory: pytest.TempPathFactory, session: Session) -> None:
    path = tmp_path_factory.mktemp("xdf") / "a.xdf"
    save_xdf(session, path)
    assert_same(load_xdf(path), session)


def test_pyxdf_reads_exact_values(tmp_path: Path, small_session: Session) -> None:
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


def test_an_existing_file_is_overwritten_only_by_force(tmp_path: Path, small_session: Session) -> None:
    path = tmp_path / "a.xdf"
    path.write_bytes(b"mine")
    with pytest.raises(OutputExists):
        save_xdf(small_session, path)
    assert path.read_bytes() == b"mine"
    save_xdf(small_session, path, force=True)
    assert_same(load_xdf(path), small_session)


def test_whole_numbers_take_two_bytes(tmp_path: Path, small_session: Session) -> None:
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


def test_the_neural_stream_is_selected_by_type_or_name(tmp_path: Path) -> None:
    _write(tmp_path / "none.xdf", ("a", "Gaze"))
    with pytest.raises(BadRecording, match=r"no neural stream(.|\n)*name='a' and type='Gaze'"):
        load_xdf(tmp_path / "none.xdf")
    _write(tmp_path / "two.xdf", ("a", "EEG"), ("b", "Spikes"))
    with pytest.raises(AmbiguousStream, match="2 neural streams"):
        load_xdf(tmp_path / "two.xdf")
    assert load_xdf(tmp_path / "two.xdf", stream="b").kind == "spikes"
    _write(tmp_path / "same.xdf", ("a", "EEG"), ("a", "EEG"))  # at the same time
    with pytest.raises(AmbiguousStream, match="2 neural streams"):
        load_xdf(tmp_path / "same.xdf")
    with pytest.raises(BadRecording, match="no stream 'c'"):
        load_xdf(tmp_path / "two.xdf", stream="c")
    with pytest.raises(BadRecording, match="no such recording"):
        load_xdf(tmp_path / "three.xdf")
    _write(tmp_path / "other.xdf", ("a", "EEG"))
    session = load_xdf(tmp_path / "other.xdf")
    assert session.channel_names == ("a",)
    assert set(session.frame.tolist()) == {NO_FRAME}


def test_the_stimulus_of_another_computer_is_converted_to_the_neural_clock(tmp_path: Path) -> None:
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


def test_a_recorded_replay_has_its_original_rate(tmp_path: Path) -> None:
    with XdfWriter(tmp_path / "a.xdf") as writer:
        writer.header(
            1, stream_xml("a", "EEG", ("a",), 20, "float32", facts={"stamp_rate": 2.0}), "float32", 1
        )
        writer.samples(1, np.arange(5) / 20, np.ones((5, 1)))
    session = load_xdf(tmp_path / "a.xdf")
    assert session.rate_hz == 10
    np.testing.assert_allclose(session.stamps, np.arange(5) / 10)


def test_the_damage_that_cost_the_neural_stream_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _write(tmp_path / "a.xdf", ("a", "EEG"))
    content = (tmp_path / "a.xdf").read_bytes()
    (tmp_path / "a.xdf").write_bytes(content.replace(b"<channel_count>1<", b"<channel_count>x<"))
    with pytest.raises(BadRecording, match="no neural stream"):
        load_xdf(tmp_path / "a.xdf")
    assert "a stream has no valid channel count" in caplog.text


@pytest.mark.parametrize("rate", ["-1", "abc", "nan", "inf", ""])
def test_an_impossible_rate_is_said_and_read_as_irregular(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, rate: str
) -> None:
    _write(tmp_path / "a.xdf", ("a", "EEG"))
    content = (tmp_path / "a.xdf").read_bytes()
    begin = content.index(b"<nominal_srate>") + len(b"<nominal_srate>")
    end = content.index(b"<", begin)
    text = rate.ljust(end - begin).encode()
    (tmp_path / "a.xdf").write_bytes(content[:begin] + text + content[end:])
    session = load_xdf(tmp_path / "a.xdf")
    assert (session.n_samples, session.rate_hz) == (5, 0.0)
    assert "gives 'a' the impossible rate" in caplog.text


def test_a_control_character_in_a_name_costs_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """LSL writes it as a reference, which XML does not allow either."""
    _write(tmp_path / "a.xdf", ("a12345b", "EEG"))
    content = (tmp_path / "a.xdf").read_bytes()
    for reference in (b"&#27;", b"&#x1;", b"&#00;"):
        (tmp_path / "b.xdf").write_bytes(content.replace(b"12345", reference))
        session = load_xdf(tmp_path / "b.xdf")
        assert (session.n_samples, session.name) == (5, "a\ufffdb")
    (tmp_path / "b.xdf").write_bytes(content.replace(b"12345", b"&#65;"))
    assert load_xdf(tmp_path / "b.xdf").name == "aAb"
    assert "invalid characters, which are replaced" in caplog.text


def test_a_stream_without_a_name_has_that_of_its_file(tmp_path: Path) -> None:
    _write(tmp_path / "day1.xdf", ("", "EEG"))
    assert load_xdf(tmp_path / "day1.xdf").name == "day1"


@pytest.mark.parametrize("stream", [None, "V1"])
def test_spike_events_are_no_counts(tmp_path: Path, stream: str | None) -> None:
    with XdfWriter(tmp_path / "a.xdf") as writer:
        writer.header(1, stream_xml("V1", "SpikeEvents", ("unit",), 0, "int32"), "int32", 1)
        writer.samples(1, np.arange(100.0), np.ones((100, 1)))
    with pytest.raises(
        BadRecording, match=r"'V1' holds spike events, .* Count the spikes with 'neuroreel\.bin_spikes'"
    ):
        load_xdf(tmp_path / "a.xdf", stream=stream)
