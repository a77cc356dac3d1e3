"""Frame numbers are names: other numbers change no score, and live scores equal those of a file."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from decoders.data.frame_states import FrameStates
from decoders.evaluation.evaluate import EvaluateOptions, cross_validate, evaluate, run_evaluation
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.live.frame_score import RunningScore
from decoders.model.model import Model
from decoders.report.page import html_page
from decoders.rolling.refit import compare, coverage, refit
from stream.errors import BadRecording
from stream.movie import Clip, Movie
from stream.session import Kind, Session
from tests.decoders.conftest import N_FRAMES

TRAINED = (0, 1, 2)
UNTIMED = ("train_seconds", "step_us")
CODES = {"769 to 772": [769, 770, 771, 772], "any order": [5000, 3, 90_000, 42]}


def categories(names: NDArray[np.int32]) -> Session:
    """Weak EEG of four categories in random order, each after a blank; category i is given as ``names[i]``."""
    rng = np.random.default_rng(0)
    trial = np.repeat(rng.permuted(np.tile(np.arange(4), (24, 1)), axis=1).ravel(), 20)
    shown = np.tile(np.arange(20) >= 8, 96)
    neural = np.where(shown[:, None], rng.normal(size=(4, 8))[trial], 0) * 0.5 + rng.normal(
        size=(len(trial), 8)
    )
    return Session(
        neural=neural.astype(np.float32),
        stamps=np.arange(len(trial)) / 20,
        frame=np.where(shown, names[trial], -1).astype(np.int32),
        repeat=np.where(shown, np.arange(len(trial)) // 480, -1).astype(np.int32),
        segment=np.zeros(len(trial), np.int32),
        channel_names=tuple(f"c{i}" for i in range(8)),
        kind=Kind.EEG,
        rate_hz=20.0,
    )


def fitted(session: Session) -> tuple[Model, dict[str, Any]]:
    model = fit_model(session, FitOptions(train_repeats=TRAINED))
    report = evaluate(model, session, EvaluateOptions(repeats=(3,)))
    return model, {name: value for name, value in report.items() if name not in UNTIMED}


def assert_equal_scores(one: Any, other: Any) -> None:
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            assert_equal_scores(one[name], other[name])
    else:
        assert one == (other if isinstance(one, str) else pytest.approx(other, abs=1e-6, nan_ok=True))


@pytest.fixture(scope="module")
def plain() -> tuple[Model, dict[str, Any]]:
    return fitted(categories(np.arange(4)))


@pytest.mark.slow
@pytest.mark.parametrize("names", CODES.values(), ids=CODES)
def test_categories_by_other_numbers_score_the_same(
    plain: tuple[Model, dict[str, Any]], names: list[int]
) -> None:
    model, report = fitted(categories(np.array(names)))
    assert model.card["frames"] == str(FrameStates(np.array(sorted(names), np.int32)))
    assert_equal_scores(plain[1], report)
    assert report["without_playback"]["accuracy_exact"] > 0.5
    predicted = model.predict(categories(np.array(names)).select_repeats([3]))
    assert set(np.unique(predicted.frame)) <= {-1, *names}
    assert set(np.unique(predicted.forecast[:, :, :4])) <= {-1, *names}


def moved(watched: Session, by: int) -> Session:
    """The recording of a movie that begins ``by`` frames later on the axis."""
    movie = watched.movie
    assert movie is not None
    assert movie.frames is not None
    clips = (Clip("before", 0, by, 30.0), *(replace(c, first_frame=c.first_frame + by) for c in movie.clips))
    pictures = np.concatenate([np.zeros((by, *movie.frames.shape[1:]), np.uint8), movie.frames])
    frame = np.where(watched.frame >= 0, watched.frame + by, -1).astype(np.int32)
    return replace(watched, frame=frame, movie=Movie(clips, pictures))


@pytest.fixture(scope="module")
def late(watched: Session) -> Session:
    return moved(watched, 10_000)


@pytest.fixture(scope="module")
def late_model(late: Session) -> Model:
    return fit_model(late, FitOptions(train_repeats=(0, 1, 2, 3, 4)))


def test_a_movie_that_begins_later_scores_the_same(
    model: Model, watched: Session, late_model: Model, late: Session, tmp_path: Any
) -> None:
    options = EvaluateOptions(repeats=(5, 6))
    late_model.save(tmp_path / "late.safetensors")
    loaded = Model.load(tmp_path / "late.safetensors")
    assert loaded.card["frames"] == f"10000-{10_000 + N_FRAMES - 1}"
    reports = [evaluate(*each, options) for each in ((model, watched), (loaded, late))]
    here, there = ({n: v for n, v in report.items() if n not in UNTIMED} for report in reports)
    assert_equal_scores(here, there)
    test = late.select_repeats([5])
    predictions, before = loaded.predict(test), model.predict(watched.select_repeats([5]))
    np.testing.assert_array_equal(predictions.frame, np.where(before.frame >= 0, before.frame + 10_000, -1))
    prediction = [loaded.step(*each) for each in zip(test.neural, test.stamps.tolist(), strict=True)][-1]
    assert prediction.picture is not None
    assert late.movie is not None
    assert late.movie.frames is not None
    np.testing.assert_array_equal(prediction.picture, late.movie.frames[prediction.frame])


def test_the_report_and_a_live_score_name_the_frames(late_model: Model, late: Session) -> None:
    evaluation = run_evaluation(late_model, late, EvaluateOptions(repeats=(5, 6), draws=0))
    assert "10000-10005" in html_page(evaluation, title="late", budget_s=0)
    test = late.select_repeats([5])
    predictions = late_model.predict(test)
    truth = np.column_stack([test.frame, test.repeat])
    running = RunningScore(
        lambda stamps: truth[np.searchsorted(test.stamps, stamps)], late_model.axis, late_model.states
    )
    for stamp, frame in zip(test.stamps.tolist(), predictions.frame.tolist(), strict=True):
        running.add(stamp, stamp, (frame,))
    running.settle(1e9)
    offline = evaluate(late_model, late, EvaluateOptions(repeats=(5,), draws=0))["with_playback"]
    assert running.figures()["accuracy_exact"] == pytest.approx(offline["accuracy_exact"])


def test_a_refit_keeps_the_frames(late_model: Model, late: Session) -> None:
    new = late.select_repeats([3, 4])
    assert coverage(late_model, new) == 1.0
    frame = new.frame.copy()
    frame[frame == 10_030] = 3  # not one that the model knows
    again = refit(late_model, replace(new, frame=frame))
    np.testing.assert_array_equal(again.states.frames, late_model.states.frames)
    assert compare(again, late_model, late.select_repeats([5])).new > 0.9
    assert again.take_over(late_model)


def test_an_unknown_true_frame_is_always_wrong(late_model: Model, late: Session, caplog: Any) -> None:
    options = EvaluateOptions(repeats=(5, 6), draws=0)
    known = evaluate(late_model, late, options)
    frame = late.frame.copy()
    unknown = np.isin(frame, np.arange(10_000, 10_030))
    frame[unknown] -= 5_000
    report = evaluate(late_model, replace(late, frame=frame), options)
    assert "does not know" in caplog.text
    share = float(np.mean(frame[late.frame >= 0] >= 10_000))
    for playback in ("with_playback", "without_playback"):
        assert report[playback]["accuracy_within_1s"] <= share
        assert report[playback]["log_score_bits"] < known[playback]["log_score_bits"] - 5
    running = RunningScore(lambda stamps: np.full((len(stamps), 2), 7), late_model.axis, late_model.states)
    running.add(0.0, 0.0, (10_007,))
    running.settle(1e9)
    assert running.n == 1
    assert running.figures()["accuracy_within_1s"] == 0.0


def test_folds_decode_the_same_frames() -> None:
    session = categories(np.array([7, 11, 13, 17]))
    only_first = session.frame.copy()
    only_first[(session.repeat == 0) & (session.frame == 17)] = 19  # in one fold alone
    report = cross_validate(replace(session, frame=only_first), "repeat", FitOptions(context_s=0.25), draws=0)
    assert report["without_playback"]["accuracy_exact"] > 0.4


@pytest.mark.parametrize("number", [0, 7, 10_000])
def test_a_constant_frame_is_refused(watched: Session, number: int) -> None:
    constant = np.where(watched.frame >= 0, number, -1).astype(np.int32)
    with pytest.raises(BadRecording, match="one frame only"):
        fit_model(replace(watched, frame=constant, movie=None))


@pytest.mark.slow
def test_large_frame_numbers_take_no_longer(watched: Session) -> None:
    seconds = []
    rated = replace(watched, movie=Movie((Clip("movie", 0, 10_000 + N_FRAMES, 30.0),)))
    for by in (0, 10_000):
        frame = np.where(watched.frame >= 0, watched.frame + by, -1).astype(np.int32)
        begun = time.process_time()
        fit_model(replace(rated, frame=frame), FitOptions(context_s=0.2))
        seconds.append(time.process_time() - begun)
    assert seconds[1] < 2 * seconds[0] + 1
