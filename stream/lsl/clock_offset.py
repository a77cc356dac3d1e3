"""How the clock of a stream's sender stands to ours."""

from __future__ import annotations

import ctypes
import math

import pylsl
from pylsl.lib import lib

_measure = lib.lsl_time_correction_ex  # pylsl offers the offset alone, without its uncertainty
_measure.restype = ctypes.c_double
_measure.argtypes = (
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_double),
    ctypes.POINTER(ctypes.c_double),
    ctypes.c_double,
    ctypes.POINTER(ctypes.c_int),
)


class ClockOffset:
    """The offset that LSL measures, with its uncertainty.

    LSL measures in a thread of its own from the first question on, every two seconds; a first answer takes 0.2 to
    0.7 s. With a timeout of 0 a question takes microseconds.

    Attributes
    ----------
    offset_s
        To be added to a stamp for this computer's clock; NaN when unknown.
    uncertainty_s
        The most that the offset may be wrong by, as LSL states it: the shortest way there and back; NaN when unknown.
    """

    def __init__(self) -> None:
        self.offset_s = math.nan
        self.uncertainty_s = math.nan

    def measure(self, inlet: pylsl.StreamInlet, timeout_s: float = 0.0) -> bool:
        """Ask for the newest offset; when there is none, the last one stays.

        Parameters
        ----------
        inlet
            Of the stream.
        timeout_s
            How long a first answer is waited for.

        Returns
        -------
        known
            Whether there was an answer.
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
