"""One stream of a recording: its header, its statistics, and the sender that it is received from."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from dataclasses import asdict
from typing import Any

import pylsl

from stream.io.xdf_stats import StreamStats
from stream.io.xdf_writer import DTYPES, XdfWriter, stream_xml
from stream.io.xdf_xml import header_problem
from stream.lsl.outlet import FORMATS, NEURAL_TYPES, nominal_rate
from stream.lsl.sender import Received, difference, is_return
from stream.recorder.continuity import Continuity
from stream.recorder.sender_link import SenderLink
from stream.sample_counter import SampleCount, counter_channel

log = logging.getLogger(__name__)

CLOCK_EVERY_S = 5.0
"""Interval of clock offset measurements, in seconds."""

_STALE_PERIODS = 3.0
_STALE_S = 1.0


class RecordedStream:
    """Writes what one sender sends to a file, also after that sender has restarted.

    Parameters
    ----------
    link
        Connection to the sender.
    stream_id
        Id of the stream in the file.
    writer
        Writer of the file.

    Attributes
    ----------
    name, type, fmt, n_channels, source_id, hostname
        Properties that the sender declares; ``fmt`` is the channel format.
    rate_hz
        Nominal sampling rate in Hz; 0 for irregular streams.
    link
        Connection to the sender; another one after its restart.
    stats
        Counts and checksums of the received samples.
    present
        Whether the sender is online.
    offset_s
        Last clock offset in seconds; NaN before the first measurement.
    measured_hz
        Samples received per second, see `update_rate`.
    """

    def __init__(self, link: SenderLink, stream_id: int, writer: XdfWriter) -> None:
        info = link.info
        self.name: str = info.name()
        self.type: str = info.type()
        self.fmt: str = FORMATS[info.channel_format() - 1]
        self.n_channels: int = info.channel_count()
        self.rate_hz = nominal_rate(info)
        self.source_id: str = info.source_id()
        self.hostname: str = info.hostname()
        self.stream_id = stream_id
        self.link = link
        link.stream = self
        self.stats = StreamStats()
        self.present = True
        self.offset_s = math.nan
        self.measured_hz = 0.0
        self._writer = writer
        self._successors: deque[SenderLink] = deque()
        self._received: list[Received] = [link.received]
        self._continuity = Continuity(self.rate_hz)
        self._counter: int | None = None  # index of the channel that counts samples
        self._count = SampleCount()
        self._last_data = time.monotonic()
        self._rate_n_samples = 0
        self._rate_since_s = time.monotonic()

    def __repr__(self) -> str:
        state = "ONLINE" if self.present else "LOST"
        return f"<RecordedStream: {state} | {self.name} ({self.type}), {self.stats.n_samples} samples>"

    @property
    def bytes_per_sample(self) -> int:
        """Size of one sample in the file in bytes; an estimate for text."""
        return 9 + self.n_channels * (64 if self.fmt == "string" else DTYPES[self.fmt].itemsize)

    @property
    def uid(self) -> str:
        """LSL's unique id of the current outlet; changes when the sender restarts."""
        return (self._successors[-1] if self._successors else self.link).uid

    def may_continue_with(self, info: pylsl.StreamInfo) -> bool:
        """Return whether an outlet is of the same sender and agrees in channel count, rate and format.

        Parameters
        ----------
        info
            Outlet found by LSL.
        """
        return is_return(self.link.info, info) and not difference(self.link.info, info)

    def continue_with(self, link: SenderLink) -> None:
        """Receive from the restarted sender, once everything from the old connection is pulled.

        Parameters
        ----------
        link
            New connection, open.
        """
        link.stream = self
        self._received.append(link.received)
        self._last_data = time.monotonic()
        self._successors.append(link)
        self.present = True

    @property
    def receiving(self) -> bool:
        """Whether there may be samples to pull."""
        return self.link.is_open or bool(self._successors)

    @property
    def gaps(self) -> int:
        """Number of steps between timestamps that are too long or not positive."""
        return self._continuity.counts.total

    @property
    def age_s(self) -> float:
        """Seconds since the last sample, or since the stream was opened."""
        return time.monotonic() - self._last_data

    @property
    def stale(self) -> bool:
        """Whether samples of a regular stream are overdue, or the sender is offline."""
        overdue = self.rate_hz > 0 and self.age_s > max(_STALE_S, _STALE_PERIODS / self.rate_hz)
        return overdue or not self.present

    def write_header(self) -> None:
        """Write the sender's description as the stream header.

        Raises
        ------
        LostError, TimeoutError
            Of pylsl, if the sender does not respond.
        """
        full = self.link.describe()
        if self.type in NEURAL_TYPES:
            self._counter = counter_channel(self.link.labels, self.link.facts)
        try:
            xml = full.as_xml()
            problem = header_problem(xml.encode())
        except UnicodeDecodeError as error:
            problem = str(error)
        if problem:  # written unchanged, it would make the whole file unreadable
            log.warning(
                "the description of '%s' is invalid (%s); a minimal one is written", self.name, problem
            )
            labels = [f"ch{index}" for index in range(self.n_channels)]
            xml = stream_xml(self.name, self.type, labels, self.rate_hz, self.fmt)
        self._writer.header(self.stream_id, xml, self.fmt, self.n_channels)

    def add_clock_offset(self, sender_s: float, offset_s: float) -> None:
        """Write a clock offset.

        Parameters
        ----------
        sender_s
            Time of the measurement on the sender's clock, as LabRecorder writes it, seconds.
        offset_s
            Seconds to add to the stream's timestamps to get the local clock.
        """
        self.offset_s = offset_s
        self._writer.clock_offset(self.stream_id, sender_s, offset_s)
        self.stats.clock_offsets += 1

    def pull(self) -> int:
        """Pull all available samples and write them; return their number."""
        n_successors, total = len(self._successors), self._pull_link()
        for _ in range(n_successors):  # counted before pulling, so that nothing of the old connection is left
            self.link.close()
            self.link = self._successors.popleft()
            total += self._pull_link()
        return total

    def update_rate(self) -> None:
        """Update ``measured_hz`` from the samples since the last call; call it about once a second."""
        now, n_samples = time.monotonic(), self.stats.n_samples
        self.measured_hz = (n_samples - self._rate_n_samples) / max(now - self._rate_since_s, 1e-3)
        self._rate_n_samples, self._rate_since_s = n_samples, now

    def finish(self) -> None:
        """Write the stream footer and disconnect."""
        stats = self.stats
        span_s = stats.last - stats.first
        rate_hz = (stats.n_samples - 1) / span_s if span_s > 0 else 0.0
        first, last = (stats.first, stats.last) if stats.n_samples else (0.0, 0.0)
        self._writer.footer(self.stream_id, first, last, stats.n_samples, measured_hz=rate_hz)
        self.link.close()

    def summary(self) -> dict[str, Any]:
        """Return the stream's entry in the summary of the recording, see ``docs/recording.md``."""
        stats = self.stats
        span_s = stats.last - stats.first if stats.n_samples else 0.0
        return {
            "stream_id": self.stream_id,
            "name": self.name,
            "type": self.type,
            "source_id": self.source_id,
            "hostname": self.hostname,
            "format": self.fmt,
            "n_channels": self.n_channels,
            "nominal_rate_hz": self.rate_hz,
            "measured_rate_hz": (stats.n_samples - 1) / span_s if span_s > 0 else None,
            "samples": stats.n_samples,
            "gaps": self.gaps if self.rate_hz > 0 else 0,
            "missing": None if self._counter is None else self._count.missing,
            "counted": None if self._count.last is None else [self._count.first, self._count.last],
            "first_stamp": stats.first,
            "last_stamp": stats.last,
            "duration_s": span_s,
            "clock_offsets": stats.clock_offsets,
            "senders": [asdict(received) for received in self._received if received.samples],
        }

    def _pull_link(self) -> int:
        """Pull all available samples from the present connection."""
        total = 0
        while True:
            samples, stamps = self.link.pull()
            if len(stamps):
                self._write(samples, stamps)
                total += len(stamps)
            if len(stamps) < self.link.max_samples:
                return total

    def _write(self, samples: Any, stamps: Any) -> None:
        """Write samples and update the statistics."""
        self._last_data = time.monotonic()
        self.stats.add(stamps, samples)
        self._writer.samples(self.stream_id, stamps, samples)
        self._continuity.check(stamps)
        if self._counter is not None:
            self._count.add(samples[:, self._counter])
