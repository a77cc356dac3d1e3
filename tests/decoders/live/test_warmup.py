"""The warm-up changes no prediction and runs once before each sample, when there is time."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.live.warmup import MARGIN_S, MIN_PERIOD_S, Warmup
from decoders.model.model import Model
from stream.session import Kind, Session

N_FRAMES, N_CHANNELS, RATE_HZ = 40, 12, 30.0


def session(kind: Kind) -> Session:
    """Four repeats of a short movie."""
    random = np.random.default_rng(4)
    tuning = random.gamma(0.5, 2.0, (N_FRAMES, N_CHANNELS)) + 0.2
    frame = np.tile(np.arange(N_FRAMES), 4).astype(np.int32)
    return Session(
        neural=random.poisson(tuning[frame]).astype(np.float32),
        stamps=np.arange(len(frame)) / RATE_HZ,
        frame=frame,
        repeat=np.repeat(np.arange(4), N_FRAMES).astype(np.int32),
        segment=np.zeros(len(frame), np.int32),
        channel_names=tuple(f"unit{i}" for i in range(N_CHANNELS)),
        kind=kind,
        rate_hz=RATE_HZ,
    )


@cache
def fitted(kind: Kind) -> Model:
    return fit_model(session(kind), FitOptions())


@pytest.fixture(scope="session")
def model() -> Model:
    return fitted(Kind.SPIKES)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Kind.SPIKES, Kind.FLUORESCENCE])
def test_the_warm_up_changes_no_prediction(kind: Kind) -> None:
    recording, model = session(kind), fitted(kind)
    expected = model.predict(recording)
    warmup = Warmup(model)
    model.reset()
    for index in range(100):
        warmup.schedule(recording.neural[99 - index, None], RATE_HZ, 0.0)
        warmup.run()
        got = model.step(recording.neural[index], float(recording.stamps[index]))
        np.testing.assert_array_equal(got.posterior, expected.posterior[index])
        np.testing.assert_array_equal(got.embedding, expected.embedding[index])
    model.reset()


def test_it_runs_once_and_a_little_before_the_next_sample(model: Model) -> None:
    warmup = Warmup(model)
    assert warmup.wait_s(0.0) is None  # no sample has arrived yet
    chunk = np.ones((3, N_CHANNELS), np.float32)
    warmup.schedule(chunk, RATE_HZ, now=10.0)
    wait_s = warmup.wait_s(10.01)
    assert wait_s is not None
    assert 0.09 - MARGIN_S - 0.005 < wait_s < 0.09 - MARGIN_S
    assert warmup.wait_s(11.0) == 0.0  # late: at once
    warmup.run()
    assert warmup.wait_s(10.01) is None
    warmup.run()  # nothing to do


@pytest.mark.parametrize("rate_hz", [0.0, 1.01 / MIN_PERIOD_S])
def test_frequent_or_irregular_samples_have_no_warm_up(model: Model, rate_hz: float) -> None:
    warmup = Warmup(model)
    warmup.schedule(np.ones((1, N_CHANNELS), np.float32), rate_hz, now=10.0)
    assert warmup.wait_s(10.0) is None


def test_the_replaced_model_runs_the_warm_up_of_the_new_one(model: Model) -> None:
    warmup = Warmup(model)
    old = Model(replace(model.parts), model.card)
    warmup.replace_model(old)
    warmup.schedule(np.ones((1, N_CHANNELS), np.float32), RATE_HZ, now=0.0)
    before = old.playback.state
    warmup.run()
    assert old.playback.state is not before


def test_a_long_warm_up_begins_earlier_or_is_left_out(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    warmup = Warmup(model)
    clock = iter(np.arange(0.0, 10.0, 0.008))  # each warm-up takes 8 ms
    monkeypatch.setattr("decoders.live.warmup.time.perf_counter", lambda: next(clock))
    chunk = np.ones((1, N_CHANNELS), np.float32)
    waits = []
    for _ in range(100):
        warmup.schedule(chunk, RATE_HZ, now=0.0)
        waits.append(warmup.wait_s(0.0))
        warmup.run()
    assert waits[0] > waits[10] > waits[-1] == pytest.approx(1 / RATE_HZ - 0.008 - MARGIN_S, abs=1e-4)
    warmup.schedule(chunk, 60.0, now=0.0)
    assert warmup.wait_s(0.0) is None  # 9 of 17 ms would delay samples that arrive early
