"""Offset between the clock of a stream's sender and the local clock."""

from __future__ import annotations

import ctypes
import math

import pylsl
from pylsl.lib import lib

_measure = lib.lsl_time_correction_ex  # pylsl's own call returns the offset without its uncertainty
_measure.restype = ctypes.c_double
_measure.argtypes = (
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_double),
    ctypes.POINTER(ctypes.c_double),
    ctypes.c_double,
    ctypes.POINTER(ctypes.c_int),
)


class ClockOffset:
    """Clock offset measured by LSL, with its uncertainty.

    From the first call on, LSL measures every two seconds in a thread of its own. The first result takes 0.2 to 0.7 s;
    with a timeout of 0 a call takes microseconds.

    Attributes
    ----------
    offset_s
        Seconds to add to a timestamp to get local time; NaN if unknown.
    uncertainty_s
        Largest possible error of the offset in seconds, the shortest round trip to the sender; NaN if unknown.
    """

    def __init__(self) -> None:
        self.offset_s = math.nan
        self.uncertainty_s = math.nan

    def __repr__(self) -> str:
        return f"<ClockOffset: {self.offset_s * 1e3:.3f} ms (uncertainty {self.uncertainty_s * 1e3:.3f} ms)>"

    def measure(self, inlet: pylsl.StreamInlet, timeout_s: float = 0.0) -> bool:
        """Get the newest offset; if there is none, keep the last one.

        Parameters
        ----------
        inlet
            LSL's inlet of the stream.
        timeout_s
            Longest wait for a first result, seconds.

        Returns
        -------
        known
            Whether LSL returned an offset.
        """
        remote, uncertainty, error = ctypes.c_double(), ctypes.c_double(), ctypes.c_int()
        offset = _measure(
            inlet.obj,
            ctypes.byref(remote),
            ctypes.byref(uncertainty),
            timeout_s,
            ctypes.byref(error),
        )
        if error.value or not math.isfinite(offset):
            return False
        self.offset_s, self.uncertainty_s = float(offset), float(uncertainty.value)
        return True
