"""Clocks, choice and end of the stimulus in XDF files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stream.errors import AmbiguousStream, BadRecording, BadUsage
from stream.io.session_io import ReadOptions, load_session
from stream.io.xdf import load_xdf
from stream.io.xdf_clock import in_order
from stream.io.xdf_writer import XdfWriter, stream_xml

N, RATE_HZ = 3000, 30
STAMPS = 1000 + np.arange(1, N + 1) / RATE_HZ
FRAMES = np.arange(N)


def header(name: str, type_: str, fmt: str, host: str, n_channels: int = 1) -> str:
    """Return a stream header with a host name."""
    labels = [f"c{index}" for index in range(n_channels)]
    xml = stream_xml(name, type_, labels, RATE_HZ if type_ != "Stimulus" else 0, fmt)
    return xml.replace("<desc>", f"<hostname>{host}</hostname><desc>")


def add_neural(writer: XdfWriter, stream_id: int = 1, host: str = "rig", *, offsets: bool = True) -> None:
    """Write a neural stream whose clock is the recorder's."""
    writer.header(stream_id, header("V1", "Spikes", "int16", host, 2), "int16", 2)
    for begin in range(0, N, 150):
        part = slice(begin, begin + 150)
        writer.samples(stream_id, STAMPS[part], np.stack([FRAMES[part]] * 2, 1))
        if offsets:
            writer.clock_offset(stream_id, float(STAMPS[begin]), 0.0)


def add_stimulus(
    writer: XdfWriter,
    host: str,
    offset_s: float | NDArray[np.float64] = 0.0,
    wrong: dict[int, float] | None = None,
    *,
    stream_id: int = 2,
    name: str = "V1-stimulus",
    stop: int = N,
    offsets: bool = True,
) -> None:
    """Write a stimulus whose clock plus ``offset_s`` is the recorder's; some of 20 measurements are wrong."""
    writer.header(stream_id, header(name, "Stimulus", "int32", host, 2), "int32", 2)
    offset = np.broadcast_to(np.asarray(offset_s, float), N)
    stamps = STAMPS - 1 / RATE_HZ - offset
    for index, begin in enumerate(range(0, stop, 150)):
        part = slice(begin, min(stop, begin + 150))
        writer.samples(stream_id, stamps[part], np.stack([FRAMES[part], 0 * FRAMES[part]], 1))
        if offsets:
            writer.clock_offset(
                stream_id, stamps[begin], float(offset[begin]) + (wrong or {}).get(index, 0.0)
            )


@pytest.mark.parametrize("hosts", [("a", "b"), ("raspberrypi", "raspberrypi"), ("", "")])
@pytest.mark.parametrize("wrong", [{}, {10: 2.0}, {0: -3.0}, {19: 5e5}, {3: 0.3, 4: 0.4, 12: -9.0, 13: 1.0}])
@pytest.mark.parametrize("drift", [0.0, 5e-5])
def test_clocks_are_aligned_by_robust_offsets(
    tmp_path: Path, hosts: tuple[str, str], wrong: dict[int, float], drift: float
) -> None:
    with XdfWriter(tmp_path / "a.xdf") as writer:
        add_neural(writer, host=hosts[0])
        add_stimulus(writer, hosts[1], -5000 + drift * (STAMPS - 1000), wrong)
    session = load_xdf(tmp_path / "a.xdf")
    np.testing.assert_array_equal(session.frame, FRAMES)
    np.testing.assert_array_equal(session.stamps, STAMPS)  # never changed


def test_a_clock_that_was_set_is_followed(tmp_path: Path) -> None:
    jump = np.where(np.arange(N) < 1500, -5000.0, -5015.0)
    with XdfWriter(tmp_path / "a.xdf") as writer:
        add_neural(writer)
        add_stimulus(writer, "screen", jump)
    wrong = np.flatnonzero(load_xdf(tmp_path / "a.xdf").frame != FRAMES)
    assert len(wrong) <= 2  # the frame at the jump


def test_noise_of_the_offsets_does_not_part_streams_of_one_computer(tmp_path: Path) -> None:
    with XdfWriter(tmp_path / "a.xdf") as writer:
        add_neural(writer)
        add_stimulus(writer, "rig", 0.0, dict(enumerate(np.random.default_rng(0).normal(0, 4e-3, 20))))
    np.testing.assert_array_equal(load_xdf(tmp_path / "a.xdf").frame, FRAMES)


def test_missing_offsets_between_two_computers_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with XdfWriter(tmp_path / "a.xdf") as writer:
        add_neural(writer, offsets=False)
        add_stimulus(writer, "screen", offsets=False)
    np.testing.assert_array_equal(load_xdf(tmp_path / "a.xdf").frame, FRAMES)
    assert "come from two computers, but the file holds no clock offsets" in caplog.text


def test_the_stimulus_that_overlaps_is_chosen(tmp_path: Path) -> None:
    with XdfWriter(tmp_path / "a.xdf") as writer:
        writer.header(2, header("V1-stimulus", "Stimulus", "int32", "empty", 2), "int32", 2)
        add_stimulus(writer, "yesterday", 90_000.0, stream_id=3, offsets=False)
        add_stimulus(writer, "rig", stream_id=4)
        add_neural(writer)
    np.testing.assert_array_equal(load_xdf(tmp_path / "a.xdf").frame, FRAMES)


def test_two_stimuli_at_one_time_are_listed_and_one_is_chosen(tmp_path: Path) -> None:
    with XdfWriter(tmp_path / "a.xdf") as writer:
        add_stimulus(writer, "pc-a", stop=600)
        add_stimulus(writer, "pc-b", stream_id=3)
        add_stimulus(writer, "pc-b", stream_id=4, name="screen")
        add_neural(writer)
    with pytest.raises(AmbiguousStream, match=r"--stimulus NAME(.|\n)*hostname='pc-a'(.|\n)*hostname='pc-b'"):
        load_xdf(tmp_path / "a.xdf")
    for query in ("name='V1-stimulus' and hostname='pc-b'", "screen"):
        session = load_session(tmp_path / "a.xdf", options=ReadOptions(stimulus=query))
        np.testing.assert_array_equal(session.frame, FRAMES)
    with pytest.raises(BadRecording, match="no stream of numbers matches --stimulus 'none'"):
        load_xdf(tmp_path / "a.xdf", stimulus="none")


def test_a_stimulus_at_another_time_is_an_error(tmp_path: Path) -> None:
    with XdfWriter(tmp_path / "a.xdf") as writer:
        add_neural(writer, offsets=False)
        add_stimulus(writer, "rig", -5000.0, offsets=False)
    message = r"a\.xdf: the stimulus does not overlap .* from 6000.* but the neural samples are from 1000"
    with pytest.raises(BadRecording, match=message):
        load_xdf(tmp_path / "a.xdf")


def test_an_event_lasts_until_its_stream_ends(tmp_path: Path) -> None:
    for name, offsets, seconds in (("offsets", True, 5.0), ("none", False, 1 / RATE_HZ)):
        path = tmp_path / f"{name}.xdf"
        with XdfWriter(path) as writer:
            add_neural(writer, offsets=offsets)
            add_stimulus(writer, "rig", stop=1501, offsets=offsets)  # the last event and offset at 50 s
        frame = load_xdf(path).frame
        np.testing.assert_array_equal(frame[:1501], FRAMES[:1501])
        n_last = int(np.sum(frame == 1500))
        assert 1 <= n_last <= seconds * RATE_HZ + 1
        assert set(frame[1500 + n_last :].tolist()) == {-1}


def test_one_event_out_of_order_costs_its_own_frame(tmp_path: Path) -> None:
    for at, stamp in ((700, 5000.0), (700, -5.0), (0, 1050.0)):
        path = tmp_path / f"{at} {stamp}.xdf"
        with XdfWriter(path) as writer:
            add_neural(writer, offsets=False)
            writer.header(2, header("V1-stimulus", "Stimulus", "int32", "rig", 2), "int32", 2)
            stamps = STAMPS - 1 / RATE_HZ
            stamps[at] = stamp
            writer.samples(2, stamps, np.stack([FRAMES, 0 * FRAMES], 1))
        frame = load_xdf(path).frame
        assert set(np.flatnonzero(frame != FRAMES).tolist()) <= {at, at - 1, at + 1}
        assert set(frame[frame != FRAMES].tolist()) <= {-1}


def test_in_order_keeps_the_longest_order() -> None:
    assert in_order(np.array([1.0, 2, 9, 3, 4, 0, 5])).tolist() == [
        True,
        True,
        False,
        True,
        True,
        False,
        True,
    ]
    assert in_order(np.zeros(0)).tolist() == []
    assert in_order(np.array([1.0, 1, 2])).all()


def test_streams_of_one_name_are_chosen_by_a_condition(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    with XdfWriter(path) as writer:
        for index, host in enumerate(("pc-a", "pc-b")):
            writer.header(index, header("EEG", "EEG", "float32", host), "float32", 1)
            writer.samples(index, STAMPS[:100], np.full((100, 1), float(index)))
    with pytest.raises(AmbiguousStream, match=r"hostname='pc-a'(.|\n)*hostname='pc-b'"):
        load_xdf(path)
    for query, value in {
        "name='EEG' and hostname='pc-b'": 1,
        "name='none' or hostname = \"pc-a\"": 0,
        "hostname!='pc-a'": 1,
        "starts-with(name,'E') and contains(hostname, '-b') and channel_count=1": 1,
    }.items():
        assert set(load_session(path, stream=query).neural.ravel().tolist()) == {value}
    for query in ("name='EEG", "name='EEG' and", "name='EEG' hostname='x'", "count(name)>0"):
        with pytest.raises(BadUsage, match="cannot be understood"):
            load_xdf(path, stream=query)
