from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stream.errors import BadRecording, ShapeMismatch
from stream.io.arrays import as_float32, orient_time_first, session_from_arrays, session_to_arrays
from stream.movie import one_clip
from stream.session import Kind, Session
from tests.stream.io.plain_arrays import plain_arrays
from tests.stream.strategies import assert_same


def build(**more: Any) -> Session:
    """Build a session named "rat" from the plain arrays and more."""
    arrays = {name: np.asarray(array) for name, array in plain_arrays(**more).items()}
    return session_from_arrays(arrays, "rat")


def test_a_session_survives_the_conversion_to_arrays(small_session: Session) -> None:
    arrays = {name: np.asarray(array) for name, array in session_to_arrays(small_session).items()}
    assert_same(session_from_arrays(arrays, "other"), small_session)


def test_three_arrays_are_enough() -> None:
    session = build()
    assert (session.name, session.kind, session.rate_hz) == ("rat", Kind.OTHER, 4.0)
    assert session.channel_names == ("ch0", "ch1", "ch2")
    assert session.repeat.tolist() == [-1, 0, 0, -1, 1, 1, 1, 2, 2, -1]
    assert session.movie is None


def test_the_rate_is_free_of_rounding_errors() -> None:
    for start in (0, 1 / 30, 1000, 1.7e9):
        stamps = start + np.arange(10) / 30
        assert build(stamps=stamps).rate_hz == 30


def test_a_movie_rate_alone_makes_a_movie_of_the_frames_shown() -> None:
    movie = build(movie_rate_hz=30.0).movie
    assert movie is not None
    assert (movie.n_frames, movie.rate_hz, movie.frames) == (3, 30, None)
    assert build(movie_rate_hz=0).movie is None
    blank = np.full(10, -1)
    assert build(movie_rate_hz=30.0, frame=blank).movie is None


def test_pictures_make_a_movie() -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (3, 4, 6), np.uint8)
    session = build(movie=pictures, movie_rate_hz=25.0, label_pos=np.arange(10.0))
    assert session.movie is not None
    assert session.movie.rate_hz == 25
    assert session.movie.clips == one_clip("movie", pictures, 25.0).clips
    assert session.labels["pos"].shape == (10, 1)


def test_irregular_timestamps_have_rate_zero() -> None:
    stamps = np.cumsum(np.random.default_rng(0).exponential(1, 10))
    assert build(stamps=stamps).rate_hz == 0


def test_stored_segments_add_to_those_of_the_timestamps() -> None:
    stamps = np.arange(10) / 4 + np.where(np.arange(10) > 6, 3, 0)
    session = build(stamps=stamps, segment=np.repeat([5, 2], 5))
    assert session.segment.tolist() == [0, 0, 0, 0, 0, 1, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"neural": np.ones((10, 3, 1))}, ShapeMismatch, "'neural' must have 2 axes"),
        ({"neural": np.ones(9)}, ShapeMismatch, "'stamps' has 10 entries, but 'neural' has 9"),
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
        (
            {"channel_names": np.array(["a", "b"])},
            ShapeMismatch,
            "3 names, one per channel of 'neural', got 2",
        ),
        ({"channel_names": np.array(["a", "b", "b"])}, ShapeMismatch, "unique"),
        ({"kind": np.array("lfp")}, BadRecording, "unknown 'kind' 'lfp'"),
        ({"rate_hz": np.array(-1.0)}, BadRecording, "must be positive"),
        ({"rate_hz": np.array(1e300)}, BadRecording, "'rate_hz' must be from 0 .*, got 1e\\+300"),
        ({"label_x": np.ones((9, 1))}, ShapeMismatch, "label 'x'"),
        ({"label_x": np.ones((10, 1, 1))}, ShapeMismatch, "must have 2 axes"),
        ({"movie": np.ones((3, 4, 4))}, BadRecording, "'movie' must be uint8"),
        ({"movie": np.ones((1, 4, 4), np.uint8)}, ShapeMismatch, "must be below 1, the length of the movie"),
        ({"movie_rate_hz": np.inf}, ShapeMismatch, "inf Hz"),
        ({"movie_clips": np.array("[{}]")}, BadRecording, "movie"),
        ({"movie_clips": np.array("[" * 9999)}, BadRecording, "clips"),
    ],
)
def test_invalid_arrays_are_refused(change: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build(**change)


def test_one_channel_needs_no_second_axis() -> None:
    session = build(neural=np.arange(10.0))
    assert session.neural[:, 0].tolist() == list(range(10))


def test_arrays_of_matrix_software_are_oriented() -> None:
    arrays = plain_arrays(label_x=np.ones((2, 10)), rate_hz=np.array([[4.0]]))
    arrays |= {"neural": arrays["neural"].T, "stamps": arrays["stamps"][None]}
    notes = orient_time_first(arrays)
    assert (arrays["neural"].shape, arrays["label_x"].shape) == ((10, 3), (10, 2))
    assert (arrays["stamps"].shape, arrays["rate_hz"].shape) == ((10,), ())
    assert notes[0] == "'neural' had shape [3, 10] for 10 timestamps and was transposed"
    assert len(notes) == 2


def test_activity_that_32_bits_do_not_hold_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    large = np.array([[1 << 40, 5], [(1 << 40) + 7, 6]])
    as_float32(large, "V1")
    assert "V1: 1 values are too large for 32-bit numbers and were rounded" in caplog.text
    caplog.clear()
    as_float32(np.array([[1e300, np.inf, np.nan, 0.1]]), "V1")
    assert "1 values are too large" in caplog.text
    caplog.clear()
    as_float32(np.array([[1 << 24, -5], [1 << 30, 0]]), "V1")
    assert not caplog.text


def test_a_rate_may_be_a_list_of_one_number() -> None:
    assert build(rate_hz=np.array([30.0])).rate_hz == 30
    with pytest.raises(ShapeMismatch, match="'rate_hz' must be one number"):
        build(rate_hz=np.array([30.0, 30.0]))


def test_a_transposed_recording_is_said() -> None:
    with pytest.raises(ShapeMismatch, match=r"'neural' has 3 samples\. Transpose it to \[time, channels\]"):
        build(neural=np.ones((3, 10)))


def test_an_empty_name_is_that_of_the_file() -> None:
    assert build(name=np.array("")).name
