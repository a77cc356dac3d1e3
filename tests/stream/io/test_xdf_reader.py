from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stream.errors import BadRecording
from stream.io.xdf import load_xdf
from stream.io.xdf_reader import read_xdf
from stream.io.xdf_writer import XdfWriter, stream_xml


@pytest.mark.parametrize("stamp", [np.nan, np.inf, 1e300])
def test_invalid_timestamps_are_refused(tmp_path: Path, stamp: float) -> None:
    with XdfWriter(tmp_path / "a.xdf") as writer:
        writer.header(1, stream_xml("a", "EEG", ("a",), 20, "float32"), "float32", 1)
        writer.header(2, stream_xml("a-stimulus", "Stimulus", ("frame",), 0, "int32"), "int32", 1)
        writer.samples(1, np.arange(5) / 20, np.ones((5, 1)))
        writer.samples(2, np.array([0.0, stamp]), np.ones((2, 1)))
    with pytest.raises(BadRecording, match=r"'a-stimulus' .* not valid numbers of seconds"):
        read_xdf(tmp_path / "a.xdf")


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
