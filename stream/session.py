"""One recording in memory, as every reader returns it and every decoder uses it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from stream.errors import BadRecording, BadUsage, ShapeMismatch
from stream.movie import Movie
from stream.timestamps import GAP_PERIODS as GAP_PERIODS
from stream.timestamps import MAX_SECONDS as MAX_SECONDS
from stream.timestamps import judge_stamps

NO_FRAME = -1
"""Frame number when nothing was shown (gray screen, rest) or it is unknown."""

SIMULATED = "simulated"
"""Mode that the description of a stream of simulated data states, whoever sends or has recorded it."""

MAX_RATE_HZ = 1e6
"""Largest plausible sampling rate; beyond it, the file is damaged or uses another unit."""

MAX_ACTIVITY = 1e15
"""Neural values beyond this count as missing, like those that are not finite: their squares would overflow."""

MAX_FRAMES = 10_000_000
"""Largest plausible movie (92 h at 30 Hz); beyond it, the file is damaged."""


_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")


class Kind(StrEnum):
    """Kind of neural signal, which determines the preprocessing."""

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
        Float64 [time], timestamps in seconds, for binned data the end of each bin; increasing within a segment.
    frame
        Int32 [time], movie frame (or place, or category) at each sample; -1 for none.
    repeat
        Int32 [time], repeat of the movie; -1 for none or unknown.
    segment
        Int32 [time], increases at every gap, restart or joint between recordings. No window, filter or decoder state
        crosses a segment boundary.
    channel_names
        Unique names, one per channel.
    kind
        Kind of neural signal.
    rate_hz
        Nominal sampling rate in Hz; 0 for irregular recordings.
    labels
        Continuous labels by name, float32 [time, columns].
    movie
        Movie that ``frame`` refers to; None if frames are places or categories.
    name
        Name of the neural stream.
    losses
        What of the recording's file is damaged and was left out, one sentence each.
    simulated
        Whether a simulator made the neural data.

    Raises
    ------
    ShapeMismatch
        If the arrays do not have the shapes above, or names or frames do not match them.
    BadRecording
        If a value is impossible: timestamps that do not increase, segments that decrease, frames below -1.
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
    losses: tuple[str, ...] = ()
    simulated: bool = False

    def __post_init__(self) -> None:
        if np.ndim(self.neural) != 2:
            raise ShapeMismatch(f"'neural' must be [time, channels], got shape {np.shape(self.neural)}.")
        n_samples, n_channels = np.shape(self.neural)
        if not n_channels:
            raise ShapeMismatch("'neural' must have at least one channel, got none.")
        for name in ("stamps", "frame", "repeat", "segment"):
            shape = np.shape(getattr(self, name))
            if shape != (n_samples,):
                raise ShapeMismatch(f"'{name}' must have shape ({n_samples},) as 'neural' has, got {shape}.")
        for name, label in self.labels.items():
            if np.ndim(label) != 2 or len(label) != n_samples:
                raise ShapeMismatch(
                    f"label {name!r} must be [{n_samples}, columns], got shape {np.shape(label)}."
                )
        if len(self.channel_names) != n_channels:
            raise ShapeMismatch(
                f"'channel_names' must have {n_channels} names, one per channel of 'neural', "
                f"got {len(self.channel_names)}."
            )
        if len(set(self.channel_names)) != n_channels:
            double = next(name for name in self.channel_names if self.channel_names.count(name) > 1)
            raise ShapeMismatch(f"'channel_names' must be unique, got {double!r} more than once.")
        if not self.name:
            raise BadRecording(
                "the name of the neural stream is empty, which no stream can have. Give it a name."
            )
        clips = self.movie.clips if self.movie is not None else ()
        for name in (self.name, *self.channel_names, *self.labels, *(clip.name for clip in clips)):
            if _NOT_STORABLE.search(name):
                raise BadRecording(
                    f"the name {name[:80]!r} holds a NUL or half a character (a lone surrogate), which no file or "
                    "stream can store. Rename it."
                )
        if not np.all(np.abs(self.stamps) < MAX_SECONDS):
            n_bad = np.sum(~(np.abs(self.stamps) < MAX_SECONDS))
            raise BadRecording(f"'stamps' must be seconds, got {n_bad} values that are NaN or beyond 1e12.")
        if np.any(np.diff(self.segment) < 0):
            where = int(np.argmax(np.diff(self.segment) < 0)) + 1
            raise BadRecording(f"'segment' must never decrease, but does at sample {where}.")
        if not 0 <= self.rate_hz <= MAX_RATE_HZ:
            raise BadRecording(
                f"'rate_hz' must be from 0 (irregular) to {MAX_RATE_HZ:g}, got {self.rate_hz:g}."
            )
        backwards = (np.diff(self.stamps) <= 0) & (np.diff(self.segment) == 0)
        if np.any(backwards):
            where = int(np.argmax(backwards)) + 1
            raise BadRecording(
                f"'stamps' must increase within a segment, but do not at sample {where}; begin a new segment there."
            )
        if self.movie is not None and n_samples and int(np.max(self.frame)) >= self.movie.n_frames:
            lowest = np.min(self.frame, where=self.frame >= 0, initial=MAX_FRAMES)
            from_1 = lowest == 1 and int(np.max(self.frame)) == self.movie.n_frames
            hint = " Frames count from 0: if yours count from 1, subtract 1." if from_1 else ""
            raise ShapeMismatch(
                f"'frame' must be below {self.movie.n_frames}, the length of the movie, got {int(np.max(self.frame))}."
                f"{hint}"
            )
        if n_samples and int(np.min(self.frame)) < NO_FRAME:
            raise BadRecording(
                f"'frame' must be -1 (none) or a frame from 0, got {int(np.min(self.frame))}; frames count from 0."
            )
        if n_samples and int(np.max(self.frame)) >= MAX_FRAMES:
            raise BadRecording(f"'frame' must be below {MAX_FRAMES}, got {int(np.max(self.frame))}.")

    def __repr__(self) -> str:
        rate = f"{self.rate_hz:g} Hz" if self.rate_hz else "irregular"
        return (
            f"<Session: {self.name} | {self.kind} {self.n_channels} channels, {rate}, {self.n_samples} samples, "
            f"{len(self.repeats)} repeats, {self.n_frames} frames>"
        )

    @property
    def n_samples(self) -> int:
        """Number of samples in time."""
        return int(np.shape(self.neural)[0])

    @property
    def n_channels(self) -> int:
        """Number of neural channels."""
        return int(np.shape(self.neural)[1])

    @property
    def n_frames(self) -> int:
        """Number of movie frames (or places, or categories) that can be decoded."""
        if self.movie is not None:
            return self.movie.n_frames
        return int(np.max(self.frame, initial=NO_FRAME)) + 1

    @property
    def repeats(self) -> tuple[int, ...]:
        """Numbers of the repeats in the recording, increasing."""
        return tuple(int(repeat) for repeat in np.unique(self.repeat) if repeat >= 0)

    def take(self, keep: NDArray[np.bool_]) -> Session:
        """Select samples; a new segment begins wherever some are left out.

        Parameters
        ----------
        keep
            Bool [time].

        Returns
        -------
        session
            Selected samples, with a segment boundary at every former boundary and every omission.

        Raises
        ------
        ShapeMismatch
            If ``keep`` has another length.
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
            repeat=np.where(self.repeat >= 0, self.repeat_with_blanks(), -1).astype(np.int32)[index],
            segment=np.cumsum(boundary).astype(np.int32),
            labels={name: label[index] for name, label in self.labels.items()},
        )

    def select_repeats(self, repeats: Iterable[int]) -> Session:
        """Select whole repeats, each with the blank before it, and the last one also with the blank after it.

        Parameters
        ----------
        repeats
            Numbers of the repeats.

        Raises
        ------
        BadUsage
            If one of them is not in the recording.
        """
        wanted = sorted(set(repeats))
        missing = sorted(set(wanted) - set(self.repeats))
        if missing:
            raise BadUsage(
                f"no repeat {_ranges(missing)} in this recording; it has repeats {_ranges(self.repeats)}."
            )
        return self.take(np.isin(self.repeat_with_blanks(), wanted))

    def select_time(self, start: float, stop: float) -> Session:
        """Select a part of the recording by fractions of its samples.

        Parameters
        ----------
        start, stop
            Fractions from 0 to 1.

        Raises
        ------
        BadUsage
            Unless 0 <= start < stop <= 1.
        """
        if not 0 <= start < stop <= 1:
            raise BadUsage(
                f"'start' and 'stop' must satisfy 0 <= start < stop <= 1, got {start:g} and {stop:g}."
            )
        index = np.arange(self.n_samples)
        n = self.n_samples
        return self.take((index >= round(start * n)) & (index < round(stop * n)))

    @property
    def boundary(self) -> NDArray[np.bool_]:
        """Where a segment begins, bool [time]."""
        boundary: NDArray[np.bool_] = np.r_[True, np.diff(self.segment) > 0][: self.n_samples]
        return boundary

    def repeat_with_blanks(self) -> NDArray[np.int32]:
        """Repeat that each sample belongs to, where a blank belongs to the repeat after it.

        So does a blank that carries the number of the repeat before it: else a segment would begin where the movie does,
        which no stream tells.

        Returns
        -------
        repeat
            Int32 [time]; -1 if no repeat is known.
        """
        index = np.arange(self.n_samples)
        numbered = self.repeat >= 0
        shown = np.flatnonzero(numbered & (self.frame >= 0))
        if len(shown):
            after = shown[np.minimum(np.searchsorted(shown, index), len(shown) - 1)]
            leads = (after > index) & (self.segment[after] == self.segment)
            numbered &= ~(leads & np.isin(self.repeat, self.repeat[shown]))
        known = np.flatnonzero(numbered)
        if not len(known):
            return np.full(self.n_samples, -1, np.int32)
        following = np.minimum(np.searchsorted(known, index), len(known) - 1)
        return self.repeat[known[following]].astype(np.int32)

    def sha256(self) -> str:
        """SHA-256 of the content (samples, relative timestamps in microseconds), whatever the file format."""
        digest = hashlib.sha256()
        digest.update(np.ascontiguousarray(self.neural, np.float32).tobytes())
        if self.n_samples:
            digest.update(np.rint((self.stamps - self.stamps[0]) * 1e6).astype(np.int64).tobytes())
        return digest.hexdigest()


def segments_from_stamps(stamps: NDArray[np.float64], rate_hz: float) -> NDArray[np.int32]:
    """Number the segments of a series of timestamps that are used as they are, not smoothed.

    The rule is that of `stream.timestamps.judge_stamps`, which files and live streams use.

    Parameters
    ----------
    stamps
        Float64 [time], timestamps in seconds.
    rate_hz
        Nominal sampling rate in Hz; 0 for irregular recordings, where only a step backwards begins a segment.

    Returns
    -------
    segment
        Int32 [time], from 0; increases at every gap, and where a step is not positive.
    """
    boundary = np.diff(judge_stamps(stamps, rate_hz).segment, prepend=0) > 0
    boundary[1:] |= np.diff(stamps) <= 0
    return np.cumsum(boundary).astype(np.int32)


def repeats_from_frames(frame: NDArray[np.int32]) -> NDArray[np.int32]:
    """Number the repeats of a recording without a repeat channel.

    A new repeat begins after a blank or at a restart at the first frame that occurs; other jumps begin none.

    Parameters
    ----------
    frame
        Int32 [time], movie frames; -1 for none.

    Returns
    -------
    repeat
        Int32 [time]; -1 where nothing was shown.
    """
    shown = frame >= 0
    before = np.r_[np.int32(NO_FRAME), frame[:-1]] if len(frame) else frame
    first = np.min(frame, where=shown, initial=MAX_FRAMES)
    begins = shown & ((before < 0) | ((frame == first) & (before > first)))
    return np.where(shown, np.cumsum(begins) - 1, -1).astype(np.int32)


def _ranges(numbers: Iterable[int]) -> str:
    """Format numbers with runs as ranges: 0-8, 10."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs) or "none"
