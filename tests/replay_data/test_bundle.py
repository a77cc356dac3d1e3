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


def test_the_files_are_small() -> None:
    sizes = [path.stat().st_size for path in (demo_recording(), demo_movie(), demo_model())]
    assert min(sizes) > 10_000
    assert sum(sizes) < 12_000_000


@pytest.mark.slow
def test_recording_and_movie_match(recording: Session) -> None:
    movie = load_movie(demo_movie())
    assert movie.frames is not None
    assert movie.frames.shape == (900, 72, 128)
    assert recording.movie is not None
    assert recording.movie.clips == movie.clips


@pytest.mark.slow
def test_the_recording_equals_the_simulation(recording: Session) -> None:
    simulated = simulate("demo", SEED, load_movie(demo_movie()))
    assert np.array_equal(simulated.frame, recording.frame)
    assert np.array_equal(simulated.repeat, recording.repeat)
    # Processors differ in the last bit of a rate, which occasionally moves a spike.
    assert np.mean(simulated.neural != recording.neural) < 0.001


def test_the_model_decodes_both_test_repeats(recording: Session) -> None:
    model = Model.load(demo_model())
    model.check_stream(recording.channel_names, recording.rate_hz)
    assert not {10, 11} & set(TRAIN_REPEATS)
    without = []
    for repeat in (10, 11):
        test = recording.select_repeats([repeat])
        shown = test.frame >= 0
        predictions = model.predict(test)
        decoded = predictions.posterior_without_playback.argmax(1)
        near = np.abs(predictions.frame - test.frame) <= 30
        assert np.mean((near & (predictions.frame >= 0))[shown]) > 0.95
        without.append(np.mean(((np.abs(decoded - test.frame) <= 30) & (decoded < 900))[shown]))
    assert min(without) > 0.8
    assert without[0] - without[1] <= 0.05
