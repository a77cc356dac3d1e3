"""One stream being recorded: its inlet, its statistics, its clock offset.

`stream.lsl.inlet.Inlet` is made for decoding (32-bit floats, newest first, a loss is detected at once). A recorder needs
every sample in the sender's own format, and may be late. So it uses LSL's inlet with recovery enabled: without recovery,
samples that had arrived but were not pulled are lost when the sender dies (30 of 1,000 samples in a test).
"""

from __future__ import annotations

import contextlib
import logging
import math
import time
from typing import Any

import pylsl
from pylsl.util import LostError
from pylsl.util import TimeoutError as LslTimeoutError

from stream.io.xdf_stats import StreamStats
from stream.io.xdf_writer import DTYPES, XdfWriter, stream_xml
from stream.io.xdf_xml import header_problem
from stream.lsl.connection import MAX_PULL
from stream.lsl.outlet import FORMATS, buffer_length
from stream.recorder.continuity import Continuity

log = logging.getLogger(__name__)

CLOCK_EVERY_S = 5.0
"""Interval of clock offset measurements, in seconds."""

_MAX_PULL_BYTES = 4 << 20
_CLOCK_TIMEOUT_S = 2.0
_OPEN_TIMEOUT_S = 5.0
_STALE_PERIODS = 3.0
_STALE_S = 1.0


class RecordedStream:
    """Receives one stream and writes it to a file.

    Parameters
    ----------
    info
        Stream found by LSL.
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
    uid
        Id of the current outlet; changes when the sender restarts.
    stats
        Counts and checksums of the received samples.
    present
        Whether the sender is online.
    superseded
        Whether a new stream of the file replaces this one; it is pulled once more, then closed.
    offset_s
        Last clock offset in seconds; NaN before the first measurement.
    measured_hz
        Samples received per second, see `update_rate`.
    """

    def __init__(self, info: pylsl.StreamInfo, stream_id: int, writer: XdfWriter) -> None:
        self.name: str = info.name()
        self.type: str = info.type()
        self.fmt: str = FORMATS[info.channel_format() - 1]
        self.n_channels: int = info.channel_count()
        self.rate_hz: float = info.nominal_srate()
        self.source_id: str = info.source_id()
        self.hostname: str = info.hostname()
        self.uid: str = info.uid()
        self.stream_id = stream_id
        self.stats = StreamStats()
        self.present = True
        self.superseded = False
        self.offset_s = math.nan
        self.measured_hz = 0.0
        self._writer = writer
        self._continuity = Continuity(self.rate_hz)
        self._inlet = pylsl.StreamInlet(
            info, max_buflen=buffer_length(self.rate_hz, self.n_channels), recover=bool(self.source_id)
        )
        self._max_samples = max(1, min(MAX_PULL, _MAX_PULL_BYTES // self.bytes_per_sample))
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
    def identity(self) -> tuple[str, str, str]:
        """Name, type and source id, by which LSL recognizes a restarted sender."""
        return self.name, self.type, self.source_id

    def is_same_sender(self, info: pylsl.StreamInfo) -> bool:
        """Return whether LSL recovers this stream from an outlet: same identity, channel count and format.

        Parameters
        ----------
        info
            Description of the outlet.
        """
        same = self.identity == (info.name(), info.type(), info.source_id())
        fits = self.n_channels == info.channel_count() and self.fmt == FORMATS[info.channel_format() - 1]
        return bool(self.source_id) and not self.superseded and same and fits

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
        """Fetch the full description from the sender and write it as the stream header.

        Raises
        ------
        LostError, TimeoutError
            Of pylsl, if the sender does not respond.
        """
        full = self._inlet.info(_OPEN_TIMEOUT_S)
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

    def open(self) -> None:
        """Open the stream; samples collect in LSL's buffer until `pull`.

        Raises
        ------
        LostError, TimeoutError
            Of pylsl, if the sender does not respond.
        """
        self._inlet.open_stream(_OPEN_TIMEOUT_S)
        self._last_data = time.monotonic()

    def measure_clock(self) -> None:
        """Measure the clock offset and write it; may block for seconds, so never call it in the pulling thread."""
        with contextlib.suppress(LslTimeoutError, LostError):
            self.offset_s = float(self._inlet.time_correction(_CLOCK_TIMEOUT_S))
            sender_time = pylsl.local_clock() - self.offset_s  # LabRecorder writes the sender's clock, too
            self._writer.clock_offset(self.stream_id, sender_time, self.offset_s)
            self.stats.clock_offsets += 1

    def pull(self) -> int:
        """Pull all available samples and write them; return their number.

        Raises
        ------
        LostError
            Of pylsl, if the sender is lost and has no source id by which LSL could recover it.
        """
        total = 0
        while True:
            samples, stamps = self._inlet.pull_chunk(
                timeout=0.0, max_samples=self._max_samples, as_numpy=True
            )
            if len(stamps):
                self._write(samples, stamps)
                total += len(stamps)
            if len(stamps) < self._max_samples:
                return total

    def update_rate(self) -> None:
        """Update ``measured_hz`` from the samples since the last call; call it about once a second."""
        now, n_samples = time.monotonic(), self.stats.n_samples
        self.measured_hz = (n_samples - self._rate_n_samples) / max(now - self._rate_since_s, 1e-3)
        self._rate_n_samples, self._rate_since_s = n_samples, now

    def finish(self) -> None:
        """Write the stream footer and close the inlet."""
        stats = self.stats
        span_s = stats.last - stats.first
        rate_hz = (stats.n_samples - 1) / span_s if span_s > 0 else 0.0
        first, last = (stats.first, stats.last) if stats.n_samples else (0.0, 0.0)
        self._writer.footer(self.stream_id, first, last, stats.n_samples, measured_hz=rate_hz)
        self.close()

    def close(self) -> None:
        """Close the inlet."""
        self._inlet.close_stream()

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
            "first_stamp": stats.first,
            "last_stamp": stats.last,
            "duration_s": span_s,
            "clock_offsets": stats.clock_offsets,
        }

    def _write(self, samples: Any, stamps: Any) -> None:
        """Write samples and update the statistics."""
        self._last_data = time.monotonic()
        self.stats.add(stamps, samples)
        self._writer.samples(self.stream_id, stamps, samples)
        self._continuity.check(stamps)
