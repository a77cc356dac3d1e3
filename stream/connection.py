"""A connection to one stream that survives the sender: lost is noticed, and the same source is found again."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from enum import StrEnum

import pylsl
from pylsl.util import LostError
from pylsl.util import TimeoutError as LslTimeoutError

from stream.errors import StreamLost
from stream.find import quoted
from stream.outlet import buffer_length, channel_labels, read_facts

log = logging.getLogger(__name__)

MAX_PULL = 1024
"""The most samples that LSL returns in one pull."""

_RESOLVE_EVERY_S = 0.1
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
    """What `stream.inlet.Inlet` and `stream.events.EventInlet` share.

    Parameters
    ----------
    info
        The stream, as `stream.find.find_stream` returns it.
    max_buffer_s
        How much a slow consumer may lag behind before the oldest data are lost.

    Attributes
    ----------
    name, source_id, rate_hz, n_channels
        Of the stream; the rate is nominal, 0 = irregular.
    channel_labels, facts
        From its description, once open.
    state, reason
        How the connection stands, and why in words.
    """

    def __init__(self, info: pylsl.StreamInfo, *, max_buffer_s: float = 360) -> None:
        self.name: str = info.name()
        self.source_id: str = info.source_id()
        self.rate_hz: float = info.nominal_srate()
        self.n_channels: int = info.channel_count()
        self.channel_labels: tuple[str, ...] = ()
        self.facts: dict[str, str] = {}
        self.state = InletState.CONNECTING
        self.reason = f"waiting for the first sample of '{self.name}'"
        self._info = info
        self._max_buffer = buffer_length(self.rate_hz, self.n_channels, max_buffer_s)
        self._inlet: pylsl.StreamInlet | None = None
        self._resolver: pylsl.ContinuousResolver | None = None
        self._done_with: set[str] = set()  # outlets that are gone or do not match
        self._correction_s = math.nan
        self._opened = self._last_data = time.monotonic()

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
        self._opened = self._last_data = time.monotonic()

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
            inlet = pylsl.StreamInlet(self._info, max_buflen=self._max_buffer, recover=False)
            try:
                full = inlet.info(timeout_s)
                self.channel_labels = channel_labels(full)
                self.facts = read_facts(full)
                if sync_timeout_s > 0:
                    self._correction_s = _first_correction(inlet, self.name, sync_timeout_s)
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
        self._resolver = None

    def _disconnect(self) -> None:
        """Let go of the sender."""
        if self._inlet is not None:
            self._inlet.close_stream()
        self._inlet = None

    @property
    def time_correction_s(self) -> float:
        """To be added to a stamp for this computer's clock; NaN when unsynchronised."""
        if self._inlet is not None and not math.isnan(self._correction_s):
            with contextlib.suppress(LslTimeoutError, LostError):  # then the last one still holds
                self._correction_s = self._inlet.time_correction(0.0)
        return self._correction_s

    @property
    def age_s(self) -> float:
        """Seconds since the last data, or since opening when none has come."""
        return time.monotonic() - self._last_data

    def _received(self) -> None:
        """Note that data came."""
        self._last_data = time.monotonic()
        if self.state is not InletState.LIVE:
            self._set(InletState.LIVE, f"'{self.name}' is sending")

    def _silent(self, stale_after_s: float) -> None:
        """Note that nothing came."""
        if self.state in (InletState.LIVE, InletState.CONNECTING) and self.age_s > stale_after_s:
            self._set(InletState.STALE, f"'{self.name}' has sent nothing for {self.age_s:.1f} s")

    def _lose(self) -> None:
        """Note that the sender is gone, and begin to look for its return."""
        self._inlet = None
        self._done_with.add(self._info.uid())
        without = "" if self.source_id else "; it had no source id, so its return cannot be noticed"
        self._set(InletState.LOST, f"the sender of '{self.name}' is gone{without}")
        if self.source_id:
            self._resolver = pylsl.ContinuousResolver(
                pred=f"name={quoted(self.name)} and source_id={quoted(self.source_id)}", forget_after=1.0
            )

    def _reconnect(self, timeout_s: float) -> None:
        """Take the sender back when it has returned; waits a moment when it has not."""
        back = [] if self._resolver is None else self._resolver.results()
        back = [info for info in back if info.uid() not in self._done_with]
        if not back:
            time.sleep(min(timeout_s, _RESOLVE_EVERY_S))
            return
        info, labels = back[0], self.channel_labels
        differs = _difference(self._info, info)
        if not differs:
            before, self._info = self._info, info
            try:
                self.open(_REOPEN_TIMEOUT_S)
            except StreamLost as error:
                self._info = before
                log.warning("%s", error)
                return
            if self.channel_labels != labels:
                differs = "other channel labels"
                self._disconnect()
                self._info, self.channel_labels = before, labels
        if differs:
            self._set(InletState.MISMATCH, f"'{self.name}' came back with {differs}; it is not used")
            self._done_with.add(info.uid())  # look on for yet another
            time.sleep(min(timeout_s, _RESOLVE_EVERY_S))
            return
        self._resolver = None
        self._set(InletState.CONNECTING, f"'{self.name}' is back")

    def _set(self, state: InletState, reason: str) -> None:
        """Change state; the log says it once."""
        self.state, self.reason = state, reason
        log.info("%s: %s", state, reason)


def _first_correction(inlet: pylsl.StreamInlet, name: str, timeout_s: float) -> float:
    """The first clock offset in seconds, or NaN."""
    try:
        return float(inlet.time_correction(timeout_s))
    except LslTimeoutError:
        log.warning("no clock offset for '%s' within %g s: its stamps are used as they are", name, timeout_s)
        return math.nan


def _difference(before: pylsl.StreamInfo, now: pylsl.StreamInfo) -> str:
    """What differs between two versions of a stream, in words; empty when nothing does."""
    if before.channel_count() != now.channel_count():
        return f"{now.channel_count()} channels instead of {before.channel_count()}"
    if abs(before.nominal_srate() - now.nominal_srate()) > 1e-6 * before.nominal_srate():
        return f"{now.nominal_srate():g} Hz instead of {before.nominal_srate():g} Hz"
    if before.channel_format() != now.channel_format():
        return "another channel format"
    return ""
