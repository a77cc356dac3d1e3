"""Models with a lookahead, and accuracy against lookahead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decoders.data.training_set import with_repeat_boundaries
from decoders.errors import BadSplit
from decoders.evaluation.evaluate import EvaluateOptions, evaluate
from decoders.evaluation.lookahead_curve import as_json, lookahead_curve
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.live.frame_score import RunningScore, truth_of
from decoders.model.model import Model
from decoders.rolling.refit import compare, refit
from stream.acquisition.stimulus_track import StimulusTrack
from stream.errors import BadUsage
from stream.session import Session
from tests.decoders.conftest import watched_session

AHEAD = 4


@pytest.fixture(scope="module")
def late() -> Session:
    """Activity that follows the stimulus by four samples."""
    session = watched_session(5)
    neural = np.zeros_like(session.neural)
    for segment in np.unique(session.segment):
        at = np.flatnonzero(session.segment == segment)
        neural[at[AHEAD:]] = session.neural[at[:-AHEAD]]
        neural[at[:AHEAD]] = session.neural[at[:AHEAD]]
    return replace(session, neural=neural)


@pytest.fixture(scope="module")
def looking_ahead(late: Session) -> Model:
    return fit_model(late, FitOptions(train_repeats=(0, 1, 2, 3, 4), lookahead_frames=AHEAD, context_s=0.1))


@pytest.mark.slow
def test_card_and_report_state_the_lookahead(looking_ahead: Model, late: Session) -> None:
    assert looking_ahead.card["lookahead_ms"] == pytest.approx(1000 * AHEAD / 30, abs=0.001)
    assert looking_ahead.n_delay == AHEAD
    report = evaluate(looking_ahead, late, EvaluateOptions(repeats=(5, 6), draws=0))
    assert report["lookahead_ms"] == looking_ahead.card["lookahead_ms"]
    # Each repeat ends before the predictions for its last samples.
    assert report["n_moments"] == 2 * 60 - 2 * AHEAD
    causal = fit_model(late, FitOptions(train_repeats=(0, 1, 2, 3, 4), context_s=0.1))
    without = evaluate(causal, late, EvaluateOptions(repeats=(5, 6), draws=0))
    exact = [r["without_playback"]["accuracy_exact"] for r in (report, without)]
    assert exact[0] > exact[1] > 0.5


def test_predictions_are_about_the_earlier_sample(looking_ahead: Model, late: Session) -> None:
    test = with_repeat_boundaries(late.select_repeats([5, 6]))
    predictions = looking_ahead.predict(test)
    index = np.arange(test.n_samples)
    first = np.searchsorted(test.segment, test.segment)
    assert np.array_equal(predictions.stamps, test.stamps[np.maximum(index - AHEAD, first)])
    nothing = np.isnan(predictions.novelty)
    assert np.array_equal(nothing, index - first < AHEAD)


def test_a_model_swap_keeps_the_delay(looking_ahead: Model, late: Session, tmp_path: object) -> None:
    fresh = refit(looking_ahead, late.select_repeats([2, 3, 4]))
    assert fresh.n_delay == AHEAD
    looking_ahead.reset()
    for sample, stamp in zip(late.neural[:10], late.stamps[:10], strict=True):
        looking_ahead.step(sample, float(stamp))
    assert fresh.take_over(looking_ahead)
    assert fresh.step(late.neural[10], float(late.stamps[10])).stamp_raw == late.stamps[10 - AHEAD]
    looking_ahead.reset()
    assert compare(looking_ahead, looking_ahead, late.select_repeats([5])).new > 0.5


def test_live_scores_use_the_truth_of_the_earlier_sample(looking_ahead: Model) -> None:
    truth = StimulusTrack()
    stamps = np.arange(20) / 30
    truth.add(stamps - 0.02, np.arange(20, dtype=np.int32), np.zeros(20, np.int32))
    score = RunningScore(
        truth_of(truth, 30.0),
        looking_ahead.axis,
        looking_ahead.states,
        ("with_playback", "without_playback"),
        n_delay=AHEAD,
    )
    for index, stamp in enumerate(stamps):
        score.add(stamp, float(stamp), (index - AHEAD, index), in_segment=index >= AHEAD)
    settled = score.settle(100.0)
    assert [frame for frame, _ in settled] == list(range(20))
    summary = score.summary()
    assert summary is not None
    assert summary["moments"] == 20 - AHEAD
    assert summary["with_playback"]["accuracy_exact"] == 1.0
    assert summary["without_playback"]["mean_frame_error"] == AHEAD


def test_the_curve_has_a_point_for_every_lookahead(watched: Session) -> None:
    options = FitOptions(context_s=0.2, train_repeats=(0, 1, 2, 3, 4))
    points = lookahead_curve(watched, options, lookaheads=(0, 2, 24))
    assert [point.lookahead_frames for point in points] == [0, 2, 24]
    assert points[1].lookahead_ms == pytest.approx(1000 * 2 / 30)
    assert points[0].in_order > 0.8
    assert as_json(points)[1]["context_ms"] == 200.0


def test_the_curve_needs_held_out_data(watched: Session) -> None:
    with pytest.raises(BadSplit, match="can be held out"):
        lookahead_curve(watched, FitOptions(train_repeats=(0,)))


def test_a_lookahead_needs_a_regular_rate(late: Session) -> None:
    with pytest.raises(BadUsage, match="regular sampling rate"):
        fit_model(replace(late, rate_hz=0.0), FitOptions(lookahead_frames=1))
