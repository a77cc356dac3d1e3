from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stream.errors import AmbiguousStream
from stream.io.xdf import load_xdf
from stream.io.xdf_join import join_restarted
from stream.io.xdf_reader import read_xdf
from stream.io.xdf_writer import XdfWriter, stream_xml


def test_the_streams_of_a_restarted_sender_become_one_recording(tmp_path: Path) -> None:
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


def test_streams_that_overlap_or_differ_stay_separate(tmp_path: Path) -> None:
    streams = (("a", 10.0, 0.0), ("a", 10.0, 0.2), ("b", 10.0, 9.0), ("b", 20.0, 19.0))
    with XdfWriter(tmp_path / "a.xdf") as writer:
        for index, (name, rate_hz, start) in enumerate(streams):
            writer.header(index, stream_xml(name, "EEG", ("x",), rate_hz, "float32"), "float32", 1)
            writer.samples(index, start + np.arange(5) / rate_hz, np.ones((5, 1)))
    read = read_xdf(tmp_path / "a.xdf")
    assert [len(stream.stamps) for stream in join_restarted(read)] == [5, 5, 5, 5]


@pytest.mark.parametrize("senders", [(0, 1, 0), (0, 1, 2, 1, 0, 1), (1, 0, 1)])
def test_a_sender_that_returns_after_another_one_is_joined_in_time(
    tmp_path: Path, senders: tuple[int, ...]
) -> None:
    """Its stream of the file goes on behind that of the other one, with its events and its clock."""
    with XdfWriter(tmp_path / "a.xdf") as writer:
        for sender in sorted(set(senders)):
            writer.header(sender, stream_xml("a", "EEG", ("x",), 10, "float32"), "float32", 1)
            events = stream_xml("a-stimulus", "Stimulus", ("frame", "repeat"), 0, "int32")
            writer.header(10 + sender, events, "int32", 2)
        for turn, sender in enumerate(senders):
            start = 10.0 * (turn + 1)
            writer.samples(10 + sender, np.array([start + 0.95]), np.array([[turn, 0]]))
            for part in range(2):
                writer.samples(sender, start + part + np.arange(10) / 10, np.full((10, 1), turn))
            writer.clock_offset(sender, start, 0.0)
    session = load_xdf(tmp_path / "a.xdf")
    turns = np.repeat(np.arange(len(senders)), 20)
    np.testing.assert_array_equal(session.neural[:, 0], turns)
    np.testing.assert_array_equal(session.segment, turns)
    np.testing.assert_array_equal(np.diff(session.stamps) > 0, True)
    np.testing.assert_array_equal(
        session.frame[turns > 0].reshape(-1, 20)[:, 10:], turns[20:].reshape(-1, 20)[:, 10:]
    )


def test_senders_that_run_at_the_same_time_are_never_joined(tmp_path: Path) -> None:
    """Also where both pause, so that one sends before and after the other one."""
    with XdfWriter(tmp_path / "a.xdf") as writer:
        for sender, times in enumerate(((10.0, 12.02, 20.0), (12.0, 16.0))):
            writer.header(sender, stream_xml("a", "EEG", ("x",), 10, "float32"), "float32", 1)
            for start in times:
                writer.samples(sender, start + np.arange(10) / 10, np.ones((10, 1)))
            events = stream_xml("b-stimulus", "Stimulus", ("frame", "repeat"), 0, "int32")
            writer.header(10 + sender, events, "int32", 2)
            for at in range(3):
                writer.samples(10 + sender, np.array([10.0 + at + sender / 2]), np.array([[at, 0]]))
    joined = join_restarted(read_xdf(tmp_path / "a.xdf"))
    assert sorted(len(stream.stamps) for stream in joined) == [3, 3, 20, 30]
    with pytest.raises(AmbiguousStream, match="has 2 neural streams"):
        load_xdf(tmp_path / "a.xdf")
