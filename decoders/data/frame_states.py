"""Frames and states: a model decodes states 0, 1, 2 ... that stand for the frame numbers it was fitted on.

The numbers are names. They are translated where recordings and streams come in and predictions go out, and everything
between runs over states.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from decoders.data.label_places import LabelPlaces
from stream.errors import BadRecording
from stream.movie import Clip, Movie
from stream.session import MAX_FRAMES, NO_FRAME, Session

_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")


@dataclass(frozen=True, slots=True, eq=False)
class FrameStates:
    """The frame numbers that a model decodes; state i stands for ``frames[i]``, the last state for "no stimulus".

    Attributes
    ----------
    frames
        Int32 [n_frames], ascending.
    places
        What the frames stand for where they are derived from a label, as the recordings had none; else None.

    Raises
    ------
    BadRecording
        If they are not ascending frame numbers from 0.

    Examples
    --------
    >>> classes = FrameStates(np.array([769, 770, 772], np.int32))
    >>> classes.states(np.array([772, -1, 5])).tolist(), classes.numbers(np.array([2, -1, 3])).tolist()
    ([2, -1, 3], [772, -1, -1])
    >>> str(classes)
    '769-770, 772'
    """

    frames: NDArray[np.int32]
    places: LabelPlaces | None = None
    _numbers: NDArray[np.int32] = field(init=False)

    def __post_init__(self) -> None:
        frames = self.frames
        if np.any(np.diff(frames) <= 0) or (len(frames) and not 0 <= frames[0] <= frames[-1] < MAX_FRAMES):
            raise BadRecording(
                f"frame numbers must ascend from 0 to less than {MAX_FRAMES}, got {str(frames)[:60]}."
            )
        object.__setattr__(self, "_numbers", np.append(frames, NO_FRAME).astype(np.int32))

    def __len__(self) -> int:
        return len(self.frames)

    def __str__(self) -> str:
        begins = np.flatnonzero(np.diff(self.frames, prepend=-2) > 1)
        pairs = zip(self.frames[begins], self.frames[np.r_[begins[1:] - 1, -1][: len(begins)]], strict=True)
        return ", ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in pairs)

    @classmethod
    def from_text(cls, text: str) -> FrameStates:
        """Parse ranges of frame numbers, as ``str`` writes them: ``769-770, 772``.

        Parameters
        ----------
        text
            Ranges, ascending.

        Raises
        ------
        BadRecording
            If the text is something else, or there are more than `stream.session.MAX_FRAMES` frames.
        """
        matches = [_RANGE.fullmatch(part) for part in text.split(", ")]
        pairs = [(int(m[1]), int(m[2] or m[1])) for m in matches if m]
        n_frames = sum(last - first + 1 for first, last in pairs)
        if len(pairs) < len(matches) or any(last < first for first, last in pairs) or n_frames > MAX_FRAMES:
            raise BadRecording(f"frames must be ranges like '0-8, 10', got {text[:60]!r}.")
        return cls(np.concatenate([np.arange(first, last + 1, dtype=np.int32) for first, last in pairs]))

    @classmethod
    def counted(cls, n_frames: int) -> FrameStates:
        """The frames 0 to ``n_frames`` - 1."""
        return cls(np.arange(n_frames, dtype=np.int32))

    @classmethod
    def of(cls, sessions: Sequence[Session]) -> FrameStates:
        """The frames that occur in recordings; of a movie's clips also all between their first and last that occur.

        Parameters
        ----------
        sessions
            At least one recording.
        """
        frames = np.unique(np.concatenate([np.unique(session.frame) for session in sessions]))
        frames = frames[frames >= 0]
        movie = sessions[0].movie
        if movie is not None and movie.rate_hz:
            parts = _by_clip(frames, movie)
            frames = np.concatenate(
                [np.arange(part[0], part[-1] + 1) for part in parts if len(part)] or [frames]
            )
        return cls(frames.astype(np.int32))

    @property
    def numbers_by_state(self) -> NDArray[np.int32]:
        """Int32 [states], frame number of each state; -1 for "no stimulus"."""
        return self._numbers

    def states(self, frame: NDArray[np.integer]) -> NDArray[np.int32]:
        """Translate frame numbers.

        Parameters
        ----------
        frame
            Int [...], frame numbers; negative for none.

        Returns
        -------
        state
            Int32 [...]; negative numbers as they are, ``n_frames`` for frames that the model does not know.
        """
        at = np.searchsorted(self.frames, frame)
        known = self._numbers[at] == frame
        return np.where(known | (frame < 0), np.where(frame < 0, frame, at), len(self)).astype(np.int32)

    def numbers(self, state: NDArray[np.integer]) -> NDArray[np.int32]:
        """Frame numbers of states int [...]; -1 where the state is negative or ``n_frames`` ("no stimulus")."""
        numbers: NDArray[np.int32] = self._numbers[np.maximum(state, NO_FRAME)]
        return numbers

    def of_session(self, session: Session) -> NDArray[np.int32]:
        """States of a recording's frames, or of its label's places; see `states`."""
        return self.states(session.frame) if self.places is None else self.places.of(session)

    def translated(self, session: Session, movie: Movie | None = None) -> Session:
        """Return a recording whose ``frame`` holds states, see `of_session`.

        Parameters
        ----------
        session
            Recording with frame numbers, or with the label that they are derived from.
        movie
            The movie of `movie`; None leaves it out.
        """
        return replace(session, frame=self.of_session(session), movie=movie)

    def movie(self, movie: Movie) -> Movie:
        """Return the part of a movie that has states: its clips and pictures by state.

        Parameters
        ----------
        movie
            Movie by frame number.
        """
        parts = _by_clip(self.frames, movie)
        first, clips = 0, []
        for clip, part in zip(movie.clips, parts, strict=True):
            if len(part):
                clips.append(Clip(clip.name, first, len(part), clip.rate_hz, clip.sha256))
                first += len(part)
        pictures = movie.frames
        if pictures is not None and len(self) < len(pictures):
            pictures = pictures[self.frames]
        return Movie(tuple(clips), pictures)


def _by_clip(frames: NDArray[np.integer], movie: Movie) -> list[NDArray[np.integer]]:
    """Split ascending frame numbers by clip."""
    return np.split(frames, np.searchsorted(frames, [clip.first_frame for clip in movie.clips[1:]]))
