"""What waiting for samples to come would bring: held-out accuracy by lookahead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.errors import BadSplit
from decoders.fitting.fit import build_training_set, candidate_windows, training_session
from decoders.fitting.options import FitOptions
from decoders.fitting.select_classifier import DECODERS, select_classifier
from decoders.fitting.settings import ReadoutSettings, cross_validation_folds, fit_readout
from decoders.fitting.validation_sequences import validation_sequences
from decoders.metrics import frame_errors, likeliest
from stream.movie import Movie
from stream.session import Session

LOOKAHEADS = (0, 1, 2, 4, 8, 12)
"""Samples."""


@dataclass(frozen=True, slots=True)
class LookaheadPoint:
    """Accuracy at one lookahead, of the linear embedding without the playback model, on held-out training showings.

    Attributes
    ----------
    lookahead_frames, lookahead_ms
        How long answers wait.
    context_ms
        Length of the window, which ends with the newest sample: the best of those that are tried.
    in_order, shuffled
        Share within one second (of exactly the frame, where frames are no movie), as the showings came and with their
        scenes in random order. Of a movie that training shows in one order only the second can tell: the frame of a
        moment ago says which it is now. NaN where there are no scenes.
    exact
        Share of exactly the frame, over both.
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
    """Accuracy against lookahead, nothing being fitted to be kept.

    Parameters
    ----------
    sessions
        One recording, or several of the same channels.
    options
        What to train on and over which window.
    movie
        Replaces the movie that the recordings carry.
    lookaheads
        Samples to wait.

    Raises
    ------
    BadSplit
        When nothing can be held out.
    """
    options = options or FitOptions()
    session, n_frames = training_session(sessions, options, movie)
    n_lag = round((options.lag_s or 0) * session.rate_hz)
    data = build_training_set(session, n_frames, replace(options, lookahead_frames=0), n_lag)
    if not list(cross_validation_folds(data)):
        raise BadSplit("nothing can be held out of the training data, so there is nothing to measure on.")
    ways = select_classifier(data, candidate_windows(data, options), DECODERS["cosine"], options.seed)
    points = []
    for lookahead in lookaheads:
        data = build_training_set(session, n_frames, replace(options, lookahead_frames=lookahead), n_lag)
        tried = [_point(data, settings, lookahead, options.seed) for settings in ways]
        points.append(max(tried, key=lambda point: np.nansum([point.in_order, point.shuffled])))
    return points


def as_json(points: Sequence[LookaheadPoint]) -> list[dict[str, float | None]]:
    """The curve as plain values; what is not known is None.

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
    windows = settings.windows(data.clean, data.boundary)
    within: dict[bool, list[NDArray[np.bool_]]] = {True: [], False: []}
    exact = []
    for train, test in cross_validation_folds(data):
        reader = fit_readout(data, windows, train, settings)
        for sequence in validation_sequences(data, test, np.random.default_rng(seed)):
            shown = sequence.state < data.n_frames
            predictions = likeliest(reader.logits(settings.windows(sequence.clean, sequence.boundary)[0]))
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
