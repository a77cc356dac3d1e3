"""TestPredictions about an earlier moment than the newest sample's.

A model that looks ahead, or whose signal lags behind what was shown, answers about the moment some samples ago. Truth
is moved against the samples to match, within each segment; the first samples of a segment have no answer.
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
    """A recording whose samples carry the truth of some samples before them.

    Parameters
    ----------
    session
        With borders wherever nothing may be carried across.
    n_delay
        Samples between a moment and the sample that the answer about it comes with.

    Returns
    -------
    session
        Frame, repeat and labels are those of ``n_delay`` samples ago; without the first samples of each segment, for
        which there is no such moment.
    kept
        Bool [time], the samples of the given session that are left.
    """
    index = np.arange(session.n_samples)
    if n_delay == 0:
        return session, np.ones(session.n_samples, bool)
    boundary = np.r_[True, np.diff(session.segment) > 0][: session.n_samples]
    kept = index - segment_begins(boundary) >= n_delay
    moments = index[kept] - n_delay
    return (
        replace(
            session.take(kept),
            frame=session.frame[moments],
            repeat=session.repeat[moments],
            labels={name: label[moments] for name, label in session.labels.items()},
        ),
        kept,
    )


def delay_samples(card: Mapping[str, Any]) -> int:
    """Samples that a model's answers are late: its lookahead and its signal's lag.

    Parameters
    ----------
    card
        Of the model.
    """
    return round((float(card["lookahead_ms"]) + float(card["lag_ms"])) / 1000 * float(card["rate_hz"]))


class Lookback:
    """Remembers which moment the answer is about, sample by sample.

    Parameters
    ----------
    n_delay
        Samples that the answer comes late.
    """

    def __init__(self, n_delay: int) -> None:
        self._stamps: deque[float] = deque(maxlen=n_delay + 1)
        self._n_delay = n_delay

    def reset(self) -> None:
        """Start a new segment."""
        self._stamps.clear()

    def take_over(self, other: Lookback) -> None:
        """Go on from where another one stands.

        Parameters
        ----------
        other
            Stays as it is.
        """
        self._stamps.clear()
        self._stamps.extend(other._stamps)

    def push(self, stamp: float) -> tuple[float, bool]:
        """Take in a sample.

        Parameters
        ----------
        stamp
            Of the sample, seconds.

        Returns
        -------
        moment, known
            The stamp of the moment that is answered about, and whether it lies in this segment; if not, the moment is
            the segment's first.
        """
        self._stamps.append(stamp)
        return self._stamps[0], len(self._stamps) > self._n_delay
