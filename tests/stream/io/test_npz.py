from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from stream.errors import BadRecording, OutputExists, ShapeMismatch
from stream.io.npz import load_npz, save_npz
from stream.movie import one_clip
from stream.session import Session
from tests.stream.io.plain_arrays import plain_arrays
from tests.stream.strategies import assert_same, sessions


@given(sessions())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_round_trip_is_exact(tmp_path_factory: pytest.TempPathFactory, session: Session) -> None:
    path = tmp_path_factory.mktemp("npz") / "a.npz"
    save_npz(session, path)
    assert_same(load_npz(path), session)


def _save(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def test_pictures_are_kept(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (3, 4, 6), np.uint8)
    session = load_npz(_save(tmp_path / "a.npz", **plain_arrays(movie=pictures, movie_rate_hz=25.0)))
    save_npz(session, tmp_path / "b.npz")
    movie = load_npz(tmp_path / "b.npz").movie
    assert movie is not None
    np.testing.assert_array_equal(movie.frames, pictures)
    assert movie.clips == one_clip("movie", pictures, 25.0).clips


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"neural": np.ones((9, 3))}, ShapeMismatch, "'stamps' has 10 entries, but 'neural' has 9"),
        ({"kind": np.array("lfp")}, BadRecording, "unknown 'kind' 'lfp'"),
        ({"neural": np.array([[{}] * 3] * 10, dtype=object)}, BadRecording, "pickled"),
        ({"channel_names": np.array(["a", "b", None], object)}, BadRecording, "pickled"),
    ],
)
def test_errors_name_the_file_and_the_problem(
    tmp_path: Path, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    path = _save(tmp_path / "a.npz", **plain_arrays(**change))
    with pytest.raises(error, match=message) as caught:
        load_npz(path)
    assert str(path) in str(caught.value)


def test_missing_arrays_and_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadRecording, match="it lacks 'stamps', 'frame'; it holds neural"):
        load_npz(_save(tmp_path / "a.npz", neural=np.ones((2, 2))))
    with pytest.raises(BadRecording, match="no such recording"):
        load_npz(tmp_path / "b.npz")
    (tmp_path / "c.npz").write_bytes(b"nonsense")
    with pytest.raises(BadRecording, match="cannot be read as an npz"):
        load_npz(tmp_path / "c.npz")


def test_a_false_header_is_refused(tmp_path: Path) -> None:
    arrays = {"stamps": np.arange(4.0), "frame": np.zeros(4, int)}
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (1 << 33, 16)}
    )
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("neural.npy", header.getvalue() + b"\0" * 64)
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.save(file, array)
    with pytest.raises(BadRecording, match=r"'neural' should have 1099511627776 bytes, but 64 are stored"):
        load_npz(tmp_path / "a.npz")


def test_an_existing_file_is_overwritten_only_by_force(tmp_path: Path, small_session: Session) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(b"mine")
    with pytest.raises(OutputExists):
        save_npz(small_session, path)
    assert path.read_bytes() == b"mine"
    save_npz(small_session, path, force=True)
    assert_same(load_npz(path), small_session)
