from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from stream.errors import BadRecording, BadUsage, OutputExists
from stream.io.session_io import load_session, save_session
from stream.io.stimulus_checks import checked_stimulus
from stream.session import Session
from tests.stream.strategies import assert_same, sessions


def test_round_trip_is_exact(tmp_path_factory: pytest.TempPathFactory) -> None:
    @given(sessions())
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
    def check(session: Session) -> None:
        path = tmp_path_factory.mktemp("round_trip") / "a.csv"
        assert save_session(session, path) == []
        assert_same(load_session(path), checked_stimulus(session, "random"))

    check()


def test_an_existing_file_is_overwritten_only_by_force(tmp_path: Path, small_session: Session) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"mine")
    with pytest.raises(OutputExists):
        save_session(small_session, path)
    assert path.read_bytes() == b"mine"
    save_session(small_session, path, force=True)
    assert_same(load_session(path), small_session)


def test_a_hand_written_table_is_read(tmp_path: Path) -> None:
    path = tmp_path / "lab.csv"
    path.write_text("time, frame, V1, label_speed\n0.0,-1,3,\n0.5,0,4,1.5\n\n1.0,1,NA,2\n")
    session = load_session(path)
    assert (session.name, session.channel_names, session.rate_hz) == ("lab", ("V1",), 2.0)
    np.testing.assert_array_equal(session.neural[:, 0], np.array([3, 4, np.nan], np.float32))
    np.testing.assert_array_equal(session.labels["speed"][:, 0], np.array([np.nan, 1.5, 2], np.float32))
    path.write_text("time;frame;a\n0;-1;1\n1;0;2\n")
    assert load_session(path).neural.tolist() == [[1], [2]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'time' and 'frame' among them"),
        ("a,b\n1,2\n", "'time' and 'frame' among them; got .*'a', 'b'"),
        ("time,frame,a\n1,0\n", "line 2 has 2 values, but there are 3 columns"),
        ("time,frame,a\n1,0,1\n2,0,x\n", "line 3: could not convert string to float: 'x'"),
        ("time,frame,a,a\n1,0,1,2\n", "must be unique"),
        ("time,frame,a,label_x[1]\n1,0,1,2\n", r"must count from \[0\]"),
        ("time,frame,a\n1,0.5,1\n", "'frame' must hold whole numbers"),
        ("time,frame,a\n", "has no samples"),
        ("# neuroreel [1]\ntime,frame,a\n1,0,1\n", "a JSON object"),
        ('# neuroreel {"rate_hz": null}\ntime,frame,a\n1,0,1\n', "cannot be read as CSV"),
        ("time,frame,a\n" + "1" * 200_000 + ",0,1\n", "cannot be read as CSV|finite"),
        ("\ufefftime,frame,a\n1,0,1\n1,0,1\n", None),
    ],
)
def test_errors_name_the_file_and_the_problem(tmp_path: Path, text: str, message: str | None) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    if message is None:
        assert load_session(path).n_samples == 2
        return
    with pytest.raises(BadRecording, match=message) as caught:
        load_session(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", b"nonsense" * 100])
def test_files_of_another_format_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(BadRecording) as caught:
        load_session(path)
    assert str(path) in str(caught.value)


def test_a_channel_name_that_the_format_reserves_is_refused(tmp_path: Path, small_session: Session) -> None:
    reserved = replace(small_session, channel_names=("label_x", *small_session.channel_names[1:]))
    with pytest.raises(BadUsage, match="'label_x' cannot be written as CSV"):
        save_session(reserved, tmp_path / "a.csv")


def test_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("time,frame,a\n0.1,0,1\n", encoding="utf-16")
    with pytest.raises(BadRecording, match=r"is not text in UTF-8 .* Save it as CSV in UTF-8"):
        load_session(path)
