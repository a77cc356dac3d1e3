"""Training sets: cleaned samples with their states, segment boundaries and cross-validation folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.data.play_order import order_is_fixed
from decoders.data.preprocessing import Preprocessor, refuse_negative
from decoders.data.scene_cuts import scene_starts
from decoders.errors import BadSplit
from decoders.metrics import FrameAxis, frame_axis
from decoders.playback.frame_clock import FrameClock
from stream.errors import BadRecording, ShapeMismatch
from stream.movie import Movie
from stream.session import MAX_ACTIVITY, Kind, Session

NO_FRAME_SHOWN = (
    "the training data contain no frame (every 'frame' is -1) and no label. Add the stimulus or a label to the "
    "recording, or train an embedding alone with --mode time."
)

N_FOLDS = 3
"""Cross-validation folds of the training data, on which settings are chosen."""


MAX_FRAMES_PER_SAMPLE = 1.1
"""Movie frames per sample up to which each frame is sampled in nearly every repeat."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """Data that every fit starts from; time is the first axis of every array.

    Attributes
    ----------
    clean
        Float32 [time, used channels], preprocessed samples.
    boundary
        Bool [time], true where a segment begins: windows, filters and clocks restart there.
    state
        Int64 [time], state of the frame (see `decoders.data.frame_states`); ``n_frames`` = no stimulus.
    ticks
        Int64 [time], ticks of the movie's frame clock since the previous sample.
    fold
        Int64 [time], cross-validation fold; -1 = in no fold.
    block
        Int64 [time], number of the repeat (or, without repeats, of a segment or stretch of time).
    labels
        Continuous labels by name, float32 [time, k] with at least one column; NaN where unknown.
    n_frames, kind, rate_hz, movie
        Number of frames, kind, sampling rate in Hz (0 = irregular) and movie (by state) of the recording.
    preprocessor
        Preprocessor fitted on these samples.
    n_delay
        Samples by which the truth was delayed (see `decoders.data.delays`).
    lag_s
        The part of that delay that is the signal's lag, in seconds.
    cache
        Statistics that were computed once for all that need them; a changed copy begins without.
    fixed_order
        Whether the frames are always shown in the same order, so that settings must also be right in another one.
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
    fixed_order: bool = False
    cache: dict[Any, Any] = field(init=False, default_factory=dict, repr=False)

    @property
    def n_states(self) -> int:
        """Number of states: the frames and "no stimulus"."""
        return self.n_frames + 1

    @property
    def movie_rate_hz(self) -> float:
        """Movie frames per second; 0 when the frames are not a movie's."""
        return self.movie.rate_hz if self.movie is not None else 0.0

    @property
    def frames_per_sample(self) -> float:
        """Movie frames per sample, at least 1: what lies closer together cannot be told apart."""
        ratio = self.movie_rate_hz / self.rate_hz if self.rate_hz else 1.0
        return ratio if ratio > MAX_FRAMES_PER_SAMPLE else 1.0

    @property
    def unsampled(self) -> NDArray[np.bool_]:
        """Bool [states], frames that were shown between two samples only."""
        return np.asarray(
            self.known_states(self.state) & (np.bincount(self.state, minlength=self.n_states) == 0)
        )

    def known_states(self, state: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return the states that some samples tell something about, bool [states]: theirs, and frames between them.

        Parameters
        ----------
        state
            Int64 [samples].
        """
        known = np.bincount(state, minlength=self.n_states) > 0
        n_beside = int(np.ceil(self.frames_per_sample)) - 1
        known[:-1] = (
            np.convolve(known[:-1], np.ones(2 * n_beside + 1), "full")[n_beside:][: self.n_frames] > 0
        )
        return known

    @property
    def axis(self) -> FrameAxis:
        """The frame axis, which defines the tolerance of one second."""
        return frame_axis(self.n_frames, self.movie.clips if self.movie is not None else ())

    @property
    def clip_ends(self) -> NDArray[np.int64] | None:
        """Int64 [clips], last frame of each clip; None when the frames are not a movie's."""
        if self.movie is None or not self.movie_rate_hz:
            return None
        return np.array([clip.first_frame + clip.n_frames - 1 for clip in self.movie.clips], np.int64)

    @property
    def scene_starts(self) -> NDArray[np.int64] | None:
        """Int64 [scenes], first frame of each scene; None when the frames are not a movie's."""
        return None if self.clip_ends is None or self.movie is None else scene_starts(self.movie)

    def with_state(self, state: NDArray[np.int64]) -> TrainingSet:
        """Return a copy with other states, for null distributions."""
        return replace(self, state=state)


def with_repeat_boundaries(session: Session) -> Session:
    """Return the session with a segment boundary wherever a new repeat begins.

    Parameters
    ----------
    session
        Recording.
    """
    new_repeat = np.diff(session.repeat_with_blanks()) != 0
    boundary = np.r_[False, (np.diff(session.segment) > 0) | new_repeat][: session.n_samples]
    return replace(session, segment=np.cumsum(boundary).astype(np.int32))


def concatenate_sessions(sessions: Sequence[Session], *, renumber: bool = True) -> Session:
    """Concatenate recordings of the same channels, with a segment boundary between them.

    Parameters
    ----------
    sessions
        At least one recording.
    renumber
        Continue the repeat numbers from recording to recording; otherwise repeats keep their numbers.

    Raises
    ------
    ShapeMismatch
        When channels, kind, rate, frames or labels differ.
    """
    first = sessions[0]
    if len(sessions) == 1:
        return first
    for other in sessions[1:]:
        if other.channel_names != first.channel_names or other.kind is not first.kind:
            raise ShapeMismatch(
                "the recordings to fit on must have the same channels and kind. Fit them one by one."
            )
        movies = first.movie is not None or other.movie is not None
        if (
            other.rate_hz != first.rate_hz
            or (movies and other.n_frames != first.n_frames)
            or set(other.labels) != set(first.labels)
        ):
            raise ShapeMismatch(
                "the recordings to fit on must have the same rate, frames and labels. Fit them one by one."
            )
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
        simulated=any(session.simulated for session in sessions),
    )


def training_set(session: Session, n_frames: int, context_s: float) -> TrainingSet:
    """Clean a session and assign states, ticks and folds.

    Parameters
    ----------
    session
        Training data only: nothing held out for testing. Its frames are states.
    n_frames
        Number of frames that can be decoded.
    context_s
        Gap in seconds between the folds of a recording without repeats.

    Raises
    ------
    BadSplit
        When there are fewer than 10 samples.
    BadRecording
        When fewer than two frames are shown, no channel is usable, or spike counts are negative.
    """
    if session.n_samples < 10:
        raise BadSplit(f"{session.n_samples} samples are too few to train on; at least 10 are needed.")
    n_shown = len(np.unique(session.frame[session.frame >= 0]))
    if not n_shown:
        raise BadRecording(NO_FRAME_SHOWN)
    if n_shown == 1:
        raise BadRecording(
            "the training data show one frame only, the same at every sample or none, so there is nothing to tell "
            "apart. Train on data with at least two different frames."
        )
    session = with_repeat_boundaries(session)
    neural = np.asarray(session.neural, np.float32)
    refuse_negative(neural, session.kind, session.channel_names)
    preprocessor = Preprocessor.fit(neural, session.kind, session.rate_hz)
    boundary = session.boundary
    fold, block = _folds(session, max(1, round(context_s * (session.rate_hz or 1))))
    state = np.where(session.frame >= 0, session.frame, n_frames).astype(np.int64)
    is_movie = session.movie is not None and session.movie.rate_hz > 0
    # The slow response of BOLD needs windows over several states. Labels make states places, which never follow each
    # other in another order.
    shuffled = is_movie or (not session.labels and order_is_fixed(state, boundary, n_frames))
    fixed_order = shuffled and session.kind is not Kind.BOLD
    return TrainingSet(
        clean=preprocessor.run(neural, boundary),
        boundary=boundary,
        state=state,
        ticks=_ticks(session, boundary),
        fold=fold,
        block=block,
        labels={name: _mask_huge(label) for name, label in session.labels.items() if label.shape[1]},
        n_frames=n_frames,
        kind=session.kind,
        rate_hz=session.rate_hz,
        movie=session.movie,
        preprocessor=preprocessor,
        fixed_order=fixed_order,
    )


def _mask_huge(label: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(np.abs(label) < MAX_ACTIVITY, label, np.nan).astype(np.float32)


def _ticks(session: Session, boundary: NDArray[np.bool_]) -> NDArray[np.int64]:
    clock = FrameClock(session.movie.rate_hz if session.movie is not None else 0.0)
    ticks = np.zeros(session.n_samples, np.int64)
    for index, stamp in enumerate(session.stamps):
        if boundary[index]:
            clock.reset()
        ticks[index] = clock.advance(float(stamp))
    return ticks


def _folds(session: Session, n_gap: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Assign folds and blocks: whole repeats, else whole segments, else stretches of time with a gap between."""
    n_segments = len(np.unique(session.segment))
    if len(session.repeats) >= 2:
        _, block = np.unique(session.repeat_with_blanks(), return_inverse=True)
    elif n_segments >= 2 * N_FOLDS:
        _, block = np.unique(session.segment, return_inverse=True)
    else:
        stretch = np.arange(session.n_samples) * 10 // session.n_samples
        fold = np.arange(session.n_samples) * N_FOLDS // session.n_samples
        since = np.arange(session.n_samples) - np.searchsorted(fold, fold)
        return np.where((since < n_gap) & (fold > 0), -1, fold).astype(np.int64), stretch.astype(np.int64)
    n_folds = min(N_FOLDS, int(block.max()) + 1)
    # Split by samples, so that folds are about equally long; a block is never split.
    middle = np.bincount(block, np.arange(session.n_samples)) / np.bincount(block)
    fold_of_block = np.minimum((middle * n_folds / session.n_samples).astype(np.int64), n_folds - 1)
    return fold_of_block[block], block.astype(np.int64)
