"""The engine without a network; tests/live/test_engine.py runs it on real streams."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from decoders.errors import ModelMismatch
from decoders.live.engine import Engine
from decoders.live.engine_options import LiveOptions
from decoders.metrics import score
from decoders.model.model import Model
from decoders.prediction import PREDICTION_CHANNELS
from stream.session import Session
from tests.decoders.live.fakes import FakeInlet, FakeOutlet, FakeSideStreams


@pytest.fixture
def held_out(watched: Session) -> Session:
    """Two repeats that the model was not trained on, as one segment."""
    return watched.select_repeats([5, 6])


def make_engine(
    monkeypatch: pytest.MonkeyPatch, model: Model, session: Session, **options: Any
) -> tuple[Engine, FakeInlet]:
    inlet = FakeInlet(session, n_chunk=7, **options.pop("facts", {}))
    monkeypatch.setattr("decoders.live.engine.SideStreams", lambda *_: FakeSideStreams(session))
    monkeypatch.setattr("decoders.live.engine.PULL_S", 0.0)
    return Engine(model, inlet, LiveOptions("V1", **options)), inlet  # type: ignore[arg-type]


def run(engine: Engine, inlet: FakeInlet) -> dict[str, Any]:
    """Run until every sample has been decoded."""
    poll = engine._side_streams.poll

    def poll_and_stop() -> None:
        poll()
        if inlet.ended:
            engine.stop("all samples decoded")

    engine._side_streams.poll = poll_and_stop  # type: ignore[method-assign]
    summary = engine.run()
    engine.close()
    return summary


def columns(outlet: FakeOutlet) -> dict[str, np.ndarray]:
    table = np.concatenate([rows for rows, _ in outlet.pushed])
    return dict(zip(PREDICTION_CHANNELS, table.T, strict=True))


def test_it_publishes_what_the_model_predicts_for_the_recording(
    monkeypatch: pytest.MonkeyPatch, opened: dict[str, FakeOutlet], model: Model, held_out: Session
) -> None:
    expected = model.predict(held_out)
    summary = run(*make_engine(monkeypatch, model, held_out))
    sent = columns(opened["prediction"])
    np.testing.assert_array_equal(sent["sequence"], np.arange(held_out.n_samples))
    np.testing.assert_array_equal(sent["frame"], expected.frame)
    np.testing.assert_allclose(sent["confidence"], expected.confidence, atol=1e-5)
    np.testing.assert_allclose(sent["stamp_raw"], held_out.stamps)
    posterior = np.concatenate([rows for rows, _ in opened["posterior"].pushed])
    np.testing.assert_allclose(posterior, expected.posterior, atol=1e-5)
    continuous = np.concatenate([rows for rows, _ in opened["continuous"].pushed])
    np.testing.assert_allclose(continuous, expected.continuous, atol=1e-5)
    assert summary["received"] == held_out.n_samples
    assert summary["ended"] == "all samples decoded"


def test_its_score_is_that_of_an_evaluation(
    monkeypatch: pytest.MonkeyPatch, opened: dict[str, FakeOutlet], model: Model, held_out: Session
) -> None:
    expected = model.predict(held_out)
    summary = run(*make_engine(monkeypatch, model, held_out))
    posteriors = {
        "with_playback": expected.posterior,
        "without_playback": expected.posterior_without_playback,
    }
    for name, posterior in posteriors.items():
        offline = score(posterior, held_out.frame, model.axis, held_out.repeat)
        for figure in ("accuracy_within_1s", "accuracy_exact", "mean_frame_error"):
            assert summary["score"][name][figure] == pytest.approx(offline[figure])
            for repeat, of in summary["score"][name]["per_repeat"].items():
                assert of[figure] == pytest.approx(offline["per_repeat"][repeat][figure])
    assert summary["labels"]["position"]["moments"] == held_out.n_samples


def test_without_evidence_nothing_is_a_hit_live_and_offline(
    monkeypatch: pytest.MonkeyPatch, opened: dict[str, FakeOutlet], model: Model, held_out: Session
) -> None:
    neural = np.array(held_out.neural, np.float32)
    silent = np.arange(len(neural)) % 60 >= 30
    neural[silent] = np.nan
    session = replace(held_out, neural=neural)
    summary = run(*make_engine(monkeypatch, model, session))
    expected = model.predict(session)
    evidence = np.isfinite(expected.novelty)
    np.testing.assert_array_equal(evidence, ~silent)
    assert summary["provenance"]["no evidence"] == silent.sum()
    shown = session.frame >= 0
    offline = score(expected.posterior, session.frame, model.axis, None, evidence)
    assert offline["accuracy_within_1s"] <= 1 - silent[shown].mean()
    for figure in ("accuracy_within_1s", "accuracy_exact", "mean_frame_error"):
        assert summary["score"]["with_playback"][figure] == pytest.approx(offline[figure])


def test_each_prediction_is_pushed_before_its_secondary_streams(
    monkeypatch: pytest.MonkeyPatch, opened: dict[str, FakeOutlet], model: Model, held_out: Session
) -> None:
    order: list[str] = []
    push = FakeOutlet.push_chunk

    def record(outlet: FakeOutlet, rows: np.ndarray, stamp: float) -> None:
        order.append(outlet.name)
        push(outlet, rows, stamp)

    monkeypatch.setattr(FakeOutlet, "push_chunk", record)
    run(*make_engine(monkeypatch, model, held_out))
    secondary = ["V1-posterior", "V1-forecast", "V1-embedding", "V1-continuous"]
    assert order == ["V1-prediction", *secondary] * held_out.n_samples


def test_a_gap_begins_a_segment_and_resets_the_model(
    monkeypatch: pytest.MonkeyPatch, opened: dict[str, FakeOutlet], model: Model, watched: Session
) -> None:
    session = watched.select_repeats([2, 3])  # with a gap of 4 s between them
    expected = model.predict(session)
    run(*make_engine(monkeypatch, model, session))
    np.testing.assert_array_equal(columns(opened["prediction"])["frame"], expected.frame)
    events = [event for event, _ in opened["status"].pushed]
    assert [event["segment"] for event in events if event["event"] == "segment"] == [1]
    assert any(event["event"] == "gap" for event in events)


def test_it_stops_after_the_requested_time_and_says_why(
    monkeypatch: pytest.MonkeyPatch, opened: dict[str, FakeOutlet], model: Model, held_out: Session
) -> None:
    engine, _ = make_engine(monkeypatch, model, held_out, seconds=0.05)
    assert engine.run()["ended"] == "0.05 s have passed"
    engine.close()
    assert opened["status"].pushed[-1][0]["event"] == "end"


def test_another_rate_is_refused(
    monkeypatch: pytest.MonkeyPatch, opened: dict[str, FakeOutlet], model: Model, held_out: Session
) -> None:
    with pytest.raises(ModelMismatch, match="60 Hz"):
        make_engine(monkeypatch, model, held_out, facts={"recorded_rate_hz": "60"})


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize("mode", ["live", "replay", "simulated"])
def test_a_model_of_simulated_data_that_decodes_others_is_a_notice(
    model: Model, held_out: Session, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    simulated = Model(model.parts, {**model.card, "simulated": True})
    engine, _ = make_engine(monkeypatch, simulated, held_out, facts={"mode": mode})
    notices = engine._side_streams.notices.take()
    assert [notice.event for notice in notices] == (["simulated_model"] if mode != "simulated" else [])
