"""Evaluate a fitted model on data it has not seen, or a way of fitting by cross-validation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.data.fingerprint import overlap
from decoders.data.preprocessing import refuse_negative
from decoders.data.training_set import with_repeat_boundaries
from decoders.errors import BadSplit, TrainedOnTestData
from decoders.evaluation.predictions import TestPredictions, collect_predictions, pool_folds
from decoders.evaluation.summary import build_report
from decoders.fitting.fit import fit_model, select_part
from decoders.fitting.options import FitOptions
from decoders.model.model import Model
from stream.errors import BadUsage
from stream.movie import Movie
from stream.session import Session

MIN_DRAWS = 20


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """What to evaluate on.

    Attributes
    ----------
    repeats
        Showings to test on; None = all.
    time
        Part of the recording to test on, from 0 to 1; None = all.
    draws
        Refits on shifted labels, at least 20; 0 = no controls and no verdict.
    seed
        Of everything random.
    """

    repeats: tuple[int, ...] | None = None
    time: tuple[float, float] | None = None
    draws: int = MIN_DRAWS
    seed: int = 0

    def __post_init__(self) -> None:
        if self.repeats is not None and self.time is not None:
            raise BadSplit("give repeats or a time to test on, not both.")
        if self.draws and self.draws < MIN_DRAWS:
            raise BadUsage(
                f"{self.draws} draws are too few for a null; give at least {MIN_DRAWS}, or 0 for none."
            )


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """A report, and what it was made from, for whoever draws it.

    Attributes
    ----------
    report
        Ready for JSON.
    answers
        All that was answered.
    model
        Which answered; of a cross-validation, the last fold's.
    """

    report: dict[str, Any]
    predictions: TestPredictions
    model: Model


def evaluate(model: Model, session: Session, options: EvaluateOptions | None = None) -> dict[str, Any]:
    """Score a model beside its baselines and controls: the report of `evaluation`.

    Parameters
    ----------
    model, session, options
        See `evaluation`.
    """
    return run_evaluation(model, session, options).report


def run_evaluation(model: Model, session: Session, options: EvaluateOptions | None = None) -> Evaluation:
    """Score a model beside its baselines and controls.

    Parameters
    ----------
    model
        Fitted.
    session
        With the truth; the model's own training data in it must be left out by ``options``.
    options
        What to test on.

    Returns
    -------
    evaluation
        The report and the answers.

    Raises
    ------
    TrainedOnTestData
        When the model was trained on some of it.
    BadSplit
        When no moment of it shows a frame.
    ModelMismatch
        When channels, rate or frames differ from the model's.
    BadRecording
        When spike counts are negative.
    """
    options = options or EvaluateOptions()
    test = select_test_part(model, session, options)
    predictions = collect_predictions(model, test, options.draws, options.seed)
    return Evaluation(build_report(predictions, model, options.seed), predictions, model)


def select_test_part(model: Model, session: Session, options: EvaluateOptions) -> Session:
    """The part of a recording to test on, checked against what the model was trained on."""
    model.check_stream(session.channel_names, session.rate_hz)
    test = with_repeat_boundaries(select_part(session, options.repeats, options.time))
    # A movie without a hash is known by its rate alone, and ends with the last frame that was shown.
    whole = session.movie is not None and any(clip.sha256 for clip in session.movie.clips)
    if session.n_frames > model.n_frames or (whole and session.n_frames != model.n_frames):
        raise BadSplit(
            f"the recording has {session.n_frames} frames, but the model knows {model.n_frames}. Is it another movie?"
        )
    refuse_negative(np.asarray(test.neural, np.float32), model.parts.preprocessor.kind, test.channel_names)
    if not np.any(test.frame >= 0):
        raise BadSplit("no moment of the test data shows a frame, so there is nothing to score.")
    share = overlap(test, model.parts.extra.get("fingerprints", np.zeros(0, np.uint64)))
    if share > 0:
        trained = model.card["trained_on"]
        known = f"repeats {trained['repeats']}" if trained["repeats"] else f"time {trained['time'] or '0-1'}"
        raise TrainedOnTestData(
            f"the model was trained on {share:.0%} of these test data (it saw {known}). Choose others with --repeats or "
            "--time."
        )
    if options.time is not None and options.time[0] > 0:
        # What lies just before may have been trained on: leave one context between.
        after = test.stamps > test.stamps[0] + model.card["context_ms"] / 1000
        test = test.take(after) if after.any() else test
    return test


def cross_validate(
    session: Session, cv: str, options: FitOptions | None = None, **how: Any
) -> dict[str, Any]:
    """Fit on all but one part and test on that part, in turn: the report of `cross_validation`.

    Parameters
    ----------
    session, cv, options, **how
        See `cross_validation`.
    """
    return run_cross_validation(session, cv, options, **how).report


def run_cross_validation(
    session: Session,
    cv: str,
    options: FitOptions | None = None,
    *,
    draws: int = MIN_DRAWS,
    gap_s: float | None = None,
    movie: Movie | None = None,
) -> Evaluation:
    """Fit on all but one part of a recording and test on that part, for each part in turn.

    Parameters
    ----------
    session
        One recording.
    cv
        ``repeat`` (each showing in turn) or ``blocks:N`` (N contiguous blocks, segments kept whole).
    options
        How to fit.
    draws
        Refits on shifted labels in every fold.
    gap_s
        Seconds left out of training around the test part. None = one context where the cut goes through a segment,
        else nothing.
    movie
        Replaces the recording's movie, usually because it has the pictures.

    Returns
    -------
    evaluation
        Of the pooled answers; the report has the scores of each fold under ``folds``.
    """
    options = options or FitOptions()
    parts: list[TestPredictions] = []
    folds: list[dict[str, Any]] = []
    train_seconds = 0.0
    for number, (train, test) in enumerate(split_folds(session, cv, gap_s, options.context_s or 1.0)):
        model = fit_model(train, options, movie)
        test = with_repeat_boundaries(test)
        predictions = collect_predictions(model, test, draws, options.seed)
        parts.append(predictions)
        train_seconds += model.card["train_seconds"]
        single = build_report(without_controls(predictions), model, options.seed)
        kept = ("with_playback", "without_playback", "baselines", "continuous", "context_ms", "n_moments")
        folds.append({"fold": number, **{name: single[name] for name in kept}})
    predictions = pool_folds(parts)
    result = build_report(predictions, model, options.seed)
    result |= {"train_seconds": round(train_seconds, 3), "cv": cv, "folds": folds}
    return Evaluation(result, predictions, model)


def without_controls(predictions: TestPredictions) -> TestPredictions:
    """The same answers without controls, for a fold's own scores."""
    return replace(predictions, controls={}, shifted=[])


def split_folds(
    session: Session, cv: str, gap_s: float | None, context_s: float
) -> Iterator[tuple[Session, Session]]:
    """Training and test part of every fold.

    Parameters
    ----------
    session
        One recording.
    cv
        ``repeat`` or ``blocks:N``.
    gap_s
        Seconds left out of training around the test part; None = as `cross_validate` says.
    context_s
        The context, in seconds.

    Raises
    ------
    BadSplit
        When there are too few showings, segments or samples.
    BadUsage
        When ``cv`` is neither form.
    """
    fold, gap = _fold_numbers(session, cv, context_s)
    gap = gap if gap_s is None else gap_s
    for number in range(int(fold.max()) + 1):
        in_test = fold == number
        in_train = ~in_test
        if gap > 0:
            first, last = session.stamps[in_test][[0, -1]]
            in_train &= (session.stamps < first - gap) | (session.stamps > last + gap)
        if not in_train.any() or not np.any(session.frame[in_test] >= 0):
            raise BadSplit(
                f"fold {number} of {cv!r} leaves nothing to train on or nothing to test. Use fewer folds."
            )
        yield session.take(in_train), session.take(in_test)


def _fold_numbers(session: Session, cv: str, context_s: float) -> tuple[NDArray[np.int64], float]:
    """Each sample's fold, and the gap that is left by default."""
    if cv == "repeat":
        repeats = session.repeats
        if len(repeats) < 2:
            raise BadSplit(f"the recording has {len(repeats)} showings; leaving one out needs at least two.")
        return np.searchsorted(np.array(repeats), session.showing()).astype(np.int64), 0.0
    kind, _, number = cv.partition(":")
    if kind != "blocks" or not number.isdigit() or int(number) < 2:
        raise BadUsage(
            f"cross-validation {cv!r} is not known; give 'repeat', or 'blocks:5' with at least 2 blocks."
        )
    n = int(number)
    segments, of_sample = np.unique(session.segment, return_inverse=True)
    if len(segments) >= n:
        block = np.empty(len(segments), np.int64)
        for index, part in enumerate(np.array_split(np.arange(len(segments)), n)):
            block[part] = index
        return block[of_sample], 0.0
    if session.n_samples < 2 * n:
        raise BadSplit(f"{session.n_samples} samples cannot be cut into {n} blocks.")
    return np.arange(session.n_samples) * n // session.n_samples, context_s
