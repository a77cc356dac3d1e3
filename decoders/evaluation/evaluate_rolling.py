"""Evaluates rolling refits: a refit before every test repeat, compared with the fixed model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from decoders.data.training_set import with_repeat_boundaries
from decoders.errors import BadSplit, TrainedOnTestData
from decoders.evaluation.evaluate import EvaluateOptions, evaluate, select_test_part
from decoders.evaluation.predictions import TestPredictions, collect_predictions, pool_folds
from decoders.evaluation.summary import score_decoders
from decoders.model.model import Model
from decoders.rolling.refit import refit, repeats_before, repeats_in_order, was_trained_on
from stream.errors import BadUsage
from stream.session import Session

PLAYBACK = ("with_playback", "without_playback")


@dataclass(frozen=True, slots=True, eq=False)
class Refits:
    """Predictions of rolling refits.

    Attributes
    ----------
    n
        Number of repeats that each refit is trained on.
    predictions
        Predictions for all test repeats, in the order in which they were shown.
    model
        The fixed model.
    trained_on
        Training repeats of the refit, by test repeat; empty where too few repeats came before, and the fixed model
        decodes.
    train_seconds
        Duration of each refit in seconds, by test repeat.
    """

    n: int
    predictions: TestPredictions
    model: Model
    trained_on: dict[int, list[int]]
    train_seconds: dict[int, float]

    def scores(self, fixed: dict[str, Any]) -> dict[str, Any]:
        """Return the scores over all test repeats, by decoder, and for each repeat with those of the fixed model.

        Parameters
        ----------
        fixed
            Report of the fixed model on the same repeats.
        """
        own, baselines = score_decoders(self.predictions, self.model.axis)
        per_repeat = {
            str(tested): {
                "fixed": {playback: fixed[playback]["per_repeat"][str(tested)] for playback in PLAYBACK},
                "rolling": {playback: own[playback]["per_repeat"][str(tested)] for playback in PLAYBACK},
                "trained_on": trained_on,
                "train_seconds": self.train_seconds[tested],
            }
            for tested, trained_on in self.trained_on.items()
        }
        return {"n": self.n, **own, "baselines": baselines, "per_showing": per_repeat}


def evaluate_rolling(
    model: Model, session: Session, n: int, options: EvaluateOptions | None = None
) -> dict[str, Any]:
    """Score a fixed model, and the model refitted before each test repeat.

    Parameters
    ----------
    model, session, n, options
        See `refit_before_each_repeat`, which may raise.

    Returns
    -------
    report
        Report of the fixed model; ``rolling`` has the scores of the refits, see `Refits.scores`.
    """
    options = options or EvaluateOptions()
    refits = refit_before_each_repeat(model, session, n, options)
    report = evaluate(model, session, options)
    return {**report, "rolling": refits.scores(report)}


def refit_before_each_repeat(model: Model, session: Session, n: int, options: EvaluateOptions) -> Refits:
    """Refit before each test repeat on the last repeats before it, and decode that repeat with the refit.

    Parameters
    ----------
    model
        Fitted model.
    session
        Recording with the truth. Refits also train on earlier test repeats, whose truth is known by then.
    n
        Number of repeats to refit on.
    options
        Test repeats.

    Raises
    ------
    BadUsage
        When the options select a part of the time.
    TrainedOnTestData
        When the model, or a refit, was trained on some of its test data.
    BadSplit
        When the recording has no numbered repeats.
    """
    if options.time is not None:
        raise BadUsage(
            "rolling refits are tested repeat by repeat; choose test data with --repeats, not --time."
        )
    test = select_test_part(model, session, options)
    if not test.repeats:
        raise BadSplit("the recording has no numbered repeats, so there is nothing to refit between.")
    parts: list[TestPredictions] = []
    trained_on: dict[int, list[int]] = {}
    seconds: dict[int, float] = {}
    running = model
    for tested in repeats_in_order(test):
        train = repeats_before(session, tested, n)
        part = with_repeat_boundaries(session.select_repeats([tested]))
        running = refit(running, train, baselines=True) if train is not None else running
        if train is not None and was_trained_on(running, part):
            raise TrainedOnTestData(
                f"repeat {tested} has samples in common with an earlier repeat, so a refit would be tested on its own "
                "training data. Was a recording played twice? Leave it out with --repeats."
            )
        parts.append(collect_predictions(running, part, 0, options.seed))
        trained_on[tested] = repeats_in_order(train) if train is not None else []
        seconds[tested] = running.card["train_seconds"] if train is not None else 0.0
    return Refits(n, pool_folds(parts), model, trained_on, seconds)
