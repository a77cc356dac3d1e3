"""The predictions of the last seconds: the newest one, traces over time, latency and rate."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from decoders.prediction import PREDICTION_CHANNELS
from gui.state.ring_buffers import RowRing
from gui.state.snapshot import UNKNOWN, Newest, Trace

LATENCY_S = 10.0
"""Seconds over which the latency quantiles of the status bar are computed."""

RATE_S = 2.0
RATE_PERIODS = 4.5
"""The input rate is computed over so many seconds, and at least so many sample periods."""

COLUMN = {name: index for index, name in enumerate(PREDICTION_CHANNELS)}
"""Column of each channel of the prediction stream."""

STAMP = len(PREDICTION_CHANNELS)
"""Column of the timestamps."""

_ARRIVAL = STAMP + 1
_TRACED = ("confidence", "lag_ms", "novelty")


class PredictionHistory:
    """Rows of the prediction stream with their timestamps and times of arrival.

    Parameters
    ----------
    window_s
        Recorded seconds that the traces show.
    rate_hz
        Sampling rate of the recording in Hz; 0 if irregular.
    stamp_rate
        Recorded seconds per second of the timestamps.
    """

    def __init__(self, window_s: float, rate_hz: float, stamp_rate: float) -> None:
        self._window_s = window_s
        self._stamp_rate = stamp_rate
        slow_s = RATE_PERIODS / (rate_hz * stamp_rate) if rate_hz > 0 else 0.0
        self._rate_over_s = max(RATE_S, slow_s)
        self._rows = RowRing(int(min(max(window_s * rate_hz, 1_000), 40_000)) + 1, _ARRIVAL + 1)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, rows: NDArray[np.float64], stamps: NDArray[np.float64], now_s: float) -> None:
        """Add rows of the prediction stream.

        Parameters
        ----------
        rows, stamps
            Float64 [n, 12], and their timestamps, float64 [n] in seconds.
        now_s
            Time of arrival in seconds.
        """
        self._rows.add(np.column_stack([rows, stamps, np.full(len(rows), now_s)]))

    def column(self, number: int) -> NDArray[np.float64]:
        """One column of all rows kept, float64 [n], oldest first."""
        values: NDArray[np.float64] = self._rows.rows()[:, number]
        return values

    def at(self, channel: str, stamps: NDArray[np.float64], default: float) -> NDArray[np.float64]:
        """A channel of the predictions with these timestamps, float64 [n]; ``default`` while there is none."""
        table = self._rows.rows()
        if not len(table):
            return np.full(len(stamps), default)
        at = np.searchsorted(table[:, STAMP], stamps + 1e-6) - 1
        values: NDArray[np.float64] = table[np.maximum(at, 0), COLUMN[channel]]
        return values

    def newest_and_trace(
        self, frames_at: Callable[[NDArray[np.float64]], NDArray[np.int32]], truth_column: int, *, known: bool
    ) -> tuple[Newest | None, Trace | None]:
        """The newest prediction and the traces of the last seconds; None before the first.

        Parameters
        ----------
        frames_at
            Returns the true frames at timestamps.
        truth_column
            Column with the timestamps that the true frames are stamped by.
        known
            Whether any true frame is known.
        """
        table = self._rows.rows()
        if not len(table):
            return None, None
        time_s = (table[:, STAMP] - table[-1, STAMP]) * self._stamp_rate
        inside = (time_s >= -self._window_s) & (time_s <= 0)  # a clock may have jumped
        table, time_s = table[inside], time_s[inside]
        truth = frames_at(table[:, truth_column])
        frame = table[:, COLUMN["frame"]].astype(np.int32)
        trace = Trace(time_s, frame, truth, **{name: table[:, COLUMN[name]].copy() for name in _TRACED})
        last = table[-1].tolist()
        newest = Newest(
            frame=int(last[0]),
            confidence=last[1],
            next_frame=int(last[2]),
            next_confidence=last[3],
            entropy_bits=last[4],
            novelty=last[5],
            sequence=int(last[6]),
            lag_ms=last[8],
            model_version=int(last[11]),
            truth=int(truth[-1]) if known else UNKNOWN,
            stamp=last[STAMP],
        )
        return newest, trace

    def timing(self, now_s: float, *, paced: bool) -> dict[str, float]:
        """Latency quantiles and age in ms, and input rate in Hz, by their names in `Counts`; NaN if unknown.

        Parameters
        ----------
        now_s
            Present time in seconds.
        paced
            Whether timestamps advance in real time; in a replay at full speed they do not, and give no latency.
        """
        table = self._rows.rows()
        if not len(table):
            return {}
        lag = table[table[:, _ARRIVAL] >= now_s - LATENCY_S, COLUMN["lag_ms"]]
        lag = lag[np.isfinite(lag)] if paced else lag[:0]
        p50, p99 = np.percentile(lag, (50, 99)) if len(lag) else (math.nan, math.nan)
        newest = table[table[:, _ARRIVAL] >= now_s - self._rate_over_s]
        clock = STAMP if paced else _ARRIVAL
        span = newest[-1, clock] - newest[0, clock] if len(newest) > 1 else 0.0
        return {
            "latency_p50_ms": float(p50),
            "latency_p99_ms": float(p99),
            "age_ms": float(now_s - table[-1, STAMP]) * 1e3 if paced else math.nan,
            "input_hz": (len(newest) - 1) / span if span > 0 else math.nan,
        }

    def idle_s(self, now_s: float) -> float:
        """Seconds since the last arrival; 0 before the first.

        Parameters
        ----------
        now_s
            Present time in seconds.
        """
        table = self._rows.rows()
        return max(0.0, now_s - float(table[-1, _ARRIVAL])) if len(table) else 0.0
