"""The rate at which samples arrive, compared with the nominal one."""

from __future__ import annotations

import math
from collections import deque

from stream.notices import Notices

WINDOW_S = 10.0
"""The rate is measured over this long."""

TOLERANCE = 0.01
"""A rate that differs from the nominal one by a larger share is reported."""

_LEAST_SPAN_S = 5.0  # shortest measurement that a rate is judged by
_GAP_SHARE = 0.25  # of the samples, in every tick: no loss, but another rate
_JITTER_S = 0.1  # how far a busy computer may shift an arrival


_REMEDY = (
    "; samples count as missing all the time. Let the sender announce the rate at which it sends, "
    "or send at that rate"
)


class RateMeter:
    """Measures the rate of arriving samples once a second and reports one that is off.

    Parameters
    ----------
    nominal_hz
        Nominal sampling rate in Hz; 0 for irregular streams, whose rate is measured but not judged.
    notices
        Receives ``rate_off``, once.
    paced
        Whether timestamps advance in real time; otherwise the rate is not judged.

    Attributes
    ----------
    measured_hz
        Samples per second over the last `WINDOW_S`; NaN until two measurements exist.
    """

    def __init__(self, nominal_hz: float, notices: Notices, *, paced: bool = True) -> None:
        self.measured_hz = math.nan
        self._nominal_hz = nominal_hz
        self._notices = notices
        self._judges = paced and nominal_hz > 0
        self._was_off = self._reported = False
        self._ticks: deque[tuple[float, int]] = deque(maxlen=round(WINDOW_S) + 1)
        self._steady_from = -math.inf
        self._n_gaps = self._n_samples = 0  # at the last tick
        self._gapped_since = math.inf  # since when gaps are as frequent as that

    def restart(self) -> None:
        """Begin anew with another sender."""
        self._reported = False
        self._ticks.clear()
        self._gapped_since = math.inf

    def interrupt(self, arrival_s: float) -> None:
        """Judge the rate only from here on, because samples were lost.

        Parameters
        ----------
        arrival_s
            Time of the newest arrival, seconds; -inf before the first.
        """
        self._steady_from = arrival_s
        self._was_off = False

    def tick(self, n_samples: int, arrival_s: float, spread_s: float = 0.0, n_gaps: int = 0) -> None:
        """Measure and judge the rate; call it about once a second.

        Parameters
        ----------
        n_samples
            Samples received so far.
        arrival_s
            Time of the newest arrival, seconds.
        spread_s
            How much arrivals vary because samples come in groups, seconds.
        n_gaps
            Gaps so far.
        """
        many = n_gaps - self._n_gaps > _GAP_SHARE * (n_samples - self._n_samples)
        self._gapped_since = min(self._gapped_since, arrival_s) if many else math.inf
        self._n_gaps, self._n_samples = n_gaps, n_samples
        if not self._ticks or arrival_s > self._ticks[-1][0]:
            self._ticks.append((arrival_s, n_samples))
        self.measured_hz, _ = self._rate(-math.inf)
        if not self._judges:
            return
        rate_hz, span_s = self._rate(min(self._steady_from, self._gapped_since))
        if span_s < _LEAST_SPAN_S:
            return
        excess = rate_hz / self._nominal_hz - 1
        off = abs(excess) > TOLERANCE and abs(excess) * span_s > _JITTER_S + 2 * spread_s
        gapped = math.isfinite(self._gapped_since)
        if off and (self._was_off or gapped) and not self._reported:
            self._reported = True
            self._notices.add(
                "rate_off",
                f"{rate_hz:.2f} samples per second arrive, {excess:+.1%} off the nominal {self._nominal_hz:g} Hz"
                + (_REMEDY if gapped else ""),
                measured_hz=round(rate_hz, 3),
                nominal_hz=self._nominal_hz,
                off_percent=round(100 * excess, 2),
            )
        self._was_off = off

    def _rate(self, since_s: float) -> tuple[float, float]:
        """Samples per second since a time, and the seconds they were counted over."""
        ticks = [tick for tick in self._ticks if tick[0] >= since_s]
        if len(ticks) < 2 or ticks[-1][0] - ticks[0][0] <= 0:
            return math.nan, 0.0
        span_s = ticks[-1][0] - ticks[0][0]
        return (ticks[-1][1] - ticks[0][1]) / span_s, span_s
