"""The state that the window shows at one moment: plain data, made by the store and drawn by the panels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from math import nan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from decoders.data.frame_states import FrameStates
from decoders.data.label_places import LabelPlaces
from decoders.prediction import UNSURE_BELOW
from decoders.readouts.continuous import ContinuousReader

UNKNOWN = -2
"""The true frame is unknown; -1 is a known blank."""


class State(StrEnum):
    """Connection state of the engine's streams."""

    SEARCHING = "searching"
    WAITING = "waiting"
    LIVE = "live"
    STALE = "stale"
    LOST = "lost"
    MISMATCH = "mismatch"
    AMBIGUOUS = "ambiguous"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Source:
    """The engine that sends the predictions, as its streams describe it.

    Attributes
    ----------
    neural_name, neural_hostname, neural_source_id
        Neural stream that the engine decodes, and its sender; empty if unknown.
    mode, speed
        ``live``, ``replay`` or ``simulated`` (empty if unknown); replay speed as text.
    rate_hz, stamp_rate
        Samples per recorded second; recorded seconds per second of the timestamps.
    n_frames, movie_rate_hz, tolerance_frames
        Frames of the movie, its rate (0 for places or categories), and the number of frames in one second.
    frames
        The numbers of those frames as ranges; empty for 0 to ``n_frames`` - 1.
    places
        What they stand for where they are places of a label, as JSON; empty otherwise.
    playback
        Whether the engine uses its playback model.
    lookahead_ms
        Delay that the model adds to use future samples.
    signal_lag_ms
        Lag of the signal behind the stimulus, such as the haemodynamic lag.
    unsure_below
        Confidence below which a prediction is unsure.
    model_simulated
        Whether the model was trained on simulated data.
    explore
        Whether the engine only embeds, without labels, and decodes nothing.
    baseline, baseline_within_1s
        Best baseline of the model's training and its accuracy on held-out data; empty if unknown.
    """

    name: str = ""
    neural_name: str = ""
    neural_hostname: str = ""
    neural_source_id: str = ""
    hostname: str = ""
    mode: str = ""
    speed: str = "1"
    rate_hz: float = 0.0
    stamp_rate: float = 1.0
    n_frames: int = 0
    movie_rate_hz: float = 0.0
    tolerance_frames: int = 0
    frames: str = ""
    places: str = ""
    movie_name: str = ""
    playback: bool = True
    lookahead_ms: float = 0.0
    signal_lag_ms: float = 0.0
    unsure_below: float = UNSURE_BELOW
    model_simulated: bool = False
    baseline: str = ""
    baseline_within_1s: float = 0.0
    recording: str = ""
    model_path: str = ""
    model_hash: str = ""
    explore: bool = False

    @property
    def is_model_foreign(self) -> bool:
        """Whether the model was trained on simulated data and decodes others."""
        return self.model_simulated and self.mode != "simulated"

    @property
    def delay_s(self) -> float:
        """How long ago the decoded moment is, apart from latency, in seconds."""
        return (self.signal_lag_ms + self.lookahead_ms) / 1e3

    @property
    def truth_stream(self) -> tuple[str, str]:
        """Name and LSL type of the stream that reports the true frame, or the label of which it is the place."""
        places = self.states.places
        if places is None:
            return f"{self.neural_name}-stimulus", "Stimulus"
        return f"{self.neural_name}-{places.label}", "Label"

    @property
    def states(self) -> FrameStates:
        """The frame numbers that the model decodes; one of them where the engine does not say."""
        return _states(self.frames, self.n_frames, self.places)


@lru_cache(maxsize=8)
def _states(frames: str, n_frames: int, places: str) -> FrameStates:
    states = FrameStates.from_text(frames) if frames else FrameStates.counted(max(n_frames, 1))
    return replace(states, places=LabelPlaces.from_card(json.loads(places))) if places else states


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest prediction; names as in `decoders.prediction.Prediction`, ``truth`` may be `UNKNOWN`.

    ``stamp`` is the timestamp of the decoded moment in seconds, by the clock of the engine's computer.
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

    @property
    def has_evidence(self) -> bool:
        """Whether any channel had a valid value."""
        return self.novelty == self.novelty


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Predictions of the last seconds; arrays are [n], times in recorded seconds relative to now (0 or less)."""

    time_s: NDArray[np.float64]
    frame: NDArray[np.int32]
    truth: NDArray[np.int32]
    confidence: NDArray[np.float64]
    lag_ms: NDArray[np.float64]
    novelty: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """An image over time.

    Attributes
    ----------
    values
        Float32 [columns, rows]; the last column is the newest.
    step_s
        Width of a column in seconds.
    has_data
        Which columns hold data, bool [columns].
    """

    values: NDArray[np.float32]
    step_s: float
    has_data: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class PosteriorView:
    """The part of the posterior that the timeline shows.

    Attributes
    ----------
    columns
        Probability of channels ``first`` and following ones, by time.
    none
        Probability of "no stimulus", float32 [columns].
    newest
        The whole newest posterior, float32 [channels + 1].
    first
        First channel in ``columns``.
    pool
        Frames in one channel.
    behind_s
        How much older than the newest prediction the last column is, in recorded seconds.
    """

    columns: Columns
    none: NDArray[np.float32]
    newest: NDArray[np.float32]
    first: int = 0
    pool: int = 1
    behind_s: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class NeuralTraces:
    """Signals of the first neural channels over time.

    Attributes
    ----------
    time_s
        Float64 [n], recorded seconds relative to the newest sample.
    values
        Float32 [n, channels]; NaN where a value is not valid.
    labels, unit
        Labels of these channels, and the unit of their values; empty if unknown.
    """

    time_s: NDArray[np.float64]
    values: NDArray[np.float32]
    labels: tuple[str, ...]
    unit: str


@dataclass(frozen=True, slots=True, eq=False)
class PositionView:
    """A position in the plane over the last seconds.

    Attributes
    ----------
    names
        Names of x and y.
    time_s
        Float64 [n], recorded seconds relative to the newest estimate.
    estimate, truth
        Float64 [n, 2], decoded and true positions; NaN where unknown.
    half_width
        Float32 [2], half-widths of the newest estimate's interval of 80 %; NaN if unknown.
    bounds
        Smallest x, smallest y, largest x, largest y of the map.
    places, chances
        Position of each place, float64 [places, 2], and its newest probability, float32 [places]; None if unknown.
    """

    names: tuple[str, str]
    time_s: NDArray[np.float64]
    estimate: NDArray[np.float64]
    truth: NDArray[np.float64]
    half_width: NDArray[np.float32]
    bounds: tuple[float, float, float, float]
    places: NDArray[np.float64] | None = None
    chances: NDArray[np.float32] | None = None

    @property
    def distances(self) -> NDArray[np.float64]:
        """Distance of each estimate from the truth, float64 [n]; NaN where that is unknown."""
        return np.asarray(np.linalg.norm(self.estimate - self.truth, axis=1), np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """Accuracy where the true frame was known.

    ``chance`` is the accuracy of the same decoded frames in shuffled order, ``clock`` that of a clock that knows only
    the onset and that the movie plays in order (NaN without a movie). ``per_second`` is float32 [seconds], the
    accuracy within tolerance in each of the last seconds, NaN where nothing was scored.
    """

    n: int
    within: float
    exact: float
    median_error: float
    chance: float
    per_second: NDArray[np.float32]
    clock: float = nan


@dataclass(frozen=True, slots=True)
class ForecastSuccess:
    """Of the last minute's ``n`` forecasts, the share that came true, and the mean probability that they claimed."""

    came_true: float
    claimed: float
    n: int


@dataclass(frozen=True, slots=True)
class Counts:
    """Figures of the status bar; NaN if unknown.

    ``dropped`` counts predictions missing from their sequence, ``lost`` samples that never reached the engine or came
    too late to be decoded, ``unusable`` samples of any stream that were not finite or out of bounds.
    """

    received: int = 0
    dropped: int = 0
    lost: int = 0
    unusable: int = 0
    input_hz: float = nan
    latency_p50_ms: float = nan
    latency_p99_ms: float = nan
    age_ms: float = nan
    clock_offset_ms: float = nan
    clock_uncertainty_ms: float = nan
    first_prediction_s: float = nan


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stream that can be watched or decoded; ``alive`` says whether it still answers, ``uid`` is LSL's id of it."""

    name: str
    type: str
    hostname: str
    n_channels: int
    rate_hz: float
    alive: bool = True
    uid: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class MoviePictures:
    """From the model file: frames, pictures uint8 [n, h, w(, 3)] or None, clips, clip names, decoder of the labels."""

    path: Path
    hash: str
    states: FrameStates
    pictures: NDArray[np.uint8] | None
    clip_of_frame: NDArray[np.int64]
    clip_names: tuple[str, ...] = ()
    continuous: ContinuousReader | None = None

    def state_of(self, frame: int) -> int | None:
        """The index of a frame's picture and clip; None if the model does not know the frame."""
        state = int(self.states.states(np.array(frame)))
        return state if 0 <= state < len(self.states) else None


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Everything that the window shows at one moment.

    ``idle_s`` counts the seconds since a prediction arrived. ``on_training_data`` says
    that the model was trained on what it decodes. ``notice`` is the latest warning; it expires.
    ``refused`` says, by role, why a stream is not shown. ``trainer`` is the last decision of the trainer, if there is
    one.
    """

    state: State = State.SEARCHING
    reason: str = ""
    idle_s: float = 0.0
    notice: str = ""
    trainer: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)
    source: Source = field(default_factory=Source)
    newest: Newest | None = None
    truth_known: bool = False
    trace: Trace | None = None
    posterior: PosteriorView | None = None
    forecast: NDArray[np.float32] | None = None
    neural: Columns | None = None
    neural_traces: NeuralTraces | None = None
    neural_type: str = ""
    neural_n_channels: int = 0
    position: PositionView | None = None
    trail: NDArray[np.float32] | None = None
    trail_frame: NDArray[np.int32] | None = None
    score: Score | None = None
    forecast_success: ForecastSuccess | None = None
    on_training_data: bool = False
    counts: Counts = field(default_factory=Counts)
    candidates: tuple[Candidate, ...] = ()
    movie_pictures: MoviePictures | None = None
    pictures_note: str = ""
    window_s: float = 10.0
