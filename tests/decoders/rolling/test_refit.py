"""Refits on the last showings: what they may know, when they are refused, and how they take over."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from decoders.errors import BadSplit, TrainedOnTestData
from decoders.evaluation.evaluate import EvaluateOptions
from decoders.evaluation.evaluate_rolling import evaluate_rolling
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.live.refit_client import BLANK_S, RepeatBuffer, repeat_session
from decoders.model.model import Model
from decoders.rolling.refit import (
    Comparison,
    compare,
    concatenate_repeats,
    coverage,
    refit,
    repeats_before,
    repeats_in_order,
)
from decoders.rolling.trainer_process import RollingTrainer
from neuroreel.cli import cli
from stream.errors import BadUsage
from stream.session import Kind, Session
from tests.decoders.conftest import watched_session


def one(session: Session, number: int) -> Session:
    return session.select_repeats([number])


def perturbed(session: Session, begins: int) -> Session:
    """Everything from a sample on replaced: activity, frames, numbers of showings."""
    random = np.random.default_rng(5)
    neural, frame, repeat = session.neural.copy(), session.frame.copy(), session.repeat.copy()
    neural[begins:] = random.poisson(3, neural[begins:].shape)
    frame[begins:] = np.where(frame[begins:] >= 0, random.permutation(frame[begins:]) % 5, -1)
    repeat[begins:] = np.where(repeat[begins:] > 5, 2, repeat[begins:])  # an early number comes back
    labels = {name: label * np.where(np.arange(len(label)) >= begins, -1, 1)[:, None] for name, label in
              session.labels.items()}  # fmt: skip
    return replace(session, neural=neural, frame=frame, repeat=repeat, labels=labels)


def test_a_refit_knows_nothing_of_the_tested_showing_or_later(model: Model, watched: Session) -> None:
    tested = 5
    begins = int(np.argmax(watched.showing() == tested))
    was, other = repeats_before(watched, tested, 3), repeats_before(perturbed(watched, begins), tested, 3)
    assert was is not None
    assert other is not None
    assert repeats_in_order(was) == repeats_in_order(other) == [2, 3, 4]
    assert was.stamps[-1] < watched.stamps[begins]
    assert was.sha256() == other.sha256()
    assert refit(model, was).hash == refit(model, other).hash


def test_showings_are_counted_as_they_came(watched: Session) -> None:
    swapped = replace(watched, repeat=np.where(watched.repeat >= 0, 9 - watched.repeat, -1).astype(np.int32))
    assert repeats_in_order(swapped) == sorted(repeats_in_order(swapped), reverse=True)
    part = repeats_before(swapped, repeats_in_order(swapped)[3], 2)
    assert part is not None
    assert repeats_in_order(part) == repeats_in_order(swapped)[1:3]
    assert repeats_before(watched, 1, 9) is None  # one showing is too little to refit on
    with pytest.raises(BadSplit, match="no showing 77"):
        repeats_before(watched, 77, 3)


def test_evaluation_gives_fixed_and_rolling_side_by_side(model: Model, watched: Session) -> None:
    report = evaluate_rolling(model, watched, 3, EvaluateOptions(repeats=(5, 6), draws=0))
    rows = report["rolling"]["per_showing"]
    assert {number: row["trained_on"] for number, row in rows.items()} == {"5": [2, 3, 4], "6": [3, 4, 5]}
    for number, row in rows.items():
        assert row["fixed"]["with_playback"] == report["with_playback"]["per_repeat"][number]
        assert row["rolling"]["without_playback"]["accuracy_within_1s"] > 0.5
    assert "lda" in report["rolling"]["baselines"]
    with pytest.raises(BadUsage, match="--repeats"):
        evaluate_rolling(model, watched, 3, EvaluateOptions(time=(0.5, 1.0), draws=0))


def test_what_was_trained_on_is_not_tested_on(model: Model, watched: Session) -> None:
    with pytest.raises(TrainedOnTestData):
        evaluate_rolling(model, watched, 3, EvaluateOptions(repeats=(4, 5), draws=0))
    again = watched.neural.copy()
    shown = [np.flatnonzero(watched.repeat == number) for number in (5, 6)]
    n = min(map(len, shown))
    again[shown[1][:n]] = again[shown[0][:n]]  # a recording in which a showing occurs twice
    with pytest.raises(TrainedOnTestData, match="earlier repeat"):
        evaluate_rolling(model, replace(watched, neural=again), 3, EvaluateOptions(repeats=(5, 6), draws=0))


class Scripted:
    """A trainer whose fits and verdicts are given: each verdict is (new, old)."""

    def __init__(self, model: Model, folder: Path, n: int, verdicts: list[tuple[float, float]]) -> None:
        self.fitted_on: list[int] = []
        self.judged: list[tuple[Model, Model]] = []
        self._verdicts = iter(verdicts)

        def fit(model: Model, session: Session) -> Model:
            self.fitted_on.append(len(repeats_in_order(session)))
            return Model(model.parts, {**model.card, "seed": len(self.fitted_on)})

        def judge(new: Model, old: Model, showing: Session) -> Comparison:
            self.judged.append((new, old))
            return Comparison(*next(self._verdicts), 0.01)

        self.trainer = RollingTrainer(model, n, folder, fit, judge)


def live_showings(n: int) -> list[Session]:
    """Showings of the fixture's movie that no model was trained on."""
    session = watched_session(seed=31, n_repeats=n)
    return [one(session, number) for number in repeats_in_order(session)]


def test_trainer_waits_then_swaps_then_refuses(model: Model, tmp_path: Path) -> None:
    scripted = Scripted(model, tmp_path, 3, [(0.9, 0.9), (0.9, 0.8), (0.7, 0.8)])
    events = [scripted.trainer.decide(showing) for showing in live_showings(4)]
    assert [event["do"] for event in events] == ["wait", "wait", "swap", "refuse"]
    # Checked without the newest showing, handed over with it; after the swap the new one is judged on what it never saw.
    assert scripted.fitted_on == [2, 3, 3]
    assert events[2]["version"] == 1
    assert Model.load(events[2]["file"]).n_frames == model.n_frames
    assert scripted.judged[1] == (scripted.trainer.running, model)
    assert scripted.trainer.version == 1
    assert events[3]["new"] == 0.7


def test_trainer_rolls_back_what_is_worse_on_the_next_showing(model: Model, tmp_path: Path) -> None:
    scripted = Scripted(model, tmp_path, 3, [(0.9, 0.9), (0.5, 0.8), (0.9, 0.9), (0.9, 0.9)])
    events = [scripted.trainer.decide(showing) for showing in live_showings(5)]
    assert [event["do"] for event in events] == ["wait", "wait", "swap", "rollback", "swap"]
    assert (events[3]["failed"], events[3]["weights_of"], events[3]["version"]) == (1, 0, 2)
    assert Model.load(events[3]["file"]).card["seed"] == model.card["seed"]
    assert events[4]["version"] == 3


def test_trainer_that_lags_behind_decides_on_the_newest_alone(model: Model, tmp_path: Path) -> None:
    scripted = Scripted(model, tmp_path, 3, [(0.9, 0.9)])
    parts = live_showings(4)
    for showing in parts[:3]:
        scripted.trainer.add(showing)
    assert scripted.trainer.decide(parts[3])["do"] == "swap"
    assert scripted.fitted_on == [3, 3]


def test_trainer_refuses_what_it_cannot_judge_or_what_would_forget(
    model: Model, watched: Session, tmp_path: Path
) -> None:
    scripted = Scripted(model, tmp_path, 3, [])
    known = [one(watched, number) for number in (0, 1, 2)]  # the model was trained on these
    assert [scripted.trainer.decide(showing)["do"] for showing in known] == ["wait", "wait", "refuse"]
    scripted = Scripted(model, tmp_path, 3, [])
    halves = [showing.take(showing.frame < model.n_frames // 2) for showing in live_showings(3)]
    event = [scripted.trainer.decide(showing) for showing in halves][-1]
    assert event["do"] == "refuse"
    assert "%" in event["reason"]
    assert scripted.fitted_on == []


def test_worse_means_by_more_than_chance(model: Model) -> None:
    assert Comparison(0.5, 0.6, 0.05).worse
    assert not Comparison(0.56, 0.6, 0.05).worse
    assert not Comparison(1.0, 1.0, 0.0).worse
    showing = live_showings(1)[0]
    same = compare(model, model, showing)
    assert (same.new, same.standard_error) == (same.old, 0.0)
    assert coverage(model, showing) == 1.0


def test_a_swap_in_mid_stream_carries_everything_over(model: Model, watched: Session) -> None:
    train = repeats_before(watched, 5, 3)
    assert train is not None
    session = one(watched, 5)
    fresh = refit(model, train)
    alone = refit(model, train)
    middle = session.n_samples // 2
    model.reset()
    alone.reset()
    for index in range(middle):
        model.step(session.neural[index], float(session.stamps[index]))
        alone.step(session.neural[index], float(session.stamps[index]))
    alone.playback.take_over(model.playback)
    assert fresh.take_over(model)
    for index in range(middle, session.n_samples):
        expected = alone.step(session.neural[index], float(session.stamps[index]))
        got = fresh.step(session.neural[index], float(session.stamps[index]))
        assert np.allclose(got.posterior, expected.posterior, atol=1e-6)
        assert np.allclose(got.embedding, expected.embedding, atol=1e-5)
    model.reset()


def test_a_swap_to_other_channels_starts_anew(model: Model, watched: Session) -> None:
    dead = watched.neural.copy()
    dead[:, 0] = 0
    other = fit_model(replace(watched, neural=dead), FitOptions(context_s=0.2))
    model.step(watched.neural[0], float(watched.stamps[0]))
    assert not other.take_over(model)
    assert other._readout.window.n_held == 0
    model.reset()


def test_labels_that_are_missing_live_stay_readable(model: Model, watched: Session) -> None:
    train = repeats_before(watched, 5, 3)
    assert train is not None
    without = refit(model, replace(train, labels={}))
    assert without.continuous_channels == model.continuous_channels
    assert np.all(np.isfinite(without.predict(one(watched, 5), forecasts=False).continuous))


def test_stacked_showings_are_numbered_apart(watched: Session) -> None:
    parts = [one(watched, 1), replace(one(watched, 2), labels={})]
    both = concatenate_repeats(parts)
    assert len(both.repeats) == 2
    assert both.labels == {}
    assert both.n_samples == sum(part.n_samples for part in parts)


def keep(frames: list[int], repeats: list[int], rate_hz: float = 10.0) -> list[Session]:
    keeper, out = RepeatBuffer(rate_hz), []
    for index in range(len(frames)):
        keeper.add(np.full(2, index, np.float32), index / rate_hz, 0)
    for frame, repeat in zip(frames, repeats, strict=True):
        rows = keeper.settle(frame, repeat)
        if rows is not None:
            out.append(repeat_session(rows, ("a", "b"), Kind.SPIKES, rate_hz))
    return out


def test_a_showing_keeps_the_labels_that_were_there() -> None:
    keeper, nan = RepeatBuffer(10.0), np.nan
    for index in range(12):
        keeper.add(np.zeros(2, np.float32), index / 10, 0)
    for index in range(11):
        known = nan if index < 3 else index
        assert keeper.settle(index, 0, np.array([known, known, nan], np.float32)) is None
    rows = keeper.settle(0, 1, np.zeros(3, np.float32))
    assert rows is not None
    session = repeat_session(rows, ("a", "b"), Kind.SPIKES, 10.0, [("position", 2), ("late", 1)])
    assert list(session.labels) == ["position"]
    np.testing.assert_array_equal(session.labels["position"][:, 0], [nan] * 3 + list(range(3, 11)))


def test_showings_are_kept_whole_with_the_blank_before_them() -> None:
    blank, shown = [-1] * 8, list(range(12))
    parts = keep(blank + shown + blank + shown + blank, [-1] * 8 + [3] * 12 + [-1] * 8 + [4] * 12 + [-1] * 8)
    assert [part.neural[:, 0].tolist() for part in parts] == [
        list(range(20)),
        list(range(20, 40)),
    ]
    assert parts[0].frame.tolist() == blank + shown


@pytest.mark.parametrize("numbered", [True, False])
def test_showings_without_a_blank_between_them_end_where_the_next_begins(numbered: bool) -> None:
    frames = list(range(12)) * 3
    repeats = np.repeat([0, 1, 2], 12).tolist() if numbered else [-1] * 36
    parts = keep(frames, repeats)
    assert [part.frame.tolist() for part in parts] == [list(range(12))] * 2


def test_a_short_blank_inside_a_showing_belongs_to_it() -> None:
    short = [-1] * (round(BLANK_S * 10) - 1)
    frames = [*range(12), *short, *range(12, 20), *[-1] * 5]
    repeats = [0] * 12 + [-1] * len(short) + [0] * 8 + [-1] * 5
    (part,) = keep(frames, repeats)
    assert part.frame.tolist() == frames[:-5]


def test_what_is_shown_too_briefly_is_no_showing() -> None:
    assert keep([0, 1, 2] + [-1] * 8, [0, 0, 0] + [-1] * 8) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["live", "m.safetensors", "--rolling", "--adapt"], "one of them"),
        (["live", "m.safetensors", "--rolling", "1"], "range"),
        (["evaluate", "--cv", "repeat", "--rolling", "3", "s.npz"], "--cv"),
    ],
)
def test_what_does_not_go_together_is_said(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert said in result.output
