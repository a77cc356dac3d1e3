"""Fits a model: selects hyperparameters by cross-validation within the training data, then fits on all of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.data.delays import delay_truth
from decoders.data.fingerprint import fingerprints
from decoders.data.frame_states import FrameStates
from decoders.data.training_set import (
    NO_FRAME_SHOWN,
    TrainingSet,
    concatenate_sessions,
    training_set,
    with_repeat_boundaries,
)
from decoders.data.training_statistics import windows_at
from decoders.embedding.trainer import require_torch
from decoders.embedding.training_run import ProgressCallback
from decoders.fitting.baselines import select_baselines
from decoders.fitting.card import new_card
from decoders.fitting.contrastive_pairs import ContrastiveOptions
from decoders.fitting.fit_contrastive import candidate_contexts, fit_contrastive, renew_contrastive
from decoders.fitting.options import FitOptions
from decoders.fitting.places import label_states
from decoders.fitting.select_classifier import DECODERS, select_classifier
from decoders.fitting.select_continuous import select_continuous
from decoders.fitting.select_lag import select_lag
from decoders.fitting.select_playback import PlaybackSelection, select_playback, select_posterior_weight
from decoders.fitting.settings import (
    MAX_HELD_OUT,
    N_TYPICALITY_LEVELS,
    ReadoutSettings,
    cross_validation_folds,
    evenly_spaced,
    fit_readout,
)
from decoders.model.card_schema import check_limits
from decoders.model.model import Model
from decoders.model.parts import ModelParts
from decoders.model.training_archive import archive_training
from decoders.playback.filter import needed_ticks
from decoders.playback.transitions import learn_playback
from decoders.readouts.smoothing import log_occupancy
from stream.errors import BadRecording, BadUsage
from stream.io.stimulus_checks import checked_stimulus
from stream.movie import Movie
from stream.session import Kind, Session

MOVIE_CONTEXTS_S = (1 / 5, 1 / 3, 2 / 3, 1.0)
CONTEXTS_S = (0.25, 0.5, 1.0)
PLACE_CONTEXTS_S = (*CONTEXTS_S, 2.0)
BOLD_CONTEXTS_S = (2.0, 4.0, 6.0, 8.0, 10.0)
"""Candidate context windows in seconds when none is given: for movies, still pictures, places, and BOLD."""


N_STRETCHES = 10
"""Stretches of time that are the places of a recording without frames and labels."""


def fit_model(
    sessions: Session | Sequence[Session],
    options: FitOptions | None = None,
    movie: Movie | None = None,
    *,
    states: FrameStates | None = None,
    baselines: bool = True,
    report: ProgressCallback | None = None,
) -> Model:
    """Fit a model.

    Parameters
    ----------
    sessions
        One recording, or several with the same channels.
    options
        How to fit, and which parts of the recordings to train on.
    movie
        Movie to use instead of the recordings' own, usually because it has the pictures.
    states
        Frames that the model decodes; None for those that occur in the recordings.
    baselines
        Select settings of the baselines too; a model without them cannot be evaluated.
    report
        Receives the progress of contrastive training after every step.

    Returns
    -------
    model
        Fitted model; its card has the settings of the baselines.

    Raises
    ------
    BadSplit
        When the training data are empty.
    BadRecording
        When no channel is usable.
    TrainingUnavailable
        When the mode is contrastive and torch is not installed.
    """
    options = options or FitOptions()
    session, states = training_session(sessions, options, movie, states)
    return fit_states(session, states, options, baselines=baselines, report=report)


def fit_states(
    session: Session,
    states: FrameStates,
    options: FitOptions,
    *,
    baselines: bool = True,
    report: ProgressCallback | None = None,
    running: Model | None = None,
) -> Model:
    """Fit a model on training data whose frames have been translated to states.

    Parameters
    ----------
    session
        Training data, from `training_session` or `decoders.data.frame_states.FrameStates.translated`.
    states
        Frames that the model decodes.
    options, baselines, report
        See `fit_model`, also for the errors raised.
    running
        Model whose contrastive encoder is trained further instead of a new one.
    """
    if options.mode != "linear" and running is None:
        require_torch()
    started = time.perf_counter()
    n_frames = len(states)
    check_limits(
        session.rate_hz,
        session.movie.rate_hz if session.movie is not None else 0.0,
        sum(label.shape[1] for label in session.labels.values()),
        options.lag_s or 0.0,
    )

    def log_score(n_lag: int) -> float:
        data = build_training_set(session, n_frames, options, n_lag)
        return select_classifier(data, [1], DECODERS["lda"], options.seed)[0].log_score

    n_lag = select_lag(session, options.lag_s, log_score)
    data = build_training_set(session, n_frames, options, n_lag)
    candidates = select_classifier(
        data, candidate_windows(data, options), DECODERS[options.decoder], options.seed
    )
    parts, selection = fit_parts(data, candidates, options.seed)
    settings = selection.settings
    parts.extra["fingerprints"] = fingerprints(session)
    card = new_card(data, session, options, settings) | {"frames": str(states)}
    if states.places is not None:
        card["places"] = states.places.facts()
    scores = {"log_score_nats": settings.log_score, "filtered_score_nats": selection.score}
    card["scores"] = {name: round(value, 6) for name, value in scores.items() if np.isfinite(value)}
    card["forecast_floors"] = selection.floors
    # A movie's jumps come at any time; elsewhere, how long a state lasts need not be memoryless.
    card["forecast_hedges"] = [] if data.movie_rate_hz else selection.floors["persistence"]
    card["posterior_power"] = select_posterior_weight(data, settings, parts, options.seed)
    card |= {"baselines": {}, "baseline_accuracy": {}}
    if baselines:
        windows = candidate_windows(data, options)
        card |= select_baselines(data, windows, parts.playback, parts.emission.jump, options.seed)
    if options.mode != "linear":
        parts = _with_contrastive(data, settings, options, parts, card, report, running)
    card["train_seconds"] = round(time.perf_counter() - started, 3)
    return Model(parts, card)


def _with_contrastive(
    data: TrainingSet,
    settings: ReadoutSettings,
    options: FitOptions,
    parts: ModelParts,
    card: dict[str, Any],
    report: ProgressCallback | None,
    running: Model | None,
) -> ModelParts:
    """Train an encoder, and return the parts with it; the card names the embedding that decodes."""
    select_context = options.context_s is None and options.mode != "time"
    contexts = candidate_contexts(data, settings.n_window) if select_context else (settings.n_window,)
    contrastive = ContrastiveOptions(options.mode, options.positives, options.seed, options.resume, contexts)
    names = ("trained_on", "channel_names", "mode", "lookahead_ms", "lag_ms", "shrinkage", "seed")
    key = {**{name: card[name] for name in names}, "positives": options.positives, "contexts": list(contexts)}
    if running is None or running.parts.contrastive is None:
        trained = fit_contrastive(data, settings, contrastive, key, report)
    else:
        before = running.parts.preprocessor.valid
        start = running.parts.contrastive.encoder.on_channels(data.preprocessor.valid, before)
        temperature = float(running.card["contrastive"]["temperature"])
        trained = renew_contrastive(data, settings, contrastive, start, temperature)
    card["contrastive"] = trained.card
    card["decoder_embedding"] = trained.decoder_embedding
    return replace(parts, contrastive=trained.contrastive)


def training_session(
    sessions: Session | Sequence[Session],
    options: FitOptions,
    movie: Movie | None,
    states: FrameStates | None = None,
) -> tuple[Session, FrameStates]:
    """Join the parts of the recordings to train on, and translate their frames to states.

    Parameters
    ----------
    sessions
        One recording, or several with the same channels.
    options
        Which parts to train on.
    movie
        Movie to use instead of the recordings' own.
    states
        Frames to decode; None for those that occur in the whole recordings.

    Returns
    -------
    session
        The training data as one recording; its frames and its movie are by state.
    states
        Frames to decode.
    """
    whole = [_with_movie(s, movie) for s in ([sessions] if isinstance(sessions, Session) else sessions)]
    session = concatenate_sessions([select_part(s, options.train_repeats, options.train_time) for s in whole])
    # The training part alone may not show every frame.
    states = states or (FrameStates.of(whole) if options.label is None else FrameStates.counted(0))
    if not len(states) or states.places is not None:
        return _with_places(whole, session, options, states)
    return states.translated(session, states.movie(session.movie) if session.movie else None), states


def _with_places(
    whole: Sequence[Session], session: Session, options: FitOptions, states: FrameStates
) -> tuple[Session, FrameStates]:
    """Return training data without frames by the places of a label; where that is unknown, samples are left out."""
    if not any(values.shape[1] for values in session.labels.values()):
        if options.mode != "time" or options.label is not None:
            raise BadRecording(NO_FRAME_SHOWN)
        elapsed = np.arange(session.n_samples)[:, None] / (session.rate_hz or 1)
        session = replace(session, labels={"time": elapsed.astype(np.float32)})
        whole, states = [session], FrameStates.counted(N_STRETCHES)
    states = label_states(whole, session, options.label, states, options.seed)
    known = states.of_session(session) >= 0
    return states.translated(session if known.all() else session.take(known)), states


def build_training_set(session: Session, n_frames: int, options: FitOptions, n_lag: int = 0) -> TrainingSet:
    """Build the training set, with the truth shifted by lookahead and lag.

    Parameters
    ----------
    session
        Training data as one recording, from `training_session`.
    n_frames
        Number of frames that the model decodes.
    options
        How to fit.
    n_lag
        Lag of the signal in samples.

    Raises
    ------
    BadUsage
        When a lookahead is requested and the samples are not regular.
    """
    if options.lookahead_frames and not session.rate_hz:
        raise BadUsage(
            "a lookahead needs a regular sampling rate, which this recording does not have. Use --lookahead-frames 0."
        )
    n_delay = options.lookahead_frames + n_lag
    delayed, _ = delay_truth(with_repeat_boundaries(session), n_delay)
    data = training_set(delayed, n_frames, max(_contexts(session.kind, session.movie, options)))
    return replace(
        data,
        n_delay=n_delay,
        lag_s=n_lag / session.rate_hz if n_lag else 0.0,
        fixed_order=data.fixed_order and options.order == "any",
    )


def select_part(session: Session, repeats: Sequence[int] | None, part: tuple[float, float] | None) -> Session:
    """Return the given part of a recording, or all of it when no part is given.

    Parameters
    ----------
    session
        A recording.
    repeats
        Repeats to keep; None for all.
    part
        First and last share of the duration to keep, 0 to 1; None for all.
    """
    if repeats is not None:
        return session.select_repeats(repeats)
    if part is not None:
        return session.select_time(*part)
    return session


def fit_parts(
    data: TrainingSet, candidates: Sequence[ReadoutSettings], seed: int
) -> tuple[ModelParts, PlaybackSelection]:
    """Select the playback model, and fit all parts of a linear model.

    Parameters
    ----------
    data
        Training data.
    candidates
        Candidate settings of the frame decoder, from `select_classifier`.
    seed
        Random seed.

    Returns
    -------
    parts
        Fitted parts.
    selection
        Selected settings and playback model.
    """
    transitions = learn_playback(
        data.state,
        data.ticks,
        data.boundary,
        data.n_frames,
        data.clip_ends,
        data.scene_starts,
        needed_ticks(data.movie_rate_hz, data.rate_hz, data.lag_s),
    )
    selection = select_playback(data, candidates, transitions, seed)
    settings = selection.settings
    everything = np.ones(len(data.state), bool)
    readout = fit_readout(data, everything, settings)
    thumbnails = data.movie.thumbnails() if data.movie is not None else None
    continuous, kalman = select_continuous(data, settings, readout, selection.filtered)
    parts = ModelParts(
        preprocessor=data.preprocessor,
        scaling=readout.scaling,
        embedding=readout.embedding,
        prototypes=readout.prototypes,
        inverse_temperature=readout.inverse_temperature,
        secondary=readout.secondary,
        spans=settings.spans,
        prior=_log_prior(data, settings),
        emission=selection.emission,
        playback=selection.transitions,
        typicality=_typicality_levels(data, settings),
        continuous=continuous,
        kalman=kalman,
        pictures=thumbnails,
        extra=archive_training(data),
    )
    return parts, selection


def _log_prior(data: TrainingSet, settings: ReadoutSettings) -> NDArray[np.float32] | None:
    """Return the log prior of the states without the playback model, float32 [states]; None where it is uniform.

    Frames that none of n repeats sampled will probably not be sampled in the next (Laplace's rule of succession).
    """
    if settings.prior_weight:
        return np.float32(settings.prior_weight) * log_occupancy(data.state, data.n_states)
    if not data.unsampled.any():
        return None
    n_repeats = len(np.unique(data.block[data.state < data.n_frames]))
    return np.where(data.unsampled, -np.log(n_repeats + 1), 0).astype(np.float32)


def candidate_windows(data: TrainingSet, options: FitOptions) -> list[int]:
    """Return the candidate window lengths in samples, in increasing order.

    Parameters
    ----------
    data
        Training data.
    options
        With the context length, if one is given.
    """
    contexts = _contexts(data.kind, data.movie, options)
    return sorted({max(1, round(context * (data.rate_hz or 1))) for context in contexts})


def _contexts(kind: Kind, movie: Movie | None, options: FitOptions) -> tuple[float, ...]:
    """Return the candidate window lengths in seconds."""
    if options.context_s is not None:
        return (options.context_s,)
    if kind is Kind.BOLD:
        return BOLD_CONTEXTS_S
    if movie is None:
        return PLACE_CONTEXTS_S
    return MOVIE_CONTEXTS_S if movie.rate_hz else CONTEXTS_S


def _typicality_levels(data: TrainingSet, settings: ReadoutSettings) -> NDArray[np.float64]:
    """Return quantiles of the similarity of held-out samples to their nearest prototype, float64 [levels], sorted."""
    everything = np.ones(len(data.state), bool)
    levels = []
    for train, test in list(cross_validation_folds(data)) or [(everything, everything)]:
        readout = fit_readout(data, train, settings)
        sums, _ = windows_at(data, settings.layout, evenly_spaced(test, MAX_HELD_OUT))
        levels.append(readout.similarity(sums).max(1))
    return np.quantile(np.concatenate(levels).astype(np.float64), np.linspace(0, 1, N_TYPICALITY_LEVELS))


def _with_movie(session: Session, movie: Movie | None) -> Session:
    return session if movie is None else checked_stimulus(replace(session, movie=movie), session.name)
