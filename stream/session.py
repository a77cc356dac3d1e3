"""One recording in memory: the form that every reader yields and every decoder takes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from stream.errors import BadRecording, BadUsage, ShapeMismatch
from stream.movie import Movie

NO_FRAME = -1
"""Nothing was shown: gray, rest, or unknown."""

GAP_PERIODS = 1.5
"""A step between stamps longer than this many sample periods is a gap and begins a new segment."""

MAX_SECONDS = 1e12
"""No stamp lies further from 0 than this (30,000 years): beyond it, a number is damaged."""

MAX_RATE_HZ = 1e6
"""No sampling is quicker: a rate beyond is damage, or another unit."""

MAX_FRAMES = 10_000_000
"""No movie has more frames than this (92 h at 30 Hz): above it, a number is damaged."""


class Kind(StrEnum):
    """What the neural channels are; it decides how they are preprocessed."""

    SPIKES = "spikes"
    FLUORESCENCE = "fluorescence"
    BOLD = "bold"
    EEG = "eeg"
    OTHER = "other"


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """One recording.

    Attributes
    ----------
    neural
        Float32 [time, channels], or an array-like of that shape (a memory map, an h5 dataset).
    stamps
        Float64 [time], seconds; of binned data, the end of each bin. Increasing within a segment.
    frame
        Int32 [time], the movie frame (or place, or category) at that moment; -1 = none.
    repeat
        Int32 [time], which showing of the movie this is; -1 = none or unknown.
    segment
        Int32 [time], increases at every gap, restart or glued border. No window, filter or state crosses one.
    labels
        Continuous labels by name, float32 [time, k].
    channel_names
        One per channel.
    kind
        What the channels are.
    rate_hz
        Samples per second; 0 = irregular.
    movie
        The movie whose frames ``frame`` counts, or None when they are places or categories.
    name
        What the recording calls its neural stream.
    """

    neural: NDArray[np.float32]
    stamps: NDArray[np.float64]
    frame: NDArray[np.int32]
    repeat: NDArray[np.int32]
    segment: NDArray[np.int32]
    channel_names: tuple[str, ...]
    kind: Kind
    rate_hz: float
    labels: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    movie: Movie | None = None
    name: str = "neural"

    def __post_init__(self) -> None:
        if np.ndim(self.neural) != 2:
            raise ShapeMismatch(f"'neural' must be [time, channels], got shape {np.shape(self.neural)}.")
        n_samples, n_channels = np.shape(self.neural)
        for name in ("stamps", "frame", "repeat", "segment"):
            shape = np.shape(getattr(self, name))
            if shape != (n_samples,):
                raise ShapeMismatch(f"'{name}' must have shape ({n_samples},) as 'neural' has, got {shape}.")
        for name, label in self.labels.items():
            if np.ndim(label) != 2 or len(label) != n_samples:
                raise ShapeMismatch(f"label {name!r} must be [{n_samples}, k], got shape {np.shape(label)}.")
        if len(self.channel_names) != n_channels:
            raise ShapeMismatch(
                f"{n_channels} channels, but {len(self.channel_names)} channel names were given."
            )
        if len(set(self.channel_names)) != n_channels:
            raise ShapeMismatch("channel names must be unique.")
        if not np.all(np.abs(self.stamps) < MAX_SECONDS):
            raise BadRecording(
                f"{np.sum(~(np.abs(self.stamps) < MAX_SECONDS))} stamps are no moments in seconds."
            )
        if np.any(np.diff(self.segment) < 0):
            raise BadRecording("'segment' must never decrease.")
        if not 0 <= self.rate_hz <= MAX_RATE_HZ:
            raise BadRecording(
                f"a rate of {self.rate_hz:g} Hz is none; give 0 to {MAX_RATE_HZ:g}, where 0 is irregular."
            )
        backwards = (np.diff(self.stamps) <= 0) & (np.diff(self.segment) == 0)
        if np.any(backwards):
            where = int(np.argmax(backwards)) + 1
            raise BadRecording(
                f"stamps do not increase at sample {where} although no new segment begins there."
            )
        if self.movie is not None and n_samples and int(np.max(self.frame)) >= self.movie.n_frames:
            raise ShapeMismatch(
                f"'frame' goes up to {int(np.max(self.frame))}, but the movie has {self.movie.n_frames} frames."
            )
        if n_samples and int(np.min(self.frame)) < NO_FRAME:
            raise BadRecording(
                f"'frame' holds {int(np.min(self.frame))}; frames count from 0, and -1 is none."
            )
        if n_samples and int(np.max(self.frame)) >= MAX_FRAMES:
            raise BadRecording(f"'frame' holds {int(np.max(self.frame))}; it must stay below {MAX_FRAMES}.")

    def __repr__(self) -> str:
        rate = f"{self.rate_hz:g} Hz" if self.rate_hz else "irregular"
        return (
            f"<Session: {self.name} | {self.kind} {self.n_channels} channels, {rate}, {self.n_samples} samples, "
            f"{len(self.repeats)} repeats, {self.n_frames} frames>"
        )

    @property
    def n_samples(self) -> int:
        """Samples in time."""
        return int(np.shape(self.neural)[0])

    @property
    def n_channels(self) -> int:
        """Neural channels."""
        return int(np.shape(self.neural)[1])

    @property
    def n_frames(self) -> int:
        """Movie frames (or places, or categories) that can be answered."""
        if self.movie is not None:
            return self.movie.n_frames
        return int(np.max(self.frame, initial=NO_FRAME)) + 1

    @property
    def repeats(self) -> tuple[int, ...]:
        """The repeats in it, without -1."""
        return tuple(int(repeat) for repeat in np.unique(self.repeat) if repeat >= 0)

    def take(self, keep: NDArray[np.bool_]) -> Session:
        """The samples of a mask, with a new segment wherever some were left out.

        Parameters
        ----------
        keep
            Bool [time].

        Returns
        -------
        session
            The kept samples; borders that were there stay, and every hole becomes one.
        """
        if keep.shape != (self.n_samples,):
            raise ShapeMismatch(f"'keep' must have shape ({self.n_samples},), got {keep.shape}.")
        index = np.flatnonzero(keep)
        boundary = np.r_[False, (np.diff(index) > 1) | (np.diff(self.segment[index]) > 0)][: len(index)]
        return replace(
            self,
            neural=np.asarray(self.neural[index], np.float32),
            stamps=self.stamps[index],
            frame=self.frame[index],
            repeat=self.repeat[index],
            segment=np.cumsum(boundary).astype(np.int32),
            labels={name: label[index] for name, label in self.labels.items()},
        )

    def select_repeats(self, repeats: Iterable[int]) -> Session:
        """Whole showings, each with the blank before it (the last of the recording also with the blank after it).

        Parameters
        ----------
        repeats
            Which repeats.

        Raises
        ------
        BadUsage
            When one of them is not in the recording.
        """
        wanted = sorted(set(repeats))
        missing = sorted(set(wanted) - set(self.repeats))
        if missing:
            raise BadUsage(f"no repeat {missing} in this recording; it has {_ranges(self.repeats)}.")
        return self.take(np.isin(self.showing(), wanted))

    def select_time(self, start: float, stop: float) -> Session:
        """A part of the recording by fractions of its samples.

        Parameters
        ----------
        start, stop
            From 0 to 1.
        """
        if not 0 <= start < stop <= 1:
            raise BadUsage(f"a part from {start:g} to {stop:g} is not a part: give 0 <= start < stop <= 1.")
        index = np.arange(self.n_samples)
        n = self.n_samples
        return self.take((index >= round(start * n)) & (index < round(stop * n)))

    def showing(self) -> NDArray[np.int32]:
        """The repeat that each sample belongs to, blanks counted to the showing they lead in to; int32 [time]."""
        known = np.flatnonzero(self.repeat >= 0)
        if not len(known):
            return np.full(self.n_samples, -1, np.int32)
        following = np.minimum(np.searchsorted(known, np.arange(self.n_samples)), len(known) - 1)
        return self.repeat[known[following]].astype(np.int32)

    def sha256(self) -> str:
        """Hash of the content (samples, relative stamps to the microsecond), whatever file it came from."""
        digest = hashlib.sha256()
        digest.update(np.ascontiguousarray(self.neural, np.float32).tobytes())
        if self.n_samples:
            digest.update(np.rint((self.stamps - self.stamps[0]) * 1e6).astype(np.int64).tobytes())
        return digest.hexdigest()


def segments_from_stamps(stamps: NDArray[np.float64], rate_hz: float) -> NDArray[np.int32]:
    """Number the segments of a series of stamps: the one rule that files and live streams share.

    Parameters
    ----------
    stamps
        Float64 [time], seconds.
    rate_hz
        Nominal rate; 0 = irregular, where only a step backwards is a border.

    Returns
    -------
    segment
        Int32 [time], from 0; increases where a step is not positive or longer than `GAP_PERIODS` periods.
    """
    if not len(stamps):
        return np.zeros(0, np.int32)
    step = np.diff(stamps)
    boundary = step <= 0
    if rate_hz > 0:
        boundary |= step > GAP_PERIODS / rate_hz
    return np.cumsum(np.r_[False, boundary]).astype(np.int32)


def repeats_from_frames(frame: NDArray[np.int32]) -> NDArray[np.int32]:
    """Number the showings when no repeat channel says them.

    A new repeat begins after a blank or at a restart at frame 0; a jump inside a repeat is not a new one.

    Parameters
    ----------
    frame
        Int32 [time]; -1 = none.

    Returns
    -------
    repeat
        Int32 [time]; -1 where nothing was shown.
    """
    shown = frame >= 0
    before = np.r_[np.int32(NO_FRAME), frame[:-1]] if len(frame) else frame
    begins = shown & ((before < 0) | ((frame == 0) & (before > 0)))
    return np.where(shown, np.cumsum(begins) - 1, -1).astype(np.int32)


def _ranges(numbers: Iterable[int]) -> str:
    """Numbers as text, runs shortened: 0-8, 10."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs) or "none"
