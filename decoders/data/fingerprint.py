"""Fingerprints of training data, by which a model knows them again in whatever file they come."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from stream.session import Session

RUN = 32
"""Samples in a row that make one fingerprint."""

LEAST_CHANGES = 24
"""Changes from sample to sample that a run must hold: a stretch with a few spikes is no fingerprint."""


def fingerprints(session: Session) -> NDArray[np.uint64]:
    """Hashes of every run of `RUN` samples in a row, and of every showing as a whole, uint64 [hashes], sorted.

    Parameters
    ----------
    session
        Training takes every run; testing compares those that begin at every `RUN`-th sample, so that any shared
        stretch of twice that length is found, however a recording was cut.
    """
    return np.unique(np.r_[_runs(session, 1), _showings(session)])


def overlap(session: Session, known: NDArray[np.uint64]) -> float:
    """The part of a session whose samples are among fingerprinted ones, from 0 to 1.

    Parameters
    ----------
    session
        To be tested on.
    known
        From `fingerprints` of the training data.
    """
    shares = [
        np.isin(hashes, known).mean() for hashes in (_runs(session, RUN), _showings(session)) if len(hashes)
    ]
    return float(max(shares, default=0.0))


def _runs(session: Session, stride: int) -> NDArray[np.uint64]:
    neural = np.ascontiguousarray(session.neural, np.float32)
    changes = np.r_[0, np.cumsum(_changes(neural))]
    begins = np.arange(0, len(neural) - RUN + 1, stride)
    informative = changes[begins + RUN - 1] - changes[begins] >= LEAST_CHANGES
    return _hashes([neural[begin : begin + RUN] for begin in begins[informative]])


def _showings(session: Session) -> NDArray[np.uint64]:
    """Of firing too sparse for runs, a whole showing is still like no other."""
    neural = np.ascontiguousarray(session.neural, np.float32)
    showing = session.showing() if session.repeats else session.segment
    parts = [neural[showing == number] for number in np.unique(showing)]
    return _hashes([part for part in parts if _changes(part).sum() >= LEAST_CHANGES])


def _changes(neural: NDArray[np.float32]) -> NDArray[np.int64]:
    """How many channels change with each step, int64 [time - 1]; missing values do not count."""
    step = np.diff(neural, axis=0)
    changed: NDArray[np.int64] = np.count_nonzero(np.isfinite(step) & (step != 0), axis=1).astype(np.int64)
    return changed


def _hashes(parts: list[NDArray[np.float32]]) -> NDArray[np.uint64]:
    digests = [hashlib.blake2b(part.tobytes(), digest_size=8).digest() for part in parts]
    return np.frombuffer(b"".join(digests), np.uint64)
