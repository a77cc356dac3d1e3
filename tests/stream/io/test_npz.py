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
from stream.session import Kind, Session
from tests.stream.strategies import assert_same, sessions


@given(sessions())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_recording_comes_back_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, session: Session
) -> None:
    path = tmp_path_factory.mktemp("npz") / "a.npz"
    save_npz(session, path)
    assert_same(load_npz(path), session)


def _plain(**more: Any) -> dict[str, Any]:
    frame = np.array([-1, 0, 1, -1, 0, 1, 2, 0, 1, -1])
    return {"neural": np.ones((10, 3)), "stamps": np.arange(10) / 4, "frame": frame} | more


def _save(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def test_three_arrays_are_enough(tmp_path: Path) -> None:
    session = load_npz(_save(tmp_path / "rat.npz", **_plain()))
    assert (session.name, session.kind, session.rate_hz) == ("rat", Kind.OTHER, 4.0)
    assert session.channel_names == ("ch0", "ch1", "ch2")
    assert session.repeat.tolist() == [-1, 0, 0, -1, 1, 1, 1, 2, 2, -1]
    assert session.movie is None


def test_the_rate_of_stamps_is_not_that_of_their_rounding_errors(tmp_path: Path) -> None:
    for start in (0, 1 / 30, 1000, 1.7e9):
        stamps = start + np.arange(10) / 30
        assert load_npz(_save(tmp_path / "a.npz", **_plain(stamps=stamps))).rate_hz == 30


def test_a_rate_alone_makes_a_movie_of_the_frames_that_were_shown(tmp_path: Path) -> None:
    movie = load_npz(_save(tmp_path / "a.npz", **_plain(movie_rate_hz=30.0))).movie
    assert movie is not None
    assert (movie.n_frames, movie.rate_hz, movie.frames) == (3, 30, None)
    assert load_npz(_save(tmp_path / "b.npz", **_plain(movie_rate_hz=0))).movie is None
    blank = np.full(10, -1)
    assert load_npz(_save(tmp_path / "c.npz", **_plain(movie_rate_hz=30.0, frame=blank))).movie is None


def test_pictures_make_a_movie(tmp_path: Path, small_session: Session) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (3, 4, 6), np.uint8)
    path = _save(tmp_path / "a.npz", **_plain(movie=pictures, movie_rate_hz=25.0, label_pos=np.arange(10.0)))
    session = load_npz(path)
    assert session.movie is not None
    assert session.movie.rate_hz == 25
    assert session.labels["pos"].shape == (10, 1)
    save_npz(session, tmp_path / "b.npz")
    again = load_npz(tmp_path / "b.npz").movie
    assert again is not None
    assert again.frames is not None
    np.testing.assert_array_equal(again.frames, pictures)
    assert again.clips == one_clip("movie", pictures, 25.0).clips


def test_irregular_stamps_are_noticed(tmp_path: Path) -> None:
    stamps = np.cumsum(np.random.default_rng(0).exponential(1, 10))
    assert load_npz(_save(tmp_path / "a.npz", **_plain(stamps=stamps))).rate_hz == 0


def test_given_segments_add_to_those_of_the_stamps(tmp_path: Path) -> None:
    stamps = np.arange(10) / 4 + np.where(np.arange(10) > 6, 3, 0)
    session = load_npz(_save(tmp_path / "a.npz", **_plain(stamps=stamps, segment=np.repeat([5, 2], 5))))
    assert session.segment.tolist() == [0, 0, 0, 0, 0, 1, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"neural": np.ones(10)}, ShapeMismatch, "'neural' must have 2 axes"),
        ({"neural": np.ones((9, 3))}, ShapeMismatch, "'stamps' has 10 entries, but 'neural' has 9"),
        ({"frame": np.zeros(9, int)}, ShapeMismatch, "'frame' must have shape"),
        ({"frame": np.full(10, 0.5)}, BadRecording, "'frame' must hold whole numbers"),
        ({"frame": np.full(10, 2**40)}, BadRecording, "'frame' must hold whole numbers"),
        ({"frame": np.full(10, -2)}, BadRecording, "frames count from 0"),
        ({"segment": np.zeros(3, int)}, ShapeMismatch, "'segment' must have shape"),
        ({"stamps": np.full(10, np.nan)}, BadRecording, "finite"),
        ({"stamps": np.arange(10) * 1e300}, BadRecording, "finite numbers of seconds"),
        ({"frame": np.full(10, 2**30)}, BadRecording, "below 10000000"),
        ({"neural": np.full((10, 3), "a")}, BadRecording, "must hold numbers"),
        ({"neural": np.array([[{}] * 3] * 10, dtype=object)}, BadRecording, "pickled"),
        ({"channel_names": np.array(["a", "b"])}, ShapeMismatch, "2 channel names"),
        ({"channel_names": np.array(["a", "b", "b"])}, ShapeMismatch, "unique"),
        ({"channel_names": np.array(["a", "b", None], object)}, BadRecording, "pickled"),
        ({"kind": np.array("lfp")}, BadRecording, "unknown 'kind' 'lfp'"),
        ({"rate_hz": np.array(-1.0)}, BadRecording, "must be positive"),
        ({"rate_hz": np.array(1e300)}, BadRecording, "1e\\+300 Hz is none"),
        ({"label_x": np.ones((9, 1))}, ShapeMismatch, "label 'x'"),
        ({"label_x": np.ones((10, 1, 1))}, ShapeMismatch, "must have 2 axes"),
        ({"movie": np.ones((3, 4, 4))}, BadRecording, "'movie' must be uint8"),
        ({"movie": np.ones((1, 4, 4), np.uint8)}, ShapeMismatch, "the movie has 1 frames"),
        ({"movie_rate_hz": np.inf}, ShapeMismatch, "inf Hz"),
        ({"movie_clips": np.array("[{}]")}, BadRecording, "movie"),
        ({"movie_clips": np.array("[" * 9999)}, BadRecording, "clips"),
    ],
)
def test_what_does_not_fit_is_said(
    tmp_path: Path, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    path = _save(tmp_path / "a.npz", **_plain(**change))
    with pytest.raises(error, match=message) as caught:
        load_npz(path)
    assert str(path) in str(caught.value)


def test_missing_arrays_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadRecording, match="it lacks 'stamps', 'frame'; it holds neural"):
        load_npz(_save(tmp_path / "a.npz", neural=np.ones((2, 2))))
    with pytest.raises(BadRecording, match="no such recording"):
        load_npz(tmp_path / "b.npz")
    (tmp_path / "c.npz").write_bytes(b"nonsense")
    with pytest.raises(BadRecording, match="cannot be read as an npz"):
        load_npz(tmp_path / "c.npz")


def test_a_header_that_claims_too_much_is_not_believed(tmp_path: Path) -> None:
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


def test_nothing_is_overwritten_unasked(tmp_path: Path, small_session: Session) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(b"mine")
    with pytest.raises(OutputExists):
        save_npz(small_session, path)
    assert path.read_bytes() == b"mine"
    save_npz(small_session, path, force=True)
    assert_same(load_npz(path), small_session)
