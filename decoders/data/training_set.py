"""Sessions made ready to fit on: clean samples, states, borders, and which moments are held out together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from decoders.data.preprocessing import Preprocessor, refuse_negative
from decoders.data.scene_cuts import scene_starts
from decoders.errors import BadSplit
from decoders.metrics import FrameAxis, frame_axis
from decoders.playback.frame_clock import FrameClock
from stream.errors import BadRecording, ShapeMismatch
from stream.movie import Movie
from stream.session import Kind, Session

N_FOLDS = 3
"""Parts of the training data that are held out in turn to choose settings on."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """What every fit starts from; time is the first axis of every array.

    Attributes
    ----------
    clean
        Float32 [time, used channels].
    border
        Bool [time], true where windows, filters and clocks restart.
    state
        Int64 [time]; ``n_frames`` = no stimulus.
    ticks
        Int64 [time], of the movie's frame clock since the sample before.
    fold
        Int64 [time], which part each sample is held out with; -1 = always left out of choosing.
    block
        Int64 [time], the showing (or a stretch of time) it belongs to.
    labels
        Float32 [time, k] by name, each of at least one column; NaN where a label is not known.
    n_frames, kind, rate_hz, movie
        Of the recording.
    preprocessor
        Fitted on these samples.
    n_delay
        Samples that the truth was moved by (see `decoders.data.delays`).
    lag_s
        The part of it by which the signal is late.
    """

    clean: NDArray[np.float32]
    boundary: NDArray[np.bool_]
    state: NDArray[np.int64]
    ticks: NDArray[np.int64]
    fold: NDArray[np.int64]
    block: NDArray[np.int64]
    labels: dict[str, NDArray[np.float32]]
    n_frames: int
    kind: Kind
    rate_hz: float
    movie: Movie | None
    preprocessor: Preprocessor
    n_delay: int = 0
    lag_s: float = 0.0

    @property
    def n_states(self) -> int:
        """Frames and "no stimulus"."""
        return self.n_frames + 1

    @property
    def movie_rate_hz(self) -> float:
        """Movie frames per second; 0 when frames do not follow each other."""
        return self.movie.rate_hz if self.movie is not None else 0.0

    @property
    def axis(self) -> FrameAxis:
        """What counts as near on the axis of frames."""
        return frame_axis(self.n_frames, self.movie.clips if self.movie is not None else ())

    @property
    def clip_ends(self) -> NDArray[np.int64] | None:
        """Int64 [clips], each clip's last frame; None when frames do not follow each other."""
        if self.movie is None or not self.movie_rate_hz:
            return None
        return np.array([clip.first_frame + clip.n_frames - 1 for clip in self.movie.clips], np.int64)

    @property
    def scene_starts(self) -> NDArray[np.int64] | None:
        """Int64 [scenes], where scenes begin; None when frames do not follow each other."""
        return None if self.clip_ends is None or self.movie is None else scene_starts(self.movie)

    def with_state(self, state: NDArray[np.int64]) -> TrainingSet:
        """The same with other labels, for the null."""
        return replace(self, state=state)


def with_repeat_boundaries(session: Session) -> Session:
    """The session with a new segment wherever one showing passes into another.

    Parameters
    ----------
    session
        Any.
    """
    showing = session.showing()
    boundary = np.r_[False, (np.diff(session.segment) > 0) | (np.diff(showing) != 0)][: session.n_samples]
    return replace(session, segment=np.cumsum(boundary).astype(np.int32))


def concatenate_sessions(sessions: Sequence[Session], *, renumber: bool = True) -> Session:
    """Several recordings of the same channels as one, with borders between them.

    Parameters
    ----------
    sessions
        At least one.
    renumber
        Number the showings on from recording to recording; else they keep their numbers.

    Raises
    ------
    ShapeMismatch
        When channels, kind, rate or movie differ.
    """
    first = sessions[0]
    if len(sessions) == 1:
        return first
    for other in sessions[1:]:
        if other.channel_names != first.channel_names or other.kind is not first.kind:
            raise ShapeMismatch("the recordings to fit on must have the same channels and kind.")
        movies = first.movie is not None or other.movie is not None
        if (
            other.rate_hz != first.rate_hz
            or (movies and other.n_frames != first.n_frames)
            or set(other.labels) != set(first.labels)
        ):
            raise ShapeMismatch("the recordings to fit on must have the same rate, frames and labels.")
    repeat, segment, stamps = [], [], []
    next_repeat = next_segment = 0
    for session in sessions:
        repeat.append(np.where(session.repeat >= 0, session.repeat + next_repeat * renumber, -1))
        segment.append(session.segment - session.segment.min(initial=0) + next_segment)
        stamps.append(session.stamps)
        next_repeat = max(next_repeat, int(repeat[-1].max(initial=-1)) + 1)
        next_segment = int(segment[-1].max(initial=-1)) + 1
    return replace(
        first,
        neural=np.concatenate([np.asarray(session.neural) for session in sessions]),
        stamps=np.concatenate(stamps),
        frame=np.concatenate([session.frame for session in sessions]),
        repeat=np.concatenate(repeat).astype(np.int32),
        segment=np.concatenate(segment).astype(np.int32),
        labels={name: np.concatenate([s.labels[name] for s in sessions]) for name in first.labels},
    )


def training_set(session: Session, n_frames: int, context_s: float) -> TrainingSet:
    """Clean a session and lay it out for fitting.

    Parameters
    ----------
    session
        Only what may be trained on.
    n_frames
        Frames that can be answered.
    context_s
        How far folds of a recording without showings are kept apart, in seconds.

    Raises
    ------
    BadSplit
        When there is nothing to learn from.
    BadRecording
        When no channel is usable, or spike counts are negative.
    """
    if session.n_samples < 10 or n_frames < 2:
        raise BadSplit(
            f"{session.n_samples} samples with {n_frames} frames are too few to train on; at least 10 samples "
            "and two different frames are needed."
        )
    if not np.any(session.frame >= 0):
        raise BadRecording("the training data show no frame at all: every 'frame' is -1.")
    session = with_repeat_boundaries(session)
    neural = np.asarray(session.neural, np.float32)
    refuse_negative(neural, session.kind, session.channel_names)
    preprocessor = Preprocessor.fit(neural, session.kind, session.rate_hz)
    boundary = np.r_[True, np.diff(session.segment) > 0]
    fold, block = _folds(session, max(1, round(context_s * (session.rate_hz or 1))))
    return TrainingSet(
        clean=preprocessor.run(neural, boundary),
        boundary=boundary,
        state=np.where(session.frame >= 0, session.frame, n_frames).astype(np.int64),
        ticks=_ticks(session, boundary),
        fold=fold,
        block=block,
        labels={name: _known(label) for name, label in session.labels.items() if label.shape[1]},
        n_frames=n_frames,
        kind=session.kind,
        rate_hz=session.rate_hz,
        movie=session.movie,
        preprocessor=preprocessor,
    )


def _known(label: NDArray[np.float32]) -> NDArray[np.float32]:
    """A label, NaN wherever it is no number."""
    return np.where(np.isfinite(label), label, np.nan).astype(np.float32)


def _ticks(session: Session, boundary: NDArray[np.bool_]) -> NDArray[np.int64]:
    clock = FrameClock(session.movie.rate_hz if session.movie is not None else 0.0)
    ticks = np.zeros(session.n_samples, np.int64)
    for index, stamp in enumerate(session.stamps):
        if boundary[index]:
            clock.reset()
        ticks[index] = clock.advance(float(stamp))
    return ticks


def _folds(session: Session, n_apart: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Whole showings are held out together; else whole segments; else stretches of time with some room between."""
    showing = session.showing().astype(np.int64)
    n_segments = len(np.unique(session.segment))
    if len(session.repeats) >= 2:
        _, block = np.unique(showing, return_inverse=True)
    elif n_segments >= 2 * N_FOLDS:
        _, block = np.unique(session.segment, return_inverse=True)
    else:
        stretch = np.arange(session.n_samples) * 10 // session.n_samples
        fold = np.arange(session.n_samples) * N_FOLDS // session.n_samples
        since = np.arange(session.n_samples) - np.searchsorted(fold, fold)
        return np.where((since < n_apart) & (fold > 0), -1, fold).astype(np.int64), stretch.astype(np.int64)
    n_folds = min(N_FOLDS, int(block.max()) + 1)
    # By samples, so that folds are about equally long; a block is never split.
    middle = np.bincount(block, np.arange(session.n_samples)) / np.bincount(block)
    fold_of_block = np.minimum((middle * n_folds / session.n_samples).astype(np.int64), n_folds - 1)
    return fold_of_block[block], block.astype(np.int64)
