from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stream.io.lazy_array import LazyArray
from stream.io.session_io import load_session, save_session
from stream.session import Session
from tests.stream.strategies import assert_same

h5py = pytest.importorskip("h5py", reason="h5py (extra `nwb`) is not installed")


@pytest.mark.usefixtures("in_process")
def test_a_lazy_array_can_replace_the_array_of_a_session(tmp_path: Path, small_session: Session) -> None:
    save_session(small_session, tmp_path / "a.h5")
    data = LazyArray(tmp_path / "a.h5", "neural")
    session = replace(small_session, neural=data)  # type: ignore[arg-type]
    keep = small_session.repeat >= 1
    assert_same(session.take(keep), small_session.take(keep))
    assert session.sha256() == small_session.sha256()
    np.testing.assert_array_equal(data[np.array([5, 2, 2])], small_session.neural[[5, 2, 2]])
    assert data[np.zeros(0, int)].shape == (0, 6)
    save_session(session, tmp_path / "b.h5")
    assert_same(load_session(tmp_path / "b.h5"), small_session)


@pytest.mark.live
def test_large_neural_data_stay_in_their_file(tmp_path: Path) -> None:
    n_samples, n_channels = 70_000, 1000
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset(
            "neural", (n_samples, n_channels), np.float32, chunks=(1000, n_channels), compression="gzip"
        )
        for at in range(0, n_samples, 1000):
            data[at : at + 1000] = at
        file["stamps"] = np.arange(n_samples) / 30
        file["frame"] = np.full(n_samples, -1)
    session = load_session(tmp_path / "a.h5")
    assert isinstance(session.neural, LazyArray)
    part = session.select_time(0.5, 0.501)
    assert isinstance(part.neural, np.ndarray)
    assert part.neural[0, 0] == 35_000
