"""Inlet for neural streams: every sample as soon as it arrives, with the timestamp it was sent with."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
import pylsl
from numpy.typing import NDArray
from pylsl.util import LostError

from stream.chunk import Chunk
from stream.errors import BadUsage
from stream.lsl.connection import MAX_PULL, Connection, InletState, carries_text
from stream.lsl.outlet import NEURAL_TYPES
from stream.sample_counter import counter_channel, without

__all__ = ["Inlet", "InletState"]

STALE_S = 0.25
STALE_PERIODS = 3

MAX_BURST_S = 1.0
"""A silence up to this long, after which all its samples arrive at once, is a burst of the sender, which will recur."""

_BURSTS_WITHIN_S = 10.0  # silences further apart are judged one by one
_MAX_ROUNDS = 8  # times MAX_PULL samples in one chunk, so that a long backlog comes in bounded pieces
_NOTHING = np.zeros((0, 0)), np.zeros(0)


@dataclass(slots=True)
class _Silence:
    """The last silence: when data had come before it (monotonic seconds), how many samples, and how long it was."""

    since_s: float = -math.inf
    n_before: int = 0
    seconds: float = math.inf


def stale_after_s(rate_hz: float) -> float:
    """Silence after which a stream is stale, seconds: three sample periods, at least 0.25 s.

    Parameters
    ----------
    rate_hz
        Nominal sampling rate in Hz; 0 for irregular streams, which never become stale.
    """
    return max(STALE_S, STALE_PERIODS / rate_hz) if rate_hz > 0 else math.inf


class Inlet(Connection):
    """Receives a numeric stream.

    Example: ``inlet = Inlet(find_stream("V1")); inlet.open(); chunk = inlet.pull(0.1)``.
    See `Connection` for the parameters and attributes.

    Raises
    ------
    BadUsage
        If the stream carries text.
    """

    def __init__(self, info: pylsl.StreamInfo, *, max_buffer_s: float = 360) -> None:
        if carries_text(info):
            raise BadUsage(f"stream '{info.name()}' carries text instead of numbers; choose another one.")
        super().__init__(info, max_buffer_s=max_buffer_s)
        self._n_received = 0
        self.stale_after_s = stale_after_s(self.rate_hz)
        self._silence = _Silence()
        self._counter: int | None = None  # index of the channel that counts samples

    @property
    def n_received(self) -> int:
        """Samples received so far."""
        return self._n_received

    def pull(self, timeout_s: float = 0.1) -> Chunk | None:
        """Wait for data and return all samples that have arrived.

        Never raises if the sender fails: see ``state`` and ``reason``. While the sender is gone, each call tries to
        reconnect.

        Parameters
        ----------
        timeout_s
            Longest wait for a first sample in seconds; the call returns as soon as one arrives.

        Returns
        -------
        chunk
            Samples, at most some 8,000; None if none has arrived.
        """
        if self._inlet is None:
            self._reconnect(timeout_s)
            return None
        start = time.monotonic()
        try:
            samples, stamps = self._pull(self._inlet, timeout_s)
        except LostError:
            self._lose()
            return None
        if not len(stamps):
            if time.monotonic() - start < timeout_s + self.stale_after_s:  # else this process was suspended
                self._note_silence()
            return None
        if self.state is InletState.STALE:
            self._silence.seconds = self.age_s
        self._received(stamps)
        first = self._n_received
        self._n_received += len(stamps)
        sequence = np.arange(first, self._n_received, dtype=np.int64)
        counter = None
        if self._counter is not None:
            column = samples[:, self._counter]
            counter = column.astype(np.int64) if np.isfinite(column).all() else None
            samples = np.delete(samples, self._counter, axis=1)
        return Chunk(np.asarray(samples, np.float32), np.asarray(stamps, np.float64), sequence, counter)

    def prepare(self, timeout_s: float = 5.0, *, sync_timeout_s: float = 2.0) -> pylsl.StreamInlet:
        """Read the description, and separate the channel that counts samples; see `Connection.prepare`."""
        inlet = super().prepare(timeout_s, sync_timeout_s=sync_timeout_s)
        if self.n_connections:  # another sender
            self.stale_after_s, self._silence = stale_after_s(self.rate_hz), _Silence()
        neural = self._info.type() in NEURAL_TYPES
        self._counter = counter_channel(self.channel_labels, self.facts) if neural else None
        self.channel_labels = without(self.channel_labels, self._counter)
        return inlet

    def _note_silence(self) -> None:
        """Handle a pull that returned nothing, for longer than a sample should take."""
        overdue = self.state is InletState.LIVE and self.age_s > self.stale_after_s
        if overdue and 2 * self._silence.seconds > self.stale_after_s and self._sends_in_bursts():
            self.stale_after_s = 2 * self._silence.seconds
            self.notices.add(
                "bursts",
                f"'{self.name}' sends its samples in bursts {self._silence.seconds:.2f} s apart; it counts as stale "
                f"after {self.stale_after_s:.2f} s from here on",
                seconds=round(self._silence.seconds, 3),
            )
            return
        if overdue:
            self._silence = _Silence(self._last_data, self._n_received)
        self._silent(self.stale_after_s)

    def _sends_in_bursts(self) -> bool:
        """Whether the last silence was short, and all samples since have come: another one like it is no fault."""
        silence = self._silence
        elapsed_s = self._last_data - silence.since_s
        n_due = elapsed_s * self.rate_hz
        recent = silence.seconds <= MAX_BURST_S and elapsed_s < _BURSTS_WITHIN_S
        return recent and self._n_received - silence.n_before >= 0.75 * n_due

    @staticmethod
    def _pull(inlet: pylsl.StreamInlet, timeout_s: float) -> tuple[NDArray[np.generic], NDArray[np.float64]]:
        """Wait for a first sample, and return it with all that arrived with it.

        Pulling one sample is faster than pulling a chunk, and at 120 Hz nearly every chunk has one sample.
        """
        sample, stamp = inlet.pull_sample(timeout_s)
        if stamp is None:
            return _NOTHING
        samples, stamps = [sample[None]], [np.array([stamp])]
        while (n_more := min(inlet.samples_available(), MAX_PULL)) and len(samples) <= _MAX_ROUNDS:
            try:
                more = inlet.pull_chunk(timeout=0.0, max_samples=n_more, as_numpy=True)
            except LostError:  # raised again by the next pull; what was pulled is not lost
                break
            samples.append(more[0])
            stamps.append(more[1])
        if len(samples) == 1:
            return samples[0], stamps[0]
        return np.concatenate(samples), np.concatenate(stamps)
