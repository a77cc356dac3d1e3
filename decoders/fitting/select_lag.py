"""Selects the lag of a signal behind the stimulus, such as the haemodynamic lag of BOLD.

The lag is selected for single samples: with longer windows, a later prediction always has more of the response in its
window, so that the selected lag would be too long.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stream.errors import BadUsage
from stream.session import Kind, Session

BOLD_LAGS_S = (0.0, 2.0, 4.0, 6.0, 8.0)
"""Candidate lags: the response peaks after about 5 s, but the labels of some recordings are already shifted."""

MAX_LAG_S = 20.0

SHARE_OF_SEGMENT = 0.1
"""Longest candidate lag as a share of the longest segment: each segment loses that many predictions."""


def select_lag(session: Session, lag_s: float | None, log_score: Callable[[int], float]) -> int:
    """Return the lag of the signal in samples.

    Parameters
    ----------
    session
        Training data.
    lag_s
        Lag in seconds; None for 0, or for BOLD the best of `BOLD_LAGS_S`.
    log_score
        Returns the held-out log score of single samples at a lag in samples.

    Raises
    ------
    BadUsage
        When the lag is not between 0 and `MAX_LAG_S`, or the samples are not regular.
    """
    if lag_s is not None:
        if not 0 <= lag_s <= MAX_LAG_S:
            raise BadUsage(f"lag of {lag_s:g} s is out of range; give 0 to {MAX_LAG_S:g}.")
        if lag_s and not session.rate_hz:
            raise BadUsage(
                "a lag needs a regular sampling rate, which this recording does not have. Use --lag-s 0."
            )
        return round(lag_s * session.rate_hz)
    if session.kind is not Kind.BOLD or not session.rate_hz:
        return 0
    longest = SHARE_OF_SEGMENT * int(np.bincount(session.segment).max())
    lags = sorted({round(candidate * session.rate_hz) for candidate in BOLD_LAGS_S})
    return max([n_lag for n_lag in lags if n_lag <= longest], key=log_score)
