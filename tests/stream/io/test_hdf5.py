from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from stream.errors import BadRecording, BadUsage, OutputExists, ShapeMismatch
from stream.io.session_io import ReadOptions, load_session, load_session_with_notes, save_session
from stream.io.stimulus_checks import checked_stimulus
from stream.session import Session
from tests.stream.io.plain_arrays import plain_arrays
from tests.stream.strategies import assert_same, sessions

h5py = pytest.importorskip("h5py", reason="h5py (extra `nwb`) is not installed")
pytestmark = pytest.mark.usefixtures("in_process")


def test_round_trip_is_exact(tmp_path_factory: pytest.TempPathFactory) -> None:
    @given(sessions())
    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
    def check(session: Session) -> None:
        path = tmp_path_factory.mktemp("round_trip") / "a.h5"
        assert save_session(session, path) == []
        assert_same(load_session(path), checked_stimulus(session, "random"))

    check()


def test_an_existing_file_is_overwritten_only_by_force(tmp_path: Path, small_session: Session) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(b"mine")
    with pytest.raises(OutputExists):
        save_session(small_session, path)
    assert path.read_bytes() == b"mine"
    save_session(small_session, path, force=True)
    assert_same(load_session(path), small_session)


def test_arrays_with_time_last_are_transposed_and_noted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain = plain_arrays()
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["neural"], file["stamps"], file["frame"] = (
            plain["neural"].T,
            plain["stamps"][None],
            plain["frame"],
        )
        file["label_x"] = np.ones((2, 10))
    session, notes = load_session_with_notes(tmp_path / "a.h5", ReadOptions())
    np.testing.assert_array_equal(session.neural, plain["neural"])
    assert session.labels["x"].shape == (10, 2)
    assert ["transposed" in note for note in notes] == [True, True]
    load_session(tmp_path / "a.h5")
    assert "'neural' had shape [3, 10] for 10 timestamps and was transposed" in caplog.text


def test_the_error_without_h5py_gives_the_install_command(
    tmp_path: Path, small_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(BadUsage, match=r"pip install 'neuroreel\[nwb\]'"):
        save_session(small_session, tmp_path / "a.h5")


def test_an_impossible_declared_size_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("neural", (1 << 30, 1000), np.float32, chunks=(1 << 10, 1000))  # never written
        file["stamps"], file["frame"] = np.arange(4.0), np.zeros(4)
    assert (tmp_path / "a.h5").stat().st_size < 20_000
    with pytest.raises(BadRecording, match="'neural' declares 4294967296000 bytes, but only 0"):
        load_session(tmp_path / "a.h5")


def test_arrays_without_entries_are_refused(tmp_path: Path, small_session: Session) -> None:
    for name in ("frame", "stamps", "repeat", "segment", "neural"):
        path = tmp_path / f"{name}.h5"
        save_session(small_session, path)
        with h5py.File(path, "a") as file:
            del file[name]
            file[name] = np.zeros(0)
        with pytest.raises((BadRecording, ShapeMismatch), match=rf"{name}\.h5: .*'{name}'"):
            load_session(path)


@pytest.mark.parametrize("content", [b"", b"hello", None])
def test_files_that_are_not_hdf5_or_truncated_are_said_to_be_so(
    tmp_path: Path, small_session: Session, content: bytes | None
) -> None:
    path = tmp_path / "a.h5"
    if content is None:
        save_session(small_session, path)
        content = path.read_bytes()[:-1000]
    path.write_bytes(content)
    with pytest.raises(BadRecording, match="it is not an HDF5 file, or it is damaged or truncated"):
        load_session(path)
