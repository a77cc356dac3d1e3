"""The movie's frame clock: how many frames pass between two samples."""

from __future__ import annotations


class FrameClock:
    """Counts the ticks that pass between samples, in integers so that live and batch agree exactly.

    Parameters
    ----------
    rate_hz
        Movie frames per second; 0 = one tick per sample.
    """

    def __init__(self, rate_hz: float) -> None:
        self.rate_hz = rate_hz
        self.reset()

    def reset(self) -> None:
        """Forget the last stamp: a new segment begins."""
        self._last: float | None = None
        self._thousandths = 0

    def take_over(self, other: FrameClock) -> None:
        """Count on from where another clock stands.

        Parameters
        ----------
        other
            Stays as it is.
        """
        self._last, self._thousandths = other._last, other._thousandths

    def advance(self, stamp: float) -> int:
        """Ticks since the last sample; 0 for the first of a segment.

        Parameters
        ----------
        stamp
            Seconds.
        """
        last, self._last = self._last, stamp
        if last is None:
            return 0
        if self.rate_hz <= 0:
            return 1
        self._thousandths += max(0, round((stamp - last) * self.rate_hz * 1000))
        ticks, self._thousandths = divmod(self._thousandths, 1000)
        return ticks
