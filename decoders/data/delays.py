"""Aligns truth with samples when a prediction is about an earlier moment than the newest sample.

A model with lookahead, or whose signal lags behind the stimulus, predicts what was shown some samples ago. The truth is
shifted against the samples to match, within each segment; a segment's first samples have no truth.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.embedding.windows import segment_begins
from stream.session import Session


def delay_truth(session: Session, n_delay: int) -> tuple[Session, NDArray[np.bool_]]:
    """Pair each sample with the truth of ``n_delay`` samples before it.

    Parameters
    ----------
    session
        Recording with a segment boundary wherever the truth must not be shifted across.
    n_delay
        Delay in samples between a moment and the prediction about it.

    Returns
    -------
    session
        Copy with frame, repeat and labels of ``n_delay`` samples ago, without the first ``n_delay`` samples of each
        segment.
    kept
        Bool [time], samples of the given session that are left.
    """
    index = np.arange(session.n_samples)
    if n_delay == 0:
        return session, np.ones(session.n_samples, bool)
    kept = index - segment_begins(session.boundary) >= n_delay
    source = index[kept] - n_delay
    return (
        replace(
            session.take(kept),
            frame=session.frame[source],
            repeat=session.repeat[source],
            labels={name: label[source] for name, label in session.labels.items()},
        ),
        kept,
    )


def delay_samples(card: Mapping[str, Any]) -> int:
    """Return a model's delay in samples: its lookahead plus the lag of its signal.

    Parameters
    ----------
    card
        The model's card.

    Examples
    --------
    >>> delay_samples({"lookahead_ms": 66.7, "lag_ms": 0.0, "rate_hz": 30.0})
    2
    """
    return round((float(card["lookahead_ms"]) + float(card["lag_ms"])) / 1000 * float(card["rate_hz"]))


class Lookback:
    """Delay line of timestamps: gives the moment that the newest prediction is about.

    Parameters
    ----------
    n_delay
        Delay of the predictions in samples.

    Examples
    --------
    >>> lookback = Lookback(1)
    >>> lookback.push(10.0), lookback.push(10.5)
    ((10.0, False), (10.0, True))
    """

    def __init__(self, n_delay: int) -> None:
        self._stamps: deque[float] = deque(maxlen=n_delay + 1)
        self._n_delay = n_delay

    def reset(self) -> None:
        """Start a new segment."""
        self._stamps.clear()

    def take_over(self, other: Lookback) -> None:
        """Copy the timestamps of another delay line.

        Parameters
        ----------
        other
            Source; it stays unchanged.
        """
        self._stamps.clear()
        self._stamps.extend(other._stamps)

    def push(self, stamp: float) -> tuple[float, bool]:
        """Add a sample's timestamp and return the delayed one.

        Parameters
        ----------
        stamp
            Timestamp of the sample in seconds.

        Returns
        -------
        moment, known
            Timestamp of the moment predicted, and whether it lies in this segment; if not, ``moment`` is the segment's
            first timestamp.
        """
        self._stamps.append(stamp)
        return self._stamps[0], len(self._stamps) > self._n_delay
