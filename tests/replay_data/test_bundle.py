"""The bundled files are small and readable, and belong together."""

from __future__ import annotations

import numpy as np
import pytest

from decoders.model.model import Model
from replay_data.bundle import SEED, TRAIN_REPEATS, demo_model, demo_movie, demo_recording
from replay_data.simulate import simulate
from stream.io.session_io import load_session
from stream.movie import load_movie
from stream.session import Session


@pytest.fixture(scope="module")
def recording() -> Session:
    return load_session(demo_recording())


def test_small_enough_to_ship() -> None:
    sizes = [path.stat().st_size for path in (demo_recording(), demo_movie(), demo_model())]
    assert min(sizes) > 10_000
    assert sum(sizes) < 12_000_000


def test_recording_and_movie_belong_together(recording: Session) -> None:
    movie = load_movie(demo_movie())
    assert movie.frames is not None
    assert movie.frames.shape == (900, 72, 128)
    assert recording.movie is not None
    assert recording.movie.clips == movie.clips


def test_recording_is_what_the_simulator_makes(recording: Session) -> None:
    made = simulate("demo", SEED, load_movie(demo_movie()))
    assert np.array_equal(made.frame, recording.frame)
    assert np.array_equal(made.repeat, recording.repeat)
    # Other processors round the last bit of a rate differently, which moves a spike now and then.
    assert np.mean(made.neural != recording.neural) < 0.001


def test_model_decodes_both_tests_it_never_saw(recording: Session) -> None:
    model = Model.load(demo_model())
    model.check_stream(recording.channel_names, recording.rate_hz)
    assert not {10, 11} & set(TRAIN_REPEATS)
    without = []
    for repeat in (10, 11):
        test = recording.select_repeats([repeat])
        shown = test.frame >= 0
        predictions = model.predict(test)
        guess = predictions.posterior_without_playback.argmax(1)
        near = np.abs(predictions.frame - test.frame) <= 30
        assert np.mean((near & (predictions.frame >= 0))[shown]) > 0.95
        without.append(np.mean(((np.abs(guess - test.frame) <= 30) & (guess < 900))[shown]))
    assert min(without) > 0.8
    assert without[0] - without[1] <= 0.05
