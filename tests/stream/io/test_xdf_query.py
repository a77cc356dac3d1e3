from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stream.errors import AmbiguousStream, BadUsage
from stream.io.session_io import load_session
from stream.io.xdf import load_xdf
from stream.io.xdf_writer import XdfWriter
from tests.stream.io.xdf_streams import STAMPS, header


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
