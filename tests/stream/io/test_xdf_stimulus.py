from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stream.errors import AmbiguousStream, BadRecording
from stream.io.session_io import ReadOptions, load_session
from stream.io.xdf import load_xdf
from stream.io.xdf_writer import XdfWriter, stream_xml
from tests.stream.io.xdf_streams import FRAMES, RATE_HZ, STAMPS, add_neural, add_stimulus, header


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


def test_a_stimulus_without_frames_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, fmt, word in (
        ("empty", "int32", "is empty"),
        ("text", "string", "is text, but frames are numbers"),
    ):
        with XdfWriter(tmp_path / f"{name}.xdf") as writer:
            add_neural(writer)
            writer.header(2, header("V1-stimulus", "Stimulus", fmt, "rig"), fmt, 1)
            if fmt == "string":
                writer.samples(2, STAMPS[:2], [["a"], ["b"]])
            add_stimulus(writer, "rig", stream_id=3, name="screen")
        caplog.clear()
        assert set(load_xdf(tmp_path / f"{name}.xdf").frame.tolist()) == {-1}
        assert f"'V1-stimulus' {word}; 'neuroreel convert --stimulus NAME' chooses another" in caplog.text
        assert "name='screen'" in caplog.text


def test_each_event_with_an_invalid_timestamp_costs_its_own_frame(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with XdfWriter(tmp_path / "a.xdf") as writer:
        add_neural(writer, offsets=False)
        writer.header(2, header("V1-stimulus", "Stimulus", "int32", "rig", 2), "int32", 2)
        stamps = STAMPS - 1 / RATE_HZ
        stamps[1::2] = np.nan
        writer.samples(2, stamps, np.stack([FRAMES, 0 * FRAMES], 1))
    frame = load_xdf(tmp_path / "a.xdf").frame
    np.testing.assert_array_equal(frame[::2], FRAMES[::2])
    assert set(frame[1::2].tolist()) == {-1}
    assert "1500 of 3000 timestamps of 'V1-stimulus' are invalid" in caplog.text


def test_numbers_that_can_be_no_frames_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with XdfWriter(tmp_path / "a.xdf") as writer:
        add_neural(writer, offsets=False)
        writer.header(2, header("V1-stimulus", "Stimulus", "double64", "rig", 2), "double64", 2)
        numbers = np.where(FRAMES % 2, FRAMES, 2.0**40)
        writer.samples(2, STAMPS - 1 / RATE_HZ, np.stack([numbers, 0 * numbers], 1))
    np.testing.assert_array_equal(load_xdf(tmp_path / "a.xdf").frame, np.where(FRAMES % 2, FRAMES, -1))
    assert "1500 of 3000 events of 'V1-stimulus' have numbers that can be no frames" in caplog.text


def test_a_stimulus_in_milliseconds_is_recognised(tmp_path: Path) -> None:
    with XdfWriter(tmp_path / "a.xdf") as writer:
        add_neural(writer, offsets=False)
        writer.header(2, header("V1-stimulus", "Stimulus", "int32", "rig", 2), "int32", 2)
        writer.samples(2, STAMPS * 1000, np.stack([FRAMES, 0 * FRAMES], 1))
    with pytest.raises(BadRecording, match="timestamps of 'V1-stimulus' seem to be in milliseconds"):
        load_xdf(tmp_path / "a.xdf")


def test_neural_timestamps_in_milliseconds_are_recognised(tmp_path: Path) -> None:
    with XdfWriter(tmp_path / "a.xdf") as writer:
        writer.header(1, stream_xml("V1", "Spikes", ("a", "b"), 0, "int16"), "int16", 2)
        writer.samples(1, STAMPS * 1000 + np.sin(FRAMES) * 10, np.stack([FRAMES] * 2, 1))
        writer.header(2, header("V1-stimulus", "Stimulus", "int32", "rig", 2), "int32", 2)
        writer.samples(2, STAMPS, np.stack([FRAMES, 0 * FRAMES], 1))
    with pytest.raises(BadRecording, match="timestamps of 'V1' seem to be in milliseconds"):
        load_xdf(tmp_path / "a.xdf")


def test_a_frame_that_stays_for_very_long_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The clock of the stimulus jumps in the middle, and the file holds no clock offsets."""
    for name, jump_s, said in (("jump", 500.0, True), ("none", 0.0, False)):
        caplog.clear()
        with XdfWriter(tmp_path / f"{name}.xdf") as writer:
            add_neural(writer, offsets=False)
            writer.header(2, header("V1-stimulus", "Stimulus", "int32", "rig", 2), "int32", 2)
            stamps = STAMPS - 1 / RATE_HZ + np.where(FRAMES > 1500, jump_s, 0)
            writer.samples(2, stamps, np.stack([FRAMES, 0 * FRAMES], 1))
        load_xdf(tmp_path / f"{name}.xdf")
        assert ("frame 1500 was shown for 50.0 s" in caplog.text) == said
