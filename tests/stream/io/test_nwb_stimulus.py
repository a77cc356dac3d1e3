"""Stimulus tables in memory as events, repeats and epochs; whole files are read in test_nwb.py."""

from __future__ import annotations

import io
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream.acquisition.stimulus_track import frames_at
from stream.errors import AmbiguousStream, BadRecording
from stream.io.nwb_stimulus import PAD_S, Presentations, read_presentations
from stream.session import MAX_FRAMES
from tests.stream.io.conftest import NoLimits


def presentations(
    start: Any,
    frame: Any,
    *,
    length_s: float | None = None,
    block: Any = None,
    other: Any = (),
) -> Presentations:
    start = np.asarray(start, float)
    steps = np.diff(start)
    length_s = length_s or (float(np.median(steps)) if len(steps) else 1.0)
    block = np.zeros(len(start), np.int64) if block is None else np.asarray(block, np.int64)
    return Presentations(
        "movie",
        start,
        start + length_s,
        np.asarray(frame, np.int32),
        block,
        np.asarray(other, float).reshape(-1, 2),
    )


def repeats(begins_s: list[float], n_frames: int, rate_hz: float = 30.0) -> Presentations:
    """Repeats of a movie, each a block."""
    start = np.concatenate([begin + np.arange(n_frames) / rate_hz for begin in begins_s])
    return presentations(
        start,
        np.tile(np.arange(n_frames), len(begins_s)),
        length_s=1 / rate_hz,
        block=np.repeat(np.arange(len(begins_s)), n_frames),
    )


def test_a_movie_is_told_from_pictures_by_the_order_of_its_frames() -> None:
    assert presentations([0, 1, 2, 3], [7, 8, 9, 7]).is_movie
    assert presentations([0, 1, 2, 3, 4], [0, 1, 2, 7, 3]).is_movie  # half of the steps
    assert not presentations([0, 1, 2, 3], [0, 1, 7, 3]).is_movie
    assert not presentations([0, 1, 2, 3], [3, 2, 1, 0]).is_movie
    assert not presentations([0], [0]).is_movie


@given(rate_hz=st.sampled_from([24.0, 29.97, 30.0, 60.0]), n_frames=st.integers(300, 900))
@settings(max_examples=20)
def test_the_rate_is_exact_although_timestamps_are_rounded_and_blocks_are_far_apart(
    rate_hz: float, n_frames: int
) -> None:
    movie = repeats([10.0, 1000.0], n_frames, rate_hz)
    rounded = presentations(np.round(movie.start, 3), movie.frame, block=movie.block)
    assert rounded.rate_hz == pytest.approx(rate_hz, rel=2 * 0.001 * rate_hz / (2 * n_frames))
    assert movie.rate_hz == pytest.approx(rate_hz, rel=1e-5)


def test_a_pause_within_a_block_does_not_lower_the_rate() -> None:
    start = np.r_[np.arange(50) / 30, 20 + np.arange(50) / 30]
    assert presentations(start, np.arange(100)).rate_hz == pytest.approx(30)
    assert presentations([5.0], [0]).rate_hz == 0
    assert presentations([5.0, 5.0], [0, 1], length_s=1.0).rate_hz == 0


def test_repeats_begin_with_a_block_and_in_a_movie_where_the_frames_decrease() -> None:
    movie = presentations(np.arange(9), [0, 1, 2, 0, 1, 2, 1, 2, 3], block=[0] * 6 + [1] * 3)
    assert movie.repeat.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    pictures = presentations(np.arange(6), [3, 1, 2, 0, 2, 1], block=[0, 0, 0, 4, 4, 4])
    assert pictures.repeat.tolist() == [0, 0, 0, 1, 1, 1]


@settings(max_examples=30)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    pauses=st.lists(st.floats(0, 3), min_size=5, max_size=5),
    blanks=st.sets(st.integers(0, 30), max_size=4),
)
def test_events_give_the_frame_of_every_moment(
    lengths: list[int], pauses: list[float], blanks: set[int]
) -> None:
    rate_hz, begin, starts, frames = 10.0, 5.0, [], []
    for length, pause_s in zip(lengths, pauses, strict=False):
        starts += [begin + index / rate_hz for index in range(length)]
        frames += list(range(length))
        begin += length / rate_hz + (0.0 if pause_s < 0.06 else pause_s)
    shown = np.where(np.isin(np.arange(len(frames)), list(blanks)), -1, frames)
    movie = presentations(starts, shown, length_s=1 / rate_hz)
    stamps, events = movie.events()
    assert (np.diff(stamps) >= 0).all()
    middle = movie.start + 0.5 / rate_hz
    frame, repeat = frames_at(stamps, events, middle, rate_hz)
    np.testing.assert_array_equal(frame, shown)
    np.testing.assert_array_equal(repeat, np.where(shown >= 0, movie.repeat, -1))
    after = movie.stop[np.r_[np.diff(movie.start) > 1.9 / rate_hz, True]] + 0.5 / rate_hz
    frame, repeat = frames_at(stamps, events, after, rate_hz)
    assert set(frame.tolist()) == set(repeat.tolist()) == {-1}


def test_short_pauses_between_frames_are_no_blank() -> None:
    movie = presentations([0.0, 0.1, 0.2], [0, 1, 2], length_s=0.08)
    stamps, events = movie.events()
    assert events[:, 0].tolist() == [0, 1, 2, -1]
    assert stamps.tolist() == pytest.approx([0.0, 0.1, 0.2, 0.28])


def test_an_epoch_has_a_blank_around_it_but_nothing_of_other_stimuli_or_outside_the_recording() -> None:
    movie = repeats([20.0], 30)
    assert movie.epochs() == [(pytest.approx(15.0), pytest.approx(26.0), 20.0)]
    assert movie.epochs(18.0, 22.5) == [(18.0, 22.5, 20.0)]
    assert movie.epochs(20.5, 20.7)[0] == (20.0, pytest.approx(21.0), 20.0)  # the movie itself is never cut
    others = Presentations(
        "movie", movie.start, movie.stop, movie.frame, movie.block, np.array([[0, 17.5], [22.0, 99.0]])
    )
    assert others.epochs() == [(17.5, 22.0, 20.0)]


def test_a_stimulus_that_begins_and_ends_with_a_block_leaves_no_blank() -> None:
    movie = repeats([20.0], 30)
    last = float(movie.stop[-1])
    touching = np.array([[15.0, 20.0], [last, 40.0]])
    movie = Presentations("m", movie.start, movie.stop, movie.frame, movie.block, touching)
    assert movie.epochs() == [(20.0, last, 20.0)]


def test_epochs_that_touch_are_one() -> None:
    assert repeats([20.0, 30.0], 30).epochs() == [(15.0, pytest.approx(36.0), 20.0)]
    assert [epoch[2] for epoch in repeats([20.0, 32.0], 30).epochs()] == [20.0, 32.0]


@settings(max_examples=40)
@given(
    begins=st.lists(st.integers(0, 30), min_size=1, max_size=6, unique=True),
    others=st.lists(st.integers(0, 300), max_size=6),
)
def test_epochs_cover_every_block_once_in_order_and_no_other_stimulus(
    begins: list[int], others: list[int]
) -> None:
    begins_s = sorted(10.0 * begin for begin in begins)
    other = np.array([[at, at + 1.0] for at in others if not any(-1 < at - b < 2 for b in begins_s)])
    movie = repeats(begins_s, 60)
    movie = Presentations("m", movie.start, movie.stop, movie.frame, movie.block, other.reshape(-1, 2))
    epochs = movie.epochs()
    assert all(first[1] < second[0] for first, second in itertools.pairwise(epochs))
    for begin_s in begins_s:
        assert sum(begin <= begin_s and begin_s + 2 <= end + 1e-9 for begin, end, _ in epochs) == 1
    for begin, end, first in epochs:
        assert first in begins_s
        assert first - PAD_S <= begin <= first
        assert end - 2 - PAD_S - 1e-9 <= max(b for b in begins_s if b <= end)


def test_an_epoch_ends_where_another_stimulus_begins_even_if_the_next_block_is_near() -> None:
    movie = repeats([20.0, 30.0], 30)
    between = np.array([[24.0, 27.0]])
    movie = Presentations("m", movie.start, movie.stop, movie.frame, movie.block, between)
    assert [epoch[:2] for epoch in movie.epochs()] == [(15.0, 24.0), (27.0, pytest.approx(36.0))]


h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install neuroreel[nwb]")

INTERVALS = {"start_time": [1.0, 2.0, 3.0], "stop_time": [2.0, 3.0, 4.0], "frame": [0.0, 1.0, 2.0]}


def tables(**stimuli: dict[str, Any]) -> Any:
    """An open file in memory with interval tables."""
    file = h5py.File(io.BytesIO(), "w")
    for name, columns in stimuli.items():
        group = file.create_group(f"intervals/{name}_presentations")
        for column, values in columns.items():
            group[column] = np.asarray(values)
    return file


def series(values: Any, stamps: Any, neurodata_type: str = "IndexSeries") -> Any:
    """An open file in memory with a series of frame numbers."""
    file = h5py.File(io.BytesIO(), "w")
    group = file.create_group("stimulus/presentation/movie")
    group["data"], group["timestamps"] = np.asarray(values), np.asarray(stamps)
    group.attrs["neurodata_type"] = neurodata_type
    return file


def read(file: Any, stimulus: str | None = None) -> Presentations:
    found = read_presentations(file, stimulus, NoLimits())  # type: ignore[arg-type]
    assert found is not None
    return found


def test_a_table_is_sorted_and_numbers_its_blocks() -> None:
    columns = {"start_time": [3.0, 1.0, 2.0], "stop_time": [4.0, 2.0, 3.0], "frame": [2.0, 0.0, np.nan],
               "stimulus_block": [9.0, 4.0, 4.0]}  # fmt: skip
    movie = read(tables(movie=columns))
    assert movie.start.tolist() == [1, 2, 3]
    assert movie.frame.tolist() == [0, -1, 2]
    assert movie.block.tolist() == [0, 0, 1]


def test_presentations_without_valid_times_are_left_out() -> None:
    columns = {"start_time": [1.0, np.nan, 3.0, 4.0, 1e300], "stop_time": [2.0, 3.0, np.inf, 4.0, 1e301],
               "frame": [0, 1, 2, 3, 4]}  # fmt: skip
    assert read(tables(movie=columns)).frame.tolist() == [0]


def test_other_stimuli_are_those_that_show_something() -> None:
    other = {"start_time": [10.0, np.nan], "stop_time": [12.0, 13.0]}
    file = tables(movie=INTERVALS, gratings=other, spontaneous=other)
    assert read(file).other_stimuli.tolist() == [[10.0, 12.0]]


def test_a_series_of_frame_numbers_ends_each_frame_with_the_next_or_before_a_pause() -> None:
    stamps: NDArray[np.float64] = np.r_[np.arange(10) / 30, 5 + np.arange(10) / 30]
    movie = read(series(np.tile(np.arange(10), 2).astype(np.uint32), stamps))
    assert movie.name == "movie"
    np.testing.assert_allclose(movie.stop - movie.start, 1 / 30, rtol=1e-9)
    assert movie.repeat.tolist() == [0] * 10 + [1] * 10
    assert read(series([0, 1, 2, 3], [0.0, 1.0, 3.0, 4.0])).stop.tolist() == [1, 2, 4, 5]


def test_a_series_of_other_values_is_no_stimulus_with_frames() -> None:
    assert read_presentations(series([0.5, 1.5], [0, 1], "TimeSeries"), None, NoLimits()) is None  # type: ignore[arg-type]


def test_a_file_without_stimulus_has_no_presentations() -> None:
    assert read_presentations(h5py.File(io.BytesIO(), "w"), None, NoLimits()) is None  # type: ignore[arg-type]


def test_one_of_several_stimuli_must_be_chosen_by_a_name_with_or_without_suffix() -> None:
    file = tables(a=INTERVALS, b=INTERVALS, gratings={"start_time": [0.0], "phase": [0.5]})
    with pytest.raises(AmbiguousStream, match=r"it has 2 stimuli with frames.*--stimulus NAME': a, b\."):
        read(file)
    assert read(file, "b").name == read(file, "b_presentations").name == "b"
    with pytest.raises(BadRecording, match=r"no stimulus 'c'; it has a, b, gratings\."):
        read(file, "c")
    with pytest.raises(
        BadRecording, match=r"'gratings' has no column 'frame'; its columns: phase, start_time\."
    ):
        read(file, "gratings")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frame": [0.0, 0.5, 1.0]}, f"must be whole numbers below {MAX_FRAMES}"),
        ({"frame": [0, 1, MAX_FRAMES]}, f"must be whole numbers below {MAX_FRAMES}"),
        ({"frame": [0.0, np.inf, 1.0]}, f"must be whole numbers below {MAX_FRAMES}"),
        ({"frame": [0, 1]}, "the columns of stimulus 'movie' differ in length"),
        ({"stop_time": [2.0]}, "the columns of stimulus 'movie' differ in length"),
        ({"stimulus_block": [1.0]}, "the columns of stimulus 'movie' differ in length"),
        ({"start_time": [5.0, 5.0, 5.0]}, "holds no presentation with valid times"),
        ({"frame": [[0, 1, 2]]}, r"'movie/frame' must be a column of numbers, got int64 \(1, 3\)"),
    ],
)
def test_a_damaged_table_is_refused_with_the_reason(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRecording, match=message):
        read(tables(movie=INTERVALS | changes))
