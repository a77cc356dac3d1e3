"""Data shared by the receiver thread, which writes as samples arrive, and the window, which reads when it repaints.

There is no queue: the window always gets the newest data, however long it was blocked.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from decoders.live.frame_score import RunningScore
from decoders.metrics import FrameAxis
from decoders.prediction import HORIZONS_S
from gui.state.forecast_record import ForecastRecord
from gui.state.neural_history import NeuralChannels, NeuralHistory
from gui.state.position import MapAxes, PositionHistory
from gui.state.posterior_history import PosteriorHistory
from gui.state.prediction_history import COLUMN, STAMP, PredictionHistory
from gui.state.ring_buffers import ColumnImage, RowRing
from gui.state.snapshot import (
    UNKNOWN,
    Candidate,
    Counts,
    ForecastSuccess,
    MoviePictures,
    PositionView,
    PosteriorView,
    Score,
    Snapshot,
    Source,
    State,
)
from gui.state.stage_latency import LatencyFigures, StageLatency
from gui.state.stimulus_history import StimulusHistory
from gui.untrusted import finite_number
from stream.session import NO_FRAME

WINDOW_S = 10.0
"""Seconds of the past on the time axes; longer for slow recordings."""

WINDOW_PERIODS = 60
"""Smallest number of samples on the time axes."""

MAXCOLUMNS = 600
"""Largest number of columns in the images over time."""

TIMELINE_ROWS = 180
"""Number of rows of the timeline until the window sets it."""

TRAIL_POINTS = 5_000
"""Number of embedded points kept."""

MAX_LOSS = 10_000_000
"""A sequence number that is ahead by more than this is another sequence, no loss."""

READOUTS = ("with_playback", "clock")


class Store:
    """Histories of bounded size and snapshots of them; one thread writes, any thread reads.

    Parameters
    ----------
    clock
        Returns the time of the clock that stamps the predictions, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._snapshot = Snapshot()
        self._sequence: int | None = None
        self._dropped = self._lost = 0
        self._received = 0
        self._unusable = 0
        self._first = math.nan
        self._offsets: deque[float] = deque(maxlen=20)
        self._posterior: PosteriorHistory | None = None
        self._neural: NeuralHistory | None = None
        self._channels = NeuralChannels()
        self._forecast: NDArray[np.float32] | None = None
        self._trail: RowRing | None = None
        self._position: PositionHistory | None = None
        self._timeline_rows = TIMELINE_ROWS
        self._forecast_success: ForecastSuccess | None = None
        self._begin(Source())

    def begin(self, source: Source) -> None:
        """Start a new source of predictions; the histories are kept if the same engine has returned."""
        with self._lock:
            same = (source.name, source.model_hash) == (
                self._snapshot.source.name,
                self._snapshot.source.model_hash,
            )
            self._snapshot = replace(self._snapshot, source=source)
            self._sequence = None
            if not same:
                self._begin(source)

    def set_state(self, state: State, reason: str = "") -> None:
        """Set the connection state."""
        with self._lock:
            self._snapshot = replace(self._snapshot, state=state, reason=reason)

    def set_notice(self, notice: str) -> None:
        """Set the warning to show; empty removes it."""
        with self._lock:
            self._snapshot = replace(self._snapshot, notice=notice)

    def set_trainer(self, decision: str) -> None:
        """Set the last decision of the trainer as a sentence."""
        with self._lock:
            self._snapshot = replace(self._snapshot, trainer=decision)

    def set_candidates(self, candidates: tuple[Candidate, ...]) -> None:
        """Set the list of streams on the network."""
        with self._lock:
            self._snapshot = replace(self._snapshot, candidates=candidates)

    def set_refused(self, refused: Mapping[str, str]) -> None:
        """Set the reasons why streams are not shown, by role."""
        with self._lock:
            self._snapshot = replace(self._snapshot, refused=dict(refused))

    def add_unusable(self, n: int) -> None:
        """Count samples that were left out because they were not finite or out of bounds."""
        with self._lock:
            self._unusable += n

    def set_movie_pictures(self, movie_pictures: MoviePictures | None, note: str = "") -> None:
        """Set the model file's pictures, or the reason why there are none."""
        with self._lock:
            self._snapshot = replace(self._snapshot, movie_pictures=movie_pictures, pictures_note=note)
            if movie_pictures is not None:
                clip = movie_pictures.clip_of_frame
                if len(clip) == self._score.axis.n_frames:
                    self._score.axis = replace(self._score.axis, clip=clip)

    def set_neural(
        self, n_channels: int, stream_type: str, labels: Sequence[str] = (), unit: str = ""
    ) -> None:
        """Set the number, type, labels and unit of the neural channels."""
        with self._lock:
            self._snapshot = replace(self._snapshot, neural_type=stream_type, neural_n_channels=n_channels)
            self._channels = NeuralChannels(stream_type, tuple(labels), unit)
            self._neural = None

    def add_stats(self, stats: Mapping[str, object]) -> None:
        """Add the losses and latencies that the engine reports once per second."""
        with self._lock:
            losses = [finite_number(stats.get(key)) for key in ("missing", "skipped")]
            self._lost = int(sum(n for n in losses if n >= 0))
            self._stage_latency.add_engine_stats(stats)
            training = stats.get("training_data")
            trained = isinstance(training, dict) and finite_number(training.get("known")) > 0
            self._snapshot = replace(self._snapshot, on_training_data=trained)

    def add_painted(self, stamp: float) -> None:
        """Record that the prediction with this timestamp has been painted now."""
        with self._lock:
            if self._snapshot.source.speed != "max":
                self._stage_latency.paint(self._clock() - stamp)

    def stage_latency(self) -> LatencyFigures:
        """Latency of each stage; apart from the snapshot because quantiles are slow."""
        with self._lock:
            return self._stage_latency.figures()

    def add_clock_offset(self, offset_ms: float) -> None:
        """Add the offset between the sender's clock and the engine's, in ms, as the engine measured it."""
        with self._lock:
            self._offsets.append(offset_ms)

    def add_predictions(self, rows: NDArray[np.float64], stamps: NDArray[np.float64]) -> None:
        """Add rows of the prediction stream, float64 [n, 12], with their timestamps."""
        with self._lock:
            now = self._clock()
            if math.isnan(self._first):
                self._first = now
            self._received += len(rows)
            sequence = rows[:, COLUMN["sequence"]]
            before = sequence[0] - 1 if self._sequence is None else self._sequence
            steps = np.diff(np.r_[before, sequence])
            steps = steps[(steps > 1) & (steps < MAX_LOSS)]
            self._dropped += int(np.sum(steps - 1))
            self._sequence = int(sequence[-1])
            if self._snapshot.source.speed != "max":  # timestamps run ahead of the clock
                self._stage_latency.receive(now - stamps)
            self._predictions.add(rows, stamps, now)
            if self._snapshot.source.n_frames:  # else the numbers of frames have no bounds to score them by
                self._add_to_scores(
                    rows, stamps if self._truth_column == STAMP else rows[:, self._truth_column]
                )

    def add_posterior(self, rows: NDArray[np.float32], stamps: NDArray[np.float64]) -> None:
        """Add rows of the posterior stream, float32 [n, channels]; the last channel is "no stimulus"."""
        with self._lock:
            evidence = np.isfinite(self._predictions.at("novelty", stamps, 0.0))
            rows, stamps = rows[evidence], stamps[evidence]
            if self._posterior is None or self._posterior.n_channels != rows.shape[1]:
                self._posterior = PosteriorHistory(self._columns(rows.shape[1]), self._snapshot.source)
            self._posterior.add(stamps * self._stamp_rate, rows)

    def _add_to_scores(self, rows: NDArray[np.float64], moments: NDArray[np.float64]) -> None:
        """Keep predictions until their true frames are known; one without evidence is no hit."""
        now = self._clock()
        evidence = np.isfinite(rows[:, COLUMN["novelty"]])
        frames, following = (rows[:, COLUMN[name]].astype(np.int64) for name in ("frame", "next_frame"))
        frames = np.where(evidence, frames, NO_FRAME)
        clock = self._stimulus.clock_frames(moments)
        for stamp, frame, by_clock in zip(moments.tolist(), frames.tolist(), clock.tolist(), strict=True):
            self._score.add(now, stamp, (frame, by_clock))
        columns = (moments, following, rows[:, COLUMN["next_confidence"]])
        for stamp, frame, confidence in zip(*(column[evidence].tolist() for column in columns), strict=True):
            self._forecasts.add(now, stamp, frame, confidence)

    def set_timeline_rows(self, n_rows: int) -> None:
        """Set how many channels of the posterior the timeline can show, one cell each."""
        self._timeline_rows = max(n_rows, 1)

    def add_forecast(self, rows: NDArray[np.float32]) -> None:
        """Add rows of the forecast stream, float32 [n, 4 * 11]."""
        with self._lock:
            self._forecast = rows[-1].reshape(len(HORIZONS_S), -1)

    def add_embedding(self, rows: NDArray[np.float32], stamps: NDArray[np.float64]) -> None:
        """Add rows of the embedding stream, float32 [n, k]."""
        with self._lock:
            if self._trail is None or self._trail.n_columns != rows.shape[1] + 1:
                self._trail = RowRing(TRAIL_POINTS, rows.shape[1] + 1, np.float32)
            frame = self._predictions.at("frame", stamps, -1.0)
            if self._snapshot.source.explore:  # nothing is decoded: the true frames, if there are any
                by_engine = self._truth_column == STAMP
                moments = stamps if by_engine else self._predictions.at("stamp_raw", stamps, math.nan)
                frame = self._stimulus.frames_at(moments).astype(np.float64)
            self._trail.add(np.column_stack([rows, frame]))

    def set_position(self, axes: MapAxes | None) -> None:
        """Set which columns of the continuous estimates are a position in the plane; None for none."""
        with self._lock:
            source = self._snapshot.source
            self._position = (
                None if axes is None else PositionHistory(axes, source.rate_hz, source.stamp_rate)
            )

    def add_continuous(self, rows: NDArray[np.float32], stamps: NDArray[np.float64]) -> None:
        """Add rows of the continuous stream, float32 [n, columns]."""
        with self._lock:
            if self._position is not None:
                raw = self._predictions.at("stamp_raw", stamps, math.nan)
                self._position.add_estimates(rows, stamps, np.where(np.isnan(raw), stamps, raw))

    def add_label(
        self, which: int, rows: NDArray[np.float32], stamps: NDArray[np.float64], *, by_engine_clock: bool
    ) -> None:
        """Add rows of a label stream of the position, see `gui.state.position.PositionHistory.add_truth`."""
        with self._lock:
            if self._position is not None:
                self._position.add_truth(which, rows, stamps, by_engine_clock=by_engine_clock)

    def add_neural(self, rows: NDArray[np.float32], stamps: NDArray[np.float64]) -> None:
        """Add rows of the neural stream, float32 [n, channels]."""
        with self._lock:
            if self._neural is None:
                self._neural = NeuralHistory(
                    rows.shape[1], self._channels, self._columns, self._window_s, self._period_s
                )
            self._neural.add(stamps * self._stamp_rate, rows)

    def add_truth(
        self, frames: NDArray[np.int32], stamps: NDArray[np.float64], *, by_engine_clock: bool = False
    ) -> None:
        """Add events of the stimulus stream.

        Parameters
        ----------
        frames, stamps
            Frames int32 [n] (-1 = blank) with their onset timestamps.
        by_engine_clock
            Whether the timestamps are by the engine's clock, not by that of the neural sender.
        """
        with self._lock:
            self._truth_column = STAMP if by_engine_clock else COLUMN["stamp_raw"]
            self._stimulus.add(stamps, frames)

    def end_truth(self) -> None:
        """End the last stimulus event with its stream: what is on screen is unknown from now on."""
        with self._lock:
            if len(self._predictions) and len(self._stimulus):
                last = self._predictions.column(self._truth_column)[-1:]
                self._stimulus.add(last, np.array([UNKNOWN], np.int32))

    def settle(self) -> None:
        """Score the predictions that have waited `decoders.live.frame_score.SETTLE_S` for their true frame."""
        with self._lock:
            now = self._clock()
            self._score.settle(now)
            if self._forecasts.settle(now, self._score.axis):
                self._forecast_success = self._forecasts.success()

    def snapshot(self) -> Snapshot:
        """A snapshot of the present state; its arrays are copies."""
        with self._lock:
            known = len(self._stimulus) > 0
            newest, trace = self._predictions.newest_and_trace(
                self._stimulus.frames_at, self._truth_column, known=known
            )
            history, posterior, neural, traces = self._neural, None, None, None
            if self._posterior is not None:
                posterior = self._posterior.view(newest, self._timeline_rows, self._clock())
            if history is not None:
                neural, traces = history.columns(), history.traces()
            trail = self._trail.rows() if self._trail is not None else None
            return replace(
                self._snapshot,
                newest=newest,
                trace=trace,
                truth_known=known,
                posterior=posterior,
                neural=neural,
                neural_traces=traces,
                forecast=self._forecast,
                position=self._position_view(posterior),
                trail=None if trail is None else trail[:, :-1].copy(),
                trail_frame=None if trail is None else trail[:, -1].astype(np.int32),
                score=self._score_so_far(),
                forecast_success=self._forecast_success,
                counts=self._counts(),
                window_s=self._window_s,
                idle_s=self._predictions.idle_s(self._clock()),
            )

    def _begin(self, source: Source) -> None:
        rate = source.rate_hz
        self._stamp_rate = source.stamp_rate
        self._window_s = max(WINDOW_S, WINDOW_PERIODS / rate) if rate > 0 else WINDOW_S
        self._period_s = 1.0 / rate if rate > 0 else self._window_s / WINDOW_PERIODS
        self._predictions = PredictionHistory(self._window_s, rate, source.stamp_rate)
        self._stimulus = StimulusHistory(source)
        self._truth_column = COLUMN["stamp_raw"]
        axis = FrameAxis(np.zeros(max(source.n_frames, 1), np.int64), source.tolerance_frames)
        self._score = RunningScore(
            self._stimulus.truth, axis, source.states, READOUTS, stamp_rate=source.stamp_rate
        )
        self._forecasts = ForecastRecord(self._stimulus.frames_at, source)
        self._forecast_success = None
        self._stage_latency = StageLatency()
        self._posterior = None
        self._neural = None
        self._forecast = None
        self._trail = None
        self._position = None
        self._sequence = None

    def _columns(self, n_rows: int) -> ColumnImage:
        step_s = max(self._period_s, self._window_s / MAXCOLUMNS)
        return ColumnImage(n_rows, max(1, round(self._window_s / step_s)), step_s, self._period_s)

    def _score_so_far(self) -> Score | None:
        if not self._score.n:
            return None
        figures = self._score.figures()
        return Score(
            n=self._score.n,
            within=figures["accuracy_within_1s"],
            exact=figures["accuracy_exact"],
            median_error=figures["median_frame_error"],
            chance=self._score.chance(),
            per_second=self._score.recent_accuracy(),
            clock=self._score.figures(1)["accuracy_within_1s"]
            if self._snapshot.source.movie_rate_hz
            else math.nan,
        )

    def _position_view(self, posterior: PosteriorView | None) -> PositionView | None:
        pictures = self._snapshot.movie_pictures
        if self._position is None:
            return None
        return self._position.view(
            pictures.continuous if pictures is not None else None,
            posterior.newest if posterior is not None else None,
        )

    def _counts(self) -> Counts:
        counts = Counts(
            received=self._received,
            dropped=self._dropped,
            lost=self._lost,
            unusable=self._unusable,
            first_prediction_s=self._first,
            **self._predictions.timing(self._clock(), paced=self._snapshot.source.speed != "max"),
        )
        if self._offsets:
            spread = (max(self._offsets) - min(self._offsets)) / 2 if len(self._offsets) > 1 else math.nan
            counts = replace(counts, clock_offset_ms=self._offsets[-1], clock_uncertainty_ms=spread)
        return counts
