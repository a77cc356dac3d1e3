"""What the window shows at one moment: plain data, made by the mailbox and drawn by the panels."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import nan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

UNKNOWN = -2
"""A true frame that nobody has told; -1 is a known blank."""


class State(StrEnum):
    """How the streams that are watched are doing."""

    SEARCHING = "searching"
    WAITING = "waiting"
    LIVE = "live"
    STALE = "stale"
    LOST = "lost"
    MISMATCH = "mismatch"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Source:
    """Where the predictions come from, as the streams describe themselves.

    Attributes
    ----------
    mode, speed
        ``live``, ``replay`` or ``simulated``, empty when not known; a replay's speed as text.
    rate_hz, stamp_rate
        Samples per recorded second; recorded seconds per second of the stamps.
    n_frames, movie_rate_hz, tolerance_frames
        Of the movie; a rate of 0 means places or categories.
    playback
        Whether the engine answers with its playback model.
    lookahead_ms
        How much later than a moment the answer about it is given, on purpose.
    signal_lag_ms
        How much later than a moment the signal tells of it, as blood flow does.
    """

    name: str = ""
    neural_name: str = ""
    hostname: str = ""
    mode: str = ""
    speed: str = "1"
    rate_hz: float = 0.0
    stamp_rate: float = 1.0
    n_frames: int = 0
    movie_rate_hz: float = 0.0
    tolerance_frames: int = 0
    movie_name: str = ""
    playback: bool = True
    lookahead_ms: float = 0.0
    signal_lag_ms: float = 0.0
    recording: str = ""
    model_path: str = ""
    model_hash: str = ""


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest prediction; names as in `decoders.prediction.Prediction`, ``truth`` is `UNKNOWN` when not told.

    ``stamp`` is the stream's, seconds: the moment that is answered about, by the clock of the engine's computer.
    """

    frame: int
    confidence: float
    next_frame: int
    next_confidence: float
    entropy_bits: float
    novelty: float
    sequence: int
    lag_ms: float
    model_version: int
    truth: int
    stamp: float = nan


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """The last seconds of predictions; every array is [n], times in recorded seconds before now (0 or less)."""

    time_s: NDArray[np.float64]
    frame: NDArray[np.int32]
    truth: NDArray[np.int32]
    confidence: NDArray[np.float64]
    lag_ms: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """An image over time: ``values`` float32 [columns, rows], its right edge at now, ``step_s`` per column."""

    values: NDArray[np.float32]
    step_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """How right it was where the truth was known.

    ``chance`` is what the same decoded frames would score if their moments were shuffled. ``per_second`` is float32
    [seconds], the share within tolerance in each of the last seconds, NaN where nothing was scored.
    """

    n: int
    within: float
    exact: float
    median_error: float
    chance: float
    per_second: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Counts:
    """Figures of the status bar; NaN = not known."""

    received: int = 0
    dropped: int = 0
    input_hz: float = nan
    latency_p50_ms: float = nan
    latency_p99_ms: float = nan
    age_ms: float = nan
    clock_offset_ms: float = nan
    clock_uncertainty_ms: float = nan
    first_prediction_s: float = nan


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stream that could be watched or decoded; ``alive`` is whether it still answers."""

    name: str
    type: str
    hostname: str
    n_channels: int
    rate_hz: float
    alive: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Library:
    """What the model's file adds to its streams: pictures uint8 [n, h, w(, 3)] or None, and the clip of each frame."""

    path: Path
    hash: str
    pictures: NDArray[np.uint8] | None
    clip_of_frame: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Everything that the window may show, as it was at one moment.

    ``notice`` is the last thing that went wrong, for a while.
    """

    state: State = State.SEARCHING
    reason: str = ""
    notice: str = ""
    source: Source = field(default_factory=Source)
    newest: Newest | None = None
    truth_known: bool = False
    trace: Trace | None = None
    posterior: Columns | None = None
    forecast: NDArray[np.float32] | None = None
    neural: Columns | None = None
    neural_type: str = ""
    neural_n_channels: int = 0
    trail: NDArray[np.float32] | None = None
    trail_frame: NDArray[np.int32] | None = None
    score: Score | None = None
    counts: Counts = field(default_factory=Counts)
    candidates: tuple[Candidate, ...] = ()
    library: Library | None = None
    library_note: str = ""
    window_s: float = 10.0
