"""Evaluate with a refit before every test showing, beside the fixed model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from decoders.data.training_set import with_repeat_boundaries
from decoders.errors import BadSplit, TrainedOnTestData
from decoders.evaluation.evaluate import EvaluateOptions, evaluate, select_test_part
from decoders.evaluation.predictions import TestPredictions, collect_predictions, pool_folds
from decoders.metrics import score
from decoders.model.model import Model
from decoders.rolling.refit import refit, repeats_before, repeats_in_order, was_trained_on
from stream.errors import BadUsage
from stream.session import Session

WAYS = ("with_playback", "without_playback")


@dataclass(frozen=True, slots=True, eq=False)
class Refits:
    """What the refits answered.

    Attributes
    ----------
    n
        Showings that were asked for.
    answers
        For all test showings, in the order in which they were shown.
    model
        The fixed one.
    trained_on, train_seconds
        By test showing: what its refit was trained on (nothing when too little came before, and the fixed model
        answered), and how long that took.
    """

    n: int
    predictions: TestPredictions
    model: Model
    trained_on: dict[int, list[int]]
    train_seconds: dict[int, float]

    def scores(self, fixed: dict[str, Any]) -> dict[str, Any]:
        """Scores over all test showings, of each decoder, and for each showing beside those of the fixed model.

        Parameters
        ----------
        fixed
            Report of the fixed model on the same showings.
        """
        test = self.predictions.test
        blocks = {
            name: {
                way: score(posterior, test.frame, self.model.axis, test.repeat)
                for way, posterior in zip(WAYS, both, strict=True)
            }
            for name, both in self.predictions.decoders.items()
        }
        own = blocks.pop("model")
        per_showing = {
            str(tested): {
                "fixed": {way: fixed[way]["per_repeat"][str(tested)] for way in WAYS},
                "rolling": {way: own[way]["per_repeat"][str(tested)] for way in WAYS},
                "trained_on": trained_on,
                "train_seconds": self.train_seconds[tested],
            }
            for tested, trained_on in self.trained_on.items()
        }
        return {"n": self.n, **own, "baselines": blocks, "per_showing": per_showing}


def evaluate_rolling(
    model: Model, session: Session, n: int, options: EvaluateOptions | None = None
) -> dict[str, Any]:
    """Score a model as it is, and refitted before each test showing on the last showings before it.

    Parameters
    ----------
    model, session, n, options
        See `refit_before_each_repeat`.

    Returns
    -------
    report
        Of the fixed model, and under ``rolling`` that of the refits, see `Refits.beside`.
    """
    options = options or EvaluateOptions()
    refits = refit_before_each_repeat(model, session, n, options)
    report = evaluate(model, session, options)
    return {**report, "rolling": refits.scores(report)}


def refit_before_each_repeat(model: Model, session: Session, n: int, options: EvaluateOptions) -> Refits:
    """Refit before each test showing on the last showings before it, and let the refit answer.

    Parameters
    ----------
    model
        Fitted. What comes before a test showing in ``session`` is trained on, also what was itself tested on earlier: by
        then its truth was known.
    session
        With the truth.
    n
        Showings to refit on.
    options
        What to test on: showings, not a part of the time.

    Raises
    ------
    TrainedOnTestData
        When the model, or a refit, was trained on some of what it is tested on.
    BadSplit
        When the recording numbers no showings.
    """
    if options.time is not None:
        raise BadUsage(
            "rolling refits go from showing to showing; choose test showings with --repeats, not --time."
        )
    test = select_test_part(model, session, options)
    if not test.repeats:
        raise BadSplit("the recording numbers no showings, so there is nothing to refit between.")
    parts: list[TestPredictions] = []
    trained_on: dict[int, list[int]] = {}
    seconds: dict[int, float] = {}
    for tested in repeats_in_order(test):
        train = repeats_before(session, tested, n)
        part = with_repeat_boundaries(session.select_repeats([tested]))
        fresh = refit(model, train, baselines=True) if train is not None else model
        if train is not None and was_trained_on(fresh, part):
            raise TrainedOnTestData(
                f"showing {tested} holds samples that an earlier showing holds too, so a refit would be tested on "
                "what it was trained on. Was a recording played twice? Leave it out with --repeats."
            )
        parts.append(collect_predictions(fresh, part, 0, options.seed))
        trained_on[tested] = repeats_in_order(train) if train is not None else []
        seconds[tested] = fresh.card["train_seconds"] if train is not None else 0.0
    return Refits(n, pool_folds(parts), model, trained_on, seconds)
