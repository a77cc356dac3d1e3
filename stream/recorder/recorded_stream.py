"""One stream that is being recorded: its inlet, what has come of it, its clock.

`stream.lsl.inlet.Inlet` is made for decoding (32-bit floats, the newest first, every loss noticed at once). A recorder
wants every sample in the sender's own format, and may be late. So it uses LSL's own inlet, with LSL's recovery on:
without it, what has arrived but was not yet pulled is lost with a sender that dies (30 of 1,000 samples, measured).
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
from stream.io.xdf_validate import header_problem
from stream.io.xdf_writer import DTYPES, XdfWriter, stream_xml
from stream.lsl.connection import MAX_PULL
from stream.lsl.outlet import FORMATS, buffer_length
from stream.recorder.continuity import Continuity

log = logging.getLogger(__name__)

CLOCK_EVERY_S = 5.0
"""How often the clock of a stream's sender is compared with ours."""

_MAX_PULL_BYTES = 4 << 20
_CLOCK_TIMEOUT_S = 2.0
_OPEN_TIMEOUT_S = 5.0
_STALE_PERIODS = 3.0
_STALE_S = 1.0


class RecordedStream:
    """A stream on its way into a file.

    Parameters
    ----------
    info
        The stream, as LSL found it.
    stream_id
        Its number in the file.
    writer
        Of the file.

    Attributes
    ----------
    name, type, fmt, n_channels, rate_hz, source_id
        As its sender says; the rate is nominal, 0 = irregular.
    uid
        Of the outlet that it comes from now; another after a restart of the sender.
    tally
        What was received.
    present
        Whether its sender is there.
    retired
        Whether another stream of the file goes on in its place; it is pulled once more, then closed.
    offset_s
        The last clock offset; NaN until there is one.
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
        state = "THERE" if self.present else "GONE"
        return f"<RecordedStream: {state} | {self.name} ({self.type}), {self.stats.n_samples} samples>"

    @property
    def bytes_per_sample(self) -> int:
        """What one sample takes in the file; of text a guess."""
        return 9 + self.n_channels * (64 if self.fmt == "string" else DTYPES[self.fmt].itemsize)

    @property
    def identity(self) -> tuple[str, str, str]:
        """By what a sender that comes back is known: name, type and source id."""
        return self.name, self.type, self.source_id

    def is_same_sender(self, info: pylsl.StreamInfo) -> bool:
        """Whether LSL takes this outlet for the return of the sender: by the same name, type, source id and format.

        Parameters
        ----------
        info
            Of an outlet.
        """
        same = self.identity == (info.name(), info.type(), info.source_id())
        fits = self.n_channels == info.channel_count() and self.fmt == FORMATS[info.channel_format() - 1]
        return bool(self.source_id) and not self.superseded and same and fits

    @property
    def gaps(self) -> int:
        """Steps in the stamps that are too long, or not forward, so far."""
        return self._continuity.counts.total

    @property
    def age_s(self) -> float:
        """Seconds since the last sample, or since the stream was found."""
        return time.monotonic() - self._last_data

    @property
    def stale(self) -> bool:
        """Whether a stream with a rate has been silent for too long, or its sender is gone."""
        late = self.rate_hz > 0 and self.age_s > max(_STALE_S, _STALE_PERIODS / self.rate_hz)
        return late or not self.present

    def write_header(self) -> None:
        """Fetch the full description and write it.

        Raises
        ------
        LostError, TimeoutError
            Of pylsl, when the sender does not answer.
        """
        full = self._inlet.info(_OPEN_TIMEOUT_S)
        try:
            xml = full.as_xml()
            fault = header_problem(xml.encode())
        except UnicodeDecodeError as error:
            fault = str(error)
        if fault:  # written as it is, it would make the whole file unreadable
            log.warning("the description of '%s' is no XML (%s); only its outline is kept", self.name, fault)
            labels = [f"ch{index}" for index in range(self.n_channels)]
            xml = stream_xml(self.name, self.type, labels, self.rate_hz, self.fmt)
        self._writer.header(self.stream_id, xml, self.fmt, self.n_channels)

    def open(self) -> None:
        """Begin to take samples in; they wait in LSL's buffer until `pull`.

        Raises
        ------
        LostError, TimeoutError
            Of pylsl, when the sender does not answer.
        """
        self._inlet.open_stream(_OPEN_TIMEOUT_S)
        self._last_data = time.monotonic()

    def measure_clock(self) -> None:
        """Compare clocks and write the offset; may take seconds, so never in the thread that pulls."""
        with contextlib.suppress(LslTimeoutError, LostError):
            self.offset_s = float(self._inlet.time_correction(_CLOCK_TIMEOUT_S))
            self._writer.clock_offset(
                self.stream_id, pylsl.local_clock() - self.offset_s, self.offset_s
            )  # the moment in the sender's clock, as LabRecorder writes it
            self.stats.clock_offsets += 1

    def pull(self) -> int:
        """Take in all that is there, write it, and return how many samples it was.

        Raises
        ------
        LostError
            Of pylsl, when the sender is gone and has no source id by which it could come back.
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
        """Measure how many samples a second come; call it about once a second."""
        now, n_samples = time.monotonic(), self.stats.n_samples
        self.measured_hz = (n_samples - self._rate_n_samples) / max(now - self._rate_since_s, 1e-3)
        self._rate_n_samples, self._rate_since_s = n_samples, now

    def finish(self) -> None:
        """Write the footer, and let go of the sender."""
        stats = self.stats
        span_s = stats.last - stats.first
        rate_hz = (stats.n_samples - 1) / span_s if span_s > 0 else 0.0
        first, last = (stats.first, stats.last) if stats.n_samples else (0.0, 0.0)
        self._writer.footer(self.stream_id, first, last, stats.n_samples, measured_hz=rate_hz)
        self.close()

    def close(self) -> None:
        """Let go of the sender."""
        self._inlet.close_stream()

    def summary(self) -> dict[str, Any]:
        """What the summary says of it."""
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
        """Write some samples and count them."""
        self._last_data = time.monotonic()
        self.stats.add(stamps, samples)
        self._writer.samples(self.stream_id, stamps, samples)
        self._continuity.check(stamps)
