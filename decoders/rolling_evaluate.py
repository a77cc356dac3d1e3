"""Evaluate with a refit before every test showing, beside the fixed model."""

from __future__ import annotations

from typing import Any

from decoders.answers import Answers, collect, pooled
from decoders.errors import BadSplit, TrainedOnTestData
from decoders.evaluate import EvaluateOptions, evaluate, test_part
from decoders.model import Model
from decoders.rolling import before, refit, showings, was_trained_on
from decoders.scores import score
from decoders.training import with_showing_borders
from stream.errors import BadUsage
from stream.session import Session


def evaluate_rolling(
    model: Model, session: Session, n: int, options: EvaluateOptions | None = None
) -> dict[str, Any]:
    """Score a model as it is, and refitted before each test showing on the last showings before it.

    Parameters
    ----------
    model
        Fitted. What comes before a test showing in ``session`` is trained on, also what the model was tested on earlier:
        by then its truth was known.
    session
        With the truth.
    n
        Showings to refit on.
    options
        What to test on: showings, not a part of the time.

    Returns
    -------
    report
        Of the fixed model, and under ``rolling`` that of the refits: over all test showings, for each decoder, and for
        each showing fixed and rolling side by side.

    Raises
    ------
    TrainedOnTestData
        When the model, or a refit, was trained on some of what it is tested on.
    BadSplit
        When the recording numbers no showings.
    """
    options = options or EvaluateOptions()
    if options.time is not None:
        raise BadUsage(
            "rolling refits go from showing to showing; choose test showings with --repeats, not --time."
        )
    test = test_part(model, session, options)
    if not test.repeats:
        raise BadSplit("the recording numbers no showings, so there is nothing to refit between.")
    parts: list[Answers] = []
    trained_on: dict[int, list[int]] = {}
    seconds: dict[int, float] = {}
    for tested in showings(test):
        train = before(session, tested, n)
        part = with_showing_borders(session.select_repeats([tested]))
        refitted = refit(model, train, baselines=True) if train is not None else model
        if train is not None and was_trained_on(refitted, part):
            raise TrainedOnTestData(
                f"showing {tested} holds samples that an earlier showing holds too, so a refit would be tested on "
                "what it was trained on. Was a recording played twice? Leave it out with --repeats."
            )
        parts.append(collect(refitted, part, 0, options.seed))
        trained_on[tested] = showings(train) if train is not None else []
        seconds[tested] = refitted.card["train_seconds"] if train is not None else 0.0
    report = evaluate(model, session, options)
    return {**report, "rolling": _rolling(report, pooled(parts), model, n, trained_on, seconds)}


def _rolling(
    fixed: dict[str, Any],
    answers: Answers,
    model: Model,
    n: int,
    trained_on: dict[int, list[int]],
    seconds: dict[int, float],
) -> dict[str, Any]:
    test = answers.test
    blocks = {
        name: {
            way: score(posterior, test.frame, model.axis, test.repeat)
            for way, posterior in zip(("with_playback", "without_playback"), both, strict=True)
        }
        for name, both in answers.decoders.items()
    }
    own = blocks.pop("model")
    per_showing = {
        str(tested): {
            "fixed": {way: fixed[way]["per_repeat"][str(tested)] for way in own},
            "rolling": {way: own[way]["per_repeat"][str(tested)] for way in own},
            "trained_on": repeats,
            "train_seconds": seconds[tested],
        }
        for tested, repeats in trained_on.items()
    }
    return {"n": n, **own, "baselines": blocks, "per_showing": per_showing}
