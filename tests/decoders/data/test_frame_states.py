"""Frame numbers and the states that stand for them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoders.data.frame_states import FrameStates
from stream.errors import BadRecording
from stream.movie import Clip, Movie
from stream.session import Session
from tests.decoders.conftest import N_FRAMES, watched_session


@given(st.sets(st.integers(0, 200), min_size=1))
def test_text_and_translation_lead_back(frames: set[int]) -> None:
    states = FrameStates(np.array(sorted(frames), np.int32))
    np.testing.assert_array_equal(FrameStates.from_text(str(states)).frames, states.frames)
    numbers = np.arange(-2, 202)
    state = states.states(numbers)
    known = np.isin(numbers, states.frames)
    np.testing.assert_array_equal(states.numbers(state)[known], numbers[known])
    np.testing.assert_array_equal(state[~known], np.where(numbers < 0, numbers, len(states))[~known])
    assert (states.numbers(state)[~known] == -1).all()


@pytest.mark.parametrize("text", ["", "a", "3-1", "5, 3", "0-5, 5-6", "1,2", "-1", "0-999999999", "1-2-3"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(BadRecording):
        FrameStates.from_text(text)


def test_a_movie_has_all_frames_between_and_categories_only_those_shown() -> None:
    watched = watched_session(n_repeats=1)
    some = watched.take(np.isin(watched.frame, [-1, 5, 9, 45, 50]))
    assert str(FrameStates.of([some])) == "5-9, 45-50"
    assert str(FrameStates.of([replace(some, movie=None)])) == "5, 9, 45, 50"
    stills = Movie(tuple(Clip(f"still {i}", i, 1, 0.0) for i in range(N_FRAMES)))
    assert str(FrameStates.of([replace(some, movie=stills)])) == "5, 9, 45, 50"


def test_clips_and_pictures_of_a_movie_by_state(watched: Session) -> None:
    movie = watched.movie
    assert movie is not None
    assert movie.frames is not None
    whole = FrameStates.of([watched]).movie(movie)
    assert whole.clips == movie.clips
    assert whole.frames is movie.frames
    part = FrameStates.from_text("30-44").movie(movie)
    assert [(clip.name, clip.first_frame, clip.n_frames) for clip in part.clips] == [
        ("first", 0, 10),
        ("second", 10, 5),
    ]
    np.testing.assert_array_equal(part.frames, movie.frames[30:45])
    assert [clip.name for clip in FrameStates.from_text("45-50").movie(movie).clips] == ["second"]
