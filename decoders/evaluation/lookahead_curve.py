"""Lookahead curve: held-out accuracy against the number of future samples that predictions wait for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.errors import BadSplit
from decoders.evaluation.batch_filter import posteriors
from decoders.fitting.options import FitOptions
from decoders.fitting.select_classifier import DECODERS, select_classifier
from decoders.fitting.settings import ReadoutSettings, cross_validation_folds, fit_readout
from decoders.fitting.training_data import build_training_set, candidate_windows, training_session
from decoders.fitting.validation_sequences import validation_sequences
from decoders.metrics import frame_errors, likeliest
from stream.movie import Movie
from stream.session import Session

LOOKAHEADS = (0, 1, 2, 4, 8, 12)
"""Lookaheads in samples."""


@dataclass(frozen=True, slots=True)
class LookaheadPoint:
    """Held-out accuracy at one lookahead, of the linear embedding without the playback model.

    Attributes
    ----------
    lookahead_frames
        Lookahead in samples.
    lookahead_ms
        Lookahead in milliseconds.
    context_ms
        Best candidate window, which ends with the newest sample, in milliseconds.
    in_order, shuffled
        Accuracy within one second (exact without a movie), with scenes in order and shuffled; NaN without scenes. Only
        shuffled scenes measure the use of a lookahead: in order, an earlier frame predicts the present one.
    exact
        Exact accuracy over both.
    """

    lookahead_frames: int
    lookahead_ms: float
    context_ms: float
    in_order: float
    shuffled: float
    exact: float


def lookahead_curve(
    sessions: Session | Sequence[Session],
    options: FitOptions | None = None,
    movie: Movie | None = None,
    lookaheads: Sequence[int] = LOOKAHEADS,
) -> list[LookaheadPoint]:
    """Measure held-out accuracy against lookahead; no model is kept.

    Parameters
    ----------
    sessions
        One recording, or several with the same channels.
    options
        Training data and window.
    movie
        Movie to use instead of the recordings' own.
    lookaheads
        Lookaheads in samples.

    Raises
    ------
    BadSplit
        When no data can be held out.
    """
    options = options or FitOptions()
    session, states = training_session(sessions, options, movie)
    n_lag = round((options.lag_s or 0) * session.rate_hz)
    data = build_training_set(session, len(states), replace(options, lookahead_frames=0), n_lag)
    if not list(cross_validation_folds(data)):
        raise BadSplit(
            "no part of the training data can be held out to measure accuracy on. Train on at least two repeats."
        )
    candidates = select_classifier(data, candidate_windows(data, options), DECODERS["cosine"], options.seed)
    points = []
    for lookahead in lookaheads:
        data = build_training_set(session, len(states), replace(options, lookahead_frames=lookahead), n_lag)
        measured = [_point(data, settings, lookahead, options.seed) for settings in candidates]
        points.append(max(measured, key=lambda point: np.nansum([point.in_order, point.shuffled])))
    return points


def as_json(points: Sequence[LookaheadPoint]) -> list[dict[str, float | None]]:
    """Return the curve JSON-ready, with None for NaN.

    Parameters
    ----------
    points
        From `lookahead_curve`.
    """
    return [
        {name: None if np.isnan(value) else round(value, 4) for name, value in asdict(point).items()}
        for point in points
    ]


def _point(data: TrainingSet, settings: ReadoutSettings, lookahead: int, seed: int) -> LookaheadPoint:
    within: dict[bool, list[NDArray[np.bool_]]] = {True: [], False: []}
    exact = []
    for train, test in cross_validation_folds(data):
        readout = fit_readout(data, train, settings)
        for sequence in validation_sequences(data, test, np.random.default_rng(seed), alone=True):
            shown = sequence.state < data.n_frames
            predictions = likeliest(
                posteriors(readout.logits(settings.windows(sequence.clean, sequence.boundary)[0]))
            )
            error, near = frame_errors(
                predictions[shown], sequence.state[shown], data.axis.clip, data.axis.tolerance_frames
            )
            within[sequence.in_order].append(near)
            exact.append(error == 0)
    period_ms = 1000 / data.rate_hz if data.rate_hz else 0.0
    in_order, shuffled = (float(np.concatenate(e).mean()) if e else float("nan") for e in within.values())
    return LookaheadPoint(
        lookahead_frames=lookahead,
        lookahead_ms=lookahead * period_ms,
        context_ms=settings.n_window * period_ms,
        in_order=in_order,
        shuffled=shuffled,
        exact=float(np.concatenate(exact).mean()),
    )
