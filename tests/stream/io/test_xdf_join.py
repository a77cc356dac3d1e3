from __future__ import annotations

from pathlib import Path

import numpy as np

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
