"""Frame clock of the movie: counts the frames that pass between two samples."""

from __future__ import annotations

_BEGIN = 200  # thousandths of a frame


class FrameClock:
    """Counts ticks (movie frames) between samples, in integers, so that live and batch decoding agree exactly.

    The first sample of a segment lies a fifth into its frame. At its beginning, timestamps in whole milliseconds, or
    with a jitter of microseconds, would give no tick and then two where samples and frames have one rate.

    Parameters
    ----------
    rate_hz
        Movie frames per second; 0 counts one tick per sample.

    Examples
    --------
    >>> clock = FrameClock(30.0)
    >>> [clock.advance(stamp) for stamp in (5.0, 5.1, 5.15, 5.2)]
    [0, 3, 1, 2]
    """

    def __init__(self, rate_hz: float) -> None:
        self.rate_hz = rate_hz
        self.reset()

    def reset(self) -> None:
        """Start a new segment: the next sample counts no ticks."""
        self._last: float | None = None
        self._thousandths = _BEGIN

    def take_over(self, other: FrameClock) -> None:
        """Copy the state of another clock.

        Parameters
        ----------
        other
            Source; it stays unchanged.
        """
        self._last, self._thousandths = other._last, other._thousandths

    def advance(self, stamp: float) -> int:
        """Return the ticks since the previous sample; 0 for the first of a segment.

        Parameters
        ----------
        stamp
            Timestamp of the sample in seconds.
        """
        last, self._last = self._last, stamp
        if last is None:
            return 0
        if self.rate_hz <= 0:
            return 1
        self._thousandths += max(0, round((stamp - last) * self.rate_hz * 1000))
        ticks, self._thousandths = divmod(self._thousandths, 1000)
        return ticks
