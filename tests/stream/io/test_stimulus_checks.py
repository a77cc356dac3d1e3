"""What a recording says of its stimulus in another convention is read right, or said with the remedy."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from replay_data.bundle import demo_recording
from stream.errors import BadRecording, ShapeMismatch
from stream.io.session_io import load_session
from stream.session import Session

RATE_HZ, MOVIE_HZ = 20.0, 10.0
N_FRAMES, N_REPEATS, GRAY = 60, 3, 40
REST = -np.ones(GRAY, int)


def film(**more: Any) -> dict[str, Any]:
    """Three repeats of a movie of 6 s, with gray of 2 s before each and at the end."""
    one = np.repeat(np.arange(N_FRAMES), 2)
    frame = np.concatenate([*([np.r_[REST, one]] * N_REPEATS), REST])
    repeat = np.concatenate([*(np.r_[REST, np.full(len(one), k)] for k in range(N_REPEATS)), REST])
    arrays = {
        "neural": np.random.default_rng(0).poisson(1.0, (len(frame), 3)),
        "stamps": 5 + np.arange(1, len(frame) + 1) / RATE_HZ,
        "frame": frame,
        "repeat": repeat,
        "kind": "spikes",
        "movie_rate_hz": MOVIE_HZ,
    }
    return {name: value for name, value in (arrays | more).items() if value is not None}


@pytest.fixture
def load(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.WARNING)

    def save_and_load(arrays: dict[str, Any]) -> Session:
        caplog.clear()
        np.savez(tmp_path / "a.npz", **arrays)
        return load_session(tmp_path / "a.npz")

    return save_and_load


def test_a_right_recording_is_neither_changed_nor_warned_of(load: Any, caplog: Any) -> None:
    arrays = film()
    session = load(arrays)
    np.testing.assert_array_equal(session.frame, arrays["frame"])
    np.testing.assert_array_equal(session.repeat, arrays["repeat"])
    load_session(demo_recording())
    loop = film(frame=np.arange(400) // 2 % N_FRAMES, neural=np.ones((400, 2)), stamps=np.arange(400) / 20,
                repeat=np.arange(400) // 120)  # fmt: skip
    load(loop)  # no blank at all
    shuffled = np.random.default_rng(0).permuted(np.tile(np.arange(N_FRAMES), (7, 1)), axis=1).ravel()[:400]
    load(loop | {"frame": shuffled, "movie_rate_hz": RATE_HZ})
    load(film(repeat=np.repeat(np.arange(2), 260)))  # runs, with rest in each
    load(film(repeat=np.where(np.arange(520) < 40, 9, film()["repeat"])))  # one run of rest, numbered
    places = np.abs(np.arange(400) % 40 - 20).clip(3) - 3  # to and fro, longer at one end
    load(loop | {"frame": places, "movie_rate_hz": 0.0})
    assert caplog.text == ""


@pytest.mark.parametrize("stated", [30.0, 12.0, 5.0])
def test_frames_that_advance_at_another_rate_are_said(load: Any, caplog: Any, stated: float) -> None:
    load(film(movie_rate_hz=stated))
    assert (
        f"a.npz: its movie is said to play at {stated:g} frames per second ('movie_rate_hz')" in caplog.text
    )
    assert "its frames advance at 10." in caplog.text


def test_pauses_jumps_and_changing_speeds_are_no_wrong_rate(load: Any, caplog: Any) -> None:
    paused = np.r_[np.repeat(np.arange(60), 2), np.full(200, 59), np.repeat(np.arange(60), 2)]
    jumps = np.concatenate([np.repeat(np.arange(at, at + 25), 2) for at in (0, 200, 100, 300, 50)])
    slow = np.concatenate([np.arange(400) // 2, np.arange(800) // 4])
    for frame in (paused, jumps, slow):
        n = len(frame)
        load(film(neural=np.ones((n, 2)), frame=frame, repeat=None, stamps=np.arange(n) / RATE_HZ))
    assert caplog.text == ""


@pytest.mark.parametrize(("factor", "unit"), [(1e3, "milliseconds"), (1e6, "microseconds")])
def test_the_movie_tells_the_unit_of_timestamps(load: Any, factor: float, unit: str) -> None:
    with pytest.raises(BadRecording, match=f"timestamps.* in .*{unit}"):
        load(film(stamps=film()["stamps"] * factor))
    fast = film()["stamps"] / 100  # 2 kHz: as milliseconds, samples are .5 s apart
    with pytest.raises(
        BadRecording, match=rf"a\.npz: its movie plays at 1000 .* in {unit}. Divide them by {factor:.0f}"
    ):
        load(film(stamps=fast * factor, movie_rate_hz=1000.0, rate_hz=None if factor < 1e4 else 0.0))


def test_frames_that_count_from_1_are_said(load: Any, caplog: Any) -> None:
    frame = film()["frame"] + (film()["frame"] >= 0)
    load(film(frame=frame))
    assert (
        "its frames are 1 to 60, and frame 0 is never shown. Frames count from 0: if yours count from 1, subtract 1"
        in (caplog.text)
    )
    with pytest.raises(
        ShapeMismatch, match=r"below 60, the length of the movie, got 60\. Frames count from 0: if"
    ):
        load(film(frame=frame, movie=np.zeros((N_FRAMES, 4, 4), np.uint8)))


def test_a_blank_of_0_is_read_where_the_repeats_say_so(load: Any, caplog: Any) -> None:
    session = load(film(frame=film()["frame"] + 1))
    np.testing.assert_array_equal(session.frame >= 0, film()["frame"] >= 0)
    assert "frame 0 is shown exactly where 'repeat' is -1, so it is read as 'no stimulus'" in caplog.text


@pytest.mark.parametrize("first", [0, 1])
def test_a_blank_of_0_is_said(load: Any, caplog: Any, first: int) -> None:
    load(film(frame=np.maximum(film()["frame"] + first, 0), repeat=None))
    assert "frame 0 is shown 4 times between the others" in caplog.text
    assert "If it means 'no stimulus', write -1 instead" in caplog.text
    trials = np.random.default_rng(0).permuted(np.tile(np.arange(1, 5), (6, 1)), axis=1).ravel()
    frame = np.stack([np.zeros(24, int), trials], 1).repeat(10, axis=1).ravel()
    load(
        film(
            neural=np.ones((480, 2)),
            frame=frame,
            stamps=np.arange(480) / RATE_HZ,
            repeat=None,
            movie_rate_hz=0.0,
        )
    )
    assert "frame 0 is shown 24 times between the others, for 10 samples each" in caplog.text


@pytest.mark.parametrize("number", [0, "each its own"])
def test_gray_that_is_numbered_as_a_repeat_is_none(load: Any, caplog: Any, number: Any) -> None:
    gray = film()["frame"] < 0
    count = np.cumsum(np.diff(gray, prepend=False))
    repeat = count if number else np.where(gray, 0, film()["repeat"] + 1)
    session = load(film(repeat=repeat))
    np.testing.assert_array_equal(session.repeat >= 0, ~gray)
    assert len(session.repeats) == N_REPEATS
    assert "in 4 stretches without a frame, which is read as -1 (no repeat)" in caplog.text


def test_several_at_once(load: Any, caplog: Any) -> None:
    frame = film()["frame"] + 1
    session = load(film(frame=frame, movie_rate_hz=25.0, neural=film()["neural"][:, 0]))
    assert session.n_channels == 1
    for part in ("read as 'no stimulus'", "its frames are 1 to 60", "its frames advance at 10"):
        assert part in caplog.text
    with pytest.raises(BadRecording, match="milliseconds"):
        load(film(frame=frame, stamps=film()["stamps"] * 1e3))
