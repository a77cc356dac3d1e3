"""Large neural data are read in the confined child and mapped; this process never opens the file with HDF5."""

from __future__ import annotations

import sys
import tempfile
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from stream.errors import BadRecording
from stream.io import mapped_array as module
from stream.io.mapped_array import mapped_array
from stream.io.session_io import load_session, save_session


def test_the_values_are_mapped_and_can_be_changed() -> None:
    values = np.arange(60, dtype=np.float32).reshape(20, 3)
    mapped = mapped_array((20, 3), [values[:7].tobytes(), values[7:].tobytes()])
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, values)
    mapped[3] = 0
    assert mapped[3].tolist() == [0, 0, 0]
    assert mapped_array((20, 3), [values.tobytes()[:-1]]) is None
    assert mapped_array((20, 3), [values.tobytes(), b"x"]) is None


def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage(100))
    with pytest.raises(BadRecording, match=r"'neural' takes 2.4e-07 GB, but .* TMPDIR"):
        mapped_array((20, 3), [])


@pytest.mark.live
def test_large_neural_data_come_from_the_child_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    h5py = pytest.importorskip("h5py", reason="h5py (extra `nwb`) is not installed")
    n_samples, n_channels = 70_000, 1000
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset(
            "neural", (n_samples, n_channels), np.int16, chunks=(1000, n_channels), compression="gzip"
        )
        for at in range(0, n_samples, 1000):
            data[at : at + 1000] = at // 1000
        file["stamps"] = np.arange(n_samples) / 30
        file["frame"] = np.full(n_samples, -1)
    monkeypatch.setitem(sys.modules, "h5py", None)  # an import of it fails in this process
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    session = load_session(tmp_path / "a.h5")
    monkeypatch.undo()
    assert isinstance(session.neural.base, np.memmap)
    assert session.neural[::1000, 0].tolist() == list(range(70))
    part = session.select_time(0.5, 0.501)
    assert part.neural[0, 0] == 35
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]  # the temporary file has no name
    save_session(part, tmp_path / "part.h5")
    np.testing.assert_array_equal(load_session(tmp_path / "part.h5").neural, part.neural)


@pytest.mark.live
def test_damage_in_the_middle_of_large_data_is_said(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="h5py (extra `nwb`) is not installed")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("neural", (66_000, 1000), np.int8, chunks=(6600, 1000), compression="gzip")
        for at in range(0, 66_000, 6600):
            data[at : at + 6600] = at // 6600
        offset = data.id.get_chunk_info(7).byte_offset
        file["stamps"] = np.arange(66_000) / 30
        file["frame"] = np.full(66_000, -1)
    with (tmp_path / "a.h5").open("r+b") as raw:
        raw.seek(offset + 20)
        raw.write(b"damage")
    with pytest.raises(BadRecording, match=r"a\.h5: it cannot be read: .*filter"):
        load_session(tmp_path / "a.h5")
