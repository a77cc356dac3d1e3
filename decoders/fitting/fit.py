"""Fits a model: selects hyperparameters by cross-validation within the training data, then fits on all of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.data.fingerprint import fingerprints
from decoders.data.frame_states import FrameStates
from decoders.data.training_set import TrainingSet
from decoders.data.training_statistics import windows_at
from decoders.embedding.trainer import require_torch
from decoders.embedding.training_run import ProgressCallback
from decoders.fitting.baselines import select_baselines
from decoders.fitting.card import new_card
from decoders.fitting.contrastive_pairs import ContrastiveOptions
from decoders.fitting.fit_contrastive import candidate_contexts, fit_contrastive, renew_contrastive
from decoders.fitting.options import FitOptions
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
from decoders.fitting.training_data import build_training_set, candidate_windows, training_session
from decoders.model.card_schema import check_limits
from decoders.model.model import Model
from decoders.model.parts import ModelParts
from decoders.model.training_archive import archive_training
from decoders.playback.filter import needed_ticks
from decoders.playback.transitions import learn_playback
from decoders.readouts.smoothing import log_occupancy
from stream.movie import Movie
from stream.session import Session


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
    contrastive = ContrastiveOptions(
        options.mode, options.positives, options.seed, options.resume, contexts, options.dimensions
    )
    names = ("trained_on", "channel_names", "mode", "lookahead_ms", "lag_ms", "shrinkage", "seed")
    key = {**{name: card[name] for name in names}, "positives": options.positives, "contexts": list(contexts)}
    key["dimensions"] = options.dimensions
    if running is None or running.parts.contrastive is None:
        trained = fit_contrastive(data, settings, contrastive, key, report)
    else:
        before = running.parts.preprocessor.valid
        start = running.parts.contrastive.on_channels(data.preprocessor.valid, before)
        trained = renew_contrastive(data, settings, contrastive, start)
    card["contrastive"] = trained.card
    card["decoder_embedding"] = trained.decoder_embedding
    return replace(parts, contrastive=trained.contrastive)


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


def _typicality_levels(data: TrainingSet, settings: ReadoutSettings) -> NDArray[np.float64]:
    """Return quantiles of the similarity of held-out samples to their nearest prototype, float64 [levels], sorted."""
    everything = np.ones(len(data.state), bool)
    levels = []
    for train, test in list(cross_validation_folds(data)) or [(everything, everything)]:
        readout = fit_readout(data, train, settings)
        sums, _ = windows_at(data, settings.layout, evenly_spaced(test, MAX_HELD_OUT))
        levels.append(readout.similarity(sums).max(1))
    return np.quantile(np.concatenate(levels).astype(np.float64), np.linspace(0, 1, N_TYPICALITY_LEVELS))
