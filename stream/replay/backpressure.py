"""Slows a replay at full speed down to the engine that decodes it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pylsl

from stream.errors import NeuroReelError
from stream.lsl.inlet import Inlet, InletState
from stream.lsl.resolve import equals

MAX_LEAD = 5_000
"""Maximum number of samples that a replay is ahead of an engine; the buffers between them hold many more."""

STALL_TIMEOUT_S = 10.0
"""A replay no longer waits for an engine without progress for this long, in seconds."""

_STAMP = "stamp_raw"
_POLL_S = 0.01


class Backpressure:
    """Receives the predictions for a stream, and waits while they are too far behind it.

    Parameters
    ----------
    name
        Name of the neural stream; the engine's streams may have other names.
    rate_hz
        Rate of the timestamps in Hz; 0 for irregular streams, for which it never waits.
    """

    def __init__(self, name: str, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._resolver = pylsl.ContinuousResolver(
            pred=f"type='Prediction' and {equals('desc/neuroreel/source_stream', name)}"
        )
        self._inlet: Inlet | None = None
        self._column = 0
        self._newest_predicted: float | None = None

    def lag(self, newest: float) -> float:
        """Return the number of samples that have no prediction yet; 0 without an engine.

        Parameters
        ----------
        newest
            Timestamp of the last sample sent, in seconds.
        """
        if self._inlet is None and not self._open_predictions():
            return 0.0
        assert self._inlet is not None
        while (chunk := self._inlet.pull(0.0)) is not None:
            self._newest_predicted = float(chunk.samples[-1, self._column])
        if self._inlet.state is InletState.LOST:
            self._newest_predicted = None
        return 0.0 if self._newest_predicted is None else (newest - self._newest_predicted) * self._rate_hz

    def wait(self, newest: float, stopped: Callable[[], bool]) -> None:
        """Wait until the lag is at most `MAX_LEAD`, or the engine makes no progress.

        Parameters
        ----------
        newest
            Timestamp of the last sample sent, in seconds.
        stopped
            Called repeatedly; the wait ends when it returns True.
        """
        smallest_lag, progress_s = float("inf"), time.monotonic()
        while (lag := self.lag(newest)) > MAX_LEAD and not stopped():
            if lag < smallest_lag:
                smallest_lag, progress_s = lag, time.monotonic()
            elif time.monotonic() - progress_s > STALL_TIMEOUT_S:
                return
            time.sleep(_POLL_S)

    def close(self) -> None:
        """Close the inlet of the predictions."""
        if self._inlet is not None:
            self._inlet.close()
        self._inlet = None

    def _open_predictions(self) -> bool:
        """Open the stream of predictions; False if there is none."""
        found = self._resolver.results()
        if not found:
            return False
        try:
            inlet = Inlet(found[0])
            inlet.open(timeout_s=2.0, sync_timeout_s=0)
        except NeuroReelError:
            return False
        if _STAMP not in inlet.channel_labels:  # not an engine's
            inlet.close()
            return False
        self._column, self._inlet = inlet.channel_labels.index(_STAMP), inlet
        return True
