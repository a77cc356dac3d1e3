"""Evaluates a fitted model on test data, or fit options by cross-validation."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.data.fingerprint import overlap
from decoders.data.frame_states import FrameStates
from decoders.data.preprocessing import refuse_negative
from decoders.data.training_set import with_repeat_boundaries
from decoders.errors import BadSplit, TrainedOnTestData
from decoders.evaluation.predictions import TestPredictions, collect_predictions, pool_folds
from decoders.evaluation.summary import build_report
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.fitting.training_data import select_part, training_session
from decoders.model.model import Model
from stream.errors import BadUsage
from stream.movie import Movie
from stream.session import Session

log = logging.getLogger(__name__)

MIN_DRAWS = 20


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """Options of an evaluation.

    Attributes
    ----------
    repeats
        Repeats to test on; None for all.
    time
        First and last share of the recording to test on, 0 to 1; None for all.
    draws
        Refits on shifted labels, at least 20; 0 disables controls and verdict.
    seed
        Random seed.
    """

    repeats: tuple[int, ...] | None = None
    time: tuple[float, float] | None = None
    draws: int = MIN_DRAWS
    seed: int = 0

    def __post_init__(self) -> None:
        if self.repeats is not None and self.time is not None:
            raise BadSplit("repeats and time exclude each other; give only one of them to test on.")
        if self.draws and self.draws < MIN_DRAWS:
            raise BadUsage(
                f"{self.draws} draws are too few for a null distribution; give at least {MIN_DRAWS}, or 0 to disable it."
            )


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """A report with the predictions behind it.

    Attributes
    ----------
    report
        Scores, JSON-ready.
    predictions
        Predictions of the model, its baselines and its controls.
    model
        Evaluated model; of a cross-validation, that of the last fold.
    """

    report: dict[str, Any]
    predictions: TestPredictions
    model: Model


def evaluate(model: Model, session: Session, options: EvaluateOptions | None = None) -> dict[str, Any]:
    """Score a model, its baselines and its controls on test data.

    Parameters
    ----------
    model
        Fitted model.
    session
        Recording with the truth; ``options`` must leave out the model's own training data.
    options
        Test part, controls and random seed.

    Returns
    -------
    report
        JSON-ready scores.

    Raises
    ------
    TrainedOnTestData
        When the model was trained on some of the test data.
    BadSplit
        When no test sample shows a frame, or the recording shows another movie.
    ModelMismatch
        When channels or rate differ from the model's.
    BadRecording
        When spike counts are negative.
    """
    return run_evaluation(model, session, options).report


def run_evaluation(model: Model, session: Session, options: EvaluateOptions | None = None) -> Evaluation:
    """Do what `evaluate` does, and keep the predictions.

    Parameters
    ----------
    model, session, options
        See `evaluate`, also for the errors raised.

    Returns
    -------
    evaluation
        Report and predictions.
    """
    options = options or EvaluateOptions()
    test = select_test_part(model, session, options)
    predictions = collect_predictions(model, test, options.draws, options.seed)
    return Evaluation(build_report(predictions, model, options.seed), predictions, model)


def select_test_part(model: Model, session: Session, options: EvaluateOptions) -> Session:
    """Return the test part of a recording, after checks against the model and its training data.

    Parameters
    ----------
    model, session, options
        See `run_evaluation`.
    """
    model.check_stream(session.channel_names, session.rate_hz)
    test = with_repeat_boundaries(select_part(session, options.repeats, options.time))
    # A movie without a hash is known by its rate alone, and seems to end with the last frame shown.
    complete = session.movie is not None and any(clip.sha256 for clip in session.movie.clips)
    if complete and session.n_frames <= model.states.frames[-1]:
        raise BadSplit(
            f"the recording's movie has {session.n_frames} frames, but the model decodes frames {model.states}. Is it "
            "another movie?"
        )
    refuse_negative(np.asarray(test.neural, np.float32), model.parts.preprocessor.kind, test.channel_names)
    state, places = model.states.of_session(test), model.states.places
    if not np.any(state >= 0):
        missing = (
            "shows a frame"
            if places is None
            else f"has a value of label {places.label!r}, which the model decodes"
        )
        raise BadSplit(
            f"no sample of the test data {missing}, so there is nothing to score. Choose another part."
        )
    n_shown, n_unknown = int(np.sum(state >= 0)), int(np.sum(state == model.n_frames))
    if n_unknown == n_shown:
        raise BadSplit(
            f"the test data show frames {FrameStates.of([test])}, but the model decodes {model.states}. Is it another "
            "movie?"
        )
    if n_unknown:
        log.warning(
            "%d of %d test samples with a frame show one that the model does not know; each counts as wrong",
            n_unknown,
            n_shown,
        )
    share = overlap(test, model.parts.extra.get("fingerprints", np.zeros(0, np.uint64)))
    if share > 0:
        trained = model.card["trained_on"]
        first, last = trained["time"] or (0, 1)
        repeats = trained["repeats"] and ", ".join(map(str, trained["repeats"]))
        part = f"repeats {repeats}" if repeats else f"time {first:g}-{last:g}"
        raise TrainedOnTestData(
            f"the model was trained on {share:.0%} of these test data (it was fitted on {part}). Choose others with "
            "--repeats or --time."
        )
    if options.time is not None and options.time[0] > 0:
        # The samples before may be training data: leave a gap of one context.
        after = test.stamps > test.stamps[0] + model.card["context_ms"] / 1000
        test = test.take(after) if after.any() else test
    return test


def cross_validate(
    session: Session,
    cv: str,
    options: FitOptions | None = None,
    *,
    draws: int = MIN_DRAWS,
    gap_s: float | None = None,
    movie: Movie | None = None,
) -> dict[str, Any]:
    """Cross-validate fit options: fit on all folds but one, test on that one, for each fold.

    Parameters
    ----------
    session
        One recording.
    cv
        Folds: ``repeat`` (each repeat) or ``blocks:N`` (N contiguous blocks; segments are kept whole).
    options
        How to fit.
    draws
        Refits on shifted labels in every fold; 0 disables controls and verdict.
    gap_s
        Gap in seconds between training and test data; None for one context where a fold's boundary cuts a segment, and
        for no gap elsewhere.
    movie
        Movie to use instead of the recording's own, usually because it has the pictures.

    Returns
    -------
    report
        JSON-ready scores of the pooled predictions; ``folds`` has those of each fold.

    Raises
    ------
    BadSplit
        When there are too few repeats, segments or samples.
    BadUsage
        When ``cv`` is neither form.
    """
    return run_cross_validation(session, cv, options, draws=draws, gap_s=gap_s, movie=movie).report


def run_cross_validation(
    session: Session,
    cv: str,
    options: FitOptions | None = None,
    *,
    draws: int = MIN_DRAWS,
    gap_s: float | None = None,
    movie: Movie | None = None,
) -> Evaluation:
    """Do what `cross_validate` does, and keep the pooled predictions.

    Parameters
    ----------
    session, cv, options, draws, gap_s, movie
        See `cross_validate`, also for the errors raised.

    Returns
    -------
    evaluation
        Report and pooled predictions.
    """
    options = options or FitOptions()
    _, states = training_session(session, replace(options, train_repeats=None, train_time=None), movie)
    parts: list[TestPredictions] = []
    folds: list[dict[str, Any]] = []
    train_seconds = 0.0
    for number, (train, test) in enumerate(split_folds(session, cv, gap_s, options.context_s or 1.0)):
        model = fit_model(train, options, movie, states=states)
        test = with_repeat_boundaries(test)
        predictions = collect_predictions(model, test, draws, options.seed)
        parts.append(predictions)
        train_seconds += model.card["train_seconds"]
        single = build_report(without_controls(predictions), model, options.seed)
        of_fold = ("with_playback", "without_playback", "baselines", "continuous", "context_ms", "n_moments")
        folds.append({"fold": number, **{name: single[name] for name in of_fold}})
    predictions = pool_folds(parts)
    result = build_report(predictions, model, options.seed)
    result |= {"train_seconds": round(train_seconds, 3), "cv": cv, "folds": folds}
    return Evaluation(result, predictions, model)


def without_controls(predictions: TestPredictions) -> TestPredictions:
    """Return the predictions without controls, for the scores of a single fold."""
    return replace(predictions, controls={}, shifted=[])


def split_folds(
    session: Session, cv: str, gap_s: float | None, context_s: float
) -> Iterator[tuple[Session, Session]]:
    """Yield the training and the test part of every fold.

    Parameters
    ----------
    session
        One recording.
    cv
        ``repeat`` or ``blocks:N``.
    gap_s
        Gap in seconds between training and test data; None for the default, see `run_cross_validation`.
    context_s
        Length of the context in seconds.

    Raises
    ------
    BadSplit
        When there are too few repeats, segments or samples.
    BadUsage
        When ``cv`` has neither form.
    """
    fold, gap = _fold_numbers(session, cv, context_s)
    gap = gap if gap_s is None else gap_s
    shown = (session.frame >= 0) | ~np.any(session.frame >= 0)  # without frames, labels count
    for number in range(int(fold.max()) + 1):
        in_test = fold == number
        in_train = ~in_test
        if gap > 0:
            first, last = session.stamps[in_test][[0, -1]]
            in_train &= (session.stamps < first - gap) | (session.stamps > last + gap)
        if not in_train.any() or not shown[in_test].any():
            raise BadSplit(
                f"fold {number} of {cv!r} leaves no training data or no test data. Use fewer folds."
            )
        yield session.take(in_train), session.take(in_test)


def _fold_numbers(session: Session, cv: str, context_s: float) -> tuple[NDArray[np.int64], float]:
    """Return the fold of each sample, int64 [time], and the default gap in seconds."""
    if cv == "repeat":
        repeats = session.repeats
        if len(repeats) < 2:
            raise BadSplit(
                f"the recording has {len(repeats)} repeats, but leaving one out needs at least two. Use --cv blocks:5."
            )
        return np.searchsorted(np.array(repeats), session.repeat_with_blanks()).astype(np.int64), 0.0
    kind, _, number = cv.partition(":")
    if kind != "blocks" or not number.isdigit() or int(number) < 2:
        raise BadUsage(f"unknown cross-validation {cv!r}; give 'repeat', or 'blocks:N' with N of at least 2.")
    n = int(number)
    segments, of_sample = np.unique(session.segment, return_inverse=True)
    if len(segments) >= n:
        block = np.empty(len(segments), np.int64)
        for index, part in enumerate(np.array_split(np.arange(len(segments)), n)):
            block[part] = index
        return block[of_sample], 0.0
    if session.n_samples < 2 * n:
        raise BadSplit(f"{session.n_samples} samples cannot be cut into {n} blocks. Use fewer blocks.")
    return np.arange(session.n_samples) * n // session.n_samples, context_s
