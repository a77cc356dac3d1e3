"""A connection to one LSL stream that detects the loss of its sender and reconnects when it returns."""

from __future__ import annotations

import logging
import time
from enum import StrEnum

import numpy as np
import pylsl
from numpy.typing import NDArray
from pylsl.util import LostError
from pylsl.util import TimeoutError as LslTimeoutError

from stream.errors import NeuroReelError, StreamLost
from stream.lsl.clock_offset import ClockOffset
from stream.lsl.outlet import buffer_length, channel_labels, check_rate, nominal_rate, read_facts
from stream.lsl.reconnect import Reconnector
from stream.lsl.sender import Received, described_difference, difference
from stream.notices import Notices

log = logging.getLogger(__name__)

MAX_PULL = 1024
"""Largest number of samples that LSL returns in one pull."""

SENDER_FACT = "sender"
"""Entry of a description that is the same in all streams of one sender, and differs between any two senders."""

_SAME_OUTLET_S = 1.0
"""An outlet that is still found so long after its loss has not ended: the network had broken the connection. Seconds."""

_RETRY_EVERY_S = 0.05
_REOPEN_TIMEOUT_S = 1.0
_NEW_OUTLET_S = 2.0  # a new outlet can be found shortly before it answers


class InletState(StrEnum):
    """State of a connection."""

    CONNECTING = "connecting"
    """Open or reopening; nothing has arrived yet."""
    LIVE = "live"
    """Data arrive."""
    STALE = "stale"
    """Connected, but the sender has been silent for too long."""
    LOST = "lost"
    """The sender is gone; the connection waits for its return."""
    MISMATCH = "mismatch"
    """The sender came back with other channels or another rate and is not used."""


class Connection:
    """Base of `stream.lsl.inlet.Inlet` and `stream.lsl.event_inlet.EventInlet`: opening, states, reconnection.

    Parameters
    ----------
    info
        Stream to open, from `stream.lsl.resolve.find_stream`.
    max_buffer_s
        Length of the receive buffer in seconds; a consumer that lags further behind loses the oldest data.

    Attributes
    ----------
    name, type, source_id, hostname
        Identity of the stream.
    carries_text
        Whether its samples are text.
    rate_hz
        Nominal sampling rate in Hz; 0 for irregular streams.
    n_channels
        Number of channels.
    channel_labels, facts
        Channel labels and NeuroReel's own entries of the description, once open.
    state, reason
        Current state, and its reason as text.
    notices
        Receives ``state``, ``lost``, ``back``, ``mismatch`` and ``ambiguous``.
    n_connections
        Number of times the stream has been opened.
    received
        Samples received in each of these connections.
    n_unread
        Samples that had arrived and were lost because the sender ended before they were pulled.
    clock
        Offset between the sender's clock and the local one.
    """

    def __init__(self, info: pylsl.StreamInfo, *, max_buffer_s: float = 360) -> None:
        check_rate(info)
        self.name: str = info.name()
        self.type: str = info.type()
        self.source_id: str = info.source_id()
        self.hostname: str = info.hostname()
        self.carries_text = carries_text(info)
        self.rate_hz = nominal_rate(info)
        self.n_channels: int = info.channel_count()
        self.channel_labels: tuple[str, ...] = ()
        self.facts: dict[str, str] = {}
        self.state = InletState.CONNECTING
        self.reason = f"waiting for the first sample of '{self.name}'"
        self._info = info
        self._max_buffer = buffer_length(self.rate_hz, self.n_channels, max_buffer_s)
        self.notices = Notices()
        self.n_connections = 0
        self.received: list[Received] = []
        self.n_unread = 0
        self.clock = ClockOffset()
        self._inlet: pylsl.StreamInlet | None = None
        self._reconnector: Reconnector | None = None
        self._candidates: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())  # as last reported while lost
        self._synchronised = False
        self._excluded: set[str] = set()  # outlets that do not match
        self._lost_at: dict[str, float] = {}  # monotonic time of each loss, by outlet
        self._last_data = time.monotonic()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.state.upper()} | {self.name} (source: {self.source_id})>"

    def open(self, timeout_s: float = 5.0, *, sync_timeout_s: float = 2.0) -> None:
        """Connect, read the description and measure the first clock offset.

        Parameters
        ----------
        timeout_s
            Timeout for the connection, seconds.
        sync_timeout_s
            Timeout for the first clock offset, which usually takes 0.2 to 0.7 s; 0 disables it. Without an offset the
            stream works all the same, and `time_correction_s` is NaN.

        Raises
        ------
        StreamLost
            If the sender does not answer.
        """
        inlet = self._inlet or self.prepare(timeout_s, sync_timeout_s=sync_timeout_s)
        try:
            inlet.open_stream(timeout_s)  # last, because this is what makes a replay start
        except (LslTimeoutError, LostError) as error:
            self._inlet = None
            raise self._no_answer(error) from error
        self.n_connections += 1
        self.received.append(Received(self._info.uid()))
        self._last_data = time.monotonic()

    def prepare(self, timeout_s: float = 5.0, *, sync_timeout_s: float = 2.0) -> pylsl.StreamInlet:
        """Read the description and measure the clock offset without opening the stream for data.

        Parameters
        ----------
        timeout_s, sync_timeout_s
            See `open`.

        Returns
        -------
        inlet
            LSL's inlet.

        Raises
        ------
        StreamLost
            If the sender does not answer.
        """
        deadline = time.monotonic() + min(timeout_s, _NEW_OUTLET_S)
        while True:
            inlet = pylsl.StreamInlet(
                self._info,
                max_buflen=self._max_buffer,
                recover=False,
                as_numpy=not self.carries_text,
            )
            try:
                full = inlet.info(timeout_s)
                self.channel_labels = channel_labels(full)
                self.facts = read_facts(full)
                self._synchronised |= sync_timeout_s > 0
                if self._synchronised and not self.clock.measure(inlet, sync_timeout_s) and sync_timeout_s:
                    log.warning("no clock offset for '%s' within %g s", self.name, sync_timeout_s)
                self._inlet = inlet
                return inlet
            except (LslTimeoutError, LostError) as error:
                if time.monotonic() > deadline:
                    raise self._no_answer(error) from error
                time.sleep(_RETRY_EVERY_S)

    def close(self) -> None:
        """Disconnect from the sender."""
        self._disconnect()
        self._reconnector = None

    @property
    def time_correction_s(self) -> float:
        """Seconds to add to a timestamp to get local time; NaN if no offset has been measured.

        Costs microseconds, because LSL measures in a thread of its own. While the sender is gone, and until the offset
        of one that returned is known, this is the last offset.
        """
        if self._inlet is not None and self._synchronised:
            self.clock.measure(self._inlet)
        return self.clock.offset_s

    def measure_clock(self) -> None:
        """Let LSL measure the clock offset from here on, without waiting for the first result."""
        self._synchronised = True
        if self._inlet is not None:
            self.clock.measure(self._inlet)

    @property
    def age_s(self) -> float:
        """Seconds since the last data, or since opening if none has arrived."""
        return time.monotonic() - self._last_data

    @property
    def connected(self) -> bool:
        """Whether the connection has a sender."""
        return self._inlet is not None

    def try_reconnect(self, timeout_s: float) -> None:
        """Reopen the stream if its sender has returned; up to two seconds if that one hardly answers.

        Parameters
        ----------
        timeout_s
            Seconds to wait if it has not returned.
        """
        if self._inlet is None:
            self._reconnect(timeout_s)

    def has_seen(self, uid: str) -> bool:
        """Whether an outlet is the current sender, a former one, or one that did not match.

        Parameters
        ----------
        uid
            LSL's unique id of the outlet.
        """
        return uid == self._info.uid() or uid in self._excluded or uid in self._lost_at

    @property
    def uid(self) -> str:
        """LSL's unique id of the outlet."""
        return str(self._info.uid())

    def is_same_sender(self, other: Connection) -> bool:
        """Whether one program sends this stream and another: on one computer, in one session, with one identity.

        A replay writes an identity of its own (`SENDER_FACT`) into the description of every stream. For other programs
        the source ids decide: they are equal, or come from `stream.lsl.outlet.make_outlet` with the same role.

        Parameters
        ----------
        other
            Another connection, prepared as this one.
        """
        ours, theirs = self._info, other._info
        if (ours.hostname(), ours.session_id()) != (theirs.hostname(), theirs.session_id()):
            return False
        senders = self.facts.get(SENDER_FACT), other.facts.get(SENDER_FACT)
        if any(senders):
            return senders[0] == senders[1]
        return bool(self.source_id) and _source(self.source_id) == _source(other.source_id)

    def _disconnect(self) -> None:
        if self._inlet is not None:
            self._inlet.close_stream()
        self._inlet = None

    def _received(self, stamps: NDArray[np.float64]) -> None:
        """Handle the arrival of data, with these timestamps."""
        self.received[-1].add(stamps)
        self._last_data = time.monotonic()
        if self.state is not InletState.LIVE:
            self._set(InletState.LIVE, f"'{self.name}' is sending")

    def _silent(self, stale_after_s: float) -> None:
        """Handle a pull that returned nothing."""
        if self.state in (InletState.LIVE, InletState.CONNECTING) and self.age_s > stale_after_s:
            self._set(InletState.STALE, f"'{self.name}' has sent nothing for {self.age_s:.2f} s")

    def _lose(self) -> None:
        """Handle the loss of the sender, and begin to search for its return.

        LSL gives out nothing more of a connection that has ended, so what this program has not read by then is lost.
        """
        n_unread = 0
        if self._inlet is not None:
            n_unread = max(0, self._inlet.samples_available() - 1)  # LSL adds one that wakes its reader
        self._inlet = None
        self.n_unread += n_unread
        self._lost_at[self._info.uid()] = time.monotonic()
        self._reconnector = Reconnector(self._info)
        self._candidates = ((), ())
        unread = (
            f"; {n_unread} samples that had arrived were not read before it ended, and are lost"
            if n_unread
            else ""
        )
        self.notices.add("lost", f"{self._gone()}{unread}", source_id=self.source_id, unread=n_unread)
        self._set(InletState.LOST, self._gone())

    def _reconnect(self, timeout_s: float) -> None:
        """Reopen the stream if its sender has returned; wait a moment if it has not."""
        if self._reconnector is None:
            self._reconnector = Reconnector(self._info)  # the sender never answered
        recently = time.monotonic() - _SAME_OUTLET_S
        info = self._reconnector.search(
            self._excluded | {uid for uid, lost_at in self._lost_at.items() if lost_at > recently}
        )
        if info is None:
            self._report_candidates(self._reconnector.ambiguous, self._reconnector.elsewhere)
            time.sleep(min(timeout_s, _RETRY_EVERY_S))
            return
        before, labels, facts, silent_s = self._info, self.channel_labels, self.facts, self.age_s
        differs = difference(before, info)
        if not differs:
            self._info = info
            try:
                self.open(_REOPEN_TIMEOUT_S, sync_timeout_s=0)
            except StreamLost as error:
                self._info = before
                log.warning("%s", error)
                return
            except NeuroReelError as error:
                differs = f"a description that cannot be used ({error})"
            differs = differs or described_difference(labels, facts, self.channel_labels, self.facts)
            if differs:
                self._disconnect()
                self._info, self.channel_labels, self.facts = before, labels, facts
        if differs:
            reason = f"'{self.name}' came back with {differs}; it is not used, and the search continues"
            self.notices.add("mismatch", reason, differs=differs, source_id=info.source_id())
            self._set(InletState.MISMATCH, reason)
            self._excluded.add(info.uid())
            return
        self._reconnector = None
        same = info.source_id() == self.source_id
        self.source_id = info.source_id()
        replaced = "" if same else f" from another source ({self.source_id or 'without source id'})"
        self._set(InletState.CONNECTING, f"'{self.name}' is back{replaced}")
        self.notices.add(
            "back",
            f"{self.reason}, {silent_s:.2f} s after its last sample",
            gap_s=round(silent_s, 3),
            same_source=same,
            source_id=self.source_id,
        )

    def _report_candidates(self, candidates: tuple[str, ...], elsewhere: tuple[str, ...]) -> None:
        """Report, once, that several streams could be the lost one, that there are others, or that these are gone."""
        if (candidates, elsewhere) == self._candidates:
            return
        self._candidates = candidates, elsewhere
        if not candidates:
            others = (
                f"; not used, as they are on another computer: {'; '.join(elsewhere)}" if elsewhere else ""
            )
            self._set(InletState.LOST, self._gone() + others)
            return
        reason = (
            f"{len(candidates)} streams could be '{self.name}', so none is used; stop all but one: "
            f"{'; '.join(candidates)}"
        )
        self.notices.add("ambiguous", reason, streams=list(candidates))
        self._set(InletState.LOST, reason)

    def _gone(self) -> str:
        return f"the sender of '{self.name}' is gone; waiting for its return"

    def _no_answer(self, error: Exception) -> StreamLost:
        return StreamLost(
            f"stream '{self.name}' was found but does not answer ({error}); restart its sender."
        )

    def _set(self, state: InletState, reason: str) -> None:
        """Change the state and report it."""
        self.state, self.reason = state, reason
        self.notices.add("state", f"{state}: {reason}", state=str(state), reason=reason)


def _source(source_id: str) -> str:
    """Part of a source id that all streams of a sender share: the role of this program's own, else all of it."""
    prefix, *_, role = source_id.split("/")
    return f"{prefix}/{role}" if prefix == "neuroreel" else source_id


def carries_text(info: pylsl.StreamInfo) -> bool:
    """Whether the samples of a stream are text.

    Parameters
    ----------
    info
        Stream, with or without its description.
    """
    return bool(info.channel_format() == pylsl.cf_string)
