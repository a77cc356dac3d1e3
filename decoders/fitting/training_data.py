"""Training data of a fit: parts of recordings, joined and translated to states, and the candidate windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from decoders.data.delays import delay_truth
from decoders.data.frame_states import FrameStates
from decoders.data.training_set import (
    NO_FRAME_SHOWN,
    TrainingSet,
    concatenate_sessions,
    training_set,
    with_repeat_boundaries,
)
from decoders.fitting.options import FitOptions
from decoders.fitting.places import label_states
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
    whole = [sessions] if isinstance(sessions, Session) else list(sessions)
    if movie is not None:
        whole = [checked_stimulus(replace(session, movie=movie), session.name) for session in whole]
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
