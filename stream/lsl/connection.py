"""A connection to one stream that survives the sender: lost is noticed, and the same source is found again."""

from __future__ import annotations

import logging
import time
from enum import StrEnum

import pylsl
from pylsl.util import LostError
from pylsl.util import TimeoutError as LslTimeoutError

from stream.errors import StreamLost
from stream.lsl.clock_offset import ClockOffset
from stream.lsl.outlet import FORMATS, buffer_length, channel_labels, read_facts
from stream.lsl.reconnect import Reconnector
from stream.notices import Notices

log = logging.getLogger(__name__)

MAX_PULL = 1024
"""The most samples that LSL returns in one pull."""

_RESOLVE_EVERY_S = 0.05
_REOPEN_TIMEOUT_S = 1.0
_NEW_OUTLET_S = 2.0  # an outlet can be found a moment before it answers


class InletState(StrEnum):
    """How a connection stands."""

    CONNECTING = "connecting"
    """Open, or opening again, and nothing has arrived yet."""
    LIVE = "live"
    """Data arrive."""
    STALE = "stale"
    """The connection stands, but the sender has been silent for too long."""
    LOST = "lost"
    """The sender is gone; its return is awaited."""
    MISMATCH = "mismatch"
    """The sender came back with other channels or another rate; not used."""


class Connection:
    """What `stream.lsl.inlet.Inlet` and `stream.lsl.event_inlet.EventInlet` share.

    Parameters
    ----------
    info
        The stream, as `stream.lsl.resolve.find_stream` returns it.
    max_buffer_s
        How much a slow consumer may lag behind before the oldest data are lost.

    Attributes
    ----------
    name, type, source_id, rate_hz, n_channels
        Of the stream; the rate is nominal, 0 = irregular.
    channel_labels, facts
        From its description, once open.
    state, reason
        How the connection stands, and why in words.
    notices
        What happened: ``state``, ``lost``, ``back``, ``mismatch``, ``ambiguous``.
    n_connections
        How often the stream was opened; each time its samples begin anew.
    clock
        How the sender's clock stands to ours.
    """

    def __init__(self, info: pylsl.StreamInfo, *, max_buffer_s: float = 360) -> None:
        self.name: str = info.name()
        self.type: str = info.type()
        self.source_id: str = info.source_id()
        self.rate_hz: float = info.nominal_srate()
        self.n_channels: int = info.channel_count()
        self.channel_labels: tuple[str, ...] = ()
        self.facts: dict[str, str] = {}
        self.state = InletState.CONNECTING
        self.reason = f"waiting for the first sample of '{self.name}'"
        self._info = info
        self._max_buffer = buffer_length(self.rate_hz, self.n_channels, max_buffer_s)
        self.notices = Notices()
        self.n_connections = 0
        self.clock = ClockOffset()
        self._inlet: pylsl.StreamInlet | None = None
        self._search: Reconnector | None = None
        self._among: tuple[str, ...] = ()  # streams among which there is no choice
        self._synchronised = False
        self._done_with: set[str] = set()  # outlets that are gone or do not match
        self._last_data = time.monotonic()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.state.upper()} | {self.name} (source: {self.source_id})>"

    def open(self, timeout_s: float = 5.0, *, sync_timeout_s: float = 2.0) -> None:
        """Connect, read the description and warm up the clock synchronisation.

        Parameters
        ----------
        timeout_s
            For the connection.
        sync_timeout_s
            For the first clock offset (0.2 to 0.7 s as a rule); 0 = do without. When it does not come,
            the stream is used all the same and `time_correction_s` is NaN.

        Raises
        ------
        StreamLost
            When the sender does not answer.
        """
        inlet = self._inlet or self.prepare(timeout_s, sync_timeout_s=sync_timeout_s)
        try:
            inlet.open_stream(timeout_s)  # last: a replay that waits for its consumer starts into a ready one
        except (LslTimeoutError, LostError) as error:
            self._inlet = None
            raise StreamLost(f"stream '{self.name}' was found but does not answer: {error}") from error
        self.n_connections += 1
        self._last_data = time.monotonic()

    def prepare(self, timeout_s: float = 5.0, *, sync_timeout_s: float = 2.0) -> pylsl.StreamInlet:
        """Read the description and warm up the clock, but take no data yet; `open` does that.

        Parameters
        ----------
        timeout_s, sync_timeout_s
            See `open`.

        Raises
        ------
        StreamLost
            When the sender does not answer.
        """
        deadline = time.monotonic() + min(timeout_s, _NEW_OUTLET_S)
        while True:
            inlet = pylsl.StreamInlet(
                self._info,
                max_buflen=self._max_buffer,
                recover=False,
                as_numpy=not carries_text(self._info),
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
                    raise StreamLost(
                        f"stream '{self.name}' was found but does not answer: {error}"
                    ) from error
                time.sleep(_RESOLVE_EVERY_S)

    def close(self) -> None:
        """Disconnect; the sender sees one consumer less."""
        self._disconnect()
        self._search = None

    def _disconnect(self) -> None:
        """Let go of the sender."""
        if self._inlet is not None:
            self._inlet.close_stream()
        self._inlet = None

    @property
    def time_correction_s(self) -> float:
        """To be added to a stamp for this computer's clock; NaN when unsynchronised.

        Takes microseconds: LSL measures in a thread of its own. While the sender is gone, and until a sender that
        came back was measured, the last one holds.
        """
        if self._inlet is not None and self._synchronised:
            self.clock.measure(self._inlet)
        return self.clock.offset_s

    @property
    def age_s(self) -> float:
        """Seconds since the last data, or since opening when none has come."""
        return time.monotonic() - self._last_data

    @property
    def connected(self) -> bool:
        """Whether there is a sender now."""
        return self._inlet is not None

    def look_for_return(self, timeout_s: float) -> None:
        """Open the stream again when its sender has returned; that may take two seconds of one that hardly answers.

        Parameters
        ----------
        timeout_s
            Wait so long when it has not.
        """
        if self._inlet is None:
            self._reconnect(timeout_s)

    def knows(self, uid: str) -> bool:
        """Whether an outlet is the one that sends, or one that is gone or does not match.

        Parameters
        ----------
        uid
            LSL's name for it.
        """
        return uid == self._info.uid() or uid in self._done_with

    def _received(self) -> None:
        """Note that data came."""
        self._last_data = time.monotonic()
        if self.state is not InletState.LIVE:
            self._set(InletState.LIVE, f"'{self.name}' is sending")

    def _silent(self, stale_after_s: float) -> None:
        """Note that nothing came."""
        if self.state in (InletState.LIVE, InletState.CONNECTING) and self.age_s > stale_after_s:
            self._set(InletState.STALE, f"'{self.name}' has sent nothing for {self.age_s:.2f} s")

    def _lose(self) -> None:
        """Note that the sender is gone, and begin to look for its return."""
        self._inlet = None
        self._done_with.add(self._info.uid())
        self._search = Reconnector(self._info)
        self._among = ()
        self.notices.add("lost", self._gone(), source_id=self.source_id)
        self._set(InletState.LOST, self._gone())

    def _reconnect(self, timeout_s: float) -> None:
        """Take the sender back when it has returned; waits a moment when it has not."""
        if self._search is None:
            self._search = Reconnector(self._info)  # it never answered
        info = self._search.look(self._done_with)
        if info is None:
            self._name_ambiguous(self._search.ambiguous)
            time.sleep(min(timeout_s, _RESOLVE_EVERY_S))
            return
        before, labels, silent_s = self._info, self.channel_labels, self.age_s
        differs = _difference(before, info)
        if not differs:
            self._info = info
            try:
                self.open(_REOPEN_TIMEOUT_S, sync_timeout_s=0)
            except StreamLost as error:
                self._info = before
                log.warning("%s", error)
                return
            if self.channel_labels != labels:
                differs = "other channel labels"
                self._disconnect()
                self._info, self.channel_labels = before, labels
        if differs:
            reason = f"'{self.name}' came back with {differs}; it is not used, and another is looked for"
            self.notices.add("mismatch", reason, differs=differs, source_id=info.source_id())
            self._set(InletState.MISMATCH, reason)
            self._done_with.add(info.uid())
            return
        self._search = None
        same = info.source_id() == self.source_id
        self.source_id = info.source_id()
        as_another = "" if same else f" as another source ({self.source_id or 'without an id'})"
        self._set(InletState.CONNECTING, f"'{self.name}' is back{as_another}")
        self.notices.add(
            "back",
            f"{self.reason}, {silent_s:.2f} s after its last sample",
            gap_s=round(silent_s, 3),
            same_source=same,
            source_id=self.source_id,
        )

    def _name_ambiguous(self, among: tuple[str, ...]) -> None:
        """Say, once, that there is no choice between several streams, or that they are gone, too."""
        if among == self._among:
            return
        self._among = among
        if not among:
            self._set(InletState.LOST, self._gone())
            return
        reason = f"{len(among)} streams could be '{self.name}', and none is used: {'; '.join(among)}"
        self.notices.add("ambiguous", reason, streams=list(among))
        self._set(InletState.LOST, reason)

    def _gone(self) -> str:
        return f"the sender of '{self.name}' is gone; its return is awaited"

    def _set(self, state: InletState, reason: str) -> None:
        """Change state; the notices say it once."""
        self.state, self.reason = state, reason
        self.notices.add("state", f"{state}: {reason}", state=str(state), reason=reason)


def _difference(before: pylsl.StreamInfo, now: pylsl.StreamInfo) -> str:
    """What differs between two versions of a stream, in words; empty when nothing does."""
    if before.channel_count() != now.channel_count():
        return f"{now.channel_count()} channels instead of {before.channel_count()}"
    if abs(before.nominal_srate() - now.nominal_srate()) > 1e-6 * before.nominal_srate():
        return f"{now.nominal_srate():g} Hz instead of {before.nominal_srate():g} Hz"
    if before.channel_format() != now.channel_format():
        return (
            f"{FORMATS[now.channel_format() - 1]} instead of {FORMATS[before.channel_format() - 1]} samples"
        )
    return ""


def carries_text(info: pylsl.StreamInfo) -> bool:
    """Whether a stream's samples are text, not numbers."""
    return bool(info.channel_format() == pylsl.cf_string)
