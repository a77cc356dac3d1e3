"""How late a signal is: blood flow answers seconds after what it answers to.

The lag is where single samples tell most. Longer windows would always want more of it: the later the answer, the more
of what it is about lies in the window.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stream.errors import BadUsage
from stream.session import Kind, Session

BOLD_LAGS_S = (0.0, 2.0, 4.0, 6.0, 8.0)
"""What is tried: the answer peaks after about five seconds, but the labels of some recordings are late already."""

MAX_LAG_S = 20.0

SHARE_OF_SEGMENT = 0.1
"""No lag is tried that is longer than this part of the longest segment: each loses its first answers to it."""


def select_lag(session: Session, asked_s: float | None, log_score: Callable[[int], float]) -> int:
    """Samples by which the signal comes after what it answers to.

    Parameters
    ----------
    session
        What is trained on.
    asked_s
        Seconds; None = none, but of BOLD the lag of those in `BOLD_LAGS_S` that explains held-out data best.
    log_score
        Of single samples at a lag in samples, on held-out parts of the training data.

    Raises
    ------
    BadUsage
        When the lag is not within `MAX_LAG_S`, or the samples are not regular.
    """
    if asked_s is not None:
        if not 0 <= asked_s <= MAX_LAG_S:
            raise BadUsage(f"a lag of {asked_s:g} s is not possible; give 0 to {MAX_LAG_S:g}.")
        if asked_s and not session.rate_hz:
            raise BadUsage("a lag needs samples at a regular rate, which this recording does not have.")
        return round(asked_s * session.rate_hz)
    if session.kind is not Kind.BOLD or not session.rate_hz:
        return 0
    most = SHARE_OF_SEGMENT * int(np.bincount(session.segment).max())
    lags = sorted({round(lag_s * session.rate_hz) for lag_s in BOLD_LAGS_S})
    return max([n_lag for n_lag in lags if n_lag <= most], key=log_score)
