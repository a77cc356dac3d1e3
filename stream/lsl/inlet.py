"""Receiving a neural stream: every sample, at once, with the stamps it was sent with."""

from __future__ import annotations

import math
import time

import numpy as np
import pylsl
from numpy.typing import NDArray
from pylsl.util import LostError

from stream.chunk import Chunk
from stream.errors import BadUsage
from stream.lsl.connection import MAX_PULL, Connection, InletState, carries_text
from stream.lsl.outlet import NEURAL_TYPES

__all__ = ["Inlet", "InletState"]

COUNTER_LABEL, COUNTER_FACT = "sequence", "sequence_channel"
"""A channel of a neural stream with this label, or the one that this entry of the description names, counts samples."""

STALE_S = 0.25
STALE_PERIODS = 3

_MAX_ROUNDS = 8  # of MAX_PULL samples in one chunk: a long backlog comes in bounded pieces
_NOTHING = np.zeros((0, 0)), np.zeros(0)


def stale_after_s(rate_hz: float) -> float:
    """After how long a silence a stream is stale: three samples, and never under 0.25 s.

    Parameters
    ----------
    rate_hz
        Nominal; 0 = irregular, whose silence may last.
    """
    return max(STALE_S, STALE_PERIODS / rate_hz) if rate_hz > 0 else math.inf


class Inlet(Connection):
    """Receives a numeric stream.

    Example: ``inlet = Inlet(find_stream("V1")); inlet.open(); chunk = inlet.pull(0.1)``.
    See `Connection` for the parameters and attributes.
    """

    def __init__(self, info: pylsl.StreamInfo, *, max_buffer_s: float = 360) -> None:
        if carries_text(info):
            raise BadUsage(f"stream '{info.name()}' carries text, not numbers; choose another.")
        super().__init__(info, max_buffer_s=max_buffer_s)
        self._n_received = 0
        self.stale_after_s = stale_after_s(self.rate_hz)
        self._counter: int | None = None  # its column

    @property
    def n_received(self) -> int:
        """Samples received so far."""
        return self._n_received

    def pull(self, timeout_s: float = 0.1) -> Chunk | None:
        """Wait for data and return all that is there.

        Never raises for what the sender does: see ``state`` and ``reason``. While the sender is gone, each
        call looks for its return.

        Parameters
        ----------
        timeout_s
            The longest wait for a first sample; the call returns as soon as one is there.

        Returns
        -------
        chunk
            Everything up to some 65,000 samples, or None when nothing came.
        """
        if self._inlet is None:
            self._reconnect(timeout_s)
            return None
        begun = time.monotonic()
        try:
            samples, stamps = self._pull(self._inlet, timeout_s)
        except LostError:
            self._lose()
            return None
        if not len(stamps):
            if time.monotonic() - begun < timeout_s + self.stale_after_s:  # else it was us who were away
                self._silent(self.stale_after_s)
            return None
        self._received()
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
        """Read the description, and set the channel in which the sender counts apart.

        Parameters
        ----------
        timeout_s, sync_timeout_s
            See `Connection.open`.

        Raises
        ------
        StreamLost
            When the sender does not answer.
        """
        inlet = super().prepare(timeout_s, sync_timeout_s=sync_timeout_s)
        label, labels = self.facts.get(COUNTER_FACT, COUNTER_LABEL), self.channel_labels
        counts = self._info.type() in NEURAL_TYPES and label in labels and len(labels) > 1
        self._counter = labels.index(label) if counts else None
        self.channel_labels = tuple(name for name in labels if self._counter is None or name != label)
        return inlet

    @staticmethod
    def _pull(inlet: pylsl.StreamInlet, timeout_s: float) -> tuple[NDArray[np.generic], NDArray[np.float64]]:
        """The first sample, and what is there beside it.

        A pull of one sample returns sooner than one of a chunk, which at 120 Hz is a chunk of one nearly always.
        """
        sample, stamp = inlet.pull_sample(timeout_s)
        if stamp is None:
            return _NOTHING
        samples, stamps = [sample[None]], [np.array([stamp])]
        while (n_more := min(inlet.samples_available(), MAX_PULL)) and len(samples) <= _MAX_ROUNDS:
            more = inlet.pull_chunk(timeout=0.0, max_samples=n_more, as_numpy=True)
            samples.append(more[0])
            stamps.append(more[1])
        if len(samples) == 1:
            return samples[0], stamps[0]
        return np.concatenate(samples), np.concatenate(stamps)
