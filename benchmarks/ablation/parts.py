"""The parts that are switched off, each by replacing a constant or a function while a model is fitted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.embedding import multiscale
from decoders.fitting import (
    candidate_scorer,
    fit,
    fit_emission,
    score_candidates,
    select_classifier,
    select_continuous,
    select_forecast,
    select_playback,
    select_weights,
    settings,
)
from decoders.fitting.validation_sequences import validation_sequences
from decoders.playback import transitions
from decoders.playback.transitions import learn_playback
from decoders.readouts.classifiers import Scaling, log_posterior
from stream.session import Kind


class Stage(IntEnum):
    """The first stage of a fit that a part changes; what comes before is taken from the default fit."""

    CHOICE = 0
    """Which frame decoders are compared."""
    SCORING = 1
    """How they are scored and calibrated."""
    PLAYBACK = 2
    FORECAST = 3
    LABELS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A part of the decoder.

    Attributes
    ----------
    title
        What it is.
    stage
        The first stage that it changes.
    without
        Objects, names of their attributes, and the values that switch the part off.
    of
        Tells whether training data are such that the part is used at all.
    """

    title: str
    stage: Stage
    without: tuple[tuple[Any, str, Any], ...]
    of: Callable[[TrainingSet], bool] = lambda _: True

    @contextmanager
    def off(self) -> Iterator[None]:
        """Switch the part off for a while."""
        with ExitStack() as stack:
            for owner, name, value in self.without:
                stack.enter_context(patch.object(owner, name, value))
            yield


AUTO = select_classifier.DECODERS["auto"]


def _decoders(**changes: Any) -> tuple[tuple[Any, str, Any], ...]:
    """Return a replacement of the candidates that the default decoder compares."""
    return ((fit, "DECODERS", {**select_classifier.DECODERS, "auto": replace(AUTO, **changes)}),)


def _spikes(data: TrainingSet) -> bool:
    return data.kind is Kind.SPIKES


def _movie(data: TrainingSet) -> bool:
    return data.movie_rate_hz > 0


def _no_movie(data: TrainingSet) -> bool:
    return not data.movie_rate_hz


def _places(data: TrainingSet) -> bool:
    return data.movie is None


def _labels(data: TrainingSet) -> bool:
    return bool(data.labels)


_EVIDENCE_SOURCES = select_playback._evidence_sources


def _exact_score(self: Any, logits: NDArray[np.float32]) -> float:
    """Return the mean log probability of exactly the true state."""
    at_truth = log_posterior(logits)[np.arange(len(self.truth)), self.truth]
    return float(self.weight @ np.maximum(at_truth, -20))


def _equal_weights(state: NDArray[np.int64], _: int) -> NDArray[np.float64]:
    return np.full(len(state), 1 / len(state))


def _in_order(data: TrainingSet, *rest: Any, **named: Any) -> Any:
    return validation_sequences(replace(data, fixed_order=False), *rest, **named)


def _windows_too(data: TrainingSet, candidates: Any) -> Any:
    return [(candidates[0], None), *_EVIDENCE_SOURCES(data, candidates)]


def _learn_without_cuts(*given: Any) -> Any:
    learn: Any = learn_playback
    return learn(*given[:5], None, *given[6:])


def _one_floor(*given: Any) -> Any:
    learned, jump_ahead, floors = select_forecast.select_forecast(*given)
    return learned, jump_ahead, {name: [each[3]] * len(each) for name, each in floors.items()}


def _fixed_floor(*given: Any) -> Any:
    learned, _, floors = select_forecast.select_forecast(*given)
    fixed = {name: [select_forecast.DEFAULT_FLOOR] * len(each) for name, each in floors.items()}
    return learned, select_forecast.DEFAULT_JUMP_AHEAD, fixed


def _plain_scaling(_: TrainingSet, n_window: int) -> Scaling:
    return Scaling(n_window, root=False)


_PLAIN_COUNTS = tuple((module, "feature_scaling", _plain_scaling) for module in (settings, score_candidates))

PARTS = (
    Part("secondary classifier: blends with naive Bayes", Stage.CHOICE, _decoders(blends=False), _spikes),
    Part("second blend share", Stage.CHOICE, ((select_classifier, "BLEND_SHARES", (0.5,)),), _spikes),
    Part("prototypes by direction (cosine)", Stage.CHOICE, _decoders(similarities=(False,))),
    Part("prototypes by distance (LDA)", Stage.CHOICE, _decoders(similarities=(True,))),
    Part("handicap of .3 nats", Stage.CHOICE, ((select_classifier, "HANDICAP", 0.0),), _spikes),
    Part(
        "windows side by side",
        Stage.CHOICE,
        ((select_classifier, "window_spans", lambda *_: ()),),
        lambda data: data.movie is None or data.movie_rate_hz > 0,
    ),
    Part(
        "more than two windows side by side",
        Stage.CHOICE,
        ((multiscale, "MAX_SCALES", 2),),
        lambda data: data.movie is None or data.movie_rate_hz > 0,
    ),
    Part(
        "four shrinkages (one, .2)",
        Stage.CHOICE,
        ((score_candidates, "SHRINKAGES", (0.2,)),),
    ),
    Part(
        "shrinkage towards the diagonal",
        Stage.CHOICE,
        ((score_candidates, "DIAGONAL", (False,)),),
    ),
    Part(
        "smoothing of frames and places",
        Stage.CHOICE,
        ((score_candidates, "candidate_smoothings", lambda _: (0.0,)),),
        lambda data: _movie(data) or _places(data),
    ),
    Part(
        "choice among voxels",
        Stage.CHOICE,
        ((score_candidates, "BOLD_CHANNEL_SHARES", (1.0,)),),
        lambda data: data.kind is Kind.BOLD,
    ),
    Part(
        "gain shapes of naive Bayes (one, 10)",
        Stage.CHOICE,
        ((score_candidates, "GAIN_SHAPES", (10.0,)),),
        _spikes,
    ),
    Part("square root of counts", Stage.SCORING, _PLAIN_COUNTS, _spikes),
    Part('bias of "no stimulus"', Stage.SCORING, ((candidate_scorer, "MAX_BLANK_BIAS", 0.0),)),
    Part(
        "weights of moments without a stimulus",
        Stage.SCORING,
        (
            (candidate_scorer, "moment_weights", _equal_weights),
            (select_weights, "moment_weights", _equal_weights),
        ),
        lambda data: bool(np.any(data.state == data.n_frames)),
    ),
    Part("scale of the confidence", Stage.SCORING, ((candidate_scorer, "CONFIDENCE_SCALES", (1.0,)),)),
    Part(
        "score within a second",
        Stage.SCORING,
        ((candidate_scorer.CandidateScorer, "_log_score", _exact_score),),
        _movie,
    ),
    Part(
        "choice on shuffled scenes",
        Stage.SCORING,
        ((candidate_scorer, "validation_sequences", _in_order),),
        lambda data: data.fixed_order,
    ),
    Part("prior of occupancy", Stage.SCORING, ((candidate_scorer, "OCCUPANCY_WEIGHT", 0.0),), _places),
    Part(
        "readout of single samples",
        Stage.PLAYBACK,
        ((select_playback, "_evidence_sources", lambda _, candidates: [(candidates[0], None)]),),
    ),
    Part(
        "no windows as evidence of spikes and a movie",
        Stage.PLAYBACK,
        ((select_playback, "_evidence_sources", _windows_too),),
        lambda data: _spikes(data) and _movie(data),
    ),
    Part(
        "smoothing of single samples over frames (one width, .1 s)",
        Stage.PLAYBACK,
        ((fit_emission, "candidate_smoothings", lambda _: (0.0, 0.1)),),
        _movie,
    ),
    Part(
        "smoothing of single samples over places",
        Stage.PLAYBACK,
        ((fit_emission, "candidate_smoothings", lambda _: (0.0,)),),
        _places,
    ),
    Part(
        "window evidence beside single samples",
        Stage.PLAYBACK,
        ((select_weights, "WINDOW_WEIGHTS", (0.0,)),),
        _places,
    ),
    Part(
        "chosen weight of the evidence (.6)",
        Stage.PLAYBACK,
        ((select_weights, "EVIDENCE_WEIGHTS", (0.6, 0.6)), (select_weights, "START", 0)),
    ),
    Part("least gain of the evidence", Stage.PLAYBACK, ((select_weights, "MIN_GAIN", -np.inf),)),
    Part(
        "guesses in the score of the playback model (.01)",
        Stage.PLAYBACK,
        ((select_weights, "GUESS_RATE", 0.01),),
    ),
    Part("chosen rate of jumps", Stage.PLAYBACK, ((select_playback, "JUMPS_PER_S", ()),)),
    Part("cuts between scenes", Stage.PLAYBACK, ((fit, "learn_playback", _learn_without_cuts),), _movie),
    Part("prior of transitions", Stage.PLAYBACK, ((transitions, "_ROW_PRIOR", 1e-3),)),
    Part(
        "floor of pauses and skipped frames",
        Stage.PLAYBACK,
        ((transitions, "_MOVIE_FLOOR", {0: 1e-6}), (transitions, "_PLACE_FLOOR", {0: 1e-6})),
    ),
    Part(
        "holding the present state as forecast",
        Stage.FORECAST,
        ((select_forecast, "LEARNED_GAIN", -np.inf),),
        _no_movie,
    ),
    Part(
        "a floor of the forecast for each horizon",
        Stage.FORECAST,
        ((select_playback, "select_forecast", _one_floor),),
        _no_movie,
    ),
    Part(
        "chosen floor of the forecast",
        Stage.FORECAST,
        ((select_playback, "select_forecast", _fixed_floor),),
    ),
    Part(
        "Kalman filter of labels",
        Stage.LABELS,
        ((select_continuous, "_select_kalman", lambda *_: (1.0, [])),),
        lambda data: _labels(data) and _places(data),
    ),
    Part(
        "noise inflations of the Kalman filter (one, 1)",
        Stage.LABELS,
        ((select_continuous, "NOISE_INFLATION", (1.0,)),),
        lambda data: _labels(data) and _places(data),
    ),
    Part(
        "mean of labels near the likeliest place",
        Stage.LABELS,
        ((select_continuous, "MAX_LOCAL_FRAMES", 0),),
        lambda data: _labels(data) and _places(data),
    ),
    Part("ridge regression of labels", Stage.LABELS, ((select_continuous, "PENALTIES", ()),), _labels),
    Part(
        "penalties of the ridge regression (one, 10)",
        Stage.LABELS,
        ((select_continuous, "PENALTIES", (10.0,)),),
        _labels,
    ),
    Part(
        "powers of the posterior in a label's mean (one, 1)",
        Stage.LABELS,
        ((select_continuous, "SHARPNESS", (1.0,)),),
        _labels,
    ),
)
"""All parts, in the order of a fit."""
