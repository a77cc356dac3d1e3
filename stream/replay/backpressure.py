"""How far an engine is behind a replay at full speed, so that the replay does not run away from it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pylsl

from stream.errors import StreamLost
from stream.lsl.inlet import Inlet, InletState
from stream.lsl.resolve import quoted

MAX_LEAD = 5_000
"""Samples that a replay is ahead of an engine at the most: far fewer than the buffers between them hold."""

STALL_TIMEOUT_S = 10.0
"""An engine that has answered nothing new for so long is not waited for."""

_STAMP = "stamp_raw"
_POLL_S = 0.01


class Backpressure:
    """Listens to the predictions about a stream, and waits when they are too far behind.

    Parameters
    ----------
    name
        Of the neural stream; the engine's own streams may be called otherwise.
    rate_hz
        Of the stamps; 0 = irregular, which is never waited for.
    """

    def __init__(self, name: str, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._resolver = pylsl.ContinuousResolver(
            pred=f"type='Prediction' and desc/neuroreel/source_stream={quoted(name)}"
        )
        self._inlet: Inlet | None = None
        self._column = 0
        self._newest_predicted: float | None = None

    def lag(self, newest: float) -> float:
        """Samples that have no prediction yet; 0 when there is no engine.

        Parameters
        ----------
        newest
            The stamp sent last.
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
        """Return when the engine is near enough, or does not go on.

        Parameters
        ----------
        newest
            The stamp sent last.
        stopped
            Asked in between; True = do not wait.
        """
        least, since = float("inf"), time.monotonic()
        while (lag := self.lag(newest)) > MAX_LEAD and not stopped():
            if lag < least:
                least, since = lag, time.monotonic()
            elif time.monotonic() - since > STALL_TIMEOUT_S:
                return
            time.sleep(_POLL_S)

    def close(self) -> None:
        """Stop listening."""
        if self._inlet is not None:
            self._inlet.close()
        self._inlet = None

    def _open_predictions(self) -> bool:
        """Open the predictions when they are there."""
        found = self._resolver.results()
        if not found:
            return False
        inlet = Inlet(found[0])
        try:
            inlet.open(timeout_s=2.0, sync_timeout_s=0)
        except StreamLost:
            return False
        self._column, self._inlet = inlet.channel_labels.index(_STAMP), inlet
        return True
