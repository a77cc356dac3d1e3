from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decoders.data.frame_states import FrameStates
from decoders.live.outlets import POSTERIOR_CHANNELS, Publisher
from decoders.model.decision import Decision
from decoders.model.model import Model
from decoders.prediction import PREDICTION_CHANNELS, Prediction
from stream.session import Session
from tests.decoders.live.fakes import FakeOutlet


@pytest.fixture
def prediction(model: Model, unseen: Session) -> Prediction:
    model.reset()
    return model.step(unseen.neural[15], 0.0)


def test_the_prediction_has_one_value_per_channel(
    opened: dict[str, FakeOutlet], model: Model, unseen: Session
) -> None:
    publisher = Publisher("V1", model, 30.0, {"mode": "live"})
    decisions: list[Decision] = []

    def publish(decision: Decision) -> bool:
        decisions.append(decision)
        publisher.push_prediction(decision, 12.5, 3.25, 77, (1.0, 2.0, 3.0, 4.0))
        return False

    model.reset()
    model.step(unseen.neural[15], 0.0, publish)
    ((row,), stamp) = opened["prediction"].pushed[0]
    sent = dict(zip(PREDICTION_CHANNELS, row.tolist(), strict=True))
    assert opened["prediction"].labels == PREDICTION_CHANNELS
    assert stamp == 12.5
    assert (sent["sequence"], sent["stamp_raw"]) == (77, 3.25)
    assert [sent[name] for name in PREDICTION_CHANNELS[8:]] == [1, 2, 3, 4]
    for name in PREDICTION_CHANNELS[:6]:
        assert sent[name] == pytest.approx(getattr(decisions[0], name))


def test_secondary_streams_carry_the_rest(
    opened: dict[str, FakeOutlet], model: Model, prediction: Prediction
) -> None:
    publisher = Publisher("V1", model, 30.0, {})
    publisher.push_secondary(prediction, 1.5)
    expected = {
        "posterior": prediction.posterior,
        "forecast": prediction.forecast.ravel(),
        "embedding": prediction.embedding,
        "continuous": prediction.continuous,
    }
    for role, values in expected.items():
        rows, stamp = opened[role].pushed[0]
        np.testing.assert_array_equal(rows, values[None])
        assert stamp == 1.5
        assert len(opened[role].labels) == rows.shape[1]


def test_streams_that_nobody_receives_cost_nothing(
    opened: dict[str, FakeOutlet],
    model: Model,
    prediction: Prediction,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publisher = Publisher("V1", model, 30.0, {})
    monkeypatch.setattr(FakeOutlet, "have_consumers", lambda outlet: outlet.name == "V1-embedding")
    monkeypatch.setattr(Prediction, "forecast", property(lambda _: pytest.fail("computed for nobody")))
    publisher.push_secondary(prediction, 1.5)
    assert {role for role, outlet in opened.items() if outlet.pushed} == {"embedding"}


@pytest.mark.parametrize(("rate_hz", "every"), [(0.0, 1), (30.0, 1), (200.0, 1), (250.0, 2), (1000.0, 10)])
def test_at_high_rates_every_nth_sample_has_secondary_streams(
    opened: dict[str, FakeOutlet], model: Model, rate_hz: float, every: int
) -> None:
    publisher = Publisher("V1", model, rate_hz, {})
    assert sum(publisher.secondary_due() for _ in range(100)) == 100 // every
    assert opened["prediction"].rate_hz == rate_hz
    assert opened["posterior"].rate_hz == rate_hz / every


def test_frames_of_a_long_movie_are_pooled(
    opened: dict[str, FakeOutlet], model: Model, prediction: Prediction
) -> None:
    n_frames = 2 * POSTERIOR_CHANNELS + 3
    long = Model(model.parts, model.card)
    long.states = FrameStates(10 + np.arange(n_frames, dtype=np.int32))
    publisher = Publisher("V1", long, 30.0, {})
    posterior = np.random.default_rng(0).dirichlet(np.ones(n_frames + 1)).astype(np.float32)
    publisher.push_secondary(replace(prediction, posterior=posterior), 0.0)
    (row,), _ = opened["posterior"].pushed[0]
    assert publisher.pool == 3
    assert len(row) == len(opened["posterior"].labels) <= POSTERIOR_CHANNELS + 1
    assert row.sum() == pytest.approx(1, abs=1e-5)
    assert opened["posterior"].labels[1] == "frame13"
    assert row[0] == pytest.approx(posterior[:3].sum())
    assert row[-1] == posterior[-1]


@pytest.mark.parametrize("change", [-1, 2])
def test_the_embedding_stream_keeps_its_width_after_a_refit(
    opened: dict[str, FakeOutlet], model: Model, prediction: Prediction, change: int
) -> None:
    publisher = Publisher("V1", model, 30.0, {})
    width = model.n_embedding
    publisher.push_secondary(replace(prediction, embedding=np.ones(width + change, np.float32)), 0.0)
    (row,), _ = opened["embedding"].pushed[0]
    assert len(row) == width
    assert row.sum() == min(width, width + change)


def test_status_events_are_json(opened: dict[str, FakeOutlet], model: Model) -> None:
    Publisher("V1", model, 30.0, {}).push_status("gap", missing=3)
    assert opened["status"].pushed == [({"event": "gap", "missing": 3}, 0.0)]
