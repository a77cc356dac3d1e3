"""The recorder's connection to one outlet: every sample of this sender, none of another, none lost when it dies."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pylsl
from numpy.typing import NDArray
from pylsl.util import LostError
from pylsl.util import TimeoutError as LslTimeoutError

from stream.io.xdf_writer import DTYPES
from stream.lsl.connection import MAX_PULL
from stream.lsl.outlet import FORMATS, buffer_length, channel_labels, check_rate, nominal_rate, read_facts
from stream.lsl.sender import Received, described_difference, difference

if TYPE_CHECKING:
    from stream.recorder.recorded_stream import RecordedStream

log = logging.getLogger(__name__)

_OPEN_TIMEOUT_S = 5.0
_CLOCK_TIMEOUT_S = 2.0
_MAX_PULL_BYTES = 4 << 20
_OWN_FOR_S = 0.45  # LSL connects to another outlet half a second after it has reset the clock offset
_NOTHING: NDArray[np.float64] = np.zeros(0)


class SenderLink:
    """Receives the samples of one outlet, until it is closed.

    `stream.lsl.inlet.Inlet` is made for decoding (32-bit floats, newest first, a loss is detected at once). A recorder
    needs every sample in the sender's own format, and may be late. Without LSL's recovery, samples that have arrived
    but were not pulled are lost when the sender dies (30 of 1,000 in a test). With it, LSL later connects to any
    outlet with the same name, type, source id and format, whatever its session and computer. But first it resets the
    clock offset, which can be asked for, and then it waits for half a second. So recovery is enabled, and at the reset
    the link takes what has arrived and closes.

    Parameters
    ----------
    info
        Outlet found by LSL.

    Attributes
    ----------
    info
        As given.
    uid
        LSL's unique id of the outlet.
    labels, facts
        Channel labels, and NeuroReel's own entries of the description, once described.
    received
        Samples received.
    max_samples
        Largest number of samples that a pull returns.
    stream
        Stream of the file that they belong to; None until that is known.
    since_s
        When the outlet was found, seconds of the monotonic clock.
    settled
        Set once the link is open, prepared and held, or has failed.
    closed
        Set once nothing more can be received.
    recovers
        Whether nothing that has arrived is lost when the sender dies. LSL cannot recover a sender without source id.
    n_unknown
        Samples that were discarded, because the recorder had been blocked and they may be of another sender.
    """

    def __init__(self, info: pylsl.StreamInfo) -> None:
        check_rate(info)
        self.info = info
        self.uid: str = info.uid()
        self.labels: tuple[str, ...] = ()
        self.facts: dict[str, str] = {}
        self.received = Received(self.uid)
        self.stream: RecordedStream | None = None
        self.since_s = time.monotonic()
        self.settled = threading.Event()
        self.closed = threading.Event()
        self.recovers = bool(info.source_id())
        self.n_unknown = 0
        self._open = False
        self._description: pylsl.StreamInfo | None = None
        fmt, n_channels = FORMATS[info.channel_format() - 1], info.channel_count()
        bytes_per_sample = 9 + n_channels * (64 if fmt == "string" else DTYPES[fmt].itemsize)
        self.max_samples = max(1, min(MAX_PULL, _MAX_PULL_BYTES // bytes_per_sample))
        self._inlet: pylsl.StreamInlet | None = pylsl.StreamInlet(
            info, max_buflen=buffer_length(nominal_rate(info), n_channels), recover=self.recovers
        )  # None once closed: LSL's threads, sockets and buffer last until the object is gone
        self._check = threading.Lock()
        self._moved = False  # whether LSL has turned to another outlet
        self._own_s = 0.0  # when that was last known to be false
        self._given_up = False

    def __repr__(self) -> str:
        state = "CLOSED" if self.closed.is_set() else "OPEN" if self._open else "OPENING"
        return f"<SenderLink: {state} | {self.info.name()} (source: {self.info.source_id()})>"

    @property
    def is_open(self) -> bool:
        """Whether samples can arrive."""
        return self._open and not self.closed.is_set()

    def describe(self) -> pylsl.StreamInfo:
        """Return the outlet with its description, from the sender at the first call.

        Raises
        ------
        LostError, TimeoutError
            Of pylsl, if the sender does not respond.
        """
        if self._description is None:
            self._description = self._connection().info(_OPEN_TIMEOUT_S)
            with contextlib.suppress(UnicodeDecodeError):  # recorded all the same, with a minimal header
                self.labels, self.facts = channel_labels(self._description), read_facts(self._description)
        return self._description

    def difference(self, other: SenderLink) -> str:
        """Return how another outlet differs, as text; empty if it does not.

        Parameters
        ----------
        other
            Connection to compare with, described.
        """
        differs = difference(self.info, other.info)
        return differs or described_difference(self.labels, self.facts, other.labels, other.facts)

    def open(self) -> None:
        """Open the outlet; samples collect in LSL's buffer until `pull`.

        Raises
        ------
        LostError, TimeoutError
            Of pylsl, if the sender does not respond.
        """
        self.measure_clock(0.0)  # LSL keeps measuring; it reports no reset of an offset that it does not have
        inlet = self._connection()
        inlet.open_stream(_OPEN_TIMEOUT_S)
        self._is_own(inlet)
        self._open = True

    def pull(self) -> tuple[Any, NDArray[np.float64]]:
        """Return samples that have arrived, and their timestamps; none if there are no more at present.

        Closes the link when its sender is gone and everything has been pulled.
        """
        inlet = self._inlet
        if inlet is None or not self.is_open:
            return (), _NOTHING
        try:
            samples, stamps = inlet.pull_chunk(timeout=0.0, max_samples=self.max_samples, as_numpy=True)
        except LostError:
            self.close()
            return (), _NOTHING
        pulled_s = time.monotonic()
        own = self._is_own(inlet)
        if len(stamps) and not own and pulled_s - self._own_s > _OWN_FOR_S:
            self.n_unknown += len(stamps)
            samples, stamps = (), _NOTHING
        if not len(stamps) and (self._given_up or not own):
            self.close()
        if len(stamps):
            self._given_up = False
            self.received.add(stamps)
        return samples, stamps

    def measure_clock(self, timeout_s: float = _CLOCK_TIMEOUT_S) -> tuple[float, float] | None:
        """Return the sender's time and the clock offset in seconds; None if the sender does not answer.

        Parameters
        ----------
        timeout_s
            Longest wait for the first offset, seconds; never wait in the pulling thread.
        """
        try:
            inlet = self._connection()
            offset_s = float(inlet.time_correction(timeout_s))
        except (LslTimeoutError, LostError):
            return None
        return (pylsl.local_clock() - offset_s, offset_s) if self._is_own(inlet) else None

    def give_up(self) -> None:
        """Close with the next pull that finds nothing: the sender has ended, and LSL would search for it for ever."""
        self._given_up = True

    def close(self) -> None:
        """Disconnect and free what LSL holds for the connection; what has not been pulled is dropped."""
        self.closed.set()
        inlet, self._inlet = self._inlet, None
        if inlet is not None:
            inlet.close_stream()

    def _connection(self) -> pylsl.StreamInlet:
        """LSL's inlet; a thread that uses it while another one closes the link keeps it alive until it has finished."""
        inlet = self._inlet
        if inlet is None:
            raise LostError("the connection is closed")
        return inlet

    def _is_own(self, inlet: pylsl.StreamInlet) -> bool:
        """Whether LSL is still connected to this outlet, not to one that looks alike."""
        with self._check:
            now = time.monotonic()
            if not self._moved:
                self._moved = bool(inlet.was_clock_reset())
                if not self._moved:
                    self._own_s = now
            return not self._moved
